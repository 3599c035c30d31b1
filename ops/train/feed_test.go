package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
)

// watched counts what is asked of a source, and that it is asked for one sample at a time.
type watched struct {
	Source
	asked   atomic.Int64
	reading atomic.Int64
	atOnce  atomic.Bool
	before  func(asked int64)
}

func (w *watched) Fill(i int, rng *rand.Rand, into *Example) error {
	if w.reading.Add(1) > 1 {
		w.atOnce.Store(true)
	}
	defer w.reading.Add(-1)
	if n := w.asked.Add(1); w.before != nil {
		w.before(n)
	}
	return w.Source.Fill(i, rng, into)
}

// Two further batches are prepared while a step is not done, and no more. Nothing here depends on how long anything takes: the loop is held
// after its first step until the source has been asked for the samples of the third batch, which without preparation ahead would never happen.
func TestBatchesArePreparedWhileAStepRuns(t *testing.T) {
	onbackend.Each(t, func(t *testing.T, b *graph.Backend) {
		cfg := config()
		cfg.Epochs, cfg.Schedule = 2, Schedule{}
		var steps atomic.Int64
		ahead, third := int64(0), make(chan struct{})
		src := &watched{Source: sound(12)} // batches of 3
		src.before = func(asked int64) {
			batch := (asked - 1) / 3
			ahead = max(ahead, batch-steps.Load())
			if asked == 9 {
				close(third)
			}
		}
		cfg.Progress = func(e Event) {
			if e.Phase != "training" {
				return
			}
			if e.Step == 1 {
				select {
				case <-third:
				case <-time.After(20 * time.Second):
					t.Error("the third batch is not prepared before the second step")
				}
			}
			steps.Store(int64(e.Step))
			if !(e.Busy > 0 && e.Busy <= 1) || !(e.ImagesPerSecond > 0) {
				t.Errorf("step %d: busy %g, %g images a second", e.Step, e.Busy, e.ImagesPerSecond)
			}
		}
		res, err := Run(context.Background(), b, tiny, nil, src, cfg)
		if err != nil || steps.Load() != 8 {
			t.Fatalf("%d steps, %v", steps.Load(), err)
		}
		if ahead > 3 { // one that is computed with and not yet counted, one on the device, one on the host
			t.Errorf("batches were prepared %d ahead of the steps, expected at most 3", ahead)
		}
		if src.asked.Load() != 24 || src.atOnce.Load() {
			t.Errorf("the source was asked for %d samples, expected 24; several at once: %v", src.asked.Load(), src.atOnce.Load())
		}
		if !(res.Busy > 0 && res.Busy <= 1) {
			t.Errorf("busy for %g of the time", res.Busy)
		}
	})
}

// While one batch is computed with, the next is on the device and the one after it on the host; no other is begun.
func TestOneBatchInUseOneOnTheDeviceOneOnTheHost(t *testing.T) {
	begun := make(chan int, 10)
	portions := func(yield func(portion) bool) {
		for i := range 6 {
			if !yield(portion{samples: []int{i}}) {
				return
			}
		}
	}
	f := ahead(context.Background(), onbackend.Open(t, "go"), portions, func(_ context.Context, p portion) (prepared, []graph.Value, error) {
		begun <- p.samples[0]
		return prepared{names: []string{fmt.Sprint(p.samples[0])}}, []graph.Value{graph.Floats([]float32{1}, 1)}, nil
	})
	defer f.close()
	take := func(want string) prepared {
		t.Helper()
		p, err := f.next(context.Background())
		if err != nil || p.names[0] != want {
			t.Fatalf("batch %v, %v; expected %s", p.names, err, want)
		}
		return p
	}
	first := take("0")
	for want := range 3 {
		select {
		case i := <-begun:
			if i != want {
				t.Fatalf("batch %d is prepared, expected %d", i, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("batch %d is not prepared while the first is computed with", want)
		}
	}
	take("1") // it is on the device before the first has been done with
	select {
	case i := <-begun:
		t.Errorf("batch %d is prepared already", i)
	default:
	}
	f.done(first)
	take("2")
}

// A device that waits for its data is not called busy: the source is slow, so the time goes by without the device.
func TestAStarvedDeviceIsNotBusy(t *testing.T) {
	cfg := config()
	cfg.Epochs, cfg.Schedule = 1, Schedule{}
	var epoch, steps float64
	cfg.Progress = func(e Event) {
		switch e.Phase {
		case "training":
			steps = e.Busy // of the last one, which waits for three samples
		case "epoch":
			epoch = e.Busy
		}
	}
	fast, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, sound(6), cfg)
	if err != nil {
		t.Fatal(err)
	}
	slow := &watched{Source: sound(6), before: func(int64) { time.Sleep(20 * time.Millisecond) }}
	starved, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, slow, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !(starved.Busy < fast.Busy) || !(starved.Busy < 0.9) || !(epoch < 0.9) || !(steps < 0.9) {
		t.Errorf("busy for %.2f of the time with a slow source (%.2f of the epoch, %.2f of the last step) and %.2f with a fast one", starved.Busy, epoch, steps, fast.Busy)
	}
	if !same(bits(t, fast), bits(t, starved)) {
		t.Error("how fast a source is changes the numbers")
	}
}

// The batch does not depend on how many goroutines prepare it, and neither does the error.
func TestPreparersChangeNothing(t *testing.T) {
	augment := Augment{FlipHorizontal: 0.5, FlipVertical: 0.5, Rotate: 20, Scale: [2]float64{0.8, 1.2}, Gain: [2]float64{0.8, 1.2}, Gamma: [2]float64{0.8, 1.2}, Noise: 20, Blur: 2}
	points := Points{Positive: 2, Negative: 1}
	assemble := func(src Source, workers int) (*batch, error) {
		in := newBatch(layout{count: 9, width: side, height: side, points: points})
		rng := func(i int) *rand.Rand { return graph.Stream(1, fmt.Sprint(i)) }
		return in, in.fill(context.Background(), src, []int{6, 2, 7, 0, 1, 5, 3}, workers, rng, func(_, i int, e *Example) {
			augment.apply(rng(i), e, side)
			e.Points, e.Labels = points.Draw(rng(100+i), e.Target, side)
		})
	}
	one, err := assemble(sound(8), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{2, 4, 50} {
		src := &watched{Source: sound(8), before: func(int64) { runtime.Gosched() }}
		many, err := assemble(src, workers)
		if err != nil {
			t.Fatal(err)
		}
		if src.atOnce.Load() {
			t.Errorf("%d workers asked the source at once", workers)
		}
		if !slices.Equal(one.image, many.image) || !slices.Equal(one.target, many.target) || !slices.Equal(one.box, many.box) || !slices.Equal(one.names, many.names) ||
			!slices.Equal(one.weight, many.weight) || !slices.Equal(one.mode, many.mode) || !slices.Equal(one.organ, many.organ) ||
			!slices.Equal(one.dots, many.dots) || !slices.Equal(one.labels, many.labels) {
			t.Errorf("%d workers assemble another batch than one", workers)
		}
	}
	if w := one.weight; w[6] != 1 || w[7] != 0 || w[8] != 0 {
		t.Errorf("weights are %v", w)
	}
	if _, err := assemble(faulty{sound(8), []int{0, 7, 3}}, 4); err == nil || !strings.Contains(err.Error(), "sample 7: broken 7") {
		t.Errorf("got %v, expected the error of the first broken sample of the batch", err)
	}
	// The error is that of the first in the batch, 7, though the fourth, 0, fails before it.
	failed := make(chan struct{})
	err = newBatch(layout{count: 9, width: side, height: side}).fill(context.Background(), sound(8), []int{6, 2, 7, 0}, 4, func(int) *rand.Rand { return nil }, func(_, i int, _ *Example) {
		switch i {
		case 0:
			defer close(failed)
			panic("the later one")
		case 7:
			<-failed
			panic("the earlier one")
		}
	})
	if err == nil || !strings.Contains(err.Error(), "sample 7: the earlier one") {
		t.Errorf("got %v, expected the error of the earlier sample", err)
	}
}

// faulty cannot give some of its samples, and panics at one.
type faulty struct {
	Source
	broken []int
}

func (f faulty) Fill(i int, rng *rand.Rand, into *Example) error {
	if slices.Contains(f.broken, i) {
		return fmt.Errorf("broken %d", i)
	}
	if slices.Contains(f.broken, -i) && i > 0 {
		panic("a bug")
	}
	return f.Source.Fill(i, rng, into)
}

func TestABugInASourceEndsTheRunOnly(t *testing.T) {
	_, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, faulty{sound(5), []int{-4}}, config())
	if err == nil || !strings.Contains(err.Error(), "internal fault in preparing sample 4: a bug") {
		t.Errorf("got %v", err)
	}
}

// However a run ends, what prepared its batches has ended too when it returns, and the source is left alone.
func TestNothingIsLeftBehind(t *testing.T) {
	b := onbackend.Open(t, "go")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var src *watched
	check := func(name string) {
		t.Helper()
		asked := src.asked.Load()
		stacks := make([]byte, 1<<20)
		if s := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(s, "train.ahead") || strings.Contains(s, "train.(*batch)") {
			t.Errorf("%s: a goroutine goes on:\n%s", name, s)
		}
		if src.reading.Load() != 0 || src.asked.Load() != asked {
			t.Errorf("%s: the source is still asked", name)
		}
	}
	run := func(source Source, progress func(Event)) error {
		src = &watched{Source: source}
		cfg := config()
		cfg.Epochs, cfg.Schedule, cfg.Progress = 50, Schedule{}, progress
		_, err := Run(ctx, b, tiny, nil, src, cfg)
		return err
	}
	if err := run(faulty{sound(40), []int{11}}, nil); err == nil || !strings.Contains(err.Error(), "broken 11") {
		t.Errorf("a broken sample: %v", err)
	}
	check("after an error")
	poisoned := sound(40)
	poisoned.poison = 0
	if err := run(poisoned, nil); !errors.Is(err, graph.ErrNotFinite) {
		t.Errorf("a loss that is no number: %v", err)
	}
	check("after a bad loss")
	if err := run(sound(40), func(e Event) {
		if e.Step == 3 {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	check("after it was stopped")

	p, err := NewPredictor(b, tiny, side, 2, SelectFirst)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	params, err := graph.Initialise(p.Specs(), 1)
	if err != nil {
		t.Fatal(err)
	}
	placed := b.Place(params)
	defer placed.Free()
	src = &watched{Source: sound(40), before: func(n int64) {
		if n > 4 { // the further ones take long
			time.Sleep(20 * time.Millisecond)
		}
	}}
	enough := errors.New("enough")
	if err := p.Predict(context.Background(), placed, src, func(i int, _ *Example, _ *Prediction) error {
		if i == 1 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) {
		t.Errorf("predictions that nobody wants: %v", err)
	}
	check("after predictions")
}

// The error of a broken sample comes after the steps of the batches before it, always at the same step.
func TestABrokenSampleStopsAtItsStep(t *testing.T) {
	b := onbackend.Open(t, "go")
	var seen []int
	for range 3 {
		cfg := config()
		cfg.Epochs, cfg.Schedule = 2, Schedule{}
		steps := 0
		cfg.Progress = func(e Event) {
			if e.Phase == "training" {
				steps = e.Step
			}
		}
		if _, err := Run(context.Background(), b, tiny, nil, faulty{sound(12), []int{5}}, cfg); err == nil {
			t.Fatal("no error")
		}
		seen = append(seen, steps)
	}
	order := graph.Stream(config().Seeds.Shuffle, "epoch 0").Perm(12)
	if want := slices.Index(order, 5) / 3; seen[0] != want || seen[1] != want || seen[2] != want {
		t.Errorf("stopped after %v steps, expected %d each time", seen, want)
	}
}

func TestMeter(t *testing.T) {
	m := meter{since: time.Now().Add(-time.Second)}
	m.add(300*time.Millisecond, 10)
	busy, rate := m.lap(200*time.Millisecond, 10)
	if busy < 0.4 || busy > 0.5 || rate < 15 || rate > 20 {
		t.Errorf("busy %g at %g images a second; half a second of one, and 20 images, were counted", busy, rate)
	}
	if m.device != 0 || m.images != 0 || time.Since(m.since) > time.Minute {
		t.Errorf("it does not start anew: %+v", m)
	}
}

// The numbers drawn ahead with a batch are those that its step asks for, where a step has one batch and where it has several.
func TestNumbersAreDrawnAheadForTheStepThatTakesThem(t *testing.T) {
	for _, parts := range []int{1, 3} {
		cfg := config()
		cfg.Accumulate, cfg.Epochs = parts, 3
		r := &run{cfg: cfg, data: sound(8)}
		batches := (r.data.Len() + cfg.BatchSize - 1) / cfg.BatchSize
		r.perEpoch = (batches + parts - 1) / parts
		r.progress.Step = 1 // resumed
		var got []uint64
		for p := range r.portions() {
			got = append(got, p.dropout)
		}
		var want []uint64
		for step := 1; step < r.perEpoch*cfg.Epochs; step++ {
			for part := range parts {
				if from, to := r.samples(step%r.perEpoch, part); from < to {
					want = append(want, r.dropout(step, part))
				}
			}
		}
		if !slices.Equal(got, want) || len(got) < 4 {
			t.Errorf("%d parts: seeds %v, expected %v", parts, got, want)
		}
	}
}
