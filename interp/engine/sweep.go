package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/stat"
)

// sweepColumns are the parameters that differ between values of a sweep, as columns of a table, with the cells of every value. A parameter is a number where every value
// has one of the same unit, else it is written as in a script. Values that were not swept have empty cells; without any swept there are no columns.
func sweepColumns(nodes []*ir.Node) (cols []report.Column, cells [][]report.Cell) {
	var names []string
	for _, n := range nodes {
		for _, s := range n.Swept {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	cells = make([][]report.Cell, len(nodes))
	for _, name := range names {
		unit, numeric, first := "", true, true
		for _, n := range nodes {
			v := swept(n, name)
			x, ok := v.(ir.Number)
			switch {
			case v == nil:
			case !ok || !first && x.Unit != unit:
				numeric = false
			default:
				unit, first = x.Unit, false
			}
		}
		col := report.Column{Name: name, Doc: "swept"}
		if numeric {
			col.Kind, col.Unit, col.Digits = report.Number, unit, report.Shortest
		}
		cols = append(cols, col)
		for i, n := range nodes {
			switch v := swept(n, name).(type) {
			case nil:
				cells[i] = append(cells[i], report.Num(math.NaN()))
			case ir.Number:
				if numeric {
					cells[i] = append(cells[i], report.Num(v.V))
					continue
				}
				cells[i] = append(cells[i], report.String(check.Show(v)))
			case *ir.Node:
				text := v.Label
				if text == "" {
					text = setting(v)
				}
				cells[i] = append(cells[i], report.String(text))
			default:
				cells[i] = append(cells[i], report.String(setting(v)))
			}
		}
	}
	return cols, cells
}

func swept(n *ir.Node, name string) ir.Value {
	for _, s := range n.Swept {
		if s.Name == name {
			return s.Value
		}
	}
	return nil
}

// Sweep is the table of a sweep of evals: a row an item.
type Sweep struct {
	Name    string     `json:"name"`
	Columns []string   `json:"columns"` // swept parameters
	Units   []string   `json:"units"`   // of them; "" for none
	Rows    []SweepRow `json:"rows"`
}

// SweepRow is an item of a sweep: the parameters it was made with, numbers where they are numbers, and its metrics.
type SweepRow struct {
	Item     string             `json:"item"`
	Settings map[string]any     `json:"settings"`
	N        int                `json:"n"`
	Metrics  map[string]Summary `json:"metrics"`
}

// Summary is a mean with its confidence interval; without a value where there is none.
type Summary struct {
	Mean *float64 `json:"mean"`
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
	N    int      `json:"n"`
}

// sweeps makes the tables of the sweeps of evals that a program binds.
func (e *Engine) sweeps(ctx context.Context, p *ir.Program) ([]Sweep, error) {
	var out []Sweep
	for _, b := range p.Bindings {
		l, ok := b.Value.(ir.List)
		if !ok || b.Kind != "eval" {
			continue
		}
		nodes := leaves(l)
		cols, cells := sweepColumns(nodes)
		if len(cols) == 0 {
			continue
		}
		t := Sweep{Name: b.Name}
		for _, c := range cols {
			t.Columns, t.Units = append(t.Columns, c.Name), append(t.Units, c.Unit)
		}
		for i, n := range nodes {
			v, err := e.Value(ctx, n)
			if err != nil {
				return nil, err
			}
			s, ok := v.(*Scores)
			if !ok {
				continue
			}
			row := SweepRow{Item: e.label(n), Settings: map[string]any{}, N: len(s.Rows), Metrics: map[string]Summary{}}
			for k, c := range cols {
				switch cell := cells[i][k]; {
				case c.Kind == report.Number && !math.IsNaN(cell.Value):
					row.Settings[c.Name] = cell.Value
				case cell.Text != "":
					row.Settings[c.Name] = cell.Text
				}
			}
			for k, m := range s.Metrics {
				d := stat.Describe(s.values(k, nil), s.Level)
				row.Metrics[m] = Summary{finite(d.Mean), finite(d.CI.Low), finite(d.CI.High), d.N}
			}
			t.Rows = append(t.Rows, row)
		}
		out = append(out, t)
	}
	return out, nil
}

// leaves are the nodes of a list, those of lists in it included, in order.
func leaves(l ir.List) []*ir.Node {
	var out []*ir.Node
	for _, x := range l.Items {
		switch x := x.(type) {
		case *ir.Node:
			out = append(out, x)
		case ir.List:
			out = append(out, leaves(x)...)
		}
	}
	return out
}

// sweepText shows evals as one table with the swept parameters as columns; "" when they are no sweep or not of the same metrics.
func (e *Engine) sweepText(nodes []*ir.Node, scores []*Scores) string {
	cols, cells := sweepColumns(nodes)
	if len(cols) == 0 {
		return ""
	}
	rows := [][]string{{""}}
	for _, c := range cols {
		rows[0] = append(rows[0], strings.TrimSpace(c.Name+" "+bracketed(c.Unit)))
	}
	rows[0] = append(append(rows[0], "n"), scores[0].Metrics...)
	for i, s := range scores {
		if !slices.Equal(s.Metrics, scores[0].Metrics) {
			return ""
		}
		r := []string{e.label(nodes[i])}
		for k, c := range cols {
			r = append(r, c.Plain(cells[i][k]))
		}
		r = append(r, fmt.Sprint(len(s.Rows)))
		for m := range s.Metrics {
			r = append(r, interval(s.values(m, nil), s.Level))
		}
		rows = append(rows, r)
	}
	prompt := "; prompt: " + scores[0].Prompt
	for _, s := range scores {
		if s.Prompt != scores[0].Prompt { // it is among what is swept
			prompt = ""
		}
	}
	return shorten(rows, "item") + fmt.Sprintf("means with %g %% confidence intervals%s\n", scores[0].Level*100, prompt)
}

func bracketed(unit string) string {
	if unit == "" {
		return ""
	}
	return "(" + unit + ")"
}

// sweepOf is the table of a list that is a sweep of evals; "" of any other.
func (e *Engine) sweepOf(ctx context.Context, l ir.List) (string, error) {
	nodes := leaves(l)
	var scores []*Scores
	for _, n := range nodes {
		if n.T.Base != "eval" || len(n.Swept) == 0 {
			return "", nil
		}
	}
	for _, n := range nodes {
		v, err := e.Value(ctx, n)
		if err != nil {
			return "", err
		}
		s, ok := v.(*Scores)
		if !ok {
			return "", nil
		}
		scores = append(scores, s)
	}
	if len(scores) == 0 {
		return "", nil
	}
	return e.sweepText(nodes, scores), nil
}
