package check

import (
	"fmt"
	"math"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/types"
)

// The shapes of tensors: what operators and builtins make of those they are given. Lengths are symbols until a fn is used.

// shapes has the rule of every tensor builtin: from the joined shape of its tensors to that of the result. A rule reports what is wrong.
var shapes = map[string]func(c *checker, n *ir.Node, t types.Type) (types.Type, bool){}

func init() {
	same := func(_ *checker, _ *ir.Node, t types.Type) (types.Type, bool) { return t, true }
	for _, op := range []string{"instance_norm", "max_pool", "adaptable"} {
		shapes[op] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
			if !c.needs(n, t, types.Height, types.Width, types.Channel) {
				return t, false
			}
			if !t.Shaped || n.Op != "max_pool" {
				return t, true
			}
			return divided(t, 2), true
		}
	}
	shapes["concat"] = concatenated
	for _, op := range []string{"abs", "exp", "log", "sqrt", "sigmoid", "tanh", "relu", "gelu", "softplus", "pow", "maximum", "minimum", "clip", "where", "stop_gradient", "dropout"} {
		shapes[op] = same
	}
	for _, op := range []string{"sum", "mean", "max", "min"} {
		shapes[op] = reduced
	}
	shapes["softmax"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.needs(n, t, n.Text("over"))
	}
	for _, op := range []string{"average", "dilate", "erode"} {
		shapes[op] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
			return t, c.odd(n, "size") && c.needs(n, t, types.Height, types.Width)
		}
	}
	shapes["shift"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.whole(n, "down") && c.whole(n, "right") && c.needs(n, t, types.Height, types.Width)
	}
	shapes["convolve"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.kernel(n) && c.needs(n, t, types.Height, types.Width)
	}
	shapes["resize"] = resized
	shapes["distance"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.needs(n, t, types.Height, types.Width) && c.lacks(n, t, types.Channel)
	}
	shapes["rows"], shapes["columns"] = coordinates, coordinates
	shapes["layer_norm"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) { return t, c.needs(n, t, types.Channel) }
	shapes["linear"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		if !c.needs(n, t, types.Channel) {
			return t, false
		}
		if !t.Shaped {
			return t, true
		}
		return channels(n, t), true
	}
	shapes["conv"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		if !c.odd(n, "size") || !c.needs(n, t, types.Height, types.Width, types.Channel) {
			return t, false
		}
		if !t.Shaped {
			return t, true
		}
		stride, ok := n.Arg("stride").(ir.Number)
		if !ok {
			return types.AnyTensor, true
		}
		return channels(n, divided(t, int(stride.V))), true
	}
}

// divided is the type with height and width divided.
func divided(t types.Type, by int) types.Type {
	for _, axis := range []string{types.Height, types.Width} {
		s, _ := t.Size(axis)
		t = t.With(axis, s.Times(1, by))
	}
	return t
}

// concatenated has the planes of both sides, which must be equal, and their channels one after another.
func concatenated(c *checker, n *ir.Node, _ types.Type) (types.Type, bool) {
	a, b := n.Arg("a").Type(), n.Arg("b").Type()
	if !a.Shaped || !b.Shaped {
		return types.AnyTensor, true
	}
	plane := types.Scalar
	count := types.Known(0)
	for i, t := range []types.Type{a, b} {
		if !c.needs(n, t, types.Height, types.Width) {
			return t, false
		}
		k, ok := t.Size(types.Channel)
		if !ok {
			k = types.Known(1)
		}
		if i == 0 {
			plane, count = t.Without(types.Channel), k
			continue
		}
		count = count.Plus(k)
		if other := t.Without(types.Channel); !other.Fits(plane) {
			c.diags.Add(diag.ShapesDiffer, n.Span, "concat joins maps of one height and width, found %s and %s", article(a), article(b))
			return t, false
		}
	}
	return plane.With(types.Channel, count), true
}

// channels is the type with the number of channels that a layer gives; a parameter of the fn that is not known yet leaves the shape open.
func channels(n *ir.Node, t types.Type) types.Type {
	k, ok := n.Arg("channels").(ir.Number)
	if !ok {
		return types.AnyTensor
	}
	return t.With(types.Channel, types.Known(int(k.V)))
}

func reduced(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
	axes, given := n.Words("over")
	if !given { // all of them
		return types.Scalar, true
	}
	if !c.needs(n, t, axes...) {
		return t, false
	}
	if !t.Shaped {
		return t, true
	}
	return t.Without(axes...), true
}

func resized(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
	if !c.needs(n, t, types.Height, types.Width) {
		return t, false
	}
	f, ok := n.Arg("factor").(ir.Number)
	if !ok || !t.Shaped {
		return types.AnyTensor, true
	}
	num, den, ok := types.Factor(f.V)
	if !ok {
		d := c.diags.Add(diag.OutOfRange, n.ArgSpan("factor"), "factor of resize is %g, expected a whole number or one over a whole number", f.V)
		d.Help = "for example 2, 0.5 or 0.25"
		return t, false
	}
	for _, axis := range []string{types.Height, types.Width} {
		s, _ := t.Size(axis)
		t = t.With(axis, s.Times(num, den))
	}
	return t, true
}

func coordinates(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
	axis := map[string]string{"rows": types.Height, "columns": types.Width}[n.Op]
	if !c.needs(n, t, types.Height, types.Width) {
		return t, false
	}
	if !t.Shaped {
		return t, true
	}
	s, _ := t.Size(axis)
	return types.Tensor(types.Axis{Name: axis, Size: s}), true
}

// needs reports axes that a tensor lacks.
func (c *checker) needs(n *ir.Node, t types.Type, axes ...string) bool {
	if !t.Shaped {
		return true
	}
	for _, a := range axes {
		if _, ok := t.Size(a); !ok {
			d := c.diags.Add(diag.ShapesDiffer, n.Span, "%s needs the axis %s, found %s", n.Op, a, article(t))
			if len(t.Axes) == 0 {
				d.Help = "a sum or mean over all axes leaves none; name those to reduce: over: channel"
			}
			return false
		}
	}
	return true
}

func (c *checker) lacks(n *ir.Node, t types.Type, axis string) bool {
	if _, ok := t.Size(axis); t.Shaped && ok {
		d := c.diags.Add(diag.ShapesDiffer, n.Span, "%s takes one plane, found %s", n.Op, article(t))
		d.Help = "max(x, over: channel) leaves one"
		return false
	}
	return true
}

func (c *checker) odd(n *ir.Node, arg string) bool {
	v, ok := n.Arg(arg).(ir.Number)
	if ok && (v.V != math.Trunc(v.V) || int(v.V)%2 == 0) {
		d := c.diags.Add(diag.OutOfRange, n.ArgSpan(arg), "%s of %s is %s, expected an odd number: the window has a centre", arg, n.Op, show(v))
		d.Help = fmt.Sprintf("write %d px", int(v.V)/2*2+1)
		return false
	}
	return true
}

func (c *checker) whole(n *ir.Node, arg string) bool {
	v, ok := n.Arg(arg).(ir.Number)
	if ok && v.V != math.Trunc(v.V) {
		c.diags.Add(diag.OutOfRange, n.ArgSpan(arg), "%s of %s is %s, expected whole pixels", arg, n.Op, show(v))
		return false
	}
	return true
}

func (c *checker) kernel(n *ir.Node) bool {
	l, ok := n.Arg("kernel").(ir.List)
	if !ok {
		return true
	}
	width := -1
	for _, row := range l.Items {
		r, ok := row.(ir.List)
		if !ok {
			return true
		}
		if width >= 0 && len(r.Items) != width {
			width = 0
			break
		}
		width = len(r.Items)
	}
	if len(l.Items)%2 == 0 || width <= 0 || width%2 == 0 || len(l.Items) > 31 || width > 31 {
		c.diags.Add(diag.OutOfRange, n.ArgSpan("kernel"), "the kernel of convolve has an odd number of rows of one odd length, up to 31")
		return false
	}
	return true
}

// TensorOps lists the tensor builtins that have a shape rule, for tests.
func TensorOps() []string { return sortedKeys(shapes) }
