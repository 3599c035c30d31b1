package bench

import (
	"slices"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
)

// bound runs nothing but the matrix products of the image encoder, in its shapes and in its order: what the backend's own product allows. A
// block's products depend on each other as in the encoder; what lies between them is left out.
func bound(b *graph.Backend, set Setting) (*work, error) {
	c, batch := vitB(), set.Batch
	n, grid := batch*c.Grid()*c.Grid(), c.Grid()
	inputs := []graph.Shape{graph.F32(n, c.Dim)}
	values := []graph.Value{graph.Floats(noise("tokens", n*c.Dim), n, c.Dim)}
	return program(b, set, inputs, values, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		x := graph.Linear(s.In("patch"), in[0], c.Dim, false)
		for i := range c.Depth {
			x = s.Block(x)
			block := s.In("block.%d", i)
			qkv := graph.Linear(block.In("qkv"), x, 3*c.Dim, false)
			window := c.Window
			if slices.Contains(c.Global, i) {
				window = grid
			}
			y := graph.Linear(block.In("proj"), attentionProducts(qkv, c, batch, window), c.Dim, false)
			x = graph.Linear(block.In("lin2"), graph.Linear(block.In("lin1"), y, c.MLP*c.Dim, false), c.Dim, false)
		}
		x = graph.Linear(s.In("neck.0"), s.Unblock(x), c.Prompt, false)
		x = gx.Concatenate(slices.Repeat([]*gx.Node{x}, 9), -1) // what a kernel of 3×3 sees
		return []*graph.Node{graph.Linear(s.In("neck.2"), x, c.Prompt, false)}
	})
}

// attentionProducts are queries times keys and weights times values for the real tokens of each kind of window. Which of the numbers of qkv
// meet does not matter.
func attentionProducts(qkv *gx.Node, c sam.Config, batch, window int) *gx.Node {
	n, d := qkv.Shape().Dim(0), c.Dim/c.Heads
	var sizes []int // real tokens on one axis of each window
	for left := c.Grid(); left > 0; left -= window {
		sizes = append(sizes, min(window, left))
	}
	var parts []*gx.Node
	at := 0
	for _, h := range sizes {
		for _, w := range sizes {
			tokens := batch * h * w
			part := func(from int) *gx.Node {
				x := gx.Slice(qkv, gx.AxisRange(at, at+tokens), gx.AxisRange(from*c.Dim, (from+1)*c.Dim))
				return gx.Reshape(x, batch*c.Heads, h*w, d) // no transposition: the shapes are right, the numbers are not
			}
			y := graph.Einsum("nqk,nkd->nqd", graph.Einsum("nqd,nkd->nqk", part(0), part(1)), part(2))
			parts = append(parts, gx.Reshape(y, tokens, c.Dim))
			at += tokens
		}
	}
	if at != n {
		panic("bench: windows do not cover the grid")
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return gx.Concatenate(parts, 0)
}
