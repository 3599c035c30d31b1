package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/stat"
)

// Measure is the value of the kind measure: the values of one metric over samples, with enough about each to narrow them.
type Measure struct {
	Name   string
	Rows   []ScoreRow
	Values []float64
	Level  float64
}

// column is the place of a metric that this eval measures in one way, as the checker has seen to.
func (s *Scores) column(name string) int {
	return slices.IndexFunc(s.Specs, func(m metric.Spec) bool { return m.Name == name })
}

func (s *Scores) measure(field string, span source.Span) (any, error) {
	if field == "n" {
		return float64(len(s.Rows)), nil
	}
	i := s.column(field)
	if i < 0 {
		return nil, fault(span, "this eval did not measure %s; add it to its metrics", field)
	}
	m := &Measure{Name: s.Metrics[i], Level: s.Level}
	for _, r := range s.Rows {
		m.Rows, m.Values = append(m.Rows, r), append(m.Values, r.Value(i))
	}
	return m, nil
}

func (m *Measure) number(field string) (any, error) {
	d := stat.Describe(m.Values, m.Level)
	switch field {
	case "mean":
		return d.Mean, nil
	case "sd":
		return d.SD, nil
	case "median":
		return d.Median, nil
	case "low":
		return d.CI.Low, nil
	case "high":
		return d.CI.High, nil
	case "n":
		return float64(d.N), nil
	}
	return nil, fmt.Errorf("a measure has no field %q", field)
}

// indexValue narrows a measure to a task or a subtree.
func indexValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	v, err := e.Value(ctx, n.Node("of"))
	if err != nil {
		return nil, err
	}
	m, ok := v.(*Measure)
	if !ok {
		return nil, fault(n.Span, "only a measure can be narrowed")
	}
	out := &Measure{Name: m.Name, Level: m.Level}
	for i, r := range m.Rows {
		keep := false
		switch by := n.Arg("by").(type) {
		case ir.Word:
			keep = r.Task == by.Text
		case ir.Path:
			keep = taxonomy.Within(r.Path, by.P)
		case ir.Str:
			keep = r.Task == by.S || r.Organ == by.S || r.Dataset == by.S || r.Site == by.S || r.Patient == by.S
		}
		if keep {
			out.Rows, out.Values = append(out.Rows, r), append(out.Values, m.Values[i])
		}
	}
	if len(out.Rows) == 0 {
		return nil, fault(n.Span, "no sample of this eval is %s", n.Text("by"))
	}
	return out, nil
}
