package graph

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Objective builds what is to be minimised: a scalar, and any other nodes to be
// returned with it.
type Objective func(s *Scope, in []*Node) (loss *Node, outputs []*Node)

// StepConfig says how a training step is built.
type StepConfig struct {
	Name      string
	Trainable func(name string) bool // nil means all
	Optimizer AdamW
}

// Step is a compiled training step: forward pass, loss, gradient with respect
// to the trainable parameters, and the optimiser's update. Parameters and
// moments stay on the device between steps.
//
// Nothing is updated in place: a step that fails, or whose loss or gradient is
// not finite, leaves the parameters and moments of the step before. The price
// is room for a second set of both while a step runs.
type Step struct {
	b         *Backend
	cfg       StepConfig
	code      *code
	specs     []Spec
	trained   []string // trainable and reached by the loss
	unreached []string // trainable, but the loss does not depend on them
	outs      int

	params *DeviceParams
	count  int
	first  map[string]*tensors.Tensor // the optimiser's m
	second map[string]*tensors.Tensor // and v
}

// StepResult is what one training step reports.
type StepResult struct {
	Loss         float64
	GradientNorm float64   // before clipping
	Outputs      []*Tensor // of the objective, integers and truth values as floats
}

// ErrNotFinite is the cause when a loss or gradient is NaN or infinite. The
// parameters are those from before the step.
var ErrNotFinite = errors.New("loss or gradient is not a finite number")

const (
	feedScalars feedKind = iota + 100
	feedFirst
	feedSecond
)

// NewStep builds and compiles a training step. As in PyTorch, a trainable
// parameter that the loss does not depend on is left alone, weight decay
// included.
func NewStep(b *Backend, cfg StepConfig, inputs []Shape, build Objective) (*Step, error) {
	st := &Step{b: b, cfg: cfg}
	var err error
	st.code, err = compile(b, cfg.Name, inputs, dtypes.Float32, func(c *construction) []*Node {
		c.training = true
		s := c.root()
		loss, outputs := build(s, c.inputs(inputs))
		if loss.Rank() != 0 {
			s.Failf("the loss must be a scalar, it has shape %v", loss.Shape().Dimensions)
		}
		st.specs, st.outs = c.specs, len(outputs)
		st.sort(c, loss)
		if len(st.trained) == 0 {
			s.Failf("none of the %d parameters is both trainable and reached by the loss", len(c.specs))
		}
		for i, n := range outputs {
			outputs[i] = gx.ConvertDType(n, c.float)
		}
		results := []*Node{loss}
		return append(append(results, st.updates(s, loss)...), outputs...)
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// sort finds out which trainable parameters the loss depends on.
func (st *Step) sort(c *construction, loss *Node) {
	reached := map[*Node]bool{}
	for todo := []*Node{loss}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if reached[n] || n.StopGradient() {
			continue
		}
		reached[n] = true
		todo = append(todo, n.Inputs()...)
	}
	for _, spec := range c.specs {
		switch {
		case st.cfg.Trainable != nil && !st.cfg.Trainable(spec.Name):
		case reached[c.params[spec.Name]]:
			st.trained = append(st.trained, spec.Name)
		default:
			st.unreached = append(st.unreached, spec.Name)
		}
	}
}

// updates returns the gradient's norm, then for every trained parameter its
// new value and moments.
func (st *Step) updates(s *Scope, loss *Node) []*Node {
	c := s.c
	nodes := make([]*Node, len(st.trained))
	for i, name := range st.trained {
		nodes[i] = c.params[name]
	}
	grads := gx.Gradient(loss, nodes...)
	norm := gradientNorm(s, grads)
	if st.cfg.Optimizer.ClipNorm > 0 {
		grads = clip(grads, norm, st.cfg.Optimizer.ClipNorm)
	}
	scalars := gx.Parameter(c.g, "step scalars", shapes.Make(c.float, 3))
	c.feeds = append(c.feeds, feed{kind: feedScalars, dims: []int{3}})
	results := []*Node{norm}
	for i, name := range st.trained {
		shape := nodes[i].Shape()
		m := gx.Parameter(c.g, "first moment "+name, shape)
		c.feeds = append(c.feeds, feed{kind: feedFirst, name: name, dims: shape.Dimensions})
		v := gx.Parameter(c.g, "second moment "+name, shape)
		c.feeds = append(c.feeds, feed{kind: feedSecond, name: name, dims: shape.Dimensions})
		p, m, v := st.cfg.Optimizer.update(name, nodes[i], grads[i], m, v, scalars)
		results = append(results, p, m, v)
	}
	return results
}

// Specs lists all parameters in order of creation.
func (st *Step) Specs() []Spec { return slices.Clone(st.specs) }

// Trained lists the parameters that are updated.
func (st *Step) Trained() []string { return slices.Clone(st.trained) }

// Unreached lists the trainable parameters that the loss does not depend on
// and that are therefore left alone.
func (st *Step) Unreached() []string { return slices.Clone(st.unreached) }

// OptimizerState is what AdamW remembers besides the parameters.
type OptimizerState struct {
	Count         int     // steps taken
	First, Second *Params // m and v by parameter name
}

// Start sets the parameters to train and the optimiser's state; a nil state is
// that of a fresh optimiser. The parameters are replaced on the device as
// training goes on; the host's set is not changed.
func (st *Step) Start(params *DeviceParams, state *OptimizerState) error {
	if params.b != st.b {
		return fmt.Errorf("the parameters were placed on backend %s, the step runs on %s", params.b.Name(), st.b.Name())
	}
	first, second := map[string]*tensors.Tensor{}, map[string]*tensors.Tensor{}
	started := false
	var zeros []float32 // one for all: they are copied to the device
	defer func() {
		if !started {
			freeAll(first)
			freeAll(second)
		}
	}()
	for _, spec := range st.specs {
		if !slices.Contains(st.trained, spec.Name) {
			continue
		}
		for _, moment := range []struct {
			on   map[string]*tensors.Tensor
			from func() *Params
		}{{first, func() *Params { return state.First }}, {second, func() *Params { return state.Second }}} {
			if n := size(spec.Dims); len(zeros) < n {
				zeros = make([]float32, n)
			}
			data := zeros[:size(spec.Dims)]
			if state != nil {
				t, ok := moment.from().Get(spec.Name)
				if !ok || !slices.Equal(t.Dims, spec.Dims) {
					return fmt.Errorf("the optimiser's state has no moment of shape %v for parameter %q; it belongs to another model or another choice of trainable parameters", spec.Dims, spec.Name)
				}
				data = t.Data
			}
			t, err := st.b.upload(data, dtypes.Float32, spec.Dims)
			if err != nil {
				return err
			}
			moment.on[spec.Name] = t
		}
	}
	started = true
	freeAll(st.first)
	freeAll(st.second)
	st.params, st.first, st.second, st.count = params, first, second, 0
	if state != nil {
		st.count = state.Count
	}
	return nil
}

// Run takes one step with the given learning rate; the seed decides the
// random tensors. A step that has begun is not interrupted: ctx is looked at
// before. If loss or gradient is not finite the result is returned together
// with an error that wraps ErrNotFinite, and nothing is updated.
func (st *Step) Run(ctx context.Context, rate float64, seed uint64, inputs ...Value) (*StepResult, error) {
	if st.params == nil {
		return nil, fmt.Errorf("%s: the step has not been started", st.cfg.Name)
	}
	scalars, err := st.b.upload(st.cfg.Optimizer.scalars(rate, st.count+1), dtypes.Float32, []int{3})
	if err != nil {
		return nil, err
	}
	defer scalars.FinalizeAll()
	results, err := st.code.run(ctx, st.params, seed, inputs, func(f feed) (*tensors.Tensor, error) {
		switch f.kind {
		case feedFirst:
			return st.first[f.name], nil
		case feedSecond:
			return st.second[f.name], nil
		default:
			return scalars, nil
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.cfg.Name, err)
	}
	kept := 0 // results that became state
	defer func() {
		finalize(results[:2])
		finalize(results[2+kept:])
	}()
	r := &StepResult{}
	if r.Loss, err = scalarOf(results[0]); err != nil {
		return nil, err
	}
	if r.GradientNorm, err = scalarOf(results[1]); err != nil {
		return nil, err
	}
	state := 3 * len(st.trained)
	for _, t := range results[2+state:] {
		data, err := download(t)
		if err != nil {
			return nil, err
		}
		r.Outputs = append(r.Outputs, &Tensor{Dims: slices.Clone(t.Shape().Dimensions), Data: data})
	}
	if !finite(r.Loss) || !finite(r.GradientNorm) {
		return r, fmt.Errorf("%s: loss %g, gradient norm %g: %w", st.cfg.Name, r.Loss, r.GradientNorm, ErrNotFinite)
	}
	kept = state
	st.count++
	for i, name := range st.trained {
		t := results[2+3*i:]
		if err := st.params.replace(name, t[0]); err != nil {
			return nil, err
		}
		for _, moment := range []struct {
			of map[string]*tensors.Tensor
			t  *tensors.Tensor
		}{{st.first, t[1]}, {st.second, t[2]}} {
			if err := moment.of[name].FinalizeAll(); err != nil {
				return nil, err
			}
			moment.of[name] = moment.t
		}
	}
	return r, nil
}

// State fetches the optimiser's state from the device.
func (st *Step) State() (*OptimizerState, error) {
	state := &OptimizerState{Count: st.count, First: NewParams(), Second: NewParams()}
	for _, spec := range st.specs {
		for _, moment := range []struct {
			of map[string]*tensors.Tensor
			to *Params
		}{{st.first, state.First}, {st.second, state.Second}} {
			t, ok := moment.of[spec.Name]
			if !ok {
				continue
			}
			data, err := download(t)
			if err != nil {
				return nil, err
			}
			if err := moment.to.Set(spec.Name, &Tensor{Dims: spec.Dims, Data: data}); err != nil {
				return nil, err
			}
		}
	}
	return state, nil
}

// Free releases the compiled code and the moments, not the parameters.
func (st *Step) Free() {
	st.code.free()
	freeAll(st.first)
	freeAll(st.second)
}

func freeAll(of map[string]*tensors.Tensor) {
	for _, t := range of {
		_ = t.FinalizeAll()
	}
	clear(of)
}

func scalarOf(t *tensors.Tensor) (float64, error) {
	data, err := download(t)
	if err != nil {
		return 0, err
	}
	return float64(data[0]), nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
