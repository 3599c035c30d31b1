package engine

import (
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/stat"
)

// verdict is a model beside a baseline on the same samples.
type verdict struct {
	model, baseline *evalItem
	metric          metric.Definition
	level           float64
	d               Difference
	p               float64 // Wilcoxon's, corrected by Holm for all comparisons with baselines of the page
}

// againstBaselines compares every model of a page with the baselines of its data, in the first metric that has a better side. A page that compares often finds something by chance,
// so the p values are corrected for their number.
func againstBaselines(groups [][]evalItem) []*verdict {
	var out []*verdict
	var p []float64
	for _, g := range groups {
		for i := range g {
			for k := range g {
				m, b := &g[i], &g[k]
				if m.model.Baseline != "" || b.model.Baseline == "" {
					continue
				}
				judged := m.scores.judged()
				if judged < 0 {
					continue // no metric here says which side is better
				}
				same := slices.Index(b.scores.Metrics, m.scores.Metrics[judged])
				if same < 0 {
					continue
				}
				d, xs, ys, err := difference(m.scores, b.scores, judged, same, m.scores.Level)
				if err != nil {
					continue
				}
				v := &verdict{model: m, baseline: b, level: m.scores.Level, d: d}
				v.metric = m.scores.definition(judged)
				out = append(out, v)
				p = append(p, stat.Wilcoxon{}.Test(xs, ys).P)
			}
		}
	}
	adjusted, _ := stat.Holm.Adjust(p)
	for i, v := range out {
		v.p = adjusted[i]
	}
	return out
}

// direction is 1 where the model is better, -1 where it is worse, 0 where the samples do not tell: the interval of the difference holds 0, or the corrected test
// does not reject that there is none.
func (v *verdict) direction() int {
	low, high := orNaN(v.d.Low), orNaN(v.d.High)
	if !(v.p < 1-v.level) || !(low > 0 || high < 0) {
		return 0
	}
	side := 1
	if high < 0 {
		side = -1
	}
	if v.metric.Better == metric.Lower {
		side = -side
	}
	return side
}

func (v *verdict) status() report.Status {
	if v.direction() > 0 {
		return report.Good
	}
	return report.Bad
}

// String is the sentence that a report begins with.
func (v *verdict) String() string {
	detail := fmt.Sprintf("difference %+.3f, %d images, no interval", v.d.Mean, v.d.N)
	if v.d.Low != nil {
		detail = fmt.Sprintf("difference %+.3f, %.0f %% CI [%+.3f, %+.3f], p %s by Wilcoxon and Holm, %d images", v.d.Mean, 100*v.level, *v.d.Low, *v.d.High, shortP(v.p), v.d.N)
	}
	what := map[int]string{1: "is better than", 0: "does not beat", -1: "is worse than"}[v.direction()]
	return fmt.Sprintf("%s %s the baseline %s: %s %.3f against %.3f (%s).", v.model.label, what, v.baseline.label, v.metric.Title, v.d.First, v.d.Second, detail)
}

func shortP(p float64) string {
	switch {
	case p != p:
		return "unknown"
	case p < 0.001:
		return "< 0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// judged is the place of the first metric of which a reader knows whether more of it is better; -1 when there is none.
func (s *Scores) judged() int {
	for i := range s.Specs {
		if s.definition(i).Better != metric.Neutral {
			return i
		}
	}
	return -1
}
