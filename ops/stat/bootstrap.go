package stat

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/stat/distuv"
)

// Bootstrap says how to resample. The zero value of each field is replaced by
// its default.
type Bootstrap struct {
	Resamples int     // 2000
	Level     float64 // 0.95
	Seed      uint64
	BCa       bool // bias-corrected and accelerated instead of percentile interval (Efron, JASA 1987)
}

// Statistic reduces a sample to one number. It must not keep or change its
// argument beyond reordering it.
type Statistic func(sample []float64) float64

// Median is a Statistic. It reorders its argument.
func Median(sample []float64) float64 {
	slices.Sort(sample)
	return quantile(sample, 0.5)
}

func (b Bootstrap) withDefaults() Bootstrap {
	if b.Resamples <= 0 {
		b.Resamples = 2000
	}
	if b.Level <= 0 || b.Level >= 1 {
		b.Level = 0.95
	}
	return b
}

// Interval is the bootstrap confidence interval of a statistic of values, NaN
// dropped. It is undefined for no values, and a point for one.
func (b Bootstrap) Interval(values []float64, statistic Statistic) Interval {
	b = b.withDefaults()
	v := Present(values)
	if len(v) == 0 {
		return undefined
	}
	return b.interval(v, b.draw(len(v), func(index []int, sample []float64) float64 {
		for i, k := range index {
			sample[i] = v[k]
		}
		return statistic(sample)
	}), statistic)
}

// DifferenceInterval is the interval of the mean difference x-y of paired
// values, resampling pairs; pairs with a NaN are dropped.
func (b Bootstrap) DifferenceInterval(x, y []float64) Interval {
	d, _ := differences(x, y)
	return b.Interval(d, Mean)
}

// draw computes the statistic of every resample. Resample i uses the random
// stream (Seed, i), so that the result does not depend on the number of cores.
func (b Bootstrap) draw(n int, statistic func(index []int, sample []float64) float64) []float64 {
	out := make([]float64, b.Resamples)
	workers := min(runtime.GOMAXPROCS(0), b.Resamples)
	if n*b.Resamples < 1<<14 {
		workers = 1
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			index, sample := make([]int, n), make([]float64, n)
			for i := w; i < b.Resamples; i += workers {
				r := rand.New(rand.NewPCG(b.Seed, uint64(i)))
				for k := range index {
					index[k] = r.IntN(n)
				}
				out[i] = statistic(index, sample)
			}
		})
	}
	wg.Wait()
	return out
}

// interval reads the interval from the resampled statistics.
func (b Bootstrap) interval(v, resampled []float64, statistic Statistic) Interval {
	low, high := (1-b.Level)/2, (1+b.Level)/2
	if b.BCa && len(v) > 1 {
		low, high = b.corrected(v, resampled, statistic, low, high)
	}
	return Interval{Quantile(resampled, low), Quantile(resampled, high)}
}

// corrected moves the two percentiles by the median bias of the resampled
// statistics and by the skewness of their jackknife values.
func (b Bootstrap) corrected(v, resampled []float64, statistic Statistic, low, high float64) (float64, float64) {
	estimate := statistic(slices.Clone(v))
	below := 0.0
	for _, x := range resampled {
		switch {
		case x < estimate:
			below++
		case x == estimate:
			below += 0.5
		}
	}
	share := below / float64(len(resampled))
	if share <= 0 || share >= 1 {
		return low, high // the statistic does not vary to both sides
	}
	normal := distuv.UnitNormal
	bias := normal.Quantile(share)
	jack := make([]float64, len(v))
	rest := make([]float64, len(v)-1)
	for i := range v {
		copy(rest, v[:i])
		copy(rest[i:], v[i+1:])
		jack[i] = statistic(rest)
	}
	m := Mean(jack)
	var squares, cubes float64
	for _, j := range jack {
		d := m - j
		squares += d * d
		cubes += d * d * d
	}
	acceleration := 0.0
	if squares > 0 {
		acceleration = cubes / (6 * math.Pow(squares, 1.5))
	}
	move := func(p float64) float64 {
		z := bias + normal.Quantile(p)
		return normal.CDF(bias + z/(1-acceleration*z))
	}
	return move(low), move(high)
}
