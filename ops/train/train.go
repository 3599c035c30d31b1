package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Result is what a run leaves.
type Result struct {
	Params    *graph.Params // after the last step
	Best      *graph.Params // of the epoch with the highest validation Dice; nil without validation
	BestEpoch int           // from 1
	BestDice  float64
	History   []Record
	Steps     int
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
	perEpoch int // steps
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
	r := &run{cfg: cfg, data: data, perEpoch: (data.Len() + cfg.BatchSize - 1) / cfg.BatchSize}
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
	inputs := append(shapes(count, side, r.cfg.Input), graph.F32(count, side, side), graph.F32(count))
	step := graph.StepConfig{Name: "training step", Trainable: r.cfg.Trainable, Optimizer: r.cfg.Optimizer}
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
		r.predict, err = newPredictor(b, net, side, r.cfg.Input, count, r.cfg.Select)
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
		saved, opt, p, ok, err := load(r.file(lastFile), r.settings)
		if err != nil {
			return err
		}
		if ok {
			params, state, r.progress = saved, opt, p
			if p.Step > r.perEpoch*r.cfg.Epochs {
				return fmt.Errorf("%s has already been trained for %d steps, %d are asked for", r.file(lastFile), p.Step, r.perEpoch*r.cfg.Epochs)
			}
		}
		if ok && p.BestEpoch > 0 {
			if r.best, err = loadBest(r.file(bestFile)); err != nil {
				return fmt.Errorf("the best parameters so far are needed to continue: %w", err)
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
	total := r.perEpoch * r.cfg.Epochs
	last := time.Now()
	for r.progress.Step < total {
		var in *batch
		select {
		case in = <-batches.ready:
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.take(ctx, in, &last); err != nil {
			return err
		}
		batches.free <- in
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

// take runs one step.
func (r *run) take(ctx context.Context, in *batch, last *time.Time) error {
	side, done := r.cfg.Size, r.progress.Step
	epoch := done/r.perEpoch + 1
	rate := r.cfg.Schedule.Rate(r.cfg.Rate, done, r.perEpoch, r.cfg.Epochs)
	seed := graph.Stream(r.cfg.Seeds.Dropout, fmt.Sprintf("step %d", done)).Uint64()
	count := len(in.weight)
	values := append(in.inputs(side, r.cfg.Input), graph.Floats(in.target, count, side, side), graph.Floats(in.weight, count))
	got, err := r.step.Run(ctx, rate, seed, values...)
	if errors.Is(err, graph.ErrNotFinite) {
		return &NotFiniteError{Epoch: epoch, Step: done + 1, Loss: got.Loss, Samples: append([]string(nil), in.names[:in.n]...), cause: err}
	}
	if err != nil {
		return err
	}
	r.progress.Step++
	r.progress.LossSum += got.Loss * float64(in.n)
	r.progress.Samples += in.n
	now := time.Now()
	r.report(Event{
		Phase: "training", Epoch: epoch, Step: r.progress.Step,
		Loss: got.Loss, GradientNorm: got.GradientNorm, Rate: rate,
		ImagesPerSecond: float64(in.n) / now.Sub(*last).Seconds(),
	})
	*last = now
	return nil
}

// endEpoch validates, keeps the best parameters and writes a checkpoint.
func (r *run) endEpoch(ctx context.Context) error {
	p := &r.progress
	record := Record{
		Epoch: p.Step / r.perEpoch,
		Loss:  p.LossSum / float64(p.Samples),
		Rate:  r.cfg.Schedule.Rate(r.cfg.Rate, p.Step-1, r.perEpoch, r.cfg.Epochs),
	}
	if r.predict != nil {
		r.report(Event{Phase: "validating", Epoch: record.Epoch, Step: p.Step})
		dice, err := r.predict.meanDice(ctx, r.params, r.cfg.Validation)
		if err != nil {
			return fmt.Errorf("validation after epoch %d: %w", record.Epoch, err)
		}
		record.Dice = &dice
		if r.best == nil || dice > p.Best {
			if r.best, err = r.params.Host(); err != nil {
				return err
			}
			p.Best, p.BestEpoch = dice, record.Epoch
			if r.cfg.Dir != "" {
				if err := saveBest(r.file(bestFile), r.best, record.Epoch, dice); err != nil {
					return err
				}
			}
		}
	}
	p.History = append(p.History, record)
	p.LossSum, p.Samples = 0, 0
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
	state, err := r.step.State()
	if err != nil {
		return err
	}
	return save(r.file(lastFile), params, state, r.progress, r.settings)
}

func (r *run) result() (*Result, error) {
	params, err := r.params.Host()
	if err != nil {
		return nil, err
	}
	return &Result{
		Params: params, Best: r.best, BestEpoch: r.progress.BestEpoch, BestDice: r.progress.Best,
		History: r.progress.History, Steps: r.progress.Step, Unreached: r.step.Unreached(),
	}, nil
}

// exchange passes batches between the goroutine that fills them and the loop.
type exchange struct{ ready, free chan *batch }

// batches fills the batches of all remaining steps, in order, on a goroutine
// that ends with ctx.
func (r *run) batches(ctx context.Context) (exchange, <-chan error, <-chan struct{}) {
	x := exchange{ready: make(chan *batch, 1), free: make(chan *batch, 2)}
	failed := make(chan error, 1)
	for range cap(x.free) {
		x.free <- newBatch(r.cfg.BatchSize, r.cfg.Size, r.cfg.Input)
	}
	first := r.progress.Step
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		var order []int
		for step := first; step < r.perEpoch*r.cfg.Epochs; step++ {
			epoch, k := step/r.perEpoch, step%r.perEpoch
			if order == nil || k == 0 {
				shuffle := graph.Stream(r.cfg.Seeds.Shuffle, fmt.Sprintf("epoch %d", epoch))
				order = shuffle.Perm(r.data.Len())
			}
			var in *batch
			select {
			case in = <-x.free:
			case <-ctx.Done():
				return
			}
			start := k * r.cfg.BatchSize
			samples := order[start:min(start+r.cfg.BatchSize, len(order))]
			if err := r.fill(ctx, in, samples, epoch); err != nil {
				failed <- err
				return
			}
			select {
			case x.ready <- in:
			case <-ctx.Done():
				return
			}
		}
	}()
	return x, failed, finished
}

func (r *run) fill(ctx context.Context, in *batch, samples []int, epoch int) error {
	stream := func(seed uint64, purpose string, i int) *rand.Rand {
		return graph.Stream(seed, fmt.Sprintf("%s, epoch %d, sample %d", purpose, epoch, i))
	}
	own := func(i int) *rand.Rand { return stream(r.cfg.Seeds.Augment, "source", i) }
	return in.fill(ctx, r.data, samples, r.cfg.Size, own, func(i int, e *Example) {
		if r.cfg.Augment != (Augment{}) {
			r.cfg.Augment.apply(stream(r.cfg.Seeds.Augment, "augment", i), e, r.cfg.Size)
		}
		if r.cfg.Jitter != (Jitter{}) {
			r.cfg.Jitter.apply(stream(r.cfg.Seeds.Jitter, "jitter", i), &e.Box, r.cfg.Size)
		}
	})
}
