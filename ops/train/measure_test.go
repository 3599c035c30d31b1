package train

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/mseg-lang/mseg/internal/onbackend"
)

func TestCompared(t *testing.T) {
	x := 3.0
	for _, c := range []struct {
		name string
		m    *Measure
		v    validated
		want float64
	}{
		{"Dice", nil, validated{0.5, &x}, 0.5},
		{"more is better", &Measure{}, validated{0.5, &x}, 3},
		{"less is better", &Measure{Lower: true}, validated{0.5, &x}, -3},
		{"defined for no sample", &Measure{Lower: true}, validated{0.5, nil}, -math.MaxFloat64},
	} {
		if got := c.m.compared(c.v); got != c.want {
			t.Errorf("%s: %g, expected %g", c.name, got, c.want)
		}
	}
}

// A measure decides which parameters are kept and changes nothing else. One that is never defined keeps those of the first epoch, and its checkpoint can be written; one that
// fails ends the training.
func TestMeasureChoosesTheBest(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Epochs, cfg.Validation, cfg.Dir = 4, sound(3), t.TempDir()
	run := func(m *Measure) *Result {
		t.Helper()
		cfg.Measure, cfg.Dir = m, t.TempDir()
		r, err := Run(context.Background(), b, tiny, nil, sound(6), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	plain := run(nil)
	calls := 0
	// The third validation of three samples is the best.
	third := func(_ context.Context, i int, mask, reference []uint8) (float64, error) {
		if len(mask) != cfg.Size*cfg.Size || len(reference) != len(mask) {
			t.Fatalf("masks of %d and %d pixels", len(mask), len(reference))
		}
		calls++
		if i == 1 {
			return math.NaN(), nil
		}
		return []float64{5, 4, 1, 2}[(calls-1)/3], nil
	}
	got := run(&Measure{Name: "m", Lower: true, Of: third})
	if got.BestEpoch != 3 || *got.History[2].Score != 1 || got.History[2].Measure != "m" || got.BestDice != *plain.History[2].Dice {
		t.Errorf("epoch %d is the best, %+v", got.BestEpoch, got.History)
	}
	for i, r := range got.History {
		if *r.Dice != *plain.History[i].Dice || r.Loss != plain.History[i].Loss {
			t.Errorf("epoch %d: %+v, without the measure %+v", i+1, r, plain.History[i])
		}
	}
	never := run(&Measure{Name: "m", Of: func(context.Context, int, []uint8, []uint8) (float64, error) { return math.Inf(1), nil }})
	if never.BestEpoch != 1 || never.History[3].Score != nil {
		t.Errorf("a measure that is not defined keeps epoch %d", never.BestEpoch)
	}
	cfg.Resume = true // from the checkpoint in cfg.Dir
	if r, err := Run(context.Background(), b, tiny, nil, sound(6), cfg); err != nil || len(r.History) != 4 || r.BestEpoch != 1 {
		t.Errorf("resumed: %v", err)
	}
	cfg.Measure, cfg.Resume = &Measure{Name: "m", Of: func(context.Context, int, []uint8, []uint8) (float64, error) { return 0, errors.New("no") }}, false
	if _, err := Run(context.Background(), b, tiny, nil, sound(6), cfg); err == nil {
		t.Error("an error of the measure is lost")
	}
}
