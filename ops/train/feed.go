package train

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/mseg-lang/mseg/ops/graph"
)

// exchange passes batches between the goroutine that fills them and the loop.
type exchange struct{ ready, free chan *batch }

// batches fills the batches of all remaining steps, in order, on a goroutine
// that ends with ctx.
func (r *run) batches(ctx context.Context) (exchange, <-chan error, <-chan struct{}) {
	x := exchange{ready: make(chan *batch, 1), free: make(chan *batch, 2)}
	failed := make(chan error, 1)
	for range cap(x.free) {
		x.free <- newBatch(r.cfg.BatchSize, r.cfg.Size, r.cfg.Input, r.cfg.Points)
	}
	first, parts := r.progress.Step, r.cfg.parts()
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
			for part := range parts {
				from, to := r.samples(k, part)
				if from == to {
					break
				}
				var in *batch
				select {
				case in = <-x.free:
				case <-ctx.Done():
					return
				}
				if err := r.fill(ctx, in, order[from:to], epoch); err != nil {
					failed <- err
					return
				}
				select {
				case x.ready <- in:
				case <-ctx.Done():
					return
				}
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
		r.cfg.Points.Prompt(e, r.cfg.Size, func(purpose string) *rand.Rand { return stream(r.cfg.Seeds.Jitter, purpose, i) })
	})
}
