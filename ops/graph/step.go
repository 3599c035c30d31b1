package graph

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/gomlx/compute/dtypes"
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
	Optimizer Optimizer              // nil means DefaultAdamW

	// Decayed says which parameters the weight decay acts on; nil means all.
	Decayed func(name string) bool
	// Factor multiplies the learning rate of a parameter; nil means 1 for all.
	Factor func(name string) float64
	// ClipNorm scales all gradients down together where their common Euclidean
	// norm is larger, as torch.nn.utils.clip_grad_norm_ does; 0 means never.
	ClipNorm float64
	// Average d, above 0, keeps a moving average of the trained parameters
	// beside them, a ← d·a + (1-d)·p after every update. It starts at the
	// parameters' first values.
	Average float64
	// Parts builds the step in two programs, so that the gradients of several
	// batches are added up before one update: Accumulate and Update take the
	// place of Run.
	Parts bool
	// Precision is the type in which matrix products and convolutions are
	// computed; see [Precision]. Scaling is read for F16 only.
	Precision Precision
	Scaling   LossScaling
	// Recompute lets [Scope.Block] have effect: activations inside a block
	// are computed again for the gradient instead of being kept.
	Recompute bool
}

// Step is a compiled training step: forward pass, loss, gradient with respect
// to the trainable parameters, and the optimiser's update. Parameters and the
// optimiser's tensors stay on the device between steps.
//
// Nothing is updated in place: a step that fails, or whose loss or gradient is
// not finite, leaves the parameters and tensors of the step before. The price
// is room for a second set of both while a step runs.
type Step struct {
	b         *Backend
	cfg       StepConfig
	code      *code // everything, or with Parts what ends in the sum of gradients
	apply     *code // with Parts: from the sum of gradients to new parameters
	specs     []Spec
	trained   []string // trainable and reached by the loss
	unreached []string // trainable, but the loss does not depend on them
	outs      int
	slots     []string  // of the optimiser, then that of the average
	factors   []float64 // distinct factors of the rate, ascending

	params *DeviceParams
	count  int
	state  map[slot]*tensors.Tensor
	sums   map[string]*tensors.Tensor // gradients added up since the last update
	begun  bool                       // sums hold something
	freed  sync.WaitGroup             // what the last update replaced
	scale  scale
}

// slot is one tensor that belongs to a parameter.
type slot struct{ kind, name string }

// StepResult is what one training step reports.
type StepResult struct {
	Loss         float64
	GradientNorm float64 // before clipping
	// Skipped says that the gradient overflowed in half precision: nothing was
	// updated but the loss scale.
	Skipped bool
	Outputs []*Tensor // of the objective, integers and truth values as floats

	// Device is the time that the device took, as seen from the host: from when it was given the step until the loss was there.
	Device time.Duration
}

// ErrNotFinite is the cause when a loss or gradient is NaN or infinite. The
// parameters are those from before the step.
var ErrNotFinite = errors.New("loss or gradient is not a finite number")

// NewStep builds and compiles a training step. As in PyTorch, a trainable
// parameter that the loss does not depend on is left alone, weight decay
// included.
func NewStep(b *Backend, cfg StepConfig, inputs []Shape, build Objective) (*Step, error) {
	if cfg.Optimizer == nil {
		cfg.Optimizer = DefaultAdamW()
	}
	if err := cfg.check(b); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	st := &Step{b: b, cfg: cfg, slots: cfg.Optimizer.slots(), scale: cfg.firstScale()}
	if cfg.Average > 0 {
		st.slots = append(slices.Clone(st.slots), averageSlot)
	}
	var err error
	st.code, err = compile(b, cfg.Name, inputs, dtypes.Float32, func(c *construction) []*Node {
		c.training, c.recompute = true, cfg.Recompute
		c.compute(cfg.Precision)
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
		st.groups()
		for i, n := range outputs {
			outputs[i] = gx.ConvertDType(n, c.float)
		}
		results := []*Node{loss}
		params, grads := st.gradients(c, loss)
		if cfg.Parts {
			results = append(append(results, gradientNorm(s, grads)), st.summed(c, grads)...)
		} else {
			results = append(results, st.updates(c, params, grads)...)
		}
		return append(results, outputs...)
	})
	if err != nil {
		return nil, err
	}
	if cfg.Parts {
		if err := st.compileApply(); err != nil {
			st.code.free()
			return nil, err
		}
	}
	return st, nil
}

func (cfg StepConfig) check(b *Backend) error {
	if err := cfg.Optimizer.Check(); err != nil {
		return err
	}
	if !(cfg.ClipNorm >= 0) {
		return fmt.Errorf("the largest gradient norm is %g, expected a number above 0, or 0 for no limit", cfg.ClipNorm)
	}
	if !(cfg.Average >= 0 && cfg.Average < 1) {
		return fmt.Errorf("the moving average keeps %g of itself, expected at least 0 and below 1", cfg.Average)
	}
	if err := cfg.Precision.Check(b); err != nil {
		return err
	}
	return cfg.Scaling.check()
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

// Specs lists all parameters in order of creation.
func (st *Step) Specs() []Spec { return slices.Clone(st.specs) }

// Trained lists the parameters that are updated.
func (st *Step) Trained() []string { return slices.Clone(st.trained) }

// Unreached lists the trainable parameters that the loss does not depend on
// and that are therefore left alone.
func (st *Step) Unreached() []string { return slices.Clone(st.unreached) }

// Run takes one step with the given learning rate; the seed decides the
// random tensors. A step that has begun is not interrupted: ctx is looked at
// before. If loss or gradient is not finite the result is returned together
// with an error that wraps ErrNotFinite, and nothing is updated.
func (st *Step) Run(ctx context.Context, rate float64, seed uint64, inputs ...Value) (*StepResult, error) {
	if st.cfg.Parts {
		return nil, fmt.Errorf("%s: the step was built for parts; use Accumulate and Update", st.cfg.Name)
	}
	if st.params == nil {
		return nil, fmt.Errorf("%s: the step has not been started", st.cfg.Name)
	}
	feeds, free, err := st.numbers(rate, 0, false)
	if err != nil {
		return nil, err
	}
	defer free()
	results, began, err := st.code.run(ctx, st.params, seed, inputs, feeds)
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
	r.Device = time.Since(began)
	if r.GradientNorm, err = scalarOf(results[1]); err != nil {
		return nil, err
	}
	state := (1 + len(st.slots)) * len(st.trained)
	if r.Outputs, err = outputs(results[2+state:]); err != nil {
		return nil, err
	}
	if !finite(r.Loss) {
		return r, st.notFinite(r)
	}
	if kept, err = st.settle(r, results[2:2+state]); err != nil {
		return r, err
	}
	return r, nil
}

func (st *Step) notFinite(r *StepResult) error {
	return fmt.Errorf("%s: loss %g, gradient norm %g: %w", st.cfg.Name, r.Loss, r.GradientNorm, ErrNotFinite)
}

// settle makes the results of an update the state, unless the gradient is not
// finite. It returns how many of the tensors it has taken.
func (st *Step) settle(r *StepResult, results []*tensors.Tensor) (taken int, err error) {
	if !finite(r.GradientNorm) {
		if !st.scale.lower() {
			return 0, st.notFinite(r)
		}
		r.Skipped = true
		return 0, nil
	}
	st.scale.raise()
	st.count++
	each := 1 + len(st.slots)
	old := make([]*tensors.Tensor, 0, len(results))
	for i, name := range st.trained {
		t := results[each*i:]
		old = append(old, st.params.replace(name, t[0]))
		for k, kind := range st.slots {
			at := slot{kind, name}
			old = append(old, st.state[at])
			st.state[at] = t[1+k]
		}
	}
	st.discard(old)
	return len(results), nil
}

// discard frees what an update has replaced: some 2 µs for each of what may be a
// thousand tensors, in which a device of its own would wait for the next step. So
// there small sets are freed while it begins; one that takes room worth mentioning
// is freed before, like every set on the host.
func (st *Step) discard(old []*tensors.Tensor) {
	st.freed.Wait()
	bytes := 0
	for _, t := range old {
		if t != nil {
			bytes += int(t.Memory())
		}
	}
	if !st.b.Accelerated() && !discardAlways || bytes > discardBelow {
		finalize(old)
		return
	}
	st.freed.Go(func() { finalize(old) })
}

const discardBelow = 256 << 20

// discardAlways lets tests free beside the next step on the host too.
var discardAlways = false

func outputs(results []*tensors.Tensor) ([]*Tensor, error) {
	var out []*Tensor
	for _, t := range results {
		data, err := download(t)
		if err != nil {
			return nil, err
		}
		out = append(out, &Tensor{Dims: slices.Clone(t.Shape().Dimensions), Data: data})
	}
	return out, nil
}

// Free releases the compiled code and the state, not the parameters.
func (st *Step) Free() {
	st.freed.Wait()
	st.code.free()
	st.apply.free()
	freeAll(st.state)
	freeAll(st.sums)
}

func freeAll[K comparable](of map[K]*tensors.Tensor) {
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

// Nodes is the size of the graph, for checks that something is computed more
// than once.
func (st *Step) Nodes() int { return len(st.code.g.Nodes()) }

// Memory is a lower estimate of the bytes that a step holds at its worst
// moment, parameters and state included.
func (st *Step) Memory() int64 { return max(st.code.need, st.apply.memory()) }
