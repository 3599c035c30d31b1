package graph

import (
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// Operations on the neighbourhood of each pixel, for what users write themselves. They take maps (B,H,W,C) or planes (B,H,W), and keep the shape.
//
// All of them are made of shifted copies, whose gradients are right on every backend, and take steps that double in width: a window of 31 pixels is eight additions
// along each axis.

// WindowMean is the mean of the size×size window around each pixel; pixels outside count as 0. The size is odd.
func WindowMean(s *Scope, x *Node, size int) *Node {
	checkWindow(s, x, size)
	zero := gx.ScalarZero(x.Graph(), x.DType())
	for axis := 1; axis <= 2; axis++ {
		wide := padAlong(x, axis, size/2, size/2, zero)
		x = windowSum(wide, axis, size, x.Shape().Dimensions[axis])
	}
	return gx.MulScalar(x, 1/float64(size*size))
}

// windowSum adds up runs of length k along an axis; n of them.
func windowSum(x *Node, axis, k, n int) *Node {
	var sum *Node
	run, length, at := x, 1, 0 // run[i] = x[i] + … + x[i+length-1]
	for k > 0 {
		if k%2 == 1 {
			part := along(run, axis, at, n)
			if sum == nil {
				sum = part
			} else {
				sum = gx.Add(sum, part)
			}
			at += length
		}
		if k /= 2; k > 0 {
			m := run.Shape().Dimensions[axis] - length
			run = gx.Add(along(run, axis, 0, m), along(run, axis, length, m))
			length *= 2
		}
	}
	return sum
}

// WindowMax is the largest value of the size×size window around each pixel, as far as it lies inside. The size is odd. Of equal values one has the gradient.
func WindowMax(s *Scope, x *Node, size int) *Node {
	checkWindow(s, x, size)
	lowest := gx.Scalar(x.Graph(), x.DType(), -math.MaxFloat32)
	for axis := 1; axis <= 2; axis++ {
		n := x.Shape().Dimensions[axis]
		run, length := padAlong(x, axis, size/2, size/2, lowest), 1
		for 2*length <= size {
			m := run.Shape().Dimensions[axis] - length
			run = firstMax(along(run, axis, 0, m), along(run, axis, length, m))
			length *= 2
		}
		x = firstMax(along(run, axis, 0, n), along(run, axis, size-length, n)) // two runs that overlap
	}
	return x
}

// WindowMin is the smallest value of the window around each pixel; see WindowMax.
func WindowMin(s *Scope, x *Node, size int) *Node { return gx.Neg(WindowMax(s, gx.Neg(x), size)) }

// Shift moves the contents of a map down and right; what comes in is 0.
func Shift(s *Scope, x *Node, down, right int) *Node {
	checkWindow(s, x, 1)
	zero := gx.ScalarZero(x.Graph(), x.DType())
	for axis, by := range []int{1: down, 2: right} {
		if by == 0 || axis == 0 {
			continue
		}
		n := x.Shape().Dimensions[axis]
		if by >= n || by <= -n {
			return gx.ZerosLike(x)
		}
		if by > 0 {
			x = padAlong(along(x, axis, 0, n-by), axis, by, 0, zero)
		} else {
			x = padAlong(along(x, axis, -by, n+by), axis, 0, -by, zero)
		}
	}
	return x
}

// Correlate slides a fixed kernel of odd height and width over each channel: out[y,x] = Σ kernel[i][j] · in[y+i-h/2, x+j-w/2]; pixels outside count as 0.
func Correlate(s *Scope, x *Node, kernel [][]float64) *Node {
	var sum *Node
	for i, row := range kernel {
		for j, weight := range row {
			if weight == 0 {
				continue
			}
			part := gx.MulScalar(Shift(s, x, len(kernel)/2-i, len(row)/2-j), weight)
			if sum == nil {
				sum = part
			} else {
				sum = gx.Add(sum, part)
			}
		}
	}
	if sum == nil {
		return gx.ZerosLike(x)
	}
	return sum
}

// Distance is the Euclidean distance of each pixel of a plane (B,H,W) to the nearest pixel above 0.5, in pixels; the diagonal of the plane where there is none. It
// is a constant for the gradient. The transform is separable: first along columns, then along rows of squares (Felzenszwalb and Huttenlocher 2012), each as a minimum over all offsets.
func Distance(s *Scope, x *Node) *Node {
	d := x.Shape().Dimensions
	if len(d) != 3 {
		s.Failf("distance needs a plane (B,H,W), it got shape %v", d)
	}
	h, w := d[1], d[2]
	far := float64(h*h + w*w)
	inside := gx.GreaterThan(x, gx.Scalar(x.Graph(), x.DType(), 0.5))
	squares := gx.Where(inside, gx.ZerosLike(x), gx.MulScalar(gx.OnesLike(x), far))
	offsets := func(n int) *Node { // (i-j)², (n,n)
		shape := shapes.Make(s.DType(), n, n)
		return gx.Square(gx.Sub(gx.Iota(s.Graph(), shape, 0), gx.Iota(s.Graph(), shape, 1)))
	}
	// (B,1,H,W) + (1,H,H,1) → minimum over the source row.
	squares = gx.ReduceMin(gx.Add(gx.Reshape(squares, d[0], 1, h, w), gx.Reshape(offsets(h), 1, h, h, 1)), 2)
	squares = gx.ReduceMin(gx.Add(gx.Reshape(squares, d[0], h, 1, w), gx.Reshape(offsets(w), 1, 1, w, w)), 3)
	return gx.StopGradient(gx.Sqrt(gx.MinScalar(squares, far)))
}

// BoxPlane is 1 in pixels from x0 to x1 and from y0 to y1, both included, and 0 elsewhere: boxes (B,4) in pixels give planes (B,H,W).
func BoxPlane(s *Scope, box *Node, h, w int) *Node {
	between := func(axis, n, low, high int) *Node {
		dims := []int{1, 1, 1}
		dims[axis] = n
		at := gx.Iota(s.Graph(), shapes.Make(s.DType(), dims...), axis)
		corner := func(i int) *Node { return gx.Reshape(gx.SliceAxis(box, 1, gx.AxisElem(i)), -1, 1, 1) }
		inside := gx.LogicalAnd(gx.GreaterOrEqual(at, corner(low)), gx.LessOrEqual(at, corner(high)))
		return gx.ConvertDType(inside, s.DType())
	}
	return gx.Mul(between(2, w, 0, 2), between(1, h, 1, 3))
}

func checkWindow(s *Scope, x *Node, size int) {
	if r := x.Rank(); r != 3 && r != 4 || size < 1 || size%2 == 0 {
		s.Failf("a window of %d pixels on shape %v: expected an odd size and (B,H,W) or (B,H,W,C)", size, x.Shape().Dimensions)
	}
}

// along takes n elements of an axis.
func along(x *Node, axis, start, n int) *Node {
	if start == 0 && n == x.Shape().Dimensions[axis] {
		return x
	}
	ranges := make([]gx.SliceAxisSpec, x.Rank())
	for i := range ranges {
		ranges[i] = gx.AxisRange()
	}
	ranges[axis] = gx.AxisRange(start, start+n)
	return gx.Slice(x, ranges...)
}

func padAlong(x *Node, axis, before, after int, with *Node) *Node {
	if before == 0 && after == 0 {
		return x
	}
	pads := make([]compute.PadAxis, x.Rank())
	pads[axis] = padAxis(before, after)
	return gx.Pad(x, with, pads...)
}
