package engine

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/ops/graph"
)

// operators of the language, element by element. Comparisons give 1 or 0.
var operators = map[string]func(a, b *graph.Node) *graph.Node{
	"+": gx.Add, "-": gx.Sub, "*": gx.Mul, "/": gx.Div,
	"==": comparison(gx.Equal), "!=": comparison(gx.NotEqual), "<": comparison(gx.LessThan), "<=": comparison(gx.LessOrEqual),
	">": comparison(gx.GreaterThan), ">=": comparison(gx.GreaterOrEqual),
}

func comparison(f func(a, b *graph.Node) *graph.Node) func(a, b *graph.Node) *graph.Node {
	return func(a, b *graph.Node) *graph.Node { return gx.ConvertDType(f(a, b), a.DType()) }
}

// primitives has the graph of every tensor builtin.
var primitives = map[string]func(l *lowering, n *ir.Node) tensor{}

func init() {
	each := func(op string, f func(x *graph.Node) *graph.Node) {
		primitives[op] = func(l *lowering, n *ir.Node) tensor {
			x := l.arg(n, "x")
			return tensor{f(x.node), x.axes}
		}
	}
	each("abs", gx.Abs)
	each("exp", gx.Exp)
	each("log", gx.Log)
	each("sqrt", gx.Sqrt)
	each("sigmoid", gx.Sigmoid)
	each("tanh", gx.Tanh)
	each("relu", graph.ReLU)
	each("gelu", graph.GELU)
	each("softplus", func(x *graph.Node) *graph.Node {
		return gx.Add(graph.ReLU(x), gx.Log1p(gx.Exp(gx.Neg(gx.Abs(x)))))
	})
	each("stop_gradient", gx.StopGradient)
	primitives["pow"] = power
	primitives["maximum"] = chosen(gx.GreaterOrEqual)
	primitives["minimum"] = chosen(gx.LessOrEqual)
	primitives["clip"] = func(l *lowering, n *ir.Node) tensor {
		x, r := l.arg(n, "x"), n.Arg("range").(ir.Range)
		return tensor{gx.MinScalar(gx.MaxScalar(x.node, r.Lo), r.Hi), x.axes}
	}
	primitives["where"] = func(l *lowering, n *ir.Node) tensor {
		condition := l.arg(n, "condition")
		a, b, axes := l.both(l.arg(n, "a"), l.arg(n, "b"), true)
		c, a, all := l.both(condition, tensor{a, axes}, true)
		_, b, _ = l.both(condition, tensor{b, axes}, true)
		return tensor{gx.Where(gx.NotEqual(c, gx.ScalarZero(l.s.Graph(), l.s.DType())), a, b), all}
	}
	reduce := func(op string, f func(s *graph.Scope, x *graph.Node, axes []int) *graph.Node) {
		primitives[op] = func(l *lowering, n *ir.Node) tensor { return l.reduced(n, f) }
	}
	reduce("sum", func(s *graph.Scope, x *graph.Node, axes []int) *graph.Node { return graph.Sum(s, x, axes...) })
	reduce("mean", func(s *graph.Scope, x *graph.Node, axes []int) *graph.Node { return graph.Mean(s, x, axes...) })
	reduce("max", func(_ *graph.Scope, x *graph.Node, axes []int) *graph.Node { return gx.ReduceMax(x, axes...) })
	reduce("min", func(_ *graph.Scope, x *graph.Node, axes []int) *graph.Node { return gx.ReduceMin(x, axes...) })
	primitives["softmax"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return tensor{gx.Softmax(x.node, x.axis(n.Text("over"))), x.axes}
	}
	window := func(op string, f func(s *graph.Scope, x *graph.Node, size int) *graph.Node) {
		primitives[op] = func(l *lowering, n *ir.Node) tensor {
			x := l.arg(n, "x")
			return tensor{f(l.s, x.node, n.Int("size")), x.axes}
		}
	}
	window("average", graph.WindowMean)
	window("dilate", graph.WindowMax)
	window("erode", graph.WindowMin)
	primitives["shift"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return tensor{graph.Shift(l.s, x.node, n.Int("down"), n.Int("right")), x.axes}
	}
	primitives["convolve"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return tensor{graph.Correlate(l.s, x.node, kernelOf(n)), x.axes}
	}
	primitives["resize"] = scaledTo
	primitives["distance"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return tensor{graph.Distance(l.s, x.node), x.axes}
	}
	for op, axis := range map[string]string{"rows": types.Height, "columns": types.Width} {
		primitives[op] = func(l *lowering, n *ir.Node) tensor {
			size := l.arg(n, "x").dim(axis)
			return tensor{gx.Iota(l.s.Graph(), shapes.Make(l.s.DType(), 1, size), 1), []string{axis}}
		}
	}
	primitives["linear"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return l.learned(n, x.axes, func(s *graph.Scope) *graph.Node { return graph.Linear(s, x.node, n.Int("channels"), n.Flag("bias")) })
	}
	primitives["conv"] = func(l *lowering, n *ir.Node) tensor {
		x, size, stride := l.arg(n, "x"), n.Int("size"), n.Int("stride")
		if x.dim(types.Height)%stride != 0 || x.dim(types.Width)%stride != 0 {
			l.s.Failf("conv with a stride of %d of a map of %d×%d pixels gives no whole number; choose an image size that it divides", stride, x.dim(types.Height), x.dim(types.Width))
		}
		return l.learned(n, x.axes, func(s *graph.Scope) *graph.Node {
			return graph.Conv2d(s, x.node, n.Int("channels"), graph.Conv{Kernel: size, Padding: size / 2, Stride: stride, NoBias: !n.Flag("bias")})
		})
	}
	primitives["layer_norm"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return l.learned(n, x.axes, func(s *graph.Scope) *graph.Node { return graph.LayerNorm(s, x.node, n.Num("epsilon")) })
	}
	primitives["instance_norm"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return tensor{graph.InstanceNorm(l.s, x.node, n.Num("epsilon"), false), x.axes}
	}
	primitives["adaptable"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		if l.adapted != nil {
			x.node = l.adapted.adapt(l.s, x.node)
		}
		l.s.In("places.%d", l.places).Tap("out", x.node)
		l.places++
		return x
	}
	primitives["max_pool"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		if x.dim(types.Height)%2 != 0 || x.dim(types.Width)%2 != 0 {
			l.s.Failf("max_pool halves height and width, found %d×%d pixels; choose an image size that can be halved often enough", x.dim(types.Height), x.dim(types.Width))
		}
		return tensor{graph.MaxPool2(l.s, x.node), x.axes}
	}
	primitives["concat"] = func(l *lowering, n *ir.Node) tensor {
		a, b := l.arg(n, "a"), l.arg(n, "b")
		d, batch := a.node.Shape().Dimensions, max(a.node.Shape().Dimensions[0], b.node.Shape().Dimensions[0])
		whole := func(t tensor) *graph.Node {
			k := 1
			if slices.Contains(t.axes, types.Channel) {
				k = t.dim(types.Channel)
			}
			return spread(t, types.AxisNames, []int{batch, d[1], d[2], k})
		}
		return tensor{gx.Concatenate([]*graph.Node{whole(a), whole(b)}, -1), types.AxisNames}
	}
	primitives["dropout"] = func(l *lowering, n *ir.Node) tensor {
		x := l.arg(n, "x")
		return tensor{graph.Dropout(l.layer(n), "mask", x.node, n.Num("share")/100), x.axes}
	}
}

// chosen is the first of two where f holds, the second elsewhere; so of equal ones the first has the gradient.
func chosen(f func(a, b *graph.Node) *graph.Node) func(*lowering, *ir.Node) tensor {
	return func(l *lowering, n *ir.Node) tensor {
		a, b, axes := l.both(l.arg(n, "a"), l.arg(n, "b"), true)
		return tensor{gx.Where(f(a, b), a, b), axes}
	}
}

// power avoids logarithms where the exponent is a plain 1, 2 or 1/2.
func power(l *lowering, n *ir.Node) tensor {
	x := l.arg(n, "x")
	if e, ok := n.Arg("exponent").(ir.Number); ok {
		switch e.V {
		case 1:
			return x
		case 2:
			return tensor{gx.Square(x.node), x.axes}
		case 0.5:
			return tensor{gx.Sqrt(x.node), x.axes}
		}
	}
	a, b, axes := l.both(x, l.arg(n, "exponent"), true)
	return tensor{gx.Pow(a, b), axes}
}

func (l *lowering) reduced(n *ir.Node, f func(s *graph.Scope, x *graph.Node, axes []int) *graph.Node) tensor {
	x := l.arg(n, "x")
	over, given := n.Words("over")
	if !given {
		over = x.axes
	}
	if len(over) == 0 { // a scalar has nothing to reduce
		return x
	}
	var numbers []int
	for _, a := range over {
		numbers = append(numbers, x.axis(a))
	}
	return tensor{f(l.s, x.node, numbers), slices.DeleteFunc(slices.Clone(x.axes), func(a string) bool { return slices.Contains(over, a) })}
}

func kernelOf(n *ir.Node) [][]float64 {
	var out [][]float64
	for _, row := range n.Items("kernel") {
		var r []float64
		for _, x := range row.(ir.List).Items {
			r = append(r, x.(ir.Number).V)
		}
		out = append(out, r)
	}
	return out
}

// scaledTo changes height and width by the factor of a resize.
func scaledTo(l *lowering, n *ir.Node) tensor {
	x, f := l.arg(n, "x"), n.Num("factor")
	num, den, ok := types.Factor(f)
	if !ok {
		l.s.Failf("resize by %g, expected a whole number or one over a whole number", f)
	}
	size := func(axis string) int {
		d := x.dim(axis)
		if d*num%den != 0 {
			l.s.Failf("resize(%g) of a %s of %d pixels gives no whole number; choose an image size that it divides", f, axis, d)
		}
		return d * num / den
	}
	h, w := size(types.Height), size(types.Width)
	if slices.Contains(x.axes, types.Channel) {
		return tensor{graph.Resize(l.s, x.node, h, w), x.axes}
	}
	b := x.node.Shape().Dimensions[0]
	out := graph.ResizeMasks(l.s, gx.Reshape(x.node, b, 1, x.dim(types.Height), x.dim(types.Width)), h, w)
	return tensor{gx.Reshape(out, b, h, w), x.axes}
}
