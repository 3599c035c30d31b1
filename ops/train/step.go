package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// samples are the places, in the order of an epoch, of the samples of batch
// part of step k of the epoch; empty behind the last.
func (r *run) samples(k, part int) (from, to int) {
	from = min((k*r.cfg.parts()+part)*r.cfg.BatchSize, r.data.Len())
	return from, min(from+r.cfg.BatchSize, r.data.Len())
}

// take makes one step.
func (r *run) take(ctx context.Context, batches *feed) error {
	done := r.progress.Step
	epoch := done/r.perEpoch + 1
	rate := r.cfg.Schedule.Rate(r.cfg.Rate, done, r.perEpoch, r.cfg.Epochs)
	got, n, names, err := r.update(ctx, rate, batches)
	if errors.Is(err, graph.ErrNotFinite) {
		return &NotFiniteError{Epoch: epoch, Step: done + 1, Loss: got.Loss, Samples: names, cause: err}
	}
	if err != nil {
		return r.cfg.explained(err)
	}
	r.progress.Step++
	r.progress.LossSum += got.Loss * float64(n)
	r.progress.Samples += n
	if got.Skipped {
		r.progress.Skipped++
	}
	busy, per := r.steps.lap(got.Device, n)
	r.epoch.add(got.Device, n)
	r.report(Event{
		Phase: "training", Epoch: epoch, Step: r.progress.Step,
		Loss: got.Loss, GradientNorm: got.GradientNorm, Rate: rate, Skipped: got.Skipped,
		ImagesPerSecond: per, Busy: busy,
	})
	return nil
}

// update takes the batches of one step and changes the parameters. It returns
// the number of samples, and the names of those that an error is about.
func (r *run) update(ctx context.Context, rate float64, batches *feed) (got *graph.StepResult, n int, names []string, err error) {
	done, parts := r.progress.Step, r.cfg.parts()
	if parts == 1 {
		in, err := batches.next(ctx)
		if err != nil {
			return nil, 0, nil, err
		}
		defer batches.done(in)
		got, err = r.step.Run(ctx, rate, r.dropout(done, 0), in.inputs...)
		return got, len(in.names), in.names, err
	}
	k := done % r.perEpoch
	from, _ := r.samples(k, 0)
	_, to := r.samples(k, parts-1)
	loss, device := 0.0, time.Duration(0)
	for part := range parts {
		a, z := r.samples(k, part)
		if a == z {
			break
		}
		in, err := batches.next(ctx)
		if err != nil {
			return nil, 0, nil, err
		}
		share := float64(z-a) / float64(to-from)
		got, err = r.step.Accumulate(ctx, share, r.dropout(done, part), in.inputs...)
		batches.done(in)
		if err != nil {
			return got, len(in.names), in.names, err
		}
		names = append(names, in.names...)
		loss, device = loss+share*got.Loss, device+got.Device
	}
	got, err = r.step.Update(ctx, rate)
	if got != nil {
		got.Loss, got.Device = loss, got.Device+device
	}
	return got, to - from, names, err
}

// dropout is the seed of the random numbers of a part of a step, both from 0.
func (r *run) dropout(step, part int) uint64 {
	purpose := fmt.Sprintf("step %d", step)
	if r.cfg.parts() > 1 {
		purpose = fmt.Sprintf("step %d, part %d", step, part)
	}
	return graph.Stream(r.cfg.Seeds.Dropout, purpose).Uint64()
}
