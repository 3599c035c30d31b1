package graph

import (
	"slices"

	gx "github.com/gomlx/gomlx/core/graph"
)

// Sum adds up the given axes (all of them if none is given; negative axes
// count from the end) and removes them. GoMLX's interpreter adds in the order
// of memory in a single float32, which loses three digits over a large image:
// there the sum is taken axis by axis, long axes in stages.
func Sum(s *Scope, x *Node, axes ...int) *Node {
	axes = normalAxes(s, x, axes)
	if s.c.kind != "go" {
		return gx.ReduceSum(x, axes...)
	}
	for _, a := range slices.Backward(axes) {
		x = sumAxis(x, a)
	}
	return x
}

// Mean is the mean over the given axes (all of them if none is given), which
// are removed.
func Mean(s *Scope, x *Node, axes ...int) *Node {
	n := 1
	for _, a := range normalAxes(s, x, axes) {
		n *= x.Shape().Dimensions[a]
	}
	return gx.MulScalar(Sum(s, x, axes...), 1/float64(n))
}

// stage is the longest run added up in one float32 on the interpreter.
const stage = 32

func sumAxis(x *Node, axis int) *Node {
	dims := x.Shape().Dimensions
	n := dims[axis]
	if n > stage {
		for k := stage; k > 1; k-- {
			if n%k == 0 {
				split := slices.Concat(dims[:axis], []int{n / k, k}, dims[axis+1:])
				return sumAxis(gx.ReduceSum(gx.Reshape(x, split...), axis+1), axis)
			}
		}
	}
	return gx.ReduceSum(x, axis)
}

// normalAxes returns the axes counted from the front, in ascending order.
func normalAxes(s *Scope, x *Node, axes []int) []int {
	rank := x.Rank()
	out := make([]int, 0, rank)
	if len(axes) == 0 {
		for a := range rank {
			out = append(out, a)
		}
		return out
	}
	for _, a := range axes {
		if a < 0 {
			a += rank
		}
		if a < 0 || a >= rank {
			s.Failf("axis %d does not exist in shape %v", a, x.Shape().Dimensions)
		}
		out = append(out, a)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
