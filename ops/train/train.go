package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Result is what a run leaves.
type Result struct {
	Params    *graph.Params // after the last step; their moving average if one is kept
	Best      *graph.Params // of the epoch with the highest validation Dice; nil without validation
	BestEpoch int           // from 1
	BestDice  float64
	History   []Record
	Steps     int
	Stopped   bool // early, for want of a gain
	// Unreached lists parameters that were to be trained but do not influence
	// the loss; they are unchanged.
	Unreached []string
}

// NotFiniteError reports a loss or gradient that is not a number, with the
// samples that led to it. It wraps graph.ErrNotFinite.
type NotFiniteError struct {
	Epoch, Step int // from 1
	Loss        float64
	Samples     []string
	cause       error
}

func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("epoch %d, step %d: the loss is %g (or its gradient is not finite); the batch held %s; look at these samples, or lower the learning rate",
		e.Epoch, e.Step, e.Loss, strings.Join(e.Samples, ", "))
}

func (e *NotFiniteError) Unwrap() error { return e.cause }

// run is the state of one call of Run.
type run struct {
	cfg      Config
	data     Source
	perEpoch int // steps, each of up to cfg.parts() batches
	step     *graph.Step
	params   *graph.DeviceParams
	predict  *Predictor
	settings settings
	progress progress
	best     *graph.Params
}

// Run trains the network. params are the values to start from and are not
// changed; nil, or a parameter that is missing, means first values drawn from
// Seeds.Init. If ctx ends, the run stops before its next step and returns what it
// has with ctx's error. A run that stops early for any reason writes a
// checkpoint of its last complete step, if it has a folder.
func Run(ctx context.Context, b *graph.Backend, net graph.Network, params *graph.Params, data Source, cfg Config) (*Result, error) {
	if err := cfg.check(data); err != nil {
		return nil, err
	}
	each := cfg.BatchSize * cfg.parts()
	r := &run{cfg: cfg, data: data, perEpoch: (data.Len() + each - 1) / each}
	r.report(Event{Phase: "compiling"})
	if err := r.compile(b, net); err != nil {
		return nil, err
	}
	defer r.free()
	if err := r.start(b, params); err != nil {
		return nil, err
	}
	err := r.loop(ctx)
	if err != nil {
		// Parameters and optimiser are those after the last complete step.
		if e := r.checkpoint(); e != nil {
			return nil, errors.Join(err, e)
		}
		err = fmt.Errorf("training stopped after %d of %d steps: %w", r.progress.Step, r.perEpoch*cfg.Epochs, err)
		if ctx.Err() == nil {
			return nil, err
		}
	}
	result, e := r.result()
	if e != nil {
		return nil, errors.Join(err, e)
	}
	return result, err
}

func (r *run) report(e Event) {
	if r.cfg.Progress != nil {
		e.Epochs, e.Steps = r.cfg.Epochs, r.perEpoch*r.cfg.Epochs
		r.cfg.Progress(e)
	}
}

func (r *run) compile(b *graph.Backend, net graph.Network) (err error) {
	count, side := r.cfg.BatchSize, r.cfg.Size
	inputs := append(shapes(count, side), graph.F32(count, side, side), graph.F32(count))
	step := graph.StepConfig{
		Name: "training step", Trainable: r.cfg.Trainable, Optimizer: r.cfg.Optimizer, ClipNorm: r.cfg.ClipNorm, Average: r.cfg.Average,
		Parts: r.cfg.parts() > 1, Precision: r.cfg.Precision, Scaling: r.cfg.Scaling, Recompute: r.cfg.Recompute,
	}
	if len(r.cfg.Groups) > 0 {
		step.Factor = r.cfg.factor
	}
	if r.cfg.NoDecay != (NoDecay{}) {
		specs, err := graph.Declare(shapes(count, side), func(s *graph.Scope, in []*graph.Node) []*graph.Node {
			return []*graph.Node{network(s, net, in, count, side).Masks}
		})
		if err != nil {
			return err
		}
		step.Decayed = r.cfg.NoDecay.decayed(specs)
	}
	r.step, err = graph.NewStep(b, step, inputs, func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
		out := network(s, net, in, count, side)
		losses := r.cfg.Loss(s, out, in[4])
		if d := losses.Shape().Dimensions; len(d) != 1 || d[0] != count {
			s.Failf("the loss has shape %v, expected one value for each of the %d samples", d, count)
		}
		return graph.WeightedMean(losses, in[5]), nil
	})
	if err != nil {
		return err
	}
	if r.cfg.Validation != nil {
		r.predict, err = NewPredictor(b, net, side, count, r.cfg.Select)
	}
	return err
}

func (r *run) free() {
	r.step.Free()
	if r.params != nil {
		r.params.Free()
	}
	if r.predict != nil {
		r.predict.Free()
	}
}

// start places the parameters, from a checkpoint if the run is continued.
func (r *run) start(b *graph.Backend, given *graph.Params) error {
	params, err := completed(given, r.step.Specs(), r.cfg.Seeds.Init)
	if err != nil {
		return err
	}
	r.settings = r.cfg.settings(r.data.Len(), r.step.Trained())
	var state *graph.OptimizerState
	if r.cfg.Resume {
		saved, opt, p, ok, err := load(r.file(lastFile), r.settings, r.step.Slots())
		if err != nil {
			return err
		}
		if ok {
			// What is not trained is not in the checkpoint.
			if params, err = replaced(params, saved); err != nil {
				return err
			}
			state, r.progress = opt, p
			if p.Step > r.perEpoch*r.cfg.Epochs {
				return fmt.Errorf("%s has already been trained for %d steps, %d are asked for", r.file(lastFile), p.Step, r.perEpoch*r.cfg.Epochs)
			}
		}
		if ok && p.BestEpoch > 0 {
			best, err := loadBest(r.file(bestFile))
			if err != nil {
				return fmt.Errorf("the best parameters so far are needed to continue: %w", err)
			}
			if r.best, err = replaced(params, best); err != nil {
				return err
			}
		}
	}
	r.params = b.Place(params)
	return r.step.Start(r.params, state)
}

// completed adds first values for the parameters that are not given.
func completed(given *graph.Params, specs []graph.Spec, seed uint64) (*graph.Params, error) {
	if given == nil {
		return graph.Initialise(specs, seed)
	}
	params := graph.NewParams()
	for _, name := range given.Names() {
		t, _ := given.Get(name)
		if err := params.Set(name, t); err != nil {
			return nil, err
		}
	}
	var missing []graph.Spec
	for _, spec := range specs {
		switch t, ok := params.Get(spec.Name); {
		case !ok:
			missing = append(missing, spec)
		case !slices.Equal(t.Dims, spec.Dims):
			return nil, fmt.Errorf("parameter %q has shape %v, the network needs %v", spec.Name, t.Dims, spec.Dims)
		}
	}
	first, err := graph.Initialise(missing, seed)
	if err != nil {
		return nil, err
	}
	for _, spec := range missing {
		t, _ := first.Get(spec.Name)
		if err := params.Set(spec.Name, t); err != nil {
			return nil, err
		}
	}
	return params, nil
}

// replaced is a set in which the tensors of another take the place of its own.
func replaced(params, by *graph.Params) (*graph.Params, error) {
	out := graph.NewParams()
	for _, name := range params.Names() {
		t, _ := params.Get(name)
		if other, ok := by.Get(name); ok {
			if !slices.Equal(other.Dims, t.Dims) {
				return nil, fmt.Errorf("the checkpoint's parameter %q has shape %v, the network needs %v", name, other.Dims, t.Dims)
			}
			t = other
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// trained are the tensors of a set that training changes.
func (r *run) trained(params *graph.Params) (*graph.Params, error) {
	out := graph.NewParams()
	for _, name := range r.step.Trained() {
		t, ok := params.Get(name)
		if !ok {
			return nil, fmt.Errorf("parameter %q is missing", name)
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *run) file(name string) string { return filepath.Join(r.cfg.Dir, name) }

// loop takes all remaining steps. The next batch is assembled while a step
// runs.
func (r *run) loop(ctx context.Context) error {
	if r.progress.Samples > 0 && r.progress.Step%r.perEpoch == 0 {
		// The run was stopped between the last step of an epoch and its end.
		if err := r.endEpoch(ctx); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	batches, failed, finished := r.batches(ctx)
	defer func() {
		stop()
		<-finished
	}()
	next := func() (*batch, error) {
		select {
		case in := <-batches.ready:
			return in, nil
		case err := <-failed:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	total := r.perEpoch * r.cfg.Epochs
	last := time.Now()
	for r.progress.Step < total && !r.progress.Stopped {
		if err := r.take(ctx, next, func(in *batch) { batches.free <- in }, &last); err != nil {
			return err
		}
		if r.progress.Step%r.perEpoch == 0 {
			if err := r.endEpoch(ctx); err != nil {
				return err
			}
			last = time.Now()
		} else if n := r.cfg.CheckpointSteps; n > 0 && r.progress.Step%n == 0 {
			if err := r.checkpoint(); err != nil {
				return err
			}
		}
	}
	return nil
}

// samples are the places, in the order of an epoch, of the samples of batch
// part of step k of the epoch; empty behind the last.
func (r *run) samples(k, part int) (from, to int) {
	from = min((k*r.cfg.parts()+part)*r.cfg.BatchSize, r.data.Len())
	return from, min(from+r.cfg.BatchSize, r.data.Len())
}

// take makes one step.
func (r *run) take(ctx context.Context, next func() (*batch, error), free func(*batch), last *time.Time) error {
	done := r.progress.Step
	epoch := done/r.perEpoch + 1
	rate := r.cfg.Schedule.Rate(r.cfg.Rate, done, r.perEpoch, r.cfg.Epochs)
	got, n, names, err := r.update(ctx, rate, next, free)
	if errors.Is(err, graph.ErrNotFinite) {
		return &NotFiniteError{Epoch: epoch, Step: done + 1, Loss: got.Loss, Samples: names, cause: err}
	}
	if err != nil {
		return r.explained(err)
	}
	r.progress.Step++
	r.progress.LossSum += got.Loss * float64(n)
	r.progress.Samples += n
	if got.Skipped {
		r.progress.Skipped++
	}
	now := time.Now()
	r.report(Event{
		Phase: "training", Epoch: epoch, Step: r.progress.Step,
		Loss: got.Loss, GradientNorm: got.GradientNorm, Rate: rate, Skipped: got.Skipped,
		ImagesPerSecond: float64(n) / now.Sub(*last).Seconds(),
	})
	*last = now
	return nil
}

// update takes the batches of one step and changes the parameters. It returns
// the number of samples, and the names of those that an error is about.
func (r *run) update(ctx context.Context, rate float64, next func() (*batch, error), free func(*batch)) (got *graph.StepResult, n int, names []string, err error) {
	done, parts := r.progress.Step, r.cfg.parts()
	if parts == 1 {
		in, err := next()
		if err != nil {
			return nil, 0, nil, err
		}
		defer free(in)
		got, err = r.step.Run(ctx, rate, r.dropout(fmt.Sprintf("step %d", done)), r.inputs(in)...)
		return got, in.n, append([]string(nil), in.names[:in.n]...), err
	}
	k := done % r.perEpoch
	from, _ := r.samples(k, 0)
	_, to := r.samples(k, parts-1)
	loss := 0.0
	for part := range parts {
		a, z := r.samples(k, part)
		if a == z {
			break
		}
		in, err := next()
		if err != nil {
			return nil, 0, nil, err
		}
		share := float64(z-a) / float64(to-from)
		got, err = r.step.Accumulate(ctx, share, r.dropout(fmt.Sprintf("step %d, part %d", done, part)), r.inputs(in)...)
		own := append([]string(nil), in.names[:in.n]...)
		free(in)
		if err != nil {
			return got, in.n, own, err
		}
		names = append(names, own...)
		loss += share * got.Loss
	}
	got, err = r.step.Update(ctx, rate)
	if got != nil {
		got.Loss = loss
	}
	return got, to - from, names, err
}

func (r *run) dropout(purpose string) uint64 {
	return graph.Stream(r.cfg.Seeds.Dropout, purpose).Uint64()
}

// inputs are the arguments of the compiled step.
func (r *run) inputs(in *batch) []graph.Value {
	side, count := r.cfg.Size, len(in.weight)
	return append(in.inputs(side), graph.Floats(in.target, count, side, side), graph.Floats(in.weight, count))
}

// endEpoch validates, keeps the best parameters and writes a checkpoint.
func (r *run) endEpoch(ctx context.Context) error {
	p := &r.progress
	record := Record{
		Epoch: p.Step / r.perEpoch,
		Loss:  p.LossSum / float64(p.Samples),
		Rate:  r.cfg.Schedule.Rate(r.cfg.Rate, p.Step-1, r.perEpoch, r.cfg.Epochs),

		Skipped: p.Skipped,
	}
	if r.predict != nil {
		r.report(Event{Phase: "validating", Epoch: record.Epoch, Step: p.Step})
		dice, err := r.predict.meanDice(ctx, r.step.Averaged(), r.cfg.Validation)
		if err != nil {
			return fmt.Errorf("validation after epoch %d: %w", record.Epoch, err)
		}
		record.Dice = &dice
		if r.best == nil || dice > p.Best {
			if r.best, err = r.step.Averaged().Host(); err != nil {
				return err
			}
			p.Best, p.BestEpoch = dice, record.Epoch
			if r.cfg.Dir != "" {
				changed, err := r.trained(r.best)
				if err != nil {
					return err
				}
				if err := saveBest(r.file(bestFile), changed, record.Epoch, dice); err != nil {
					return err
				}
			}
		}
		record.Stopped = p.tire(r.cfg.Patience, dice)
	}
	p.History = append(p.History, record)
	p.LossSum, p.Samples, p.Skipped = 0, 0, 0
	if err := r.checkpoint(); err != nil {
		return err
	}
	r.report(Event{Phase: "epoch", Epoch: record.Epoch, Step: p.Step, Loss: record.Loss, Rate: record.Rate, Record: &record})
	return nil
}

func (r *run) checkpoint() error {
	if r.cfg.Dir == "" {
		return nil
	}
	params, err := r.params.Host()
	if err != nil {
		return err
	}
	if params, err = r.trained(params); err != nil {
		return err
	}
	state, err := r.step.State()
	if err != nil {
		return err
	}
	return save(r.file(lastFile), params, state, r.progress, r.settings)
}

func (r *run) result() (*Result, error) {
	params, err := r.step.Averaged().Host()
	if err != nil {
		return nil, err
	}
	return &Result{
		Params: params, Best: r.best, BestEpoch: r.progress.BestEpoch, BestDice: r.progress.Best,
		History: r.progress.History, Steps: r.progress.Step, Stopped: r.progress.Stopped, Unreached: r.step.Unreached(),
	}, nil
}
