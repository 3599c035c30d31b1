package sam

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// fine gives the mask decoder what patches have lost: feature maps of the pixels and the box themselves, one for each doubling,
// coarse to fine, to be added to the maps that are being enlarged. It is the idea of SAM 2's high-resolution features
// (Ravi et al. 2024), taken from two convolutions instead of a hierarchical encoder. It is for networks that
// start from nothing; the published ones do without it.
//
// image: (B,S,S,3) normalised, box: (B,4). Returns maps (B,2G,2G,·) to (B,S,S,·); S/G must be a power of two.
func (c Config) fine(s *graph.Scope, image, box *gx.Node) []*gx.Node {
	s = s.In("fine_features")
	n := c.doublings()
	width := c.Prompt / 4 >> (n - 1)
	same := graph.Conv{Kernel: 3, Padding: 1}
	inside := c.boxMask(s, box, c.Image, 1)                                                       // (B,S,S,1)
	x := graph.Conv2d(s.In("stem.0"), gx.Concatenate([]*gx.Node{image, inside}, -1), width, same) // (B,S,S,c)
	x = graph.GELU(graph.LayerNorm(s.In("stem.1"), x, norm))
	x = graph.Conv2d(s.In("stem.2"), x, width, same)
	maps := make([]*gx.Node, n)
	maps[n-1] = x
	for i := n - 2; i >= 0; i-- {
		width *= 2
		x = graph.GELU(graph.LayerNorm(s.In("norm.%d", i), x, norm))
		x = graph.Conv2d(s.In("down.%d", i), x, width, graph.Conv{Kernel: 2, Stride: 2})
		maps[i] = x
	}
	return maps
}

// blend lets what the encoder says of a place and what its pixels look like meet, in two residual blocks of two convolutions each: whether a
// pixel belongs to a structure is decided by comparing it with its surroundings, and a product with a mask's vector alone cannot compare.
//
// x: (B,S,S,c) of any c. Returns the same shape.
func (c Config) blend(s *graph.Scope, x *gx.Node) *gx.Node {
	width := x.Shape().Dim(-1)
	same := graph.Conv{Kernel: 3, Padding: 1}
	for i := range 2 {
		b := s.In("blend.%d", i)
		y := graph.Conv2d(b.In("0"), graph.GELU(graph.LayerNorm(b.In("norm0"), x, norm)), width, same)
		y = graph.Conv2d(b.In("1"), graph.GELU(graph.LayerNorm(b.In("norm1"), y, norm)), width, same)
		x = gx.Add(x, y)
	}
	return x
}
