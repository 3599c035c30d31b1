package graph

import (
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// Resize scales a map (B,H,W,C) to h×w pixels by bilinear interpolation with
// PyTorch's align_corners=False and no antialiasing: output pixel i reads the
// input at (i+0.5)·H/h - 0.5, clamped to the first and last pixel centres.
//
// Each axis is one matrix product with a matrix of hat functions. GoMLX's own
// interpolation has a wrong gradient on the interpreter and is slower.
func Resize(s *Scope, x *Node, h, w int) *Node {
	_, inH, inW, _ := mapDims(s, x, "resize")
	if h < 1 || w < 1 {
		s.Failf("resize %q to %d×%d pixels is not possible", s.path, h, w)
	}
	if h != inH {
		x = gx.Einsum("bhwc,oh->bowc", x, hats(s, h, inH))
	}
	if w != inW {
		x = gx.Einsum("bhwc,ow->bhoc", x, hats(s, w, inW))
	}
	return x
}

// ResizeMasks is Resize for stacks of masks (B,M,H,W).
func ResizeMasks(s *Scope, x *Node, h, w int) *Node {
	_, _, inH, inW := mapDims(s, x, "resize of masks")
	if h < 1 || w < 1 {
		s.Failf("resize %q to %d×%d pixels is not possible", s.path, h, w)
	}
	if h != inH {
		x = gx.Einsum("bmhw,oh->bmow", x, hats(s, h, inH))
	}
	if w != inW {
		x = gx.Einsum("bmhw,ow->bmho", x, hats(s, w, inW))
	}
	return x
}

// hats is the (out,in) matrix of linear interpolation: entry (i,j) is
// max(0, 1-|r(i)-j|), r(i) being the place output i reads. It is computed in
// the graph from counters, as large constants are slow to build.
func hats(s *Scope, out, in int) *Node {
	shape := shapes.Make(s.DType(), out, in)
	row, col := gx.Iota(s.Graph(), shape, 0), gx.Iota(s.Graph(), shape, 1)
	place := gx.AddScalar(gx.MulScalar(gx.AddScalar(row, 0.5), float64(in)/float64(out)), -0.5)
	place = gx.MinScalar(gx.MaxScalar(place, 0), float64(in-1))
	return gx.MaxScalar(gx.OneMinus(gx.Abs(gx.Sub(place, col))), 0)
}

// MaxPool2 is 2×2 max pooling with stride 2 on a map: (B,H,W,C) →
// (B,H/2,W/2,C); an odd last row or column is dropped. As in PyTorch, of equal
// pixels the first in reading order gets the whole gradient.
func MaxPool2(s *Scope, x *Node) *Node {
	b, h, w, c := mapDims(s, x, "max pooling")
	if h < 2 || w < 2 {
		s.Failf("max pooling %q needs a map of at least 2×2 pixels, it got %d×%d", s.path, h, w)
	}
	x = cropped(x, h/2*2, w/2*2)
	x = gx.Reshape(x, b, h/2, 2, w/2, 2, c)
	pixel := func(i, j int) *Node {
		all := gx.AxisRange()
		return gx.Reshape(gx.Slice(x, all, all, gx.AxisElem(i), all, gx.AxisElem(j), all), b, h/2, w/2, c)
	}
	top := firstMax(pixel(0, 0), pixel(0, 1))
	bottom := firstMax(pixel(1, 0), pixel(1, 1))
	return firstMax(top, bottom)
}

// firstMax is the larger of two values; if they are equal the gradient goes to a.
func firstMax(a, b *Node) *Node { return gx.Where(gx.GreaterOrEqual(a, b), a, b) }
