package graph

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// CheckGradient compares the gradient of a function with its central
// difference, in float64. The function's outputs are added up with random
// weights; then, along random directions d through all parameters and all
// real-valued inputs θ,
//
//	⟨∇f(θ), d⟩   is compared with   (f(θ+hd) - f(θ-hd)) / 2h,  h = 2⁻¹⁷.
//
// It returns the largest difference over three directions, divided by the
// larger of the two numbers' root mean square. A right gradient of a smooth
// function gives about 1e-8; a wrong one gives about 1. Random tensors of the
// function are the same on both sides.
func CheckGradient(b *Backend, build Build, params *Params, seed uint64, training bool, inputs ...Value) (float64, error) {
	declared := make([]Shape, len(inputs))
	for i, v := range inputs {
		declared[i] = Shape{Dims: v.Dims, Integer: v.Ints != nil}
	}
	device := b.Place(params)
	defer device.Free()
	const h = 0x1p-17
	code, err := compile(b, "gradient check", declared, dtypes.Float64, func(c *construction) []*Node {
		c.training = training
		return gradientCheck(c, build, declared, h)
	})
	if err != nil {
		return 0, err
	}
	defer code.free()
	var worst, scale float64
	for direction := range uint64(3) {
		results, _, err := code.run(context.Background(), device, seed+direction, inputs, nil)
		if err != nil {
			return 0, err
		}
		var numbers [2]float64 // analytic, numeric
		err = caught(func() {
			for i, t := range results {
				numbers[i] = tensors.ToScalar[float64](t)
			}
		})
		finalize(results)
		if err != nil {
			return 0, err
		}
		if !finite(numbers[0]) || !finite(numbers[1]) {
			return math.Inf(1), nil
		}
		worst = max(worst, math.Abs(numbers[0]-numbers[1]))
		scale += (numbers[0]*numbers[0] + numbers[1]*numbers[1]) / 6
	}
	if scale == 0 {
		return 0, fmt.Errorf("the gradient and its central difference are both zero: nothing is checked")
	}
	return worst / math.Sqrt(scale), nil
}

// gradientCheck builds the two numbers. The function is built three times from
// the same parameters: at θ, θ+hd and θ-hd.
func gradientCheck(c *construction, build Build, declared []Shape, h float64) []*Node {
	inputs := c.inputs(declared)
	root := c.root()
	// Directions are drawn on the host like dropout, anew for every call.
	direction := func(name string, like *Node) *Node {
		u := root.Uniform("direction of "+name, like.Shape().Dimensions...)
		return gx.AddScalar(gx.MulScalar(u, 2), -1)
	}
	var moved []*Node // what the gradient is taken of
	var along []*Node
	value := func(step float64) *Node {
		at := make([]*Node, len(inputs))
		for i, n := range inputs {
			at[i] = n
			if !declared[i].Integer {
				d := direction(fmt.Sprintf("input %d", i), n)
				at[i] = gx.Add(n, gx.MulScalar(d, step))
				if step == 0 {
					moved, along = append(moved, at[i]), append(along, d)
				}
			}
		}
		seen := map[string]*Node{}
		c.see = func(name string, n *Node) *Node {
			if m, ok := seen[name]; ok {
				return m
			}
			d := direction("parameter "+name, n)
			m := gx.Add(n, gx.MulScalar(d, step))
			if step == 0 {
				moved, along = append(moved, m), append(along, d)
			}
			seen[name] = m
			return m
		}
		var sum *Node
		for i, out := range build(root, at) {
			weights := direction(fmt.Sprintf("output %d", i), out)
			part := gx.ReduceAllSum(gx.Mul(out, weights))
			if sum == nil {
				sum = part
			} else {
				sum = gx.Add(sum, part)
			}
		}
		return sum
	}
	base := value(0)
	grads := gx.Gradient(base, moved...)
	analytic := gx.ScalarZero(c.g, c.float)
	for i, g := range grads {
		analytic = gx.Add(analytic, gx.ReduceAllSum(gx.Mul(g, along[i])))
	}
	numeric := gx.MulScalar(gx.Sub(value(h), value(-h)), 0.5/h)
	return []*Node{analytic, numeric}
}
