package stat

import (
	"cmp"
	"math"
	"slices"
)

// Zeros says what the signed-rank test does with pairs that do not differ.
type Zeros int

const (
	ZerosDropped Zeros = iota // before ranking (Wilcoxon)
	ZerosRanked               // ranked, then dropped (Pratt)
	ZerosSplit                // ranked, half of their ranks to either side
)

// Wilcoxon says how the signed-rank test is done. The zero value drops zeros,
// and computes the exact distribution for up to 50 differences when none of them
// is zero, the normal approximation otherwise. Ties keep their mean ranks in the
// exact distribution too.
type Wilcoxon struct {
	Zeros      Zeros
	Approx     bool // always the normal approximation
	Continuity bool // with continuity correction, in the approximation
}

// RankTest is the result of a test on ranks.
type RankTest struct {
	N, M      int     // values of the first and second sample used
	Dropped   int     // values, or pairs in a paired test, dropped for NaN
	Zero      int     // pairs that do not differ
	Statistic float64 // smaller rank sum (Wilcoxon), or U of the first sample (Mann and Whitney)
	P         float64 // NaN where the data do not define it
	Exact     bool    // P is from the exact distribution
}

// exactLimit is the largest number of differences for which the exact
// distribution of the rank sum is used.
const exactLimit = 50

// Test is the Wilcoxon signed-rank test of paired values; x[i] and y[i] belong to
// the same case.
func (w Wilcoxon) Test(x, y []float64) RankTest {
	d, dropped := differences(x, y)
	r := RankTest{N: len(d), M: len(d), Dropped: dropped, Statistic: math.NaN(), P: math.NaN()}
	for _, v := range d {
		if v == 0 {
			r.Zero++
		}
	}
	if len(d) == 0 || r.Zero == len(d) && w.Zeros != ZerosSplit {
		return r
	}
	if w.Zeros == ZerosDropped {
		d = slices.DeleteFunc(d, func(v float64) bool { return v == 0 })
	}
	magnitude := make([]float64, len(d))
	for i, v := range d {
		magnitude[i] = math.Abs(v)
	}
	rank, _ := ranks(magnitude)
	var plus, minus, zero float64
	var tied []float64 // magnitudes whose ties reduce the variance
	for i, v := range d {
		switch {
		case v > 0:
			plus += rank[i]
		case v < 0:
			minus += rank[i]
		default:
			zero += rank[i]
		}
		if v != 0 || w.Zeros != ZerosRanked {
			tied = append(tied, magnitude[i])
		}
	}
	if w.Zeros == ZerosSplit {
		plus, minus = plus+zero/2, minus+zero/2
	}
	r.Statistic = min(plus, minus)
	if r.Exact = !w.Approx && len(d) <= exactLimit && r.Zero == 0; r.Exact {
		r.P = signedRankP(rank, r.Statistic)
		return r
	}
	_, ties := ranks(tied)
	n := float64(len(d))
	expected := n * (n + 1) / 4
	variance := n * (n + 1) * (2*n + 1)
	if w.Zeros == ZerosRanked {
		z := float64(r.Zero)
		expected -= z * (z + 1) / 4
		variance -= z * (z + 1) * (2*z + 1)
	}
	variance = (variance - ties/2) / 24
	deviation := r.Statistic - expected
	if w.Continuity {
		deviation += math.Copysign(min(0.5, math.Abs(deviation)), -deviation)
	}
	r.P = twoSidedNormal(ratio(deviation, math.Sqrt(variance)))
	if deviation == 0 {
		r.P = 1
	}
	return r
}

// ranks gives each value its rank from 1, ties their mean rank, and the sum of
// t³-t over the groups of t equal values.
func ranks(values []float64) (rank []float64, ties float64) {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	rank = make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			rank[order[k]] = float64(i+j+1) / 2
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return rank, ties
}

// signedRankP is the two-sided probability of a smaller rank sum of at most t
// among the 2^n equally likely signs of the given ranks. Ranks are whole or half
// numbers, so that sums are counted in halves.
func signedRankP(rank []float64, t float64) float64 {
	n := len(rank)
	ways := make([]float64, n*(n+1)+1)
	ways[0] = 1
	for _, r := range rank {
		step := int(2 * r)
		for s := len(ways) - 1; s >= step; s-- {
			ways[s] += ways[s-step]
		}
	}
	var below float64
	for _, w := range ways[:int(2*t)+1] {
		below += w
	}
	return min(1, 2*below/math.Exp2(float64(n)))
}

// MannWhitney tests whether two independent samples come from the same
// distribution: normal approximation with tie and continuity correction.
func MannWhitney(x, y []float64) RankTest {
	a, b := Present(x), Present(y)
	r := RankTest{N: len(a), M: len(b), Dropped: len(x) - len(a) + len(y) - len(b), Statistic: math.NaN(), P: math.NaN()}
	if len(a) == 0 || len(b) == 0 {
		return r
	}
	rank, ties := ranks(slices.Concat(a, b))
	n, m := float64(len(a)), float64(len(b))
	var sum float64
	for _, v := range rank[:len(a)] {
		sum += v
	}
	r.Statistic = sum - n*(n+1)/2
	all := n + m
	sd := math.Sqrt(n * m / 12 * (all + 1 - ties/(all*(all-1))))
	deviation := max(r.Statistic, n*m-r.Statistic) - n*m/2 - 0.5
	// One-sided tail doubled and cut at one, so that no deviation gives p = 1.
	r.P = min(1, math.Erfc(ratio(deviation, sd)/math.Sqrt2))
	if sd == 0 {
		r.P = 1
	}
	return r
}
