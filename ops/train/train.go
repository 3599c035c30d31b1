package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Result is what a run leaves.
type Result struct {
	Params    *graph.Params // after the last step; their moving average if one is kept
	Best      *graph.Params // of the epoch that validation found best; nil without validation
	BestEpoch int           // from 1
	BestDice  float64       // validation Dice of that epoch
	History   []Record
	Steps     int
	Stopped   bool // early, for want of a gain
	// Busy is the part of the time from the first step to the last that the
	// device computed, 0 to 1: validation and checkpoints are in that time,
	// compiling is not. It is about this call alone, not what was done before it.
	Busy float64
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
	saved    time.Time // of the last checkpoint, or the start

	backend             *graph.Backend
	steps, epoch, whole meter // since the last step, the end of the last epoch, the first step
}

// Run trains the network. params are the values to start from and are not
// changed; nil, or a parameter that is missing, means first values drawn from
// Seeds.Init. If ctx ends, the run stops before its next step and returns what it
// has with ctx's error. A run that stops early for any reason writes a
// checkpoint of its last complete step, if it has a folder; only after
// graph.ErrLost there is nothing to write, and the checkpoint before stays.
func Run(ctx context.Context, b *graph.Backend, net graph.Network, params *graph.Params, data Source, cfg Config) (*Result, error) {
	if err := cfg.check(data); err != nil {
		return nil, err
	}
	each := cfg.BatchSize * cfg.parts()
	r := &run{cfg: cfg, data: data, backend: b, perEpoch: (data.Len() + each - 1) / each}
	if err := cfg.fits(); err != nil {
		return nil, err
	}
	defer r.free() // what has been compiled, whatever fails later
	r.report(Event{Phase: "compiling"})
	if err := r.compile(b, net); err != nil {
		return nil, cfg.explained(err)
	}
	if err := r.start(b, params); err != nil {
		return nil, err
	}
	err := r.loop(ctx)
	if err != nil {
		// Parameters and optimiser are those after the last complete step, unless they are lost. Then the last checkpoint stays what it is.
		if !errors.Is(err, graph.ErrLost) {
			if e := r.checkpoint(); e != nil {
				return nil, errors.Join(err, e)
			}
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
	l := r.cfg.layout()
	count := l.count
	inputs := append(l.shapes(), graph.F32(count, l.height, l.width), graph.F32(count))
	step := graph.StepConfig{
		Name: "training step", Trainable: r.cfg.Trainable, Optimizer: r.cfg.Optimizer, ClipNorm: r.cfg.ClipNorm, Average: r.cfg.Average,
		Parts: r.cfg.parts() > 1, Precision: r.cfg.Precision, Scaling: r.cfg.Scaling, Recompute: r.cfg.Recompute,
	}
	if len(r.cfg.Groups) > 0 {
		step.Factor = r.cfg.factor
	}
	if r.cfg.NoDecay != (NoDecay{}) {
		specs, err := graph.Declare(l.shapes(), func(s *graph.Scope, in []*graph.Node) []*graph.Node {
			return []*graph.Node{l.network(s, net, in).Masks}
		})
		if err != nil {
			return err
		}
		step.Decayed = r.cfg.NoDecay.decayed(specs)
	}
	r.step, err = graph.NewStep(b, step, inputs, func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
		out := l.network(s, net, in)
		target := Target{Masks: in[len(in)-2], Weights: in[len(in)-1]}
		losses := r.cfg.Loss(s, out, target)
		if d := losses.Shape().Dimensions; len(d) != 1 || d[0] != count {
			s.Failf("the loss has shape %v, expected one value for each of the %d samples", d, count)
		}
		return graph.WeightedMean(losses, target.Weights), nil
	})
	if err != nil {
		return err
	}
	if r.cfg.Validation != nil {
		r.predict, err = NewPromptedPredictor(b, net, PredictorConfig{Size: r.cfg.Size, Height: r.cfg.Height, Input: r.cfg.Input, Parts: r.cfg.Parts, Batch: count, Select: r.cfg.Select, Points: r.cfg.Points})
	}
	return err
}

func (r *run) free() {
	if r.step != nil {
		r.step.Free()
	}
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
		saved, opt, p, ok, err := load(r.file(LastFile), r.settings, r.step.Slots())
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
				return fmt.Errorf("%s has already been trained for %d steps, %d are asked for", r.file(LastFile), p.Step, r.perEpoch*r.cfg.Epochs)
			}
		}
		if ok && p.BestEpoch > 0 {
			best, err := loadBest(r.file(BestFile))
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

func (r *run) file(name string) string { return filepath.Join(r.cfg.Dir, name) }

// loop takes all remaining steps. The batches of the next ones are prepared
// while a step runs.
func (r *run) loop(ctx context.Context) error {
	r.whole.start()
	r.epoch.start()
	if r.progress.Samples > 0 && r.progress.Step%r.perEpoch == 0 {
		// The run was stopped between the last step of an epoch and its end.
		if err := r.endEpoch(ctx); err != nil {
			return err
		}
	}
	batches := r.batches(ctx, r.backend)
	defer batches.close()
	total := r.perEpoch * r.cfg.Epochs
	r.steps.start()
	r.saved = time.Now()
	for r.progress.Step < total && !r.progress.Stopped {
		if err := r.take(ctx, batches); err != nil {
			return err
		}
		if r.progress.Step%r.perEpoch == 0 {
			if err := r.endEpoch(ctx); err != nil {
				return err
			}
			r.steps.start()
		} else if r.due() {
			if err := r.checkpoint(); err != nil {
				return err
			}
		}
	}
	return nil
}

// due says whether a checkpoint is to be written within an epoch.
func (r *run) due() bool {
	n, after := r.cfg.CheckpointSteps, r.cfg.CheckpointAfter
	return n > 0 && r.progress.Step%n == 0 || after > 0 && time.Since(r.saved) >= after
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
		found, device, err := r.predict.validate(ctx, r.step.Averaged(), r.cfg.Validation, r.cfg.Whole, r.cfg.Measure)
		r.epoch.add(device, 0)
		if err != nil {
			return fmt.Errorf("validation after epoch %d: %w", record.Epoch, err)
		}
		record.Dice = &found.dice
		if r.cfg.Measure != nil {
			record.Measure, record.Score = r.cfg.Measure.Name, found.score
		}
		compared := r.cfg.Measure.compared(found)
		if r.best == nil || compared > p.Best {
			if r.best, err = r.step.Averaged().Host(); err != nil {
				return err
			}
			p.Best, p.BestEpoch = compared, record.Epoch
			if r.cfg.Dir != "" {
				changed, err := r.trained(r.best)
				if err != nil {
					return err
				}
				if err := saveBest(r.file(BestFile), changed, record.Epoch, found.dice); err != nil {
					return err
				}
			}
		}
		record.Stopped = p.tire(r.cfg.Patience, compared)
	}
	p.History = append(p.History, record)
	p.LossSum, p.Samples, p.Skipped = 0, 0, 0
	if err := r.checkpoint(); err != nil {
		return err
	}
	r.whole.add(r.epoch.device, r.epoch.images)
	busy, per := r.epoch.lap(0, 0)
	r.report(Event{Phase: "epoch", Epoch: record.Epoch, Step: p.Step, Loss: record.Loss, Rate: record.Rate, Record: &record, ImagesPerSecond: per, Busy: busy})
	return nil
}

func (r *run) checkpoint() error {
	if r.cfg.Dir == "" {
		return nil
	}
	r.saved = time.Now()
	return save(r.file(LastFile), r.step, r.params, r.progress, r.settings)
}

// result fetches the parameters. No step is taken any more, so what only steps need goes first.
func (r *run) result() (*Result, error) {
	r.step.Finish()
	params, err := r.step.Averaged().Host()
	if err != nil {
		return nil, err
	}
	r.whole.add(r.epoch.device, r.epoch.images) // of an epoch that was not ended
	busy, _ := r.whole.lap(0, 0)
	return &Result{
		Busy: busy, Params: params, Best: r.best, BestEpoch: r.progress.BestEpoch, BestDice: r.progress.bestDice(),
		History: r.progress.History, Steps: r.progress.Step, Stopped: r.progress.Stopped, Unreached: r.step.Unreached(),
	}, nil
}
