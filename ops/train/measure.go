package train

import (
	"context"
	"math"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Measure is what validation compares in the place of Dice: which parameters are kept as the best, and when patience is at its end.
type Measure struct {
	Name  string // with its unit, as people know it
	Lower bool   // less is better
	// Of compares an answer with the reference of sample i: masks of zeros and ones at the network's size, row by row. A value that is not finite
	// is not defined for the sample, which then does not count.
	Of func(ctx context.Context, i int, mask, reference []uint8) (float64, error)
}

// validated is the result of one validation.
type validated struct {
	dice  float64
	score *float64 // mean of the measure over the samples it is defined for; nil without a measure or such samples
}

// compared is what is to rise from epoch to epoch. An epoch that cannot be measured is worse than all that can, by a number that JSON has.
func (m *Measure) compared(v validated) float64 {
	switch {
	case m == nil:
		return v.dice
	case v.score == nil:
		return -math.MaxFloat64
	case m.Lower:
		return -*v.score
	}
	return *v.score
}

// validate predicts a source and compares the selected masks with their references, by Dice and by a measure if there is one.
func (p *Predictor) validate(ctx context.Context, params *graph.DeviceParams, source Source, m *Measure) (v validated, device time.Duration, err error) {
	dice, sum, defined := 0.0, 0.0, 0
	var mask []uint8
	device, err = p.predict(ctx, params, source, func(i int, e *Example, a *Prediction) error {
		logits := a.Mask(a.Chosen)
		dice += Dice(logits, e.Target)
		if m == nil {
			return nil
		}
		mask = mask[:0]
		for _, x := range logits {
			if x > 0 {
				mask = append(mask, 1)
			} else {
				mask = append(mask, 0)
			}
		}
		x, err := m.Of(ctx, i, mask, e.Target)
		if err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
			sum, defined = sum+x, defined+1
		}
		return err
	})
	v.dice = dice / float64(source.Len())
	if defined > 0 {
		mean := sum / float64(defined)
		v.score = &mean
	}
	return v, device, err
}
