package types

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A tensor is what the functions of a script compute with: one number for every pixel, channel or pixel and channel of one sample. Its axes have names, and
// tensors are joined by the names of their axes, never by their order: a mask (height, width) times features (height, width, channel) multiplies every channel.
// The batch is no axis: a function says what happens to one sample.

// Axes in the order in which tensors hold them.
const (
	Height  = "height"
	Width   = "width"
	Channel = "channel"
)

// AxisNames lists all axes in their order.
var AxisNames = []string{Height, Width, Channel}

// Axis is a named axis with its length.
type Axis struct {
	Name string
	Size Size
}

// Size is the length of an axis: a known number, or a multiple of a length that is known only when the function is used (height of the image). It is Num/Den of
// what Of names; Num itself where Of is "".
type Size struct {
	Of       string
	Num, Den int
}

// Known is a fixed length.
func Known(n int) Size { return Size{Num: n, Den: 1} }

// Symbol is a length that goes by a name.
func Symbol(of string) Size { return Size{Of: of, Num: 1, Den: 1} }

// Times multiplies a length by a fraction.
func (s Size) Times(num, den int) Size {
	s.Num, s.Den = s.Num*num, s.Den*den
	for f := 2; f <= min(s.Num, s.Den); {
		if s.Num%f == 0 && s.Den%f == 0 {
			s.Num, s.Den = s.Num/f, s.Den/f
		} else {
			f++
		}
	}
	return s
}

// Factor reads a number by which lengths are multiplied as n/1 or 1/n, the latter to six digits, as 0.333333 is written for a third. ok is false when it is neither.
func Factor(v float64) (num, den int, ok bool) {
	const most = 1 << 20
	switch r := math.Round(1 / v); {
	case v >= 1 && v == math.Round(v) && v <= most:
		return int(v), 1, true
	case v > 0 && r > 1 && r <= most && math.Abs(1/v-r) < 1e-5*r:
		return 1, int(r), true
	}
	return 0, 0, false
}

// Plus is the sum of two lengths. One that is known only by name stays a name.
func (s Size) Plus(o Size) Size {
	if s.Of == "" && o.Of == "" && s.Den == 1 && o.Den == 1 {
		return Known(s.Num + o.Num)
	}
	return Symbol(s.String() + " + " + o.String())
}

// String is the length as messages show it: 16, height, height / 2.
func (s Size) String() string {
	if s.Of == "" {
		if s.Den != 1 {
			return fmt.Sprintf("%d / %d", s.Num, s.Den)
		}
		return fmt.Sprint(s.Num)
	}
	out := s.Of
	if s.Num != 1 {
		out = fmt.Sprintf("%d × %s", s.Num, s.Of)
	}
	if s.Den != 1 {
		out += fmt.Sprintf(" / %d", s.Den)
	}
	return out
}

// Tensor is the type of tensors with these axes; none: one number a sample.
func Tensor(axes ...Axis) Type { return Type{Base: "tensor", Axes: axes, Shaped: true} }

// AnyTensor has axes that are not known yet.
var AnyTensor = Type{Base: "tensor"}

// Shapes that have a name of their own in fns.
var (
	Scalar   = Tensor()
	Plane    = Tensor(Axis{Height, Symbol(Height)}, Axis{Width, Symbol(Width)})
	Features = Tensor(Axis{Height, Symbol(Height)}, Axis{Width, Symbol(Width)}, Axis{Channel, Symbol(Channel)})
)

// TensorNames are the types of tensors that a fn may declare, with what they mean.
var TensorNames = []struct {
	Name, Doc string
	Type      Type
}{
	{"mask", "(height, width): a mask; 0 … 1 where a model predicts it, 0 or 1 where it is a reference", Plane},
	{"logits", "(height, width): a predicted mask before the sigmoid", Plane},
	{"image", "(height, width, channel): a prepared image, 0 … 255", Features},
	{"features", "(height, width, channel): the tokens of a block, or a map of features", Features},
	{"scalar", "one number a sample", Scalar},
	{"tensor", "any axes", AnyTensor},
}

// TensorNamed finds a type of tensors by the name it has in fns.
func TensorNamed(name string) (Type, bool) {
	for _, t := range TensorNames {
		if t.Name == name {
			return t.Type, true
		}
	}
	return Type{}, false
}

// IsTensor says that a type is one of tensors.
func (t Type) IsTensor() bool { return t.Base == "tensor" }

// Size is the length of an axis; ok is false when the tensor lacks it.
func (t Type) Size(axis string) (s Size, ok bool) {
	for _, a := range t.Axes {
		if a.Name == axis {
			return a.Size, true
		}
	}
	return Size{}, false
}

// With is the type with an axis added or its length changed.
func (t Type) With(axis string, size Size) Type {
	var axes []Axis
	for _, name := range AxisNames {
		switch s, ok := t.Size(name); {
		case name == axis:
			axes = append(axes, Axis{name, size})
		case ok:
			axes = append(axes, Axis{name, s})
		}
	}
	return Tensor(axes...)
}

// Without is the type with axes taken away.
func (t Type) Without(axes ...string) Type {
	return Tensor(slices.DeleteFunc(slices.Clone(t.Axes), func(a Axis) bool { return slices.Contains(axes, a.Name) })...)
}

// Join is the type of an elementwise operation: the axes of both. An axis that both have must have one length, or length 1 on one side; otherwise its name is
// returned. Where the axes of one are not known, neither are those of the result.
func Join(a, b Type) (joined Type, differ string) {
	if !a.Shaped || !b.Shaped {
		return AnyTensor, ""
	}
	joined = a
	for _, x := range b.Axes {
		have, ok := joined.Size(x.Name)
		switch {
		case !ok || have == Known(1):
			joined = joined.With(x.Name, x.Size)
		case x.Size != have && x.Size != Known(1):
			return AnyTensor, x.Name
		}
	}
	return joined, ""
}

func (t Type) tensorString() string {
	if !t.Shaped {
		return "tensor"
	}
	if len(t.Axes) == 0 {
		return "scalar"
	}
	parts := make([]string, len(t.Axes))
	for i, a := range t.Axes {
		if parts[i] = a.Size.String(); !strings.Contains(a.Size.Of, a.Name) {
			parts[i] = a.Name + " " + parts[i]
		}
	}
	return "tensor (" + strings.Join(parts, ", ") + ")"
}

// tensorFits says whether a type may stand where a tensor is wanted: a plain number is a scalar.
func (t Type) tensorFits(want Type) bool {
	if t.Base == "number" {
		return (len(t.Units) == 0 || t.Units[0] == "*") && (!want.Shaped || len(want.Axes) == 0)
	}
	return t.Base == "tensor" && (!t.Shaped || !want.Shaped || slices.Equal(t.Axes, want.Axes))
}
