package stat

import "math"

// TTest is the result of a t test on the means of two samples.
type TTest struct {
	N, M       int     // values of the first and second sample used; equal in a paired test
	Dropped    int     // values, or pairs in a paired test, dropped for NaN
	Difference float64 // mean of the first minus mean of the second
	T, DF, P   float64 // NaN where the data do not define them
	CI         Interval
}

// differences returns x-y for the pairs without NaN and the number of the other
// pairs.
func differences(x, y []float64) (d []float64, dropped int) {
	n := min(len(x), len(y))
	d = make([]float64, 0, n)
	for i := range n {
		if v := x[i] - y[i]; !math.IsNaN(v) {
			d = append(d, v)
		}
	}
	return d, max(len(x), len(y)) - len(d)
}

// PairedT tests whether paired values differ in the mean; x[i] and y[i] belong
// to the same case. level is that of the interval of the difference.
func PairedT(x, y []float64, level float64) TTest {
	d, dropped := differences(x, y)
	n := float64(len(d))
	r := TTest{N: len(d), M: len(d), Dropped: dropped, Difference: Mean(d), DF: n - 1}
	r.T = ratio(r.Difference, SD(d)/math.Sqrt(n))
	r.P = twoSidedT(r.T, r.DF)
	r.CI = TInterval(d, level)
	return r
}

// ratio is difference/error: NaN for two zeros, infinite for an error of zero
// alone.
func ratio(difference, standardError float64) float64 {
	if standardError == 0 && difference == 0 {
		return math.NaN()
	}
	return difference / standardError
}

// Welch tests whether two independent samples differ in the mean, without
// assuming equal variances; degrees of freedom after Welch and Satterthwaite.
func Welch(x, y []float64, level float64) TTest {
	return unpaired(x, y, level, func(vx, vy, n, m float64) (standardError, df float64) {
		ex, ey := vx/n, vy/m
		return math.Sqrt(ex + ey), (ex + ey) * (ex + ey) / (ex*ex/(n-1) + ey*ey/(m-1))
	})
}

// StudentT is the t test for two independent samples of equal variance.
func StudentT(x, y []float64, level float64) TTest {
	return unpaired(x, y, level, func(vx, vy, n, m float64) (standardError, df float64) {
		df = n + m - 2
		pooled := ((n-1)*vx + (m-1)*vy) / df
		return math.Sqrt(pooled * (1/n + 1/m)), df
	})
}

func unpaired(x, y []float64, level float64, model func(vx, vy, n, m float64) (standardError, df float64)) TTest {
	a, b := Present(x), Present(y)
	r := TTest{N: len(a), M: len(b), Dropped: len(x) - len(a) + len(y) - len(b), Difference: Mean(a) - Mean(b),
		T: math.NaN(), DF: math.NaN(), P: math.NaN(), CI: undefined}
	if len(a) < 2 || len(b) < 2 {
		return r
	}
	sa, sb := SD(a), SD(b)
	standardError, df := model(sa*sa, sb*sb, float64(len(a)), float64(len(b)))
	r.DF = df
	r.T = ratio(r.Difference, standardError)
	r.P = twoSidedT(r.T, df)
	if standardError > 0 {
		half := tQuantile((1+level)/2, df) * standardError
		r.CI = Interval{r.Difference - half, r.Difference + half}
	}
	return r
}
