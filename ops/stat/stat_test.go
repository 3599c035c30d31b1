package stat_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"

	"github.com/mseg-lang/mseg/ops/stat"
)

// number reads a JSON number in which "nan" and "inf" are written as strings.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	switch s := strings.Trim(string(b), `"`); s {
	case "nan":
		*n = number(math.NaN())
	case "inf":
		*n = number(math.Inf(1))
	default:
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}

func floats(v []number) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

type whiskers struct {
	Fences      [2]number
	WhiskerLow  number `json:"whisker_low"`
	WhiskerHigh number `json:"whisker_high"`
	Outliers    []number
}

type goldenFile struct {
	Vectors map[string]struct {
		Values   []number
		Describe struct {
			N         int
			NaN       int `json:"n_nan"`
			Mean      number
			SD        number `json:"sd_ddof1"`
			SEM       number
			CI        [2]number `json:"ci95_t"`
			Quartiles [3]number `json:"q1_median_q3"`
			Range     [2]number `json:"min_max"`
			Tukey     whiskers  `json:"whiskers_1.5iqr"`
			Two       whiskers  `json:"whiskers_2.0iqr"`
		}
		Bootstrap struct {
			Values  []number  `json:"values_after_nan_removal"`
			Indices [][]int   `json:"resample_indices"`
			Means   []number  `json:"resample_means"`
			Mean    [2]number `json:"percentile_ci95_of_mean_numpy_linear"`
			Median  [2]number `json:"percentile_ci95_of_median"`
		}
	}
	Pairs map[string]struct {
		Paired *struct {
			N        int    `json:"n_complete_pairs"`
			Dropped  int    `json:"n_dropped"`
			Mean     number `json:"mean_difference"`
			Test     tTest  `json:"t_test"`
			Wilcoxon map[string]json.RawMessage
			Zero     int `json:"n_zero_differences"`
		}
		Welch       *tTest
		Student     *tTest `json:"student_equal_var"`
		MannWhitney *struct {
			U number `json:"U1"`
			P number `json:"p_asymptotic_correction"`
		} `json:"mann_whitney"`
	}
	Corrections map[string]map[string]json.RawMessage
}

type tTest struct {
	T, P, DF number
	Welch    number    `json:"df_welch_satterthwaite"`
	CI       [2]number `json:"ci95_of_difference"`
}

func golden(t *testing.T) goldenFile {
	t.Helper()
	b, err := os.ReadFile(nearby.Path(t, "golden", "metrics", "stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g goldenFile
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func near(a, b, tolerance float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return a == b || math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b), 1e-6)
}

func TestDescribeGolden(t *testing.T) {
	for name, v := range golden(t).Vectors {
		t.Run(name, func(t *testing.T) {
			check := func(what string, got float64, want number, tolerance float64) {
				t.Helper()
				if !near(got, float64(want), tolerance) {
					t.Errorf("%s = %v, expected %v", what, got, want)
				}
			}
			values, d := floats(v.Values), v.Describe
			s := stat.Describe(values, 0.95)
			if s.N != d.N || s.Missing != d.NaN {
				t.Errorf("n %d and %d missing, expected %d and %d", s.N, s.Missing, d.N, d.NaN)
			}
			spread := 1e-9
			if name == "large_offset" {
				spread = 1e-6
			}
			check("mean", s.Mean, d.Mean, 1e-9)
			check("SD", s.SD, d.SD, spread)
			check("SEM", s.SEM, d.SEM, spread)
			// numpy's mean of six times 0.4 is not 0.4: its interval is rounding.
			if name != "constant_rounding" {
				// scipy 1.10's t quantile is off in the eleventh digit, which shows where
				// an end is the small difference of mean and half width.
				for i, got := range []float64{s.CI.Low, s.CI.High} {
					want := float64(d.CI[i])
					if !near(got, want, 1e-9) && !(math.Abs(got-want) <= 1e-10*math.Abs(s.Mean)) {
						t.Errorf("end %d of the interval is %v, expected %v", i, got, want)
					}
				}
			} else if s.SD != 0 || !math.IsNaN(s.CI.Low) {
				t.Errorf("constant data have SD %v and interval %v", s.SD, s.CI)
			}
			check("Q1", s.Q1, d.Quartiles[0], 1e-12)
			check("median", s.Median, d.Quartiles[1], 1e-12)
			check("Q3", s.Q3, d.Quartiles[2], 1e-12)
			check("min", s.Min, d.Range[0], 0)
			check("max", s.Max, d.Range[1], 0)
			for k, w := range map[float64]whiskers{1.5: d.Tukey, 2: d.Two} {
				b := stat.BoxOf(values, k)
				check("low fence", b.Fences.Low, w.Fences[0], 1e-12)
				check("high fence", b.Fences.High, w.Fences[1], 1e-12)
				check("low whisker", b.Whiskers.Low, w.WhiskerLow, 0)
				check("high whisker", b.Whiskers.High, w.WhiskerHigh, 0)
				if !slices.Equal(b.Outliers, floats(w.Outliers)) {
					t.Errorf("outliers %v, expected %v", b.Outliers, w.Outliers)
				}
			}
		})
	}
}

// TestBootstrapGolden replays the reference's resamples.
func TestBootstrapGolden(t *testing.T) {
	for name, v := range golden(t).Vectors {
		values := floats(v.Bootstrap.Values)
		for what, statistic := range map[string]stat.Statistic{"mean": stat.Mean, "median": stat.Median} {
			var resampled []float64
			for i, index := range v.Bootstrap.Indices {
				sample := make([]float64, len(index))
				for k, j := range index {
					sample[k] = values[j]
				}
				resampled = append(resampled, statistic(sample))
				if what == "mean" && !near(resampled[i], float64(v.Bootstrap.Means[i]), 1e-9) {
					t.Errorf("%s: mean of resample %d is %v, expected %v", name, i, resampled[i], v.Bootstrap.Means[i])
				}
			}
			want := v.Bootstrap.Mean
			if what == "median" {
				want = v.Bootstrap.Median
			}
			if low, high := stat.Quantile(resampled, 0.025), stat.Quantile(resampled, 0.975); !near(low, float64(want[0]), 1e-9) || !near(high, float64(want[1]), 1e-9) {
				t.Errorf("%s: interval of the %s [%v, %v], expected %v", name, what, low, high, want)
			}
		}
	}
}

func TestTestsGolden(t *testing.T) {
	g := golden(t)
	wilcoxons := map[string]stat.Wilcoxon{}
	for zeros, name := range []string{"wilcox", "pratt", "zsplit"} {
		wilcoxons[name+"/auto"] = stat.Wilcoxon{Zeros: stat.Zeros(zeros)}
		wilcoxons[name+"/exact"] = stat.Wilcoxon{Zeros: stat.Zeros(zeros)}
		wilcoxons[name+"/approx"] = stat.Wilcoxon{Zeros: stat.Zeros(zeros), Approx: true}
		wilcoxons[name+"/approx/correction"] = stat.Wilcoxon{Zeros: stat.Zeros(zeros), Approx: true, Continuity: true}
	}
	for name, p := range g.Pairs {
		t.Run(name, func(t *testing.T) {
			first, second, _ := strings.Cut(name, "|")
			x, y := floats(g.Vectors[first].Values), floats(g.Vectors[second].Values)
			constant := strings.HasPrefix(first, "constant") && (second == "constant_low" || second == "constant_rounding")
			check := func(what string, got stat.TTest, want tTest) {
				t.Helper()
				df := want.DF
				if df == 0 {
					df = want.Welch
				}
				if constant {
					// No spread: scipy gives t and p from rounding, we give none.
					if !math.IsInf(got.T, 0) || !math.IsNaN(got.P) || !math.IsNaN(got.CI.Low) {
						t.Errorf("%s of constants: %+v", what, got)
					}
					return
				}
				if !near(got.T, float64(want.T), 1e-9) || !near(got.P, float64(want.P), 1e-8) || !near(got.DF, float64(df), 1e-9) {
					t.Errorf("%s: t %v df %v p %v, expected %v %v %v", what, got.T, got.DF, got.P, want.T, df, want.P)
				}
			}
			if p.Paired != nil {
				r := stat.PairedT(x, y, 0.95)
				if r.N != p.Paired.N || r.Dropped != p.Paired.Dropped || !near(r.Difference, float64(p.Paired.Mean), 1e-9) {
					t.Errorf("paired: %d pairs, %d dropped, difference %v, expected %d, %d, %v", r.N, r.Dropped, r.Difference, p.Paired.N, p.Paired.Dropped, p.Paired.Mean)
				}
				check("paired", r, p.Paired.Test)
				if want := p.Paired.Test.CI; !constant && (!near(r.CI.Low, float64(want[0]), 1e-8) || !near(r.CI.High, float64(want[1]), 1e-8)) {
					t.Errorf("paired: interval %v, expected %v", r.CI, want)
				}
				for mode, raw := range p.Paired.Wilcoxon {
					r := wilcoxons[mode].Test(x, y)
					if r.Zero != p.Paired.Zero || r.Dropped != p.Paired.Dropped {
						t.Errorf("%s: %d zeros, %d dropped, expected %d and %d", mode, r.Zero, r.Dropped, p.Paired.Zero, p.Paired.Dropped)
					}
					var want struct{ Statistic, P number }
					if json.Unmarshal(raw, &want) != nil {
						want.Statistic, want.P = number(math.NaN()), number(math.NaN()) // the reference raises an error
					}
					if !near(r.Statistic, float64(want.Statistic), 1e-9) || !near(r.P, float64(want.P), 1e-8) {
						t.Errorf("%s: %v p %v, expected %v p %v", mode, r.Statistic, r.P, want.Statistic, want.P)
					}
				}
			}
			if p.Welch != nil {
				check("Welch", stat.Welch(x, y, 0.95), *p.Welch)
				check("Student", stat.StudentT(x, y, 0.95), *p.Student)
			}
			if p.MannWhitney != nil {
				r := stat.MannWhitney(x, y)
				if !near(r.Statistic, float64(p.MannWhitney.U), 1e-9) || !near(r.P, float64(p.MannWhitney.P), 1e-8) {
					t.Errorf("Mann-Whitney: U %v p %v, expected %v p %v", r.Statistic, r.P, p.MannWhitney.U, p.MannWhitney.P)
				}
			}
		})
	}
}

func TestCorrectionsGolden(t *testing.T) {
	names := map[string]stat.Correction{
		"bonferroni": stat.Bonferroni, "holm": stat.Holm,
		"benjamini_hochberg": stat.BenjaminiHochberg, "benjamini_yekutieli": stat.BenjaminiYekutieli,
	}
	for set, methods := range golden(t).Corrections {
		var p []float64
		if err := json.Unmarshal(methods["p"], &p); err != nil {
			t.Fatal(err)
		}
		for name, c := range names {
			var want struct{ Adjusted []float64 }
			if err := json.Unmarshal(methods[name], &want); err != nil {
				t.Fatal(err)
			}
			got, ok := c.Adjust(p)
			if !ok || !slices.EqualFunc(got, want.Adjusted, func(a, b float64) bool { return near(a, b, 1e-8) }) {
				t.Errorf("%s of %s: %v, expected %v", c, set, got, want.Adjusted)
			}
		}
	}
}

func normals(n int, mean float64, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float64, n)
	for i := range v {
		v[i] = mean + r.NormFloat64()
	}
	return v
}

func TestBootstrapInterval(t *testing.T) {
	v := normals(200, 5, 3)
	exact := stat.TInterval(v, 0.95)
	for _, bca := range []bool{false, true} {
		b := stat.Bootstrap{Seed: 11, BCa: bca}
		got := b.Interval(v, stat.Mean)
		if !(math.Abs(got.Low-exact.Low) <= 0.03) || !(math.Abs(got.High-exact.High) <= 0.03) {
			t.Errorf("BCa %v: interval %v, expected about %v", bca, got, exact)
		}
		if again := b.Interval(v, stat.Mean); again != got {
			t.Errorf("BCa %v: a second run gives %v, the first %v", bca, again, got)
		}
		b.Seed = 12
		if other := b.Interval(v, stat.Mean); other == got {
			t.Errorf("BCa %v: another seed gives the same interval", bca)
		}
	}
}

// TestBCaFollowsSkew: for a skewed sample both ends move to the long tail.
func TestBCaFollowsSkew(t *testing.T) {
	v := normals(60, 0, 5)
	for i := range v {
		v[i] = math.Exp(1.2 * v[i])
	}
	plain := stat.Bootstrap{Seed: 1}.Interval(v, stat.Mean)
	bca := stat.Bootstrap{Seed: 1, BCa: true}.Interval(v, stat.Mean)
	if bca.Low <= plain.Low || bca.High <= plain.High {
		t.Errorf("percentile interval %v, BCa interval %v, expected both ends higher", plain, bca)
	}
}

func TestCoverage(t *testing.T) {
	covered := 0
	const runs = 400
	for i := range runs {
		ci := stat.TInterval(normals(8, 2, uint64(i)), 0.9)
		if ci.Low <= 2 && 2 <= ci.High {
			covered++
		}
	}
	if share := float64(covered) / runs; !(math.Abs(share-0.9) <= 0.05) {
		t.Errorf("90 %% intervals cover the mean in %.3f of the samples", share)
	}
}

func TestSymmetryOfTests(t *testing.T) {
	x, y := normals(20, 0.4, 8), normals(20, 0, 9)
	x[3], y[7] = math.NaN(), math.NaN()
	tests := map[string]func(a, b []float64) (dropped int, p float64){
		"paired t":     func(a, b []float64) (int, float64) { r := stat.PairedT(a, b, 0.95); return r.Dropped, r.P },
		"Welch":        func(a, b []float64) (int, float64) { r := stat.Welch(a, b, 0.95); return r.Dropped, r.P },
		"Wilcoxon":     func(a, b []float64) (int, float64) { r := stat.Wilcoxon{}.Test(a, b); return r.Dropped, r.P },
		"Mann-Whitney": func(a, b []float64) (int, float64) { r := stat.MannWhitney(a, b); return r.Dropped, r.P },
	}
	for name, test := range tests {
		n, p := test(x, y)
		m, q := test(y, x)
		if n != 2 || m != 2 || !near(p, q, 1e-12) || !(p > 0 && p < 1) {
			t.Errorf("%s: dropped %d and %d, p %v and %v", name, n, m, p, q)
		}
	}
}

// TestExactSignedRank tries all signs of the ranks, with and without ties.
func TestExactSignedRank(t *testing.T) {
	for _, magnitudes := range [][]float64{
		{1}, {1, 2}, {1, 2, 3, 4, 5, 6, 7}, {1, 1, 1, 1}, {1, 1, 2, 3, 3, 3, 9}, {5, 4, 4, 1, 1, 2},
	} {
		n := len(magnitudes)
		statistic := func(signs int) float64 {
			x := slices.Clone(magnitudes)
			for i := range x {
				if signs>>i&1 == 1 {
					x[i] = -x[i]
				}
			}
			return stat.Wilcoxon{}.Test(x, make([]float64, n)).Statistic
		}
		for signs := range 1 << n {
			x := slices.Clone(magnitudes)
			for i := range x {
				if signs>>i&1 == 1 {
					x[i] = -x[i]
				}
			}
			r := stat.Wilcoxon{}.Test(x, make([]float64, n))
			extreme := 0
			for other := range 1 << n {
				if statistic(other) <= r.Statistic {
					extreme++
				}
			}
			// A rank sum in the middle is counted for both sides.
			if want := float64(extreme) / math.Exp2(float64(n)); !r.Exact || !near(r.P, want, 1e-12) {
				t.Fatalf("%v: p %v, expected %v", x, r.P, want)
			}
		}
	}
}

func TestNothingToTest(t *testing.T) {
	nan := math.NaN()
	for _, v := range [][]float64{nil, {nan}, {nan, nan}} {
		s := stat.Describe(v, 0.95)
		b := stat.BoxOf(v, 2)
		ci := stat.Bootstrap{}.Interval(v, stat.Mean)
		for _, x := range []float64{s.Mean, s.SD, s.CI.Low, s.Median, b.Median, b.Whiskers.Low, ci.Low,
			stat.PairedT(v, v, 0.95).P, stat.Welch(v, v, 0.95).P, stat.Wilcoxon{}.Test(v, v).P, stat.MannWhitney(v, v).P} {
			if !math.IsNaN(x) {
				t.Errorf("%v: a result is %v, expected NaN", v, x)
			}
		}
	}
}

func TestAdjust(t *testing.T) {
	nan := math.NaN()
	for _, c := range stat.Corrections() {
		got, ok := c.Adjust([]float64{0.03, nan, 0.01, 0.02})
		if !ok || !math.IsNaN(got[1]) || got[2] > got[3] || got[3] > got[0] {
			t.Errorf("%s keeps no order: %v", c, got)
		}
		for i, p := range []float64{0.03, 0, 0.01, 0.02} {
			if i != 1 && (got[i] < p || got[i] > 1) {
				t.Errorf("%s adjusts %v to %v", c, p, got[i])
			}
		}
	}
	if _, ok := stat.Correction("tukey").Adjust([]float64{0.1}); ok {
		t.Error("an unknown correction is accepted")
	}
}

func ExampleDescribe() {
	s := stat.Describe([]float64{0.91, 0.88, math.NaN(), 0.95}, 0.95)
	fmt.Printf("%.3f [%.3f, %.3f], n = %d, missing %d\n", s.Mean, s.CI.Low, s.CI.High, s.N, s.Missing)
	// Output: 0.913 [0.826, 1.001], n = 3, missing 1
}

func TestConstantData(t *testing.T) {
	for _, v := range []float64{0.1, 0.4, 1.0 / 3, 1e9 + 0.1} {
		for n := 2; n < 40; n++ {
			if s := stat.Describe(slices.Repeat([]float64{v}, n), 0.95); s.Mean != v || s.SD != 0 {
				t.Errorf("%d times %v: mean %v, SD %v", n, v, s.Mean, s.SD)
			}
		}
	}
}
