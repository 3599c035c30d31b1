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
// pads exist as keys and values only, and the bias stands for them: the
// projections see real tokens, and nobody asks what a pad attends to. Results
// are the same; of 256 tokens in windows of 14×14, which pads make 784, a third
// of all work is not done. Where nothing is trained, pads are counted instead
// of laid out (foldedPads).
func encoderAttention(s *graph.Scope, x *gx.Node, heads, window int) *gx.Node {
	return windowAttention(s, x, heads, window, !s.Training())
}

// windowAttention is encoderAttention with or without folded pads.
func windowAttention(s *graph.Scope, x *gx.Node, heads, window int, fold bool) *gx.Node {
	h, w, c := x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	qkv := graph.Linear(s.In("qkv"), x, 3*c, true)      // (B,H,W,3C)
	bias := s.In("qkv").Param("bias", graph.Zeros, 3*c) // the one that Linear declared
	size := window
	if window == 0 {
		if h != w {
			s.Failf("attention %q over the whole grid needs a square, found %d×%d tokens", s.Path(), h, w)
		}
		size = h
	}
	a := attention{
		heads: heads, size: size, pad: bias, fold: fold,
		rh: relativePositions(s.Param("rel_pos_h", graph.TruncNormal(0.02), 2*size-1, c/heads), size),
		rw: relativePositions(s.Param("rel_pos_w", graph.TruncNormal(0.02), 2*size-1, c/heads), size),
	}

	// Windows that are full on an axis, and the one at its end that is not.
	var bands []*gx.Node
	for _, rows := range spans(h, size) {
		var parts []*gx.Node
		for _, cols := range spans(w, size) {
			region := qkv
			if rows.length() < h || cols.length() < w {
				region = gx.Slice(qkv, gx.AxisRange(), gx.AxisRange(rows.from, rows.to), gx.AxisRange(cols.from, cols.to), gx.AxisRange())
			}
			parts = append(parts, a.region(region, min(size, rows.length()), min(size, cols.length())))
		}
		bands = append(bands, joined(parts, 2))
	}
	return graph.Linear(s.In("proj"), joined(bands, 1), c, true)
}

// span is a run of tokens on one axis.
type span struct{ from, to int }

func (s span) length() int { return s.to - s.from }

// spans cuts an axis of n tokens into the part that whole windows cover and
// the rest; either may be missing.
func spans(n, size int) []span {
	whole := n / size * size
	var out []span
	if whole > 0 {
		out = append(out, span{0, whole})
	}
	if whole < n {
		out = append(out, span{whole, n})
	}
	return out
}

func joined(parts []*gx.Node, axis int) *gx.Node {
	if len(parts) == 1 {
		return parts[0]
	}
	return gx.Concatenate(parts, axis)
}

// attention is what all windows of a block share.
type attention struct {
	heads, size int
	pad         *gx.Node // (3C): query, key and value of a pad
	rh, rw      *gx.Node // (S,S,d): position terms of rows and columns
	fold        bool
}

// region attends within the windows of a part of the grid in which all windows
// hold h×w real tokens, in their upper left corners.
//
// qkv: (B,m·h,n·w,3C). Returns (B,m·h,n·w,C).
func (a attention) region(qkv *gx.Node, h, w int) *gx.Node {
	batch, height, width, c := qkv.Shape().Dim(0), qkv.Shape().Dim(1), qkv.Shape().Dim(2), qkv.Shape().Dim(3)/3
	windows := splitWindows(qkv, h, w) // (N,h,w,3C)
	n, d := windows.Shape().Dim(0), c/a.heads

	real := a.byHead(gx.Reshape(windows, n, h*w, 3*c)) // (3,N·heads,hw,d)
	q, k, v := partOf(real, 0), partOf(real, 1), partOf(real, 2)
	rh, rw := firstRows(a.rh, h), firstRows(a.rw, w) // (h,S,d), (w,S,d)
	var y *gx.Node
	switch {
	case h == a.size && w == a.size:
		y = attendWithPositions(q, k, v, rh, rw)
	case a.fold:
		y = foldedPads(q, k, v, a.padByHead(n, d), rh, rw)
	default:
		pads := gx.Slice(a.pad, gx.AxisRange(c)) // (2C): key and value
		full := padToWindows(gx.SliceAxis(windows, 3, gx.AxisRange(c)), pads, a.size)
		kv := a.byHead(gx.Reshape(full, n, a.size*a.size, 2*c)) // (2,N·heads,S²,d)
		y = attendWithPositions(q, partOf(kv, 0), partOf(kv, 1), rh, rw)
	}
	y = gx.Reshape(y, n, a.heads, h, w, d)
	y = gx.TransposeAllAxes(y, 0, 2, 3, 1, 4)
	return joinWindows(gx.Reshape(y, n, h, w, c), batch, height, width)
}

// byHead cuts the channels of tokens (N,T,k·C) into k vectors for each head:
// (k,N·heads,T,d).
func (a attention) byHead(x *gx.Node) *gx.Node {
	n, t, channels := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2)
	d := a.pad.Shape().Dim(0) / 3 / a.heads
	k := channels / d / a.heads
	x = gx.TransposeAllAxes(gx.Reshape(x, n, t, k, a.heads, d), 2, 0, 3, 1, 4)
	return gx.Reshape(x, k, n*a.heads, t, d)
}

// padByHead is key and value of a pad for each of N windows: (2,N·heads,1,d).
func (a attention) padByHead(n, d int) *gx.Node {
	c := a.heads * d
	pads := gx.Reshape(gx.Slice(a.pad, gx.AxisRange(c)), 2, 1, a.heads, 1, d)
	return gx.Reshape(gx.BroadcastToDims(pads, 2, n, a.heads, 1, d), 2, n*a.heads, 1, d)
}

func partOf(x *gx.Node, i int) *gx.Node { return gx.Squeeze(gx.SliceAxis(x, 0, gx.AxisElem(i)), 0) }

func firstRows(x *gx.Node, n int) *gx.Node {
	if x.Shape().Dim(0) == n {
		return x
	}
	return gx.SliceAxis(x, 0, gx.AxisRange(0, n))
}
