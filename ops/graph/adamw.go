package graph

import (
	"math"

	gx "github.com/gomlx/gomlx/core/graph"
)

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in
// PyTorch's form: at step t, counted from 1,
//
//	p ← p·(1 - rate·decay)
//	m ← β1·m + (1-β1)·g
//	v ← β2·v + (1-β2)·g²
//	p ← p - rate/(1-β1ᵗ) · m / (√v/√(1-β2ᵗ) + eps)
type AdamW struct {
	Beta1, Beta2 float64
	Eps          float64
	WeightDecay  float64

	// Decayed says which parameters are decayed; nil means all.
	Decayed func(name string) bool
	// ClipNorm scales all gradients down together where their common Euclidean
	// norm is larger, as torch.nn.utils.clip_grad_norm_ does; 0 means never.
	ClipNorm float64
}

// DefaultAdamW has PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, decay 0.01.
func DefaultAdamW() AdamW {
	return AdamW{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01}
}

// scalars are the numbers of one step, computed on the host in float64 because
// 1-β2ᵗ has few digits in float32: [1-rate·decay, rate/(1-β1ᵗ), √(1-β2ᵗ)].
func (o AdamW) scalars(rate float64, step int) []float32 {
	t := float64(step)
	return []float32{
		float32(1 - rate*o.WeightDecay),
		float32(rate / (1 - math.Pow(o.Beta1, t))),
		float32(math.Sqrt(1 - math.Pow(o.Beta2, t))),
	}
}

// update is one step for one parameter.
func (o AdamW) update(name string, p, grad, m, v, scalars *Node) (newP, newM, newV *Node) {
	scalar := func(i int) *Node { return gx.Reshape(gx.Slice(scalars, gx.AxisElem(i))) }
	if o.Decayed == nil || o.Decayed(name) {
		p = gx.Mul(p, scalar(0))
	}
	newM = gx.Add(gx.MulScalar(m, o.Beta1), gx.MulScalar(grad, 1-o.Beta1))
	newV = gx.Add(gx.MulScalar(v, o.Beta2), gx.MulScalar(gx.Square(grad), 1-o.Beta2))
	denominator := gx.AddScalar(gx.Div(gx.Sqrt(newV), scalar(2)), o.Eps)
	newP = gx.Sub(p, gx.Mul(gx.Div(newM, denominator), scalar(1)))
	return newP, newM, newV
}

// gradientNorm is the Euclidean norm of all gradients together.
func gradientNorm(s *Scope, grads []*Node) *Node {
	var sum *Node
	for _, g := range grads {
		part := Sum(s, gx.Square(g))
		if sum == nil {
			sum = part
		} else {
			sum = gx.Add(sum, part)
		}
	}
	return gx.Sqrt(sum)
}

// clip scales the gradients by min(1, limit/(norm+1e-6)).
func clip(grads []*Node, norm *Node, limit float64) []*Node {
	factor := gx.MinScalar(gx.Div(gx.Scalar(norm.Graph(), norm.DType(), limit), gx.AddScalar(norm, 1e-6)), 1)
	out := make([]*Node, len(grads))
	for i, g := range grads {
		out[i] = gx.Mul(g, factor)
	}
	return out
}
