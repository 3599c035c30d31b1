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
func (r *run) take(ctx context.Context, next func() (*batch, error), free func(*batch), last *time.Time) error {
	done := r.progress.Step
	epoch := done/r.perEpoch + 1
	rate := r.cfg.Schedule.Rate(r.cfg.Rate, done, r.perEpoch, r.cfg.Epochs)
	got, n, names, err := r.update(ctx, rate, next, free)
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
