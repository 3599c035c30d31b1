package engine

import (
	"slices"
	"strings"

	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/ops/graph"
)

// The body of a fn over tensors becomes a graph: losses, metrics, steps of preparation and blocks that scripts write. Shapes have been checked with symbols; here they have
// numbers. The first axis of every node is the batch, of which scripts know nothing; the others are those the tensor's type names, in the order of types.AxisNames.

// tensor is a node with the names of its axes behind the batch. The batch of a constant is 1; a plain number has no batch at all.
type tensor struct {
	node *graph.Node
	axes []string
}

func (t tensor) axis(name string) int { return slices.Index(t.axes, name) + 1 }

func (t tensor) dim(name string) int { return t.node.Shape().Dimensions[t.axis(name)] }

// lowering builds one body.
type lowering struct {
	s      *graph.Scope
	inputs []tensor
	hasher *ir.Hasher
	done   map[string]tensor // by identity: what is written twice is computed once, and has its weights once
	layers map[string]int    // how many of each kind there are
	named  map[string]bool   // names that layers have been given

	places  int      // for experts, met so far
	adapted *adapted // the experts of a network; nil: none
}

// apply lowers a fn over inputs of batch b; the result has the batch b too.
func apply(s *graph.Scope, f ir.Fn, inputs ...tensor) tensor {
	return newLowering(s, inputs...).apply(f)
}

func newLowering(s *graph.Scope, inputs ...tensor) *lowering {
	return &lowering{s: s, inputs: inputs, hasher: ir.NewHasher(nil), done: map[string]tensor{}, layers: map[string]int{}, named: map[string]bool{}}
}

func (l *lowering) apply(f ir.Fn) tensor {
	out := l.value(f.Body)
	dims := []int{l.inputs[0].node.Shape().Dimensions[0]}
	for _, a := range out.axes {
		dims = append(dims, out.dim(a))
	}
	return tensor{spread(out, out.axes, dims), out.axes}
}

// plane is a tensor (height, width), pixels one with channels.
func plane(n *graph.Node) tensor  { return tensor{n, []string{types.Height, types.Width}} }
func pixels(n *graph.Node) tensor { return tensor{n, types.AxisNames} }

func (l *lowering) value(v ir.Value) tensor {
	switch v := v.(type) {
	case ir.Number:
		return tensor{node: gx.Scalar(l.s.Graph(), l.s.DType(), v.V)}
	case *ir.Node:
		key := l.hasher.Hash(v)
		if t, ok := l.done[key]; ok {
			return t
		}
		t := l.node(v)
		l.done[key] = t
		return t
	}
	l.s.Failf("%T has no tensor", v)
	return tensor{}
}

func (l *lowering) arg(n *ir.Node, name string) tensor { return l.value(n.Arg(name)) }

func (l *lowering) node(n *ir.Node) tensor {
	switch n.Op {
	case "input":
		return l.inputs[n.Int("index")]
	case "negate":
		x := l.arg(n, "of")
		return tensor{gx.Neg(x.node), x.axes}
	}
	if f, ok := operators[n.Op]; ok && n.Builtin == nil {
		a, b, axes := l.both(l.arg(n, "a"), l.arg(n, "b"), false)
		return tensor{f(a, b), axes}
	}
	f, ok := primitives[n.Op]
	if !ok {
		l.s.Failf("%s is no function over tensors", n.Op)
	}
	return f(l, n)
}

// both brings two tensors to the same axes: those that one lacks have length 1 there, which the operators of the graph spread. With full, both have the whole shape.
func (l *lowering) both(a, b tensor, full bool) (x, y *graph.Node, axes []string) {
	axes = union2(a.axes, b.axes)
	dims := make([]int, 1+len(axes))
	size := func(t tensor, i int) int {
		switch {
		case t.node.Rank() == 0:
			return 1
		case i == 0:
			return t.node.Shape().Dimensions[0]
		case slices.Contains(t.axes, axes[i-1]):
			return t.dim(axes[i-1])
		}
		return 1
	}
	for i := range dims {
		p, q := size(a, i), size(b, i)
		if p != q && p != 1 && q != 1 {
			l.s.Failf("the %s is %d on one side and %d on the other", append([]string{"batch"}, axes...)[i], p, q)
		}
		dims[i] = max(p, q)
	}
	if full {
		return spread(a, axes, dims), spread(b, axes, dims), axes
	}
	return aligned(a, axes), aligned(b, axes), axes
}

// union2 joins two lists of axes in their order.
func union2(a, b []string) []string {
	var out []string
	for _, name := range types.AxisNames {
		if slices.Contains(a, name) || slices.Contains(b, name) {
			out = append(out, name)
		}
	}
	return out
}

// aligned gives a tensor the axes that it lacks, of length 1. Numbers stay as they are.
func aligned(t tensor, axes []string) *graph.Node {
	if t.node.Rank() == 0 || slices.Equal(t.axes, axes) {
		return t.node
	}
	dims := []int{t.node.Shape().Dimensions[0]}
	for _, a := range axes {
		if slices.Contains(t.axes, a) {
			dims = append(dims, t.dim(a))
		} else {
			dims = append(dims, 1)
		}
	}
	return gx.Reshape(t.node, dims...)
}

// spread gives a tensor the whole shape, batch first.
func spread(t tensor, axes []string, dims []int) *graph.Node {
	n := aligned(t, axes)
	if slices.Equal(n.Shape().Dimensions, dims) {
		return n
	}
	return gx.BroadcastToDims(n, dims...)
}

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

// learned is a layer, whose answer can be looked at under the name of its weights (mseg trace).
func (l *lowering) learned(n *ir.Node, axes []string, f func(s *graph.Scope) *graph.Node) tensor {
	s := l.layer(n)
	out := f(s)
	s.Tap("out", out)
	return tensor{out, axes}
}

// layer is the scope of the weights of a layer: its name, or its kind and number in the order in which the body needs them.
func (l *lowering) layer(n *ir.Node) *graph.Scope {
	if name := n.Text("name"); name != "" {
		scope := strings.ReplaceAll(name, ".", "_") // a dot would make it a part of another
		if l.named[scope] {
			l.s.Failf("two different layers are named %q, dots and underscores being the same; a name has one set of weights", name)
		}
		l.named[scope] = true
		return l.s.In("%s", scope)
	}
	i := l.layers[n.Op]
	l.layers[n.Op]++
	return l.s.In("%s.%d", n.Op, i)
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
