package engine

import (
	"slices"
	"strings"

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
