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
	// Of compares an answer with the reference of sample i: masks of zeros and ones at the size of the sample, row by row. A value that is not finite
	// is not defined for the sample, which then does not count.
	Of func(ctx context.Context, i int, mask, reference []uint8) (float64, error)
}

// Assembly puts answers to parts of samples together: it returns what takes the answers to all examples of a source, in their order, and hands on
// the mask and the reference of each sample as soon as they are complete. The mask is not kept.
type Assembly func(yield func(sample int, mask, reference []uint8) error) func(i int, e *Example, a *Prediction) error

// single hands every answer on as that to a sample.
func single(yield func(sample int, mask, reference []uint8) error) func(i int, e *Example, a *Prediction) error {
	var mask []uint8
	return func(i int, e *Example, a *Prediction) error {
		mask = a.Binary(mask)
		return yield(i, mask, e.Target)
	}
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
func (p *Predictor) validate(ctx context.Context, params *graph.DeviceParams, source Source, whole Assembly, m *Measure) (v validated, device time.Duration, err error) {
	if whole == nil {
		whole = single
	}
	dice, sum, samples, defined := 0.0, 0.0, 0, 0
	device, err = p.predict(ctx, params, source, whole(func(i int, mask, reference []uint8) error {
		dice, samples = dice+Overlap(mask, reference), samples+1
		if m == nil {
			return nil
		}
		x, err := m.Of(ctx, i, mask, reference)
		if err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
			sum, defined = sum+x, defined+1
		}
		return err
	}))
	v.dice = dice / float64(samples)
	if defined > 0 {
		mean := sum / float64(defined)
		v.score = &mean
	}
	return v, device, err
}

// Overlap is the Dice coefficient of two masks; see [Dice].
func Overlap(mask, reference []uint8) float64 {
	return dice(reference, func(i int) bool { return mask[i] != 0 })
}

// dice is the Dice coefficient of the pixels that in says belong to a mask, and a reference.
func dice(reference []uint8, in func(i int) bool) float64 {
	var both, total int
	for i, r := range reference {
		p, t := in(i), r != 0
		if p {
			total++
		}
		if t {
			total++
		}
		if p && t {
			both++
		}
	}
	if total == 0 {
		return 1
	}
	return 2 * float64(both) / float64(total)
}
