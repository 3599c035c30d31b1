package graph

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
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
	// Parts lets the gradients of several batches be added up before one
	// update: Accumulate and Update take the place of Run.
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
// A step is two programs. The first computes loss, gradients and their norm and
// changes nothing. It is the one that needs room and may not get it. If it
// fails, or if loss or gradient turn out not to be finite, parameters and
// optimiser are to the bit those of the step before, and another step may be
// taken. The second updates them. On XLA it does so in place, in the memory that
// they have, so that nothing of what is trained is there twice; it asks for no
// room worth mentioning, and what it computes cannot fail. Should the backend
// fail in it all the same, what it was given is gone: the error wraps ErrLost,
// and so do all later ones until Start puts other parameters in their place. On
// the go backend new tensors take the place of the old ones at the end of the
// update, and nothing is ever lost.
type Step struct {
	b         *Backend
	cfg       StepConfig
	code      *code // from inputs to loss and gradients
	apply     *code // from gradients to new parameters
	specs     []Spec
	trained   []string // trainable and reached by the loss
	unreached []string // trainable, but the loss does not depend on them
	outs      int
	slots     []string  // of the optimiser, then that of the average
	factors   []float64 // distinct factors of the rate, ascending

	params *DeviceParams
	count  int
	state  map[slot]*tensors.Tensor
	lost   error // why there are no parameters any more
	loose  int   // programs until the room that they take in turn lies where it will always be
	scale  scale

	// With Parts:
	sums  map[string]*tensors.Tensor // gradients added up since the last update, times the loss scale
	norm  float64                    // of the sums, without the loss scale
	begun bool                       // sums hold something
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

	// Device is the time that the device took, as seen from the host: from when it was given the gradient until the loss was there, and
	// for the update.
	Device time.Duration
}

// ErrLost is the cause when parameters and optimiser have gone with an update
// that failed. They are to be had from the last checkpoint.
var ErrLost = errors.New("parameters and optimiser are lost, the update that failed held them; go on from the last checkpoint")

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
		return append(append([]*Node{loss}, st.gradients(c, loss)...), outputs...)
	})
	if err != nil {
		return nil, err
	}
	if err := st.compileApply(); err != nil {
		st.code.free()
		return nil, err
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
	if err := st.ready(); err != nil {
		return nil, err
	}
	defer st.tighten()
	r, _, grads, err := st.gradient(ctx, 1, seed, inputs)
	defer finalize(grads)
	if err != nil {
		return nil, err
	}
	if !finite(r.Loss) {
		return r, st.notFinite(r)
	}
	return r, st.update(context.WithoutCancel(ctx), rate, r, grads)
}

// tighten gives free memory back at the end of the first programs. The C library
// places their room anew until what lies between has found its place, and what
// it has left behind would stay beside it for good.
func (st *Step) tighten() {
	if st.loose > 0 {
		st.loose--
		st.b.tidy()
	}
}

// ready says why no step can be taken, if none can.
func (st *Step) ready() error {
	if st.params == nil {
		return fmt.Errorf("%s: the step has not been started", st.cfg.Name)
	}
	if st.lost != nil {
		return fmt.Errorf("%s: %w", st.cfg.Name, st.lost)
	}
	if st.code.exec == nil {
		return fmt.Errorf("%s: the step is finished and has been freed", st.cfg.Name)
	}
	return nil
}

// gradient runs the first program. It returns the norms of the gradient of
// these inputs, in the result, and of the gradients returned, which are the caller's.
func (st *Step) gradient(ctx context.Context, share float64, seed uint64, inputs []Value) (r *StepResult, norm float64, grads []*tensors.Tensor, err error) {
	feeds, free, err := st.numbers(map[feedKind][]float32{feedPart: st.part(share), feedScale: st.scale.numbers()}, nil)
	if err != nil {
		return nil, 0, nil, err
	}
	defer free()
	results, began, err := st.code.run(ctx, st.params, seed, inputs, feeds)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("%s: %w", st.cfg.Name, err)
	}
	before, after := 2, 2+len(st.trained)
	if st.cfg.Parts {
		before, after = before+1, after+1
	}
	grads = results[before:after]
	defer func() {
		finalize(results[:before])
		finalize(results[after:])
	}()
	r = &StepResult{}
	for i, into := range []*float64{&r.Loss, &r.GradientNorm, &norm} {
		if *into, err = scalarOf(results[min(i, before-1)]); err != nil {
			return nil, 0, grads, err
		}
	}
	r.Device = time.Since(began)
	r.Outputs, err = outputs(results[after:])
	return r, norm, grads, err
}

func (st *Step) notFinite(r *StepResult) error {
	return fmt.Errorf("%s: loss %g, gradient norm %g: %w", st.cfg.Name, r.Loss, r.GradientNorm, ErrNotFinite)
}

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

// Finish releases what only further steps need: the compiled code, the
// optimiser's tensors, the sums. Parameters and averages stay.
func (st *Step) Finish() {
	for at, t := range st.state {
		if at.kind != averageSlot {
			_ = t.FinalizeAll()
			delete(st.state, at)
		}
	}
	freeAll(st.sums)
	st.apply.free()
	st.code.free()
}

// Free releases the compiled code and the state, not the parameters.
func (st *Step) Free() {
	st.Finish()
	freeAll(st.state)
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
func (st *Step) Nodes() int { return st.code.nodes + st.apply.nodes }

// Memory is a lower estimate of the bytes that a step holds at its worst
// moment, parameters and state included.
func (st *Step) Memory() int64 { return max(st.code.need, st.apply.memory()) }
