package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/stat"
)

// metricColumns are the columns of an eval's metrics. Definitions stand under the first table of a page only.
func metricColumns(s *Scores, define bool) []report.Column {
	var out []report.Column
	for i := range s.Specs {
		def := s.definition(i)
		c := report.Column{Name: s.Metrics[i], Kind: report.Interval, Digits: 3, Counted: true}
		if define {
			c.Doc = def.Doc
		}
		if def.Scaled == "distance" {
			c.Digits = 2
		}
		switch def.Better {
		case metric.Higher:
			c.Better = report.HigherBetter
		case metric.Lower:
			c.Better = report.LowerBetter
		}
		out = append(out, c)
	}
	return out
}

func estimate(values []float64, level float64) report.Cell {
	d := stat.Describe(values, level)
	c := report.Estimate(d.Mean, d.CI.Low, d.CI.High, d.N)
	c.Missing = d.Missing
	return c
}

func (s *Scores) values(i int, keep func(ScoreRow) bool) []float64 {
	var out []float64
	for _, r := range s.Rows {
		if keep == nil || keep(r) {
			out = append(out, r.Value(i))
		}
	}
	return out
}

func tableID(parts ...string) string {
	s := strings.NewReplacer("[", "-", "]", "").Replace(strings.Join(parts, "-")) // grid[0]: grid-0
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, s)
}

func overallTable(id string, group []evalItem, define bool) *report.Table {
	first := group[0].scores
	t := &report.Table{ID: tableID(id, "overall"), Title: "All images.",
		Caption: fmt.Sprintf("Mean over images with the %.0f %% confidence interval of the mean (Student's t). Distances in mm use the spacing of the prepared images.", 100*first.Level)}
	params, settings := sweepColumns(evalNodes(group))
	t.Columns = slices.Concat([]report.Column{{Name: "model"}}, params, []report.Column{{Name: "images", Kind: report.Number}, {Name: "patients", Kind: report.Number}}, metricColumns(first, define))
	for k, e := range group {
		row := report.Row{Cells: slices.Concat([]report.Cell{report.String(e.label)}, settings[k], []report.Cell{report.Num(float64(len(e.scores.Rows))), report.Num(float64(len(e.data.Patients())))})}
		for i := range first.Specs {
			row.Cells = append(row.Cells, estimate(e.scores.values(i, nil), first.Level))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// groupTable is nil when the field has one value only: it would repeat the table of all images.
func groupTable(id, by string, group []evalItem) *report.Table {
	first := group[0].scores
	var names []string
	for _, r := range first.Rows {
		if v := r.Field(by); !slices.Contains(names, v) {
			names = append(names, v)
		}
	}
	slices.Sort(names)
	if len(names) < 2 {
		return nil
	}
	title := strings.ReplaceAll(by, "_", " ")
	t := &report.Table{ID: tableID(id, by), Title: "By " + title + ".", Caption: "As above, for each " + title + ".", BestWithin: report.EachGroup}
	params, settings := sweepColumns(evalNodes(group))
	t.Columns = slices.Concat([]report.Column{{Name: "model"}}, params, []report.Column{{Name: "images", Kind: report.Number}, {Name: "patients", Kind: report.Number}}, metricColumns(first, false))
	for _, name := range names {
		shown := name
		if shown == "" {
			shown = "(none)"
		}
		t.Rows = append(t.Rows, report.Row{Group: shown})
		for k, e := range group {
			keep := func(r ScoreRow) bool { return r.Field(by) == name }
			patients := map[string]bool{}
			n := 0
			for _, r := range e.scores.Rows {
				if keep(r) {
					patients[r.Owner()] = true
					n++
				}
			}
			row := report.Row{Cells: slices.Concat([]report.Cell{report.String(e.label)}, settings[k], []report.Cell{report.Num(float64(n)), report.Num(float64(len(patients)))})}
			for i := range first.Specs {
				row.Cells = append(row.Cells, estimate(e.scores.values(i, keep), first.Level))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func evalNodes(group []evalItem) []*ir.Node {
	var out []*ir.Node
	for _, e := range group {
		out = append(out, e.node)
	}
	return out
}

func sampleTable(e evalItem) *report.Table {
	t := &report.Table{ID: tableID(e.label, "images"), Title: "Every image of " + e.label + "."}
	for _, c := range []string{"sample", "dataset", "site", "patient", "case", "slice", "modality", "sequence", "task", "organ", "subregion", "body_part"} {
		t.Columns = append(t.Columns, report.Column{Name: c})
	}
	t.Columns = append(t.Columns, report.Column{Name: "area", Unit: "px", Kind: report.Number})
	for _, c := range metricColumns(e.scores, true) {
		c.Kind, c.Digits = report.Number, 6
		t.Columns = append(t.Columns, c)
	}
	for _, r := range e.scores.Rows {
		row := report.Row{Cells: []report.Cell{report.String(r.Sample)}}
		for _, f := range []string{"dataset", "site", "patient", "case", "slice", "modality", "sequence", "task", "organ", "subregion", "body_part"} {
			row.Cells = append(row.Cells, report.String(r.Field(f)))
		}
		row.Cells = append(row.Cells, report.Num(float64(r.Area)))
		for i := range r.Values {
			row.Cells = append(row.Cells, report.Num(r.Value(i)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (j *Job) compareTable(n *ir.Node, c *Comparison) *report.Table {
	var names []string
	var nodes []*ir.Node
	for _, x := range n.Items("evals") {
		nodes = append(nodes, x.(*ir.Node))
		names = append(names, j.label(x.(*ir.Node)))
	}
	params, settings := sweepColumns(nodes)
	test := map[string]string{"paired_t": "paired t-test", "wilcoxon": "Wilcoxon signed-rank test"}[c.Test]
	t := &report.Table{ID: tableID(j.label(n), "differences"), Title: fmt.Sprintf("%s against the others, %s.", names[0], c.Metric),
		Caption: fmt.Sprintf("Mean of paired differences with its %.0f %% confidence interval; two-sided %s; p values corrected: %s.", 100*c.Level, test, c.Correct)}
	digits := 3
	if d, _ := metric.Define(c.Field); d.Scaled == "distance" {
		digits = 2
	}
	t.Columns = slices.Concat([]report.Column{{Name: "against"}}, params, []report.Column{{Name: "images", Kind: report.Number}, {Name: names[0], Kind: report.Number, Digits: digits}, {Name: "other", Kind: report.Number, Digits: digits},
		{Name: "difference", Kind: report.Interval, Digits: digits, Counted: true}, {Name: "p", Kind: report.PValue}, {Name: "p corrected", Kind: report.PValue}})
	for _, d := range c.Pairs {
		t.Rows = append(t.Rows, report.Row{Cells: slices.Concat([]report.Cell{report.String(names[d.Other])}, settings[d.Other], []report.Cell{report.Num(float64(d.N)), report.Num(d.First), report.Num(d.Second),
			report.Estimate(d.Mean, orNaN(d.Low), orNaN(d.High), d.N), report.Num(orNaN(d.P)), report.Num(orNaN(d.Adjusted))})})
	}
	return t
}
