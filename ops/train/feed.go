package train

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/mseg-lang/mseg/ops/graph"
)

// portion is a batch to be prepared.
type portion struct {
	samples []int  // of the source
	epoch   int    // from 0
	dropout uint64 // seed of the random numbers
}

// prepared is a batch that lies on the device.
type prepared struct {
	inputs   []graph.Value
	names    []string
	examples []Example    // where they are asked for
	draw     func() error // random numbers of the step, which lie on the device too; may be nil
	err      error        // instead of a batch: why there is none
}

// feed prepares batches ahead of the steps that take them, on a goroutine of its
// own: while one is computed with, the next waits on the device and the one
// after it is read, augmented and assembled on the host. So memory holds three
// batches, two of them on the device. Batches come in the order of the portions,
// and an error behind all that were prepared before it.
type feed struct {
	ready chan prepared
	slots chan struct{} // one for every batch on the device
	stop  context.CancelFunc
}

const onDevice = 2

// ahead starts a feed. fill assembles a portion; the inputs that it returns beside
// it are copied to the device before it is called again, so that their memory may
// be used for the next.
func ahead(ctx context.Context, b *graph.Backend, portions iter.Seq[portion], fill func(context.Context, portion) (prepared, []graph.Value, error)) *feed {
	ctx, stop := context.WithCancel(ctx)
	f := &feed{ready: make(chan prepared, onDevice+1), slots: make(chan struct{}, onDevice), stop: stop}
	go func() {
		defer close(f.ready)
		for part := range portions {
			p, values, err := fill(ctx, part)
			if err == nil {
				select {
				case f.slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				if p.inputs, err = b.Deliver(values); err == nil && p.draw != nil {
					if err = p.draw(); err != nil {
						graph.Release(p.inputs)
					}
				}
			}
			p.err = err
			f.ready <- p // never waits: it has room for all slots and an error, which is the last
			if err != nil {
				return
			}
		}
	}()
	return f
}

// next waits for the next batch.
func (f *feed) next(ctx context.Context) (prepared, error) {
	if err := ctx.Err(); err != nil {
		return prepared{}, err
	}
	select {
	case p, ok := <-f.ready:
		switch {
		case p.err != nil:
			return prepared{}, p.err
		case !ok && ctx.Err() == nil:
			return prepared{}, fmt.Errorf("there are no further samples") // a bug: the loop counts steps as the feed does
		case ok:
			return p, nil
		}
	case <-ctx.Done():
	}
	return prepared{}, ctx.Err()
}

// done gives the room of a batch back once what read it has returned.
func (f *feed) done(p prepared) {
	graph.Release(p.inputs)
	<-f.slots
}

// close ends the goroutine, whatever it does, and returns when it has ended.
func (f *feed) close() {
	f.stop()
	for p := range f.ready { // until the goroutine closes it, which is the last it does
		graph.Release(p.inputs)
	}
}

// portions are the batches of all remaining steps.
func (r *run) portions() iter.Seq[portion] {
	first, parts := r.progress.Step, r.cfg.parts()
	return func(yield func(portion) bool) {
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
				if !yield(portion{order[from:to], epoch, r.dropout(step, part)}) {
					return
				}
			}
		}
	}
}

// batches starts the feed of the training.
func (r *run) batches(ctx context.Context, b *graph.Backend) *feed {
	in := newBatch(r.cfg.layout())
	return ahead(ctx, b, r.portions(), func(ctx context.Context, p portion) (prepared, []graph.Value, error) {
		if err := r.fill(ctx, in, p.samples, p.epoch); err != nil {
			return prepared{}, nil, err
		}
		values := append(in.inputs(), graph.Floats(in.target, in.count, in.height, in.width), graph.Floats(in.weight, in.count))
		return prepared{names: slices.Clone(in.names[:in.n]), draw: func() error { return r.step.Ahead(p.dropout) }}, values, nil
	})
}

func (r *run) fill(ctx context.Context, in *batch, samples []int, epoch int) error {
	stream := func(seed uint64, purpose string, i int) *rand.Rand {
		return graph.Stream(seed, fmt.Sprintf("%s, epoch %d, sample %d", purpose, epoch, i))
	}
	own := func(i int) *rand.Rand { return stream(r.cfg.Seeds.Augment, "source", i) }
	return in.fill(ctx, r.data, samples, preparers(r.backend), own, func(_, i int, e *Example) {
		if r.cfg.Augment != (Augment{}) {
			r.cfg.Augment.apply(stream(r.cfg.Seeds.Augment, "augment", i), e, r.cfg.Size)
		}
		if r.cfg.Jitter != (Jitter{}) {
			r.cfg.Jitter.apply(stream(r.cfg.Seeds.Jitter, "jitter", i), &e.Box, r.cfg.Size, rows(r.cfg.Size, r.cfg.Height))
		}
		r.cfg.Points.Prompt(e, r.cfg.Size, func(purpose string) *rand.Rand { return stream(r.cfg.Seeds.Jitter, purpose, i) })
	})
}
