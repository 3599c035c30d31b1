package graph

import (
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/nn"
)

// LayerNorm normalises the last axis to mean 0 and variance 1 and applies the
// parameters weight and bias. On maps (B,H,W,C) it is what SAM calls
// LayerNorm2d. PyTorch's default for eps is 1e-5; SAM's encoder uses 1e-6.
func LayerNorm(s *Scope, x *Node, eps float64) *Node {
	c := lastDim(x)
	return nn.LayerNorm(x, []int{-1}, eps, s.Param("weight", Ones, c), s.Param("bias", Zeros, c), nil)
}

// GroupNorm is torch.nn.GroupNorm on a map (B,H,W,C): each group of C/groups
// neighbouring channels is normalised over its pixels and channels, then
// weight and bias (C) are applied. It is a fault if groups does not divide C.
func GroupNorm(s *Scope, x *Node, groups int, eps float64) *Node {
	b, h, w, c := mapDims(s, x, "group norm")
	if groups < 1 || c%groups != 0 {
		s.Failf("group norm %q: %d channels cannot be cut into %d groups of equal size", s.path, c, groups)
	}
	y := gx.Reshape(x, b, h, w, groups, c/groups)
	y = gx.Reshape(standardised(s, y, eps, 1, 2, 4), b, h, w, c)
	return scaled(s, y, c)
}

// InstanceNorm is torch.nn.InstanceNorm2d on a map (B,H,W,C), or InstanceNorm3d
// on (B,D,H,W,C): every channel of every image is normalised over its pixels.
// With affine, weight and bias (C) are applied. There are no running statistics.
func InstanceNorm(s *Scope, x *Node, eps float64, affine bool) *Node {
	axes := make([]int, spatialAxes(s, x, "instance norm"))
	for i := range axes {
		axes[i] = 1 + i
	}
	y := standardised(s, x, eps, axes...)
	if affine {
		y = scaled(s, y, lastDim(x))
	}
	return y
}

// standardised subtracts the mean over the axes and divides by the root of the
// (biased) variance plus eps.
func standardised(s *Scope, x *Node, eps float64, axes ...int) *Node {
	centred := gx.Sub(x, keep(x, Mean(s, x, axes...), axes))
	variance := keep(x, Mean(s, gx.Square(centred), axes...), axes)
	return gx.Div(centred, gx.Sqrt(gx.AddScalar(variance, eps)))
}

func scaled(s *Scope, x *Node, c int) *Node {
	shape := make([]int, x.Rank())
	for i := range shape {
		shape[i] = 1
	}
	shape[len(shape)-1] = c
	w := gx.Reshape(s.Param("weight", Ones, c), shape...)
	b := gx.Reshape(s.Param("bias", Zeros, c), shape...)
	return gx.Add(gx.Mul(x, w), b)
}

// keep gives a reduction of x its reduced axes back with length 1.
func keep(x, reduced *Node, axes []int) *Node {
	dims := append([]int(nil), x.Shape().Dimensions...)
	for _, a := range axes {
		dims[a] = 1
	}
	return gx.Reshape(reduced, dims...)
}

func mapDims(s *Scope, x *Node, what string) (b, h, w, c int) {
	d := x.Shape().Dimensions
	if len(d) != 4 {
		s.Failf("%s %q needs a map (B,H,W,C), it got shape %v", what, s.path, d)
	}
	return d[0], d[1], d[2], d[3]
}
