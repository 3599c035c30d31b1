package graph

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

const (
	feedScalars feedKind = iota + 100
	feedSlot             // tensor of the optimiser or average; index is that of the slot
	feedSum              // gradients added up so far
	feedPart             // [1 if the sum goes on, else 0; share of this batch]
	feedScale            // [loss scale, 1/loss scale]
)

// groups lists the distinct factors of the learning rate.
func (st *Step) groups() {
	for _, name := range st.trained {
		f := st.factor(name)
		if !finite(f) || f <= 0 {
			panic(buildFault{fmt.Errorf("the learning rate of parameter %q has the factor %g, expected a number above 0", name, f)})
		}
		st.factors = append(st.factors, f)
	}
	slices.Sort(st.factors)
	st.factors = slices.Compact(st.factors)
}

func (st *Step) factor(name string) float64 {
	if st.cfg.Factor == nil {
		return 1
	}
	return st.cfg.Factor(name)
}

// parameter declares an argument of the graph that is neither input nor
// parameter of the network.
func (c *construction) parameter(what string, f feed) *Node {
	n := gx.Parameter(c.g, what, shapes.Make(c.float, f.dims...))
	c.feeds = append(c.feeds, f)
	return n
}

// gradients of the loss with respect to the trained parameters; with a loss
// scale, of the loss times the scale.
func (st *Step) gradients(c *construction, loss *Node) (params, grads []*Node) {
	params = make([]*Node, len(st.trained))
	for i, name := range st.trained {
		params[i] = c.params[name]
	}
	if st.scale.on() {
		loss = gx.Mul(loss, entry(c.scales(), 0))
	}
	return params, gx.Gradient(loss, params...)
}

// scales is the argument [scale, 1/scale].
func (c *construction) scales() *Node {
	if c.scale == nil {
		c.scale = c.parameter("loss scale", feed{kind: feedScale, dims: []int{2}})
	}
	return c.scale
}

func entry(vector *Node, i int) *Node { return gx.Reshape(gx.Slice(vector, gx.AxisElem(i))) }

// updates returns the gradient's norm, then for every trained parameter its
// new value and the new tensors of its slots.
func (st *Step) updates(c *construction, params, grads []*Node) []*Node {
	if st.scale.on() {
		back := entry(c.scales(), 1)
		for i, g := range grads {
			grads[i] = gx.Mul(g, back)
		}
	}
	norm := gradientNorm(c.root(), grads)
	if st.cfg.ClipNorm > 0 {
		grads = clip(grads, norm, st.cfg.ClipNorm)
	}
	each := len(st.cfg.Optimizer.scalars(1, 1))
	scalars := c.parameter("step scalars", feed{kind: feedScalars, dims: []int{each * len(st.factors)}})
	results := []*Node{norm}
	for i, name := range st.trained {
		group := slices.Index(st.factors, st.factor(name))
		scalar := func(k int) *Node { return entry(scalars, each*group+k) }
		var state []*Node
		for k, kind := range st.slots {
			state = append(state, c.parameter(kind+" of "+name, feed{kind: feedSlot, name: name, index: k, dims: params[i].Shape().Dimensions}))
		}
		decayed := st.cfg.Decayed == nil || st.cfg.Decayed(name)
		own := len(st.cfg.Optimizer.slots())
		p, after := st.cfg.Optimizer.update(params[i], grads[i], state[:own], decayed, scalar)
		results = append(append(results, p), after...)
		if d := st.cfg.Average; d > 0 {
			results = append(results, gx.Add(gx.MulScalar(state[own], d), gx.MulScalar(p, 1-d)))
		}
	}
	return results
}

// summed adds the gradients of one batch, times its share, to those so far.
func (st *Step) summed(c *construction, grads []*Node) []*Node {
	part := c.parameter("part", feed{kind: feedPart, dims: []int{2}})
	goesOn := gx.GreaterThan(entry(part, 0), gx.ScalarZero(c.g, c.float))
	out := make([]*Node, len(grads))
	for i, g := range grads {
		before := c.parameter("sum of "+st.trained[i], feed{kind: feedSum, name: st.trained[i], dims: g.Shape().Dimensions})
		// A choice, not a product with 0: what is left over may be infinite.
		before = gx.Where(gx.BroadcastToDims(goesOn, g.Shape().Dimensions...), before, gx.ZerosLike(before))
		out[i] = gx.Add(before, gx.Mul(g, entry(part, 1)))
	}
	return out
}

// compileApply builds the program from sums of gradients to new parameters.
func (st *Step) compileApply() (err error) {
	st.apply, err = compile(st.b, st.cfg.Name+", update", nil, dtypes.Float32, func(c *construction) []*Node {
		s := c.root()
		var params, grads []*Node
		for _, spec := range st.specs {
			if !slices.Contains(st.trained, spec.Name) {
				continue
			}
			params = append(params, s.Param(spec.Name, spec.Init, spec.Dims...))
			grads = append(grads, c.parameter("sum of "+spec.Name, feed{kind: feedSum, name: spec.Name, dims: spec.Dims}))
		}
		return st.updates(c, params, grads)
	})
	return err
}

// numbers uploads what a step is told: the optimiser's scalars, the share of a
// part and the loss scale. free releases them.
func (st *Step) numbers(rate, share float64, goesOn bool) (feeds func(feed) (*tensors.Tensor, error), free func(), err error) {
	var scalars []float32
	for _, f := range st.factors {
		scalars = append(scalars, st.cfg.Optimizer.scalars(rate*f, st.count+1)...)
	}
	part := []float32{0, float32(share)}
	if goesOn {
		part[0] = 1
	}
	held := map[feedKind]*tensors.Tensor{}
	free = func() { freeAll(held) }
	for kind, data := range map[feedKind][]float32{feedScalars: scalars, feedPart: part, feedScale: st.scale.numbers()} {
		if held[kind], err = st.b.upload(data, dtypes.Float32, []int{len(data)}); err != nil {
			delete(held, kind)
			free()
			return nil, nil, err
		}
	}
	return func(f feed) (*tensors.Tensor, error) {
		switch f.kind {
		case feedSlot:
			return st.state[slot{st.slots[f.index], f.name}], nil
		case feedSum:
			return st.sums[f.name], nil
		}
		return held[f.kind], nil
	}, free, nil
}

// Accumulate computes loss and gradient of one part of a batch and adds the
// gradient, times the part's share of the whole, to those of the parts before.
// Shares of all parts add up to 1: for a loss that is a weighted mean over
// samples they are the parts' weights divided by the weight of all. Nothing but
// the sum changes; GradientNorm is that of the part, times the loss scale. If loss
// or gradient is not finite the error wraps ErrNotFinite and the sum is dropped;
// but a gradient that a loss scale may have made overflow is left to Update.
func (st *Step) Accumulate(ctx context.Context, share float64, seed uint64, inputs ...Value) (*StepResult, error) {
	switch {
	case !st.cfg.Parts:
		return nil, fmt.Errorf("%s: the step was not built for parts; use Run", st.cfg.Name)
	case st.params == nil:
		return nil, fmt.Errorf("%s: the step has not been started", st.cfg.Name)
	case !(share > 0 && share <= 1):
		return nil, fmt.Errorf("%s: the share of a part is %g, expected above 0 and at most 1", st.cfg.Name, share)
	}
	feeds, free, err := st.numbers(0, share, st.begun)
	if err != nil {
		return nil, err
	}
	defer free()
	results, began, err := st.code.run(ctx, st.params, seed, inputs, feeds)
	if err != nil {
		st.begun = false
		return nil, fmt.Errorf("%s: %w", st.cfg.Name, err)
	}
	kept, sums := 0, len(st.trained)
	defer func() {
		finalize(results[:2])
		finalize(results[2+kept:])
	}()
	r := &StepResult{}
	if r.GradientNorm, err = scalarOf(results[1]); err != nil {
		return nil, err
	}
	r.Device = time.Since(began)
	if r.Loss, err = scalarOf(results[0]); err != nil {
		return nil, err
	}
	if r.Outputs, err = outputs(results[2+sums:]); err != nil {
		return nil, err
	}
	if !finite(r.Loss) || !finite(r.GradientNorm) && !st.scale.on() {
		st.begun = false
		return r, st.notFinite(r)
	}
	kept = sums
	for i, name := range st.trained {
		if err := st.sums[name].FinalizeAll(); err != nil {
			return nil, err
		}
		st.sums[name] = results[2+i]
	}
	st.begun = true
	return r, nil
}

// Update takes one step along the sum of the gradients since the last one. The
// result has no loss: it is the sum of share times loss of the parts.
func (st *Step) Update(ctx context.Context, rate float64) (*StepResult, error) {
	if !st.begun {
		return nil, fmt.Errorf("%s: there are no gradients to update with", st.cfg.Name)
	}
	st.begun = false
	feeds, free, err := st.numbers(rate, 1, false)
	if err != nil {
		return nil, err
	}
	defer free()
	results, began, err := st.apply.run(ctx, st.params, 0, nil, feeds)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.cfg.Name, err)
	}
	kept := 0
	defer func() {
		finalize(results[:1])
		finalize(results[1+kept:])
	}()
	r := &StepResult{}
	if r.GradientNorm, err = scalarOf(results[0]); err != nil {
		return nil, err
	}
	r.Device = time.Since(began)
	kept, err = st.settle(r, results[1:])
	return r, err
}
