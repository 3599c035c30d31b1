package graph

import (
	"fmt"
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
}

// DefaultAdamW has PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, decay 0.01.
func DefaultAdamW() AdamW {
	return AdamW{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01}
}

// Check returns an error for constants that are not possible.
func (o AdamW) Check() error {
	if !(o.Beta1 >= 0 && o.Beta1 < 1 && o.Beta2 >= 0 && o.Beta2 < 1 && o.Eps > 0 && o.WeightDecay >= 0) {
		return fmt.Errorf("AdamW with betas %g and %g, eps %g, weight decay %g is not possible", o.Beta1, o.Beta2, o.Eps, o.WeightDecay)
	}
	return nil
}

func (o AdamW) slots() []string { return []string{"adamw.first", "adamw.second"} }

// scalars are computed on the host in float64 because 1-β2ᵗ has few digits in
// float32: [1-rate·decay, rate/(1-β1ᵗ), √(1-β2ᵗ)].
func (o AdamW) scalars(rate float64, step int) []float32 {
	t := float64(step)
	return []float32{
		float32(1 - rate*o.WeightDecay),
		float32(rate / (1 - math.Pow(o.Beta1, t))),
		float32(math.Sqrt(1 - math.Pow(o.Beta2, t))),
	}
}

func (o AdamW) update(p, grad *Node, state []*Node, decayed bool, scalar func(i int) *Node) (*Node, []*Node) {
	if decayed {
		p = gx.Mul(p, scalar(0))
	}
	m := gx.Add(gx.MulScalar(state[0], o.Beta1), gx.MulScalar(grad, 1-o.Beta1))
	v := gx.Add(gx.MulScalar(state[1], o.Beta2), gx.MulScalar(gx.Square(grad), 1-o.Beta2))
	denominator := gx.AddScalar(gx.Div(gx.Sqrt(v), scalar(2)), o.Eps)
	return gx.Sub(p, gx.Mul(gx.Div(m, denominator), scalar(1))), []*Node{m, v}
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
