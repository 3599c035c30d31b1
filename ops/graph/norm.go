package graph

import (
	"slices"

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
	y = gx.Reshape(normalised(s, y, eps, nil, nil, 1, 2, 4), b, h, w, c)
	weight, bias := weightAndBias(s, c, 4)
	return gx.Add(gx.Mul(y, weight), bias)
}

// InstanceNorm is torch.nn.InstanceNorm2d on a map (B,H,W,C), or InstanceNorm3d
// on (B,D,H,W,C): every channel of every image is normalised over its pixels.
// With affine, weight and bias (C) are applied. There are no running statistics.
func InstanceNorm(s *Scope, x *Node, eps float64, affine bool) *Node {
	axes := make([]int, spatialAxes(s, x, "instance norm"))
	for i := range axes {
		axes[i] = 1 + i
	}
	if !affine {
		return normalised(s, x, eps, nil, nil, axes...)
	}
	weight, bias := weightAndBias(s, lastDim(x), x.Rank())
	return normalised(s, x, eps, weight, bias, axes...)
}

// weightAndBias are the parameters weight and bias (1,…,1,C) of a norm.
func weightAndBias(s *Scope, c, rank int) (weight, bias *Node) {
	shape := slices.Repeat([]int{1}, rank)
	shape[rank-1] = c
	return gx.Reshape(s.Param("weight", Ones, c), shape...), gx.Reshape(s.Param("bias", Zeros, c), shape...)
}

// normalised subtracts the mean m over the axes, divides by the root of the
// (biased) variance plus eps, and applies weight and bias unless they are nil:
//
//	c = x - m,  r = 1/√(mean(c²) + eps),  a = r·weight,  y = c·a + bias
//
// Its gradient is written out, as the sums over the map in it are those of the
// gradients of weight and bias, which the chain of single operations hides; it
// took two more sums and three more maps:
//
//	∂x = a·(∂y - mean(∂y) - c·r²·mean(∂y·c))
func normalised(s *Scope, x *Node, eps float64, weight, bias *Node, axes ...int) *Node {
	parts := func(x *Node) (c, r, a *Node) {
		c = gx.Sub(x, gx.StopGradient(keep(x, Mean(s, x, axes...), axes)))
		variance := keep(x, Mean(s, gx.Square(gx.StopGradient(c)), axes...), axes)
		r = gx.StopGradient(gx.Inverse(gx.Sqrt(gx.AddScalar(variance, eps))))
		if a = r; weight != nil {
			a = gx.Mul(r, weight)
		}
		return c, r, a
	}
	var dy *Node // set on the way back, before the gradient of x is asked for
	var c, r, a *Node
	first := gx.IdentityWithCustomGradient(x, func(x, _ *Node) *Node {
		c, r, a := c, r, a
		if x != c.Inputs()[0] { // it is computed again for the gradient
			c, r, a = parts(x)
		}
		mean := func(v *Node) *Node { return keep(x, Mean(s, v, axes...), axes) }
		slope := gx.Mul(gx.Square(r), mean(gx.Mul(dy, c)))
		return gx.Mul(a, gx.Sub(gx.Sub(dy, mean(dy)), gx.Mul(c, slope)))
	})
	c, r, a = parts(first)
	y := gx.Mul(c, a)
	if bias != nil {
		y = gx.Add(y, bias)
	}
	return gx.IdentityWithCustomGradient(y, func(_, v *Node) *Node {
		dy = v
		return v
	})
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
