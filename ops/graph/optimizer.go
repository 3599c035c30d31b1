package graph

import (
	"fmt"

	gx "github.com/gomlx/gomlx/core/graph"
)

// Optimizer is a rule by which a step changes its parameters: [AdamW] or [SGD].
type Optimizer interface {
	// Check returns an error for constants that are not possible.
	Check() error

	// slots names the tensors that the rule remembers for every parameter.
	slots() []string
	// scalars are the numbers of step t, counted from 1, that depend on rate
	// and t; always equally many.
	scalars(rate float64, t int) []float32
	// update is one step for one parameter. scalar(i) is number i of scalars.
	update(p, grad *Node, state []*Node, decayed bool, scalar func(i int) *Node) (newP *Node, newState []*Node)
}

// SGD is stochastic gradient descent with momentum in PyTorch's form, weight
// decay being part of the gradient:
//
//	g ← g + decay·p
//	m ← momentum·m + g
//	p ← p - rate·m                      plain
//	p ← p - rate·(g + momentum·m)       Nesterov
//
// nnU-Net trains with momentum 0.99, Nesterov, and a decay of 3e-5.
type SGD struct {
	Momentum    float64
	Nesterov    bool
	WeightDecay float64
}

// Check returns an error for constants that are not possible.
func (o SGD) Check() error {
	switch {
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return fmt.Errorf("SGD with momentum %g is not possible, it must be at least 0 and below 1", o.Momentum)
	case !(o.WeightDecay >= 0):
		return fmt.Errorf("SGD with weight decay %g is not possible, it must not be negative", o.WeightDecay)
	case o.Nesterov && o.Momentum == 0:
		return fmt.Errorf("SGD by Nesterov's rule needs a momentum above 0")
	}
	return nil
}

func (o SGD) slots() []string { return []string{"sgd.momentum"} }

func (o SGD) scalars(rate float64, _ int) []float32 { return []float32{float32(rate)} }

func (o SGD) update(p, grad *Node, state []*Node, decayed bool, scalar func(i int) *Node) (*Node, []*Node) {
	if decayed && o.WeightDecay > 0 {
		grad = gx.Add(grad, gx.MulScalar(p, o.WeightDecay))
	}
	m := gx.Add(gx.MulScalar(state[0], o.Momentum), grad)
	direction := m
	if o.Nesterov {
		direction = gx.Add(grad, gx.MulScalar(m, o.Momentum))
	}
	return gx.Sub(p, gx.Mul(direction, scalar(0))), []*Node{m}
}
