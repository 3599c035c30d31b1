package engine

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/stat"
)

// measured is an eval of n samples; each value is what f says.
func measured(label, baseline string, name string, n int, f func(i int) float64) evalItem {
	s := &Scores{Level: 0.95, Metrics: []string{name}, Specs: []metric.Spec{{Name: name}}}
	for i := range n {
		v := f(i)
		s.Rows = append(s.Rows, ScoreRow{Sample: fmt.Sprint(i), Values: []*float64{&v}})
	}
	return evalItem{label: label, scores: s, data: &Data{}, model: &Model{Baseline: baseline}}
}

func TestVerdicts(t *testing.T) {
	base := func(i int) float64 { return 0.7 + 0.01*float64(i%5) }
	plus := func(d float64) func(int) float64 {
		return func(i int) float64 { return base(i) + d + 0.02*math.Sin(float64(3*i)) }
	}
	for name, c := range map[string]struct {
		metric string
		n      int
		value  func(int) float64
		want   int
		says   string
	}{
		"better":                   {"dice", 20, plus(0.05), 1, "is better than the baseline box"},
		"worse":                    {"dice", 20, plus(-0.05), -1, "is worse than"},
		"the same":                 {"dice", 20, plus(0), 0, "does not beat"},
		"a distance that shrinks":  {"hd95", 20, plus(-0.05), 1, "is better than"},
		"few images prove nothing": {"dice", 4, plus(0.05), 0, "does not beat"}, // the interval is above 0, the test cannot reject
	} {
		t.Run(name, func(t *testing.T) {
			vs := againstBaselines([][]evalItem{{measured("mine", "", c.metric, c.n, c.value), measured("box", "box_fill", c.metric, c.n, base)}})
			if len(vs) != 1 || vs[0].direction() != c.want || !strings.Contains(vs[0].String(), c.says) {
				t.Fatalf("%v", vs)
			}
			if (vs[0].status() == report.Good) != (c.want > 0) {
				t.Errorf("status %v of %v", vs[0].status(), vs[0])
			}
		})
	}
}

// Many comparisons need smaller p values: what one alone shows, it may not show among forty.
func TestVerdictsAreCorrected(t *testing.T) {
	base := func(i int) float64 { return 0.7 }
	slight := func(i int) float64 { return 0.7 + 0.02 + 0.05*math.Sin(float64(7*i)) }
	alone := againstBaselines([][]evalItem{{measured("mine", "", "dice", 30, slight), measured("box", "box_fill", "dice", 30, base)}})
	var groups [][]evalItem
	for range 40 {
		groups = append(groups, []evalItem{measured("mine", "", "dice", 30, slight), measured("box", "box_fill", "dice", 30, base)})
	}
	many := againstBaselines(groups)
	raw := stat.Wilcoxon{}.Test(column(slight, 30), column(base, 30)).P
	if alone[0].p != raw || alone[0].direction() != 1 {
		t.Errorf("alone: %v, p %g", alone[0], raw)
	}
	if many[0].p != min(1, 40*raw) || many[0].direction() != 0 {
		t.Errorf("among forty: %v, p %g", many[0], raw)
	}
}

func column(f func(int) float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}
