package engine

import (
	"math"
	"testing"

	"github.com/mseg-lang/mseg/ops/train"
)

// What is kept is the epoch that is best by the metric of keep: the highest where higher is better, the lowest elsewhere, the first of several. The training itself does not
// depend on it. A metric of one's own is the same number as the program's.
func TestKeepBestByAnotherMetric(t *testing.T) {
	e := newEngine(t, Config{})
	p, _ := runAll(t, e, new([]Event), `mseg 1
fn overlap(p: mask, t: mask) -> scalar = 2 * sum(p * t) / (sum(p) + sum(t))
fn missed(p: mask, t: mask) -> scalar = sum((1 - p) * t) / sum(t)
data d = phantom(patients: 6, slices: 2, size: 48 px) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(32 px))
split s = d |> by(patient, train: 50 %, val: 20 %, test: 30 %, seed: 1)
fn fit(k: keep?) -> model = unet(image: 32 px, base: 4, depth: 2) |> train(s.train, validate: s.val, epochs: 6, batch: 4, seed: 1, optimizer: adamw(1e-2), keep: k)
model plain = fit()
model own   = fit(best(higher_is_better(overlap)))
model few   = fit(best(lower_is_better(missed)))
model many  = fit(best(higher_is_better(missed)))
model far   = fit(best(hd95(mm)))
`)
	plain := valueOf[*Model](t, e, p, "plain")
	extreme := func(h []train.Record, of func(train.Record) float64) int {
		best, epoch := math.Inf(-1), 0
		for _, r := range h {
			if x := of(r); x > best {
				best, epoch = x, r.Epoch
			}
		}
		return epoch
	}
	score := func(r train.Record) float64 { return *r.Score }
	kept := map[string]int{}
	for _, c := range []struct {
		name, measure string
		of            func(train.Record) float64
	}{
		{"plain", "", func(r train.Record) float64 { return *r.Dice }},
		{"own", "overlap", score},
		{"few", "missed", func(r train.Record) float64 { return -*r.Score }},
		{"many", "missed", score},
		{"far", "hd95 (mm)", func(r train.Record) float64 { return -*r.Score }},
	} {
		m := valueOf[*Model](t, e, p, c.name)
		for i, r := range m.History {
			if r.Measure != c.measure || (r.Score != nil) != (c.measure != "") || r.Loss != plain.History[i].Loss || *r.Dice != *plain.History[i].Dice {
				t.Fatalf("%s, epoch %d: %+v", c.name, i+1, r)
			}
			if c.name == "own" && math.Abs(*r.Score-*r.Dice) > 1e-6 {
				t.Errorf("epoch %d: overlap %g, Dice %g", i+1, *r.Score, *r.Dice)
			}
		}
		kept[c.name] = m.BestEpoch
		if want := extreme(m.History, c.of); m.BestEpoch != want {
			t.Errorf("%s keeps epoch %d, expected %d", c.name, m.BestEpoch, want)
		}
	}
	if kept["few"] == kept["many"] || kept["own"] != kept["plain"] {
		t.Errorf("epochs kept: %v", kept)
	}
}
