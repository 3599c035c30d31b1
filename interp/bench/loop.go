package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/ops/graph"
)

// A training as a user runs it: a script goes through the whole engine, which makes the data, keeps them in a store, and trains on them with
// augmentation, a shuffle of its own each epoch and a checkpoint at its end. What is measured begins behind the first steps and goes on until
// the time is over; then the training is stopped.

const loopData = `mseg 1
data made = phantom(patients: %d, slices: 8, size: 256 px) |> prep(percentile(0 %% .. 100 %%) |> slices() |> resize(256 px))
model m = %s |> train(made, epochs: %d, batch: %d, loss: best_of_masks(dice + bce), optimizer: adamw(1e-4)%s) {
  augment: augment(rotate: 15 deg, scale: 10 %%, intensity: 20 %%, noise: 2 %%, blur: 1 px)
}
`

const (
	medsegxLoop = "sam_vit_b(image: 256 px) |> adapt(mixture(4), train: [experts, decoder])"
	unetLoop    = "unet(image: 256 px, base: 16, depth: 4)"

	loopSteps  = 32 // of an epoch, about; a checkpoint is written after each epoch
	warmSteps  = 3
	perPatient = 23 // samples of a generated patient of eight slices: one a slice and task
	epochs     = 1000000
)

// loop measures the training of a model that is written in the language.
func loop(model string) func(*graph.Backend, Setting) (*work, error) {
	return func(b *graph.Backend, set Setting) (*work, error) {
		dir, err := os.MkdirTemp("", "mseg-bench-")
		if err != nil {
			return nil, err
		}
		precision := ""
		if h := set.halves(); h != graph.Float32 {
			precision = ", precision: " + string(h)
		}
		text := fmt.Sprintf(loopData, loopSteps*set.Batch/perPatient+1, model, epochs, set.Batch, precision)
		return &work{
			loop: func(e Effort) (Line, error) { return trainLoop(b, dir, text, set.Batch, e) },
			free: func() { os.RemoveAll(dir) },
		}, nil
	}
}

// trainLoop runs the script and counts its steps.
func trainLoop(b *graph.Backend, dir, text string, batch int, e Effort) (Line, error) {
	l := Line{Others: -1, Processor: Processor()}
	loaded := script.Text("loop.mseg", text, check.Options{})
	if err := checked(text); err != nil {
		return l, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	m := loopMeter{effort: e, batch: batch, stop: stop}
	eng, err := engine.New(engine.Config{Dir: dir, Opened: b, Events: m.event})
	if err != nil {
		return l, err
	}
	defer eng.Close()
	if _, err := eng.Run(ctx, loaded.Program, text); !errors.Is(err, context.Canceled) || !m.enough {
		return l, fmt.Errorf("training in the loop: %w", err)
	}
	m.result(&l)
	return l, nil
}

// checked says whether a script of a case is one.
func checked(text string) error {
	if d := script.Text("loop.mseg", text, check.Options{}).Diags; d.HasErrors() {
		return fmt.Errorf("internal fault: the script of this case has mistakes: %w", d[0])
	}
	return nil
}

// loopMeter follows the events of a training.
type loopMeter struct {
	effort Effort
	batch  int
	stop   context.CancelFunc

	start  time.Time // of the training
	first  float64   // seconds to the end of the first step
	last   int       // step
	at     time.Time // when it ended
	images int
	began  time.Time // what is counted
	clock  Clock
	device float64   // seconds
	steps  []float64 // seconds an image
	times  Times
	enough bool
}

func (m *loopMeter) event(ev engine.Event) {
	now := time.Now()
	if ev.Kind == "start" && ev.Op == "train" {
		m.start = now
	}
	if ev.Kind != "progress" || ev.Unit != "steps" || ev.Done == m.last || m.enough {
		return // the end of an epoch repeats its last step
	}
	images, before := m.batch, m.at
	if ev.Done%(ev.Total/epochs) == 0 { // the last batch of an epoch may be smaller
		images = min(images, max(1, int(math.Round(ev.Rate*now.Sub(before).Seconds()))))
	}
	m.last, m.at = ev.Done, now
	switch {
	case ev.Done == 1:
		m.first = now.Sub(m.start).Seconds()
	case ev.Done == warmSteps:
		m.effort.begin()
		m.began, m.clock = time.Now(), Start()
	case ev.Done > warmSteps:
		m.steps = append(m.steps, 1/ev.Rate)
		m.device += ev.Busy * float64(images) / ev.Rate
		m.images += images
		if len(m.steps) >= max(m.effort.Reps, 1) && now.Sub(m.began).Seconds() >= m.effort.Seconds {
			m.times, m.enough = m.clock.Stop(), true
			m.stop()
		}
	}
}

// result is what was counted. CPU times and the rate are those of the whole time, checkpoints included, best and median those of single steps.
func (m *loopMeter) result(l *Line) {
	images := float64(m.images)
	l.First, l.Reps, l.Others = m.first, len(m.steps), m.times.Others
	l.Best, l.Median = slices.Min(m.steps), median(m.steps)
	l.CPU, l.Crit = m.times.CPU/images, m.times.Crit/images
	l.Rate, l.Busy = images/m.times.Wall, min(1, m.device/m.times.Wall)
	l.PeakMB = PeakMB()
}
