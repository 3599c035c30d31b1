package metric

import (
	"cmp"
	"math"
	"slices"
)

// slack widens a tolerance by a relative rounding error, so that 3 pixels of
// 0.1 mm are within 0.3 mm although 3·0.1 > 0.3 in binary.
const slack = 1 + 1e-12

func mean(v []float64) float64 { return sum(v) / float64(len(v)) }

func sum(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}

func within(v []float64, tolerance float64) int {
	n := 0
	for _, x := range v {
		if x <= tolerance*slack {
			n++
		}
	}
	return n
}

// percentile is the p-th percentile (0..100) of v with linear interpolation
// between order statistics, numpy's default. It reorders v.
func percentile(v []float64, p float64) float64 {
	at := p / 100 * float64(len(v)-1)
	k := int(at)
	lower := selectNth(v, k)
	t := at - float64(k)
	if t == 0 {
		return lower
	}
	upper := slices.Min(v[k+1:])
	// numpy's form of the interpolation, exact at both ends.
	if t < 0.5 {
		return lower + (upper-lower)*t
	}
	return upper - (upper-lower)*(1-t)
}

// selectNth returns the value that would be at index k if v were sorted, and
// leaves smaller values before it and larger ones after it.
func selectNth(v []float64, k int) float64 {
	lo, hi := 0, len(v)-1
	for lo < hi {
		// The median of three guards against sorted input; the values equal to the
		// pivot are gathered in the middle, as distances repeat often.
		a, b, c := v[lo], v[lo+(hi-lo)/2], v[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		less, i, more := lo, lo, hi
		for i <= more {
			switch x := v[i]; {
			case x < pivot:
				v[i], v[less] = v[less], x
				less++
				i++
			case x > pivot:
				v[i], v[more] = v[more], x
				more--
			default:
				i++
			}
		}
		switch {
		case k < less:
			hi = less - 1
		case k > more:
			lo = more + 1
		default:
			return pivot
		}
	}
	return v[k]
}

// weighted is a distance with the area it stands for.
type weighted struct{ distance, weight float64 }

func sortWeighted(v []weighted) {
	slices.SortFunc(v, func(a, b weighted) int { return cmp.Compare(a.distance, b.distance) })
}

func totalWeight(v []weighted) float64 {
	var s float64
	for _, x := range v {
		s += x.weight
	}
	return s
}

func weightedMean(v []weighted) float64 {
	var s float64
	for _, x := range v {
		s += x.distance * x.weight
	}
	return s / totalWeight(v)
}

func weightWithin(v []weighted, tolerance float64) float64 {
	var s float64
	for _, x := range v {
		if x.distance <= tolerance*slack {
			s += x.weight
		}
	}
	return s
}

// weightedPercentile is the first distance, in increasing order, at which the
// share of the area reaches p percent. v is sorted.
func weightedPercentile(v []weighted, p float64) float64 {
	total, running := totalWeight(v), 0.0
	for _, x := range v {
		running += x.weight
		if running/total >= p/100 {
			return x.distance
		}
	}
	if len(v) == 0 {
		return math.NaN()
	}
	return v[len(v)-1].distance
}
