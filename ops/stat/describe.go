package stat

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a confidence interval or another range; both ends are NaN when it
// is undefined.
type Interval struct{ Low, High float64 }

var undefined = Interval{math.NaN(), math.NaN()}

// Summary describes one sample.
type Summary struct {
	N       int // values used
	Missing int // NaN values dropped
	Mean    float64
	SD      float64  // standard deviation, divisor N-1; NaN for N < 2
	SEM     float64  // SD/√N
	CI      Interval // of the mean, from Student's t; NaN for N < 2 and for constant data
	Q1      float64
	Median  float64
	Q3      float64
	Min     float64
	Max     float64
}

// Describe summarises values; level is the confidence level, as 0.95. Infinite
// values are kept and make mean and deviation infinite or NaN.
func Describe(values []float64, level float64) Summary {
	v := Present(values)
	s := Summary{N: len(v), Missing: len(values) - len(v), Mean: Mean(v), SD: SD(v), CI: undefined}
	s.SEM = s.SD / math.Sqrt(float64(s.N))
	s.CI = TInterval(v, level)
	slices.Sort(v)
	s.Q1, s.Median, s.Q3 = quantile(v, 0.25), quantile(v, 0.5), quantile(v, 0.75)
	s.Min, s.Max = quantile(v, 0), quantile(v, 1)
	return s
}

// Present returns the values that are not NaN, in their order, as a new slice.
func Present(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// Mean is the arithmetic mean of values without NaN; NaN for none. It is the sum
// over the number of values, corrected once by the mean of the residuals, which
// is exact for constant data.
func Mean(values []float64) float64 {
	n := float64(len(values))
	var s, rest float64
	for _, v := range values {
		s += v
	}
	m := s / n
	if math.IsInf(m, 0) || math.IsNaN(m) {
		return m
	}
	for _, v := range values {
		rest += v - m
	}
	return m + rest/n
}

// SD is the standard deviation with divisor n-1 of values without NaN; NaN for
// fewer than two.
func SD(values []float64) float64 {
	n := len(values)
	if n < 2 {
		return math.NaN()
	}
	m := Mean(values)
	var squares, sum float64
	for _, v := range values {
		squares += (v - m) * (v - m)
		sum += v - m
	}
	return math.Sqrt(max(0, squares-sum*sum/float64(n)) / float64(n-1))
}

// TInterval is Student's confidence interval of the mean of values without NaN.
// It is undefined for fewer than two values and for constant ones, which say
// nothing about the spread.
func TInterval(values []float64, level float64) Interval {
	n := len(values)
	sd := SD(values)
	if n < 2 || !(sd > 0) || math.IsInf(sd, 0) {
		return undefined
	}
	m := Mean(values)
	half := tQuantile((1+level)/2, float64(n-1)) * sd / math.Sqrt(float64(n))
	return Interval{m - half, m + half}
}

func tQuantile(p, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(p)
}

// twoSidedT is the probability of a t statistic at least as far from zero. It is
// undefined for an infinite one: constant data give no measure of chance.
func twoSidedT(t, df float64) float64 {
	if math.IsNaN(t) || math.IsInf(t, 0) || !(df > 0) {
		return math.NaN()
	}
	return min(1, 2*distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.CDF(-math.Abs(t)))
}

func twoSidedNormal(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// Quantile is the p-quantile (0..1) of values, NaN dropped, with linear
// interpolation; NaN for none.
func Quantile(values []float64, p float64) float64 {
	v := Present(values)
	slices.Sort(v)
	return quantile(v, p)
}

// quantile is Quantile for sorted values without NaN.
func quantile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	at := p * float64(len(v)-1)
	k := int(at)
	t := at - float64(k)
	if t == 0 || k+1 >= len(v) || v[k] == v[k+1] {
		return v[min(k, len(v)-1)]
	}
	if t < 0.5 {
		return v[k] + (v[k+1]-v[k])*t
	}
	return v[k+1] - (v[k+1]-v[k])*(1-t)
}

// Box is what a box plot draws.
type Box struct {
	Q1, Median, Q3 float64
	Fences         Interval  // Q1 - k·IQR and Q3 + k·IQR
	Whiskers       Interval  // farthest values within the fences
	Outliers       []float64 // values beyond the fences, sorted
}

// BoxOf computes the box plot of values, NaN dropped, with whiskers that reach
// to the farthest value within k times the interquartile range: 1.5 after Tukey,
// 2 in the figures of MedSegX.
func BoxOf(values []float64, k float64) Box {
	v := Present(values)
	slices.Sort(v)
	b := Box{Q1: quantile(v, 0.25), Median: quantile(v, 0.5), Q3: quantile(v, 0.75), Whiskers: undefined}
	iqr := b.Q3 - b.Q1
	b.Fences = Interval{b.Q1 - k*iqr, b.Q3 + k*iqr}
	for _, x := range v {
		switch {
		case x < b.Fences.Low || x > b.Fences.High:
			b.Outliers = append(b.Outliers, x)
			continue
		case math.IsNaN(b.Whiskers.Low):
			b.Whiskers.Low = x
		}
		b.Whiskers.High = x
	}
	return b
}
