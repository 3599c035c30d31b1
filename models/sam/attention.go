package sam

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// encoderAttention is the multi-head self attention of one encoder block, with
// decomposed relative positions (Li et al., MViTv2, eq. 4), in windows of
// window×window tokens, or over the whole grid when window is 0.
//
// x: (B,H,W,C) normalised tokens, C = heads·d. Returns (B,H,W,C).
//
// The reference pads x with zeros up to full windows, so every pad token has
// the bias of qkv as its query, key and value, and takes part as a key. Here
// the projection sees real tokens only and the bias vector is put in the place
// of the pads; what the pads themselves attend to is dropped before the output
// projection, which works token by token. Results are the same, a third of the
// work is not done.
func encoderAttention(s *graph.Scope, x *gx.Node, heads, window int) *gx.Node {
	h, w, c := x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	qkv := graph.Linear(s.In("qkv"), x, 3*c, true) // (B,H,W,3C)

	size := window
	if window == 0 {
		if h != w {
			s.Failf("attention %q over the whole grid needs a square, found %d×%d tokens", s.Path(), h, w)
		}
		size = h
	} else {
		bias := s.In("qkv").Param("bias", graph.Zeros, 3*c) // the one that Linear declared
		qkv = padToWindows(qkv, bias, window)
	}
	windows := splitWindows(qkv, size) // (B·n,S,S,3C)

	n, d := windows.Shape().Dim(0), c/heads
	windows = gx.Reshape(windows, n, size*size, 3, heads, d)
	windows = gx.TransposeAllAxes(windows, 2, 0, 3, 1, 4) // (3,B·n,heads,S²,d)
	windows = gx.Reshape(windows, 3, n*heads, size*size, d)
	part := func(i int) *gx.Node { // (B·n·heads,S²,d)
		return gx.Squeeze(gx.SliceAxis(windows, 0, gx.AxisElem(i)), 0)
	}
	q, k, v := part(0), part(1), part(2)

	y := attendWithPositions(q, k, v,
		relativePositions(s.Param("rel_pos_h", graph.TruncNormal(0.02), 2*size-1, d), size),
		relativePositions(s.Param("rel_pos_w", graph.TruncNormal(0.02), 2*size-1, d), size)) // (B·n·heads,S²,d)

	y = gx.Reshape(y, n, heads, size, size, d)
	y = gx.TransposeAllAxes(y, 0, 2, 3, 1, 4)
	y = joinWindows(gx.Reshape(y, n, size, size, c), x.Shape().Dim(0), h, w) // (B,H,W,C)
	return graph.Linear(s.In("proj"), y, c, true)
}
