package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/stat"
)

// maxRows is how many lines of a table are shown; the rest is counted.
const maxRows = 20

// Display computes a value of the program in use and gives it as text for a terminal: numbers and settings as a script would write them, data as a
// table of cases, evals as a table of means with confidence intervals, reports as the path of their page. The text ends with a line break.
func (e *Engine) Display(ctx context.Context, v ir.Value) (string, error) {
	switch v := v.(type) {
	case *ir.Node:
		if _, ok := stages[v.Op]; v.T.Base == "loss" || !ok && v.T.Base != "number" && v.T.Base != "bool" {
			return setting(v) + "\n", nil
		}
		x, err := e.Value(ctx, v)
		if err != nil {
			return "", err
		}
		return e.text(v, x)
	case ir.List:
		if len(nodesIn(v)) == 0 {
			return setting(v) + "\n", nil
		}
		if text, err := e.sweepOf(ctx, v); text != "" || err != nil {
			return text, err
		}
		var b strings.Builder
		for i, x := range v.Items {
			s, err := e.Display(ctx, x)
			if err != nil {
				return "", err
			}
			name := fmt.Sprintf("[%d]", i)
			if n, ok := x.(*ir.Node); ok && n.Label != "" {
				name += " " + n.Label
			}
			if strings.Count(s, "\n") > 1 {
				name += "\n"
			} else {
				name += " "
			}
			b.WriteString(name + s)
		}
		return b.String(), nil
	case ir.Taxonomy:
		return treeText(v.Tree), nil
	case ir.Unknown:
		return "", errors.New("this has no value")
	}
	return setting(v) + "\n", nil
}

// setting writes a known value or a description (a prep, a loss, experts …) as a script would.
func setting(v ir.Value) string { return check.Written(v) }

// text shows a computed value.
func (e *Engine) text(n *ir.Node, v any) (string, error) {
	switch v := v.(type) {
	case float64:
		return figures(v) + "\n", nil
	case bool:
		return fmt.Sprintln(v), nil
	case *Data:
		return v.text(), nil
	case *Split:
		return v.text(), nil
	case *Model:
		return v.text()
	case *Scores:
		return v.text(), nil
	case *Measure:
		return v.text(), nil
	case *Comparison:
		return e.comparisonText(n, v), nil
	case *Figure:
		return v.text(), nil
	case *ReportFiles:
		path, err := e.export(n, v)
		if err != nil {
			return "", at(n.Span, err)
		}
		return "report: " + path + "\n", nil
	}
	return "", fault(n.Span, "%s has nothing to show", n.Op)
}

func figures(x float64) string { return fmt.Sprintf("%.6g", x) }

// columns lays out rows, the first of which is the heading.
func columns(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	_ = w.Flush() // a strings.Builder does not fail
	out := strings.Split(b.String(), "\n")
	for i := range out {
		out[i] = strings.TrimRight(out[i], " ")
	}
	return strings.Join(out, "\n")
}

// shorten keeps the heading and the first rows of a table and says how many are left out.
func shorten(rows [][]string, what string) string {
	left := len(rows) - 1 - maxRows
	if left <= 0 {
		return columns(rows)
	}
	return columns(rows[:maxRows+1]) + fmt.Sprintf("… and %s\n", diag.Counted(left, "more "+what))
}

func few(items []string, most int) string {
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s, … (%d)", strings.Join(items[:most], ", "), len(items))
}

func (d *Data) text() string {
	tasks := map[string]bool{}
	rows := [][]string{{"patient", "case", "modality", "tasks", "size", "spacing (mm)"}}
	head := diag.Counted(len(d.Cases), "case")
	if d.Prepared {
		rows[0] = []string{"patient", "case", "modality", "tasks", "samples", "size", "pixel (mm)"}
		head = diag.Counted(len(d.Samples), "sample")
		type key struct{ owner, id, modality, size, pixel string }
		found := map[key]int{}
		kinds := map[key][]string{}
		var order []key
		for _, s := range d.Samples {
			tasks[s.Task] = true
			k := key{s.Patient, s.ID, joined(s.Modality, s.Sequence), fmt.Sprintf("%d×%d×%d", s.Height, s.Width, s.Channels), spacing([]float64{s.SpacingX, s.SpacingY})}
			if found[k] == 0 {
				order = append(order, k)
			}
			found[k]++
			if !slices.Contains(kinds[k], s.Task) {
				kinds[k] = append(kinds[k], s.Task)
			}
		}
		for _, k := range order {
			rows = append(rows, []string{k.owner, k.id, k.modality, few(kinds[k], 3), fmt.Sprint(found[k]), k.size, k.pixel})
		}
	} else {
		for i, c := range d.Cases {
			for _, t := range c.Tasks() {
				tasks[t] = true
			}
			r := []string{c.Patient, c.ID, joined(c.Modality, c.Sequence), few(c.Tasks(), 3), "", ""}
			if i < maxRows {
				if m, err := image.ReadHeader(c.ImagePath); err != nil {
					r[4] = "unreadable: " + filepath.Base(c.ImagePath)
				} else {
					r[4] = dims(m.Shape)
					if sp := m.Spacing(); m.HasSpacing {
						r[5] = spacing(sp[:min(3, len(m.Shape))])
					}
				}
			}
			rows = append(rows, r)
		}
	}
	head += fmt.Sprintf(" of %s, %s", diag.Counted(len(d.Patients()), "patient"), diag.Counted(len(tasks), "task"))
	for _, o := range d.Origins {
		head += "\n" + o
	}
	return head + "\n" + shorten(rows, "case")
}

func joined(a, b string) string { return strings.TrimSpace(a + " " + b) }

func dims(shape []int) string {
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "×")
}

func spacing(s []float64) string {
	parts := make([]string, len(s))
	for i, x := range s {
		if x <= 0 {
			return ""
		}
		parts[i] = fmt.Sprintf("%.3g", x)
	}
	return strings.Join(parts, "×")
}

func (s *Split) text() string {
	rows := [][]string{{"side", "patients", "n", ""}}
	for _, side := range []string{"train", "val", "test"} {
		d, ok := s.Parts[side]
		if !ok {
			continue
		}
		var names []string
		for _, p := range d.Patients() {
			names = append(names, strings.TrimPrefix(p, "/"))
		}
		rows = append(rows, []string{side, fmt.Sprint(len(names)), fmt.Sprint(d.Len()), few(names, 6)})
	}
	return columns(rows)
}

func treeText(t *taxonomy.Tree) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s, %s\n", diag.Counted(len(t.BodyParts), "body part"), diag.Counted(len(t.Subregions), "subregion"), diag.Counted(len(t.Organs), "organ"), diag.Counted(len(t.Tasks), "task"))
	last := func(p string) string { return p[strings.LastIndex(p, "/")+1:] }
	for _, bp := range t.BodyParts {
		fmt.Fprintln(&b, bp)
		for _, sub := range t.Subregions {
			if !taxonomy.Within(sub, bp) {
				continue
			}
			fmt.Fprintf(&b, "  /%s\n", last(sub))
			for _, o := range t.Organs {
				if !taxonomy.Within(o, sub) {
					continue
				}
				var names []string
				for _, k := range t.Tasks {
					if k.Path == o {
						names = append(names, k.Name)
					}
				}
				fmt.Fprintf(&b, "    /%-24s %s\n", last(o), strings.Join(names, ", "))
			}
		}
	}
	return b.String()
}

func (m *Model) text() (string, error) {
	if m.Baseline != "" {
		return m.Baseline + ": a baseline without parameters\n", nil
	}
	all, err := m.Count(false)
	if err != nil {
		return "", err
	}
	changed, err := m.Count(true)
	if err != nil {
		return "", err
	}
	rows := [][]string{
		{"architecture", fmt.Sprintf("%s, %s", m.Built.Architecture.Name, m.extent())},
		{"parameters", fmt.Sprintf("%.0f", all)},
		{"trainable", fmt.Sprintf("%.0f (%s)", changed, strings.Join(m.Groups, ", "))},
	}
	if m.Built.Config.Plan != nil {
		rows = append(rows, []string{"plan", m.Built.Config.Plan.String()})
	}
	if x := m.experts(); x != nil {
		rows = append(rows, []string{"experts", fmt.Sprintf("%d in each of %s", x.Experts, diag.Counted(len(m.Built.Blocks), "block"))})
	}
	if n := len(m.History); n > 0 {
		kept := m.History[min(max(m.BestEpoch, 1), n)-1]
		s := fmt.Sprintf("%s; epoch %d kept, loss %.4f", diag.Counted(n, "epoch"), kept.Epoch, kept.Loss)
		if kept.Dice != nil {
			s += fmt.Sprintf(", validation Dice %.4f", *kept.Dice)
		}
		s += scoreText(&kept)
		rows = append(rows, []string{"training", s})
	}
	if len(m.TrainedOn) > 0 {
		rows = append(rows, []string{"trained on", diag.Counted(len(m.TrainedOn), "patient")})
	}
	return columns(rows), nil
}

func interval(values []float64, level float64) string {
	d := stat.Describe(values, level)
	if d.N == 0 {
		return "–"
	}
	if math.IsNaN(d.CI.Low) {
		return fmt.Sprintf("%.4g", d.Mean)
	}
	return fmt.Sprintf("%.4g [%.4g, %.4g]", d.Mean, d.CI.Low, d.CI.High)
}

func (s *Scores) text() string {
	rows := [][]string{append([]string{"", "n"}, s.Metrics...)}
	line := func(name string, keep func(ScoreRow) bool) {
		r := []string{name, fmt.Sprint(len(s.Rows))}
		for i := range s.Metrics {
			values := s.values(i, keep)
			r[1] = fmt.Sprint(len(values))
			r = append(r, interval(values, s.Level))
		}
		rows = append(rows, r)
	}
	line("all", nil)
	for _, by := range s.By {
		var groups []string
		for _, r := range s.Rows {
			if g := r.Field(by); !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
		if len(groups) < 2 {
			continue
		}
		slices.Sort(groups)
		for _, g := range groups {
			line(by+" "+g, func(r ScoreRow) bool { return r.Field(by) == g })
		}
	}
	return shorten(rows, "group") + fmt.Sprintf("means with %g %% confidence intervals; prompt: %s\n", s.Level*100, s.Prompt)
}

func (m *Measure) text() string {
	d := stat.Describe(m.Values, m.Level)
	return fmt.Sprintf("%s %s, %g %% confidence interval\n", m.Name, interval(m.Values, m.Level), m.Level*100) +
		columns([][]string{{"n", "mean", "sd", "median", "min", "max"}, {fmt.Sprint(d.N), figures(d.Mean), figures(d.SD), figures(d.Median), figures(d.Min), figures(d.Max)}})
}

func (e *Engine) comparisonText(n *ir.Node, c *Comparison) string {
	name := func(i int) string {
		if items := n.Items("evals"); i < len(items) {
			if x, ok := items[i].(*ir.Node); ok && x.Label != "" {
				return x.Label
			}
		}
		return fmt.Sprintf("[%d]", i)
	}
	number := func(x *float64) string {
		if x == nil {
			return "–"
		}
		return fmt.Sprintf("%.4g", *x)
	}
	rows := [][]string{{c.Metric, "n", "mean", "other mean", "difference", "p", "p adjusted"}}
	for _, d := range c.Pairs {
		rows = append(rows, []string{name(0) + " − " + name(d.Other), fmt.Sprint(d.N), fmt.Sprintf("%.4g", d.First), fmt.Sprintf("%.4g", d.Second),
			fmt.Sprintf("%.4g [%s, %s]", d.Mean, number(d.Low), number(d.High)), number(d.P), number(d.Adjusted)})
	}
	return columns(rows) + fmt.Sprintf("%s, corrected by %s, %g %% confidence intervals\n", c.Test, c.Correct, c.Level*100)
}
