package graph

import (
	"context"
	"errors"
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
	feedGrad             // gradient, or gradients added up so far; index is that of the trained parameter
	feedPart             // [1 if the sum goes on, else 0; share of this batch]
	feedScale            // [loss scale, 1/loss scale]
	feedNorm             // of all gradients together
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

// gradients of the loss with respect to the trained parameters, and before them
// their norm. With Parts there are two norms, that of these gradients and that
// of all so far, and then the sums of gradients, which are times the loss scale
// where there is one.
func (st *Step) gradients(c *construction, loss *Node) []*Node {
	params := make([]*Node, len(st.trained))
	for i, name := range st.trained {
		params[i] = c.params[name]
		c.beside += int64(len(st.slots)) * bytesIn(params[i])
	}
	if st.scale.on() {
		loss = gx.Mul(loss, entry(c.scales(), 0))
	}
	grads := gx.Gradient(loss, params...)
	if !st.cfg.Parts {
		grads = st.unscaled(c, grads)
		return append([]*Node{gradientNorm(c.root(), grads)}, grads...)
	}
	norm := gradientNorm(c.root(), grads)
	sums := st.summed(c, grads, 3)
	return append([]*Node{norm, gradientNorm(c.root(), st.unscaled(c, sums))}, sums...)
}

// unscaled are gradients without the loss scale.
func (st *Step) unscaled(c *construction, grads []*Node) []*Node {
	if !st.scale.on() {
		return grads
	}
	back := entry(c.scales(), 1)
	out := make([]*Node, len(grads))
	for i, g := range grads {
		out[i] = gx.Mul(g, back)
	}
	return out
}

// scales is the argument [scale, 1/scale].
func (c *construction) scales() *Node {
	if c.scale == nil {
		c.scale = c.parameter("loss scale", feed{kind: feedScale, dims: []int{2}})
	}
	return c.scale
}

func entry(vector *Node, i int) *Node { return gx.Reshape(gx.Slice(vector, gx.AxisElem(i))) }

// updates returns for every trained parameter its new value and the new tensors
// of its slots, each in the place of the old one.
func (st *Step) updates(c *construction, params, grads []*Node) []*Node {
	if st.cfg.Parts {
		grads = st.unscaled(c, grads)
	}
	if st.cfg.ClipNorm > 0 {
		grads = clip(grads, c.parameter("norm", feed{kind: feedNorm}), st.cfg.ClipNorm)
	}
	each := len(st.cfg.Optimizer.scalars(1, 1))
	scalars := c.parameter("step scalars", feed{kind: feedScalars, dims: []int{each * len(st.factors)}})
	var results []*Node
	for i, name := range st.trained {
		group := slices.Index(st.factors, st.factor(name))
		scalar := func(k int) *Node { return entry(scalars, each*group+k) }
		c.inPlace(feed{kind: feedParam, name: name}, len(results))
		var state []*Node
		for k, kind := range st.slots {
			f := feed{kind: feedSlot, name: name, index: k, dims: params[i].Shape().Dimensions}
			state = append(state, c.parameter(kind+" of "+name, f))
			c.inPlace(f, len(results)+1+k)
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

// summed adds the gradients of one batch, times its share, to those so far, in
// their place; the first sum is result number at.
func (st *Step) summed(c *construction, grads []*Node, at int) []*Node {
	part := c.parameter("part", feed{kind: feedPart, dims: []int{2}})
	goesOn := gx.GreaterThan(entry(part, 0), gx.ScalarZero(c.g, c.float))
	out := make([]*Node, len(grads))
	for i, g := range grads {
		f := feed{kind: feedGrad, name: st.trained[i], index: i, dims: g.Shape().Dimensions}
		before := c.parameter("sum of "+st.trained[i], f)
		c.inPlace(f, at+i)
		// A choice, not a product with 0: what is left over may be infinite.
		before = gx.Where(gx.BroadcastToDims(goesOn, g.Shape().Dimensions...), before, gx.ZerosLike(before))
		out[i] = gx.Add(before, gx.Mul(g, entry(part, 1)))
	}
	return out
}

// compileApply builds the program from gradients to new parameters.
func (st *Step) compileApply() (err error) {
	st.apply, err = compile(st.b, st.cfg.Name+", update", nil, dtypes.Float32, func(c *construction) []*Node {
		s := c.root()
		var params, grads []*Node
		for _, spec := range st.specs {
			if !slices.Contains(st.trained, spec.Name) {
				continue
			}
			params = append(params, s.Param(spec.Name, spec.Init, spec.Dims...))
			grads = append(grads, c.parameter("gradient of "+spec.Name, feed{kind: feedGrad, name: spec.Name, index: len(grads), dims: spec.Dims}))
		}
		return st.updates(c, params, grads)
	})
	return err
}

// part is the argument [1 if the sum goes on, else 0; share of this batch].
func (st *Step) part(share float64) []float32 {
	if st.begun {
		return []float32{1, float32(share)}
	}
	return []float32{0, float32(share)}
}

// numbers uploads what a program is told. feeds are these, the tensors of the
// slots, and gradients: those given, or the sums. free releases what was uploaded.
func (st *Step) numbers(of map[feedKind][]float32, grads []*tensors.Tensor) (feeds func(feed) (*tensors.Tensor, error), free func(), err error) {
	held := map[feedKind]*tensors.Tensor{}
	free = func() { freeAll(held) }
	for kind, data := range of {
		dims := []int{len(data)}
		if kind == feedNorm {
			dims = nil
		}
		t, err := st.b.upload(data, dtypes.Float32, dims)
		if err != nil {
			free()
			return nil, nil, err
		}
		held[kind] = t
	}
	return func(f feed) (*tensors.Tensor, error) {
		switch {
		case f.kind == feedSlot:
			return st.state[slot{st.slots[f.index], f.name}], nil
		case f.kind == feedGrad && grads != nil:
			return grads[f.index], nil
		case f.kind == feedGrad:
			return st.sum(f)
		}
		return held[f.kind], nil
	}, free, nil
}

// sum is the sum of gradients of a parameter; a new one if there is none.
func (st *Step) sum(f feed) (*tensors.Tensor, error) {
	if t, ok := st.sums[f.name]; ok {
		return t, nil
	}
	t, err := st.b.copied(make([]float32, size(f.dims)), f.dims)
	if err == nil {
		st.sums[f.name] = t
	}
	return t, err
}

// Accumulate computes loss and gradient of one part of a batch and adds the
// gradient, times the part's share of the whole, to those of the parts before.
// Shares of all parts add up to 1: for a loss that is a weighted mean over
// samples they are the parts' weights divided by the weight of all. Nothing but
// the sum changes; GradientNorm is that of the part, times the loss scale. If loss
// or gradient is not finite the error wraps ErrNotFinite and the sum is dropped;
// but a gradient that a loss scale may have made overflow is left to Update.
// Any other error drops the sum as well.
func (st *Step) Accumulate(ctx context.Context, share float64, seed uint64, inputs ...Value) (*StepResult, error) {
	if !st.cfg.Parts {
		return nil, fmt.Errorf("%s: the step was not built for parts; use Run", st.cfg.Name)
	}
	if err := st.ready(); err != nil {
		return nil, err
	}
	if !(share > 0 && share <= 1) {
		return nil, fmt.Errorf("%s: the share of a part is %g, expected above 0 and at most 1", st.cfg.Name, share)
	}
	defer st.tighten()
	r, norm, sums, err := st.gradient(ctx, share, seed, inputs)
	st.begun = false
	freeAll(st.sums) // on XLA the new ones have their memory
	for i, t := range sums {
		st.sums[st.trained[i]] = t
	}
	if err != nil {
		return nil, err
	}
	if !finite(r.Loss) || !finite(r.GradientNorm) && !st.scale.on() {
		return r, st.notFinite(r)
	}
	st.begun, st.norm = true, norm
	return r, nil
}

// Update takes one step along the sum of the gradients since the last one. The
// result has no loss: it is the sum of share times loss of the parts.
func (st *Step) Update(ctx context.Context, rate float64) (*StepResult, error) {
	if err := st.ready(); err != nil {
		return nil, err
	}
	if !st.begun {
		return nil, fmt.Errorf("%s: there are no gradients to update with", st.cfg.Name)
	}
	st.begun = false
	r := &StepResult{GradientNorm: st.norm}
	return r, st.update(ctx, rate, r, nil)
}

// update runs the second program, unless the gradient is not finite.
func (st *Step) update(ctx context.Context, rate float64, r *StepResult, grads []*tensors.Tensor) error {
	if !finite(r.GradientNorm) {
		if !st.scale.lower() {
			return st.notFinite(r)
		}
		r.Skipped = true
		return nil
	}
	var scalars []float32
	for _, f := range st.factors {
		scalars = append(scalars, st.cfg.Optimizer.scalars(rate*f, st.count+1)...)
	}
	feeds, free, err := st.numbers(map[feedKind][]float32{
		feedScalars: scalars, feedScale: st.scale.numbers(), feedNorm: {float32(r.GradientNorm)},
	}, grads)
	if err != nil {
		return err
	}
	defer free()
	results, began, err := st.apply.run(ctx, st.params, 0, nil, feeds)
	if err != nil {
		var gone *goneError
		if errors.As(err, &gone) {
			err = fmt.Errorf("%w (%w)", ErrLost, gone.error)
			st.lost = err
			st.params.lose(st.trained, err)
		}
		return fmt.Errorf("%s: %w", st.cfg.Name, err)
	}
	r.Device += time.Since(began)
	st.scale.raise()
	st.count++
	each := 1 + len(st.slots)
	for i, name := range st.trained {
		t := results[each*i:]
		if e := st.params.replace(name, t[0]); e != nil && err == nil {
			err = e
		}
		for k, kind := range st.slots {
			at := slot{kind, name}
			if e := st.state[at].FinalizeAll(); e != nil && err == nil {
				err = e
			}
			st.state[at] = t[1+k]
		}
	}
	return err
}
