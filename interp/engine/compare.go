package engine

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/stat"
	"github.com/mseg-lang/mseg/ops/train"
)

func init() {
	register("compare", stage{version: 2, run: runCompare, load: loadCompare})
	register("gates", stage{version: 1, tree: true, device: always, run: runGates, load: loadGates})
}

// Comparison is the value of the kind compare: the first eval against each other one, on the same samples.
type Comparison struct {
	Metric  string       `json:"metric"`
	Field   string       `json:"field"`
	Higher  bool         `json:"higher_is_better"`
	Test    string       `json:"test"`
	Correct string       `json:"correct"`
	Level   float64      `json:"level"`
	Pairs   []Difference `json:"pairs"`
}

// Difference is the first eval minus another one, pair by pair.
type Difference struct {
	Other    int        `json:"other"` // index of the other eval
	N        int        `json:"n"`
	Dropped  int        `json:"dropped"` // pairs with an undefined value
	First    float64    `json:"first"`
	Second   float64    `json:"second"`
	Mean     float64    `json:"mean"`
	Low      *float64   `json:"low"`
	High     *float64   `json:"high"`
	P        *float64   `json:"p"`
	Adjusted *float64   `json:"p_adjusted"`
	Values   []*float64 `json:"values"`
}

func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func orNaN(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}

// paired lines up two evals by sample; the error says what only one of them holds.
func paired(a, b *Scores) ([][2]int, error) {
	at := map[string]int{}
	for i, r := range b.Rows {
		at[r.Sample] = i
	}
	var out [][2]int
	for i, r := range a.Rows {
		k, ok := at[r.Sample]
		if !ok {
			return nil, fmt.Errorf("sample %s is in one eval only; comparisons are paired, so both must measure the same data", r.Sample)
		}
		out = append(out, [2]int{i, k})
	}
	if len(a.Rows) != len(b.Rows) {
		return nil, fmt.Errorf("one eval has %d samples, the other %d; comparisons are paired, so both must measure the same data", len(a.Rows), len(b.Rows))
	}
	return out, nil
}

// difference compares two evals in one metric: column i of the one, k of the other.
func difference(a, b *Scores, i, k int, level float64) (Difference, []float64, []float64, error) {
	var d Difference
	if a.Specs[i] != b.Specs[k] {
		return d, nil, nil, fmt.Errorf("one eval measured %s, the other %s; comparisons are of the same quantity, so both must measure it alike", a.Metrics[i], b.Metrics[k])
	}
	pairs, err := paired(a, b)
	if err != nil {
		return d, nil, nil, err
	}
	var xs, ys []float64
	for _, p := range pairs {
		x, y := a.Rows[p[0]].Value(i), b.Rows[p[1]].Value(k)
		d.Values = append(d.Values, finite(x-y))
		if math.IsNaN(x) || math.IsNaN(y) {
			d.Dropped++
			continue
		}
		xs, ys = append(xs, x), append(ys, y)
	}
	t := stat.PairedT(xs, ys, level)
	d.N, d.Mean = len(xs), t.Difference
	d.First, d.Second = stat.Mean(xs), stat.Mean(ys)
	d.Low, d.High = finite(t.CI.Low), finite(t.CI.High)
	return d, xs, ys, nil
}

func runCompare(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	evals, err := j.evalsOf(ctx, n.Items("evals"))
	if err != nil {
		return nil, err
	}
	columns, err := j.comparedColumns(n)
	if err != nil {
		return nil, err
	}
	out := Comparison{Field: comparedMetric(n), Test: n.Text("test"), Correct: n.Text("correct"), Level: n.Num("ci") / 100}
	out.Metric, out.Higher = evals[0].Metrics[columns[0]], evals[0].definition(columns[0]).Better == metric.Higher
	var p []float64
	for i, e := range evals[1:] {
		d, xs, ys, err := difference(evals[0], e, columns[0], columns[i+1], out.Level)
		if err != nil {
			return nil, at(n.ArgSpan("evals"), err)
		}
		d.Other = i + 1
		value := math.NaN()
		if out.Test == "paired_t" {
			value = stat.PairedT(xs, ys, out.Level).P
		} else {
			value = stat.Wilcoxon{}.Test(xs, ys).P
		}
		d.P = finite(value)
		p = append(p, value)
		out.Pairs = append(out.Pairs, d)
	}
	name := stat.Correction(out.Correct)
	if out.Correct == "uncorrected" {
		name = stat.NoCorrection
	}
	adjusted, ok := name.Adjust(p)
	if !ok {
		return nil, fault(n.ArgSpan("correct"), "unknown correction %s", out.Correct)
	}
	for i := range out.Pairs {
		out.Pairs[i].Adjusted = finite(adjusted[i])
	}
	return nil, w.WriteJSON("comparison.json", out)
}

func (e *Engine) evalsOf(ctx context.Context, items []ir.Value) ([]*Scores, error) {
	var out []*Scores
	for _, x := range items {
		n, ok := x.(*ir.Node)
		if !ok {
			continue
		}
		v, err := e.Value(ctx, n)
		if err != nil {
			return nil, err
		}
		if s, ok := v.(*Scores); ok {
			out = append(out, s)
		}
	}
	return out, nil
}

func loadCompare(_ context.Context, j *Job, a *store.Artefact) (any, error) {
	c := &Comparison{}
	if err := a.ReadJSON("comparison.json", c); err != nil {
		return nil, err
	}
	if m := j.Node.Node("metric"); m != nil && m.Op == "fn" { // it may have another name since
		c.Field, c.Metric = check.FnName(m), m.Label
	}
	return c, nil
}

// comparedColumns are the places of the compared metric in the evals: the checker has seen that each measures it, and in one way.
func (e *Engine) comparedColumns(n *ir.Node) ([]int, error) {
	var out []int
	for _, x := range n.Items("evals") {
		eval, ok := x.(*ir.Node)
		if !ok {
			continue // evalsOf leaves it out too
		}
		found := check.Meant(eval, n.Arg("metric"))
		if len(found) != 1 {
			return nil, fault(n.ArgSpan("metric"), "%s measures %s in %d ways, expected one", e.label(eval), comparedMetric(n), len(found))
		}
		out = append(out, found[0])
	}
	return out, nil
}

// comparedMetric is the name of what a compare node compares: a word, or a metric of the script's own.
func comparedMetric(n *ir.Node) string {
	m := n.Node("metric")
	switch {
	case m == nil:
		return n.Text("metric")
	case m.Op == "fn":
		return check.FnName(m)
	}
	return m.Op
}

// measure gives the differences to the second eval: compare has two sides in expectations.
func (c *Comparison) measure(field string, span source.Span) (any, error) {
	if field != c.Field {
		return nil, fault(span, "this comparison is of %s, not of %s", c.Field, field)
	}
	m := &Measure{Name: c.Metric, Level: c.Level}
	for _, v := range c.Pairs[0].Values {
		m.Values = append(m.Values, orNaN(v))
	}
	return m, nil
}

// Figure is the value of the kind figure.
type Figure struct {
	Kind  string `json:"kind"` // history or gates
	Title string `json:"title"`
	// history
	History   []train.Record `json:"history,omitempty"`
	BestEpoch int            `json:"best_epoch,omitempty"`
	// gates: mean weight by block, task and expert
	Blocks []int         `json:"blocks,omitempty"`
	Tasks  []string      `json:"tasks,omitempty"`
	Counts []int         `json:"counts,omitempty"` // samples of each task
	Gates  [][][]float64 `json:"gates,omitempty"`
}

func (m *Model) historyFigure(label string) *Figure {
	return &Figure{Kind: "history", Title: label, History: m.History, BestEpoch: m.BestEpoch}
}

func runGates(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	m, err := j.modelArg(ctx, n, "model")
	if err != nil {
		return nil, err
	}
	if m.experts() == nil {
		return nil, fault(n.ArgSpan("model"), "this model has no experts, so it has no gates; adapt it first")
	}
	d, err := j.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	x, err := j.examplesOf(n, "data", d, m)
	if err != nil {
		return nil, err
	}
	be, err := j.Backend()
	if err != nil {
		return nil, err
	}
	p, err := train.NewPromptedPredictor(be, m.Built.Network, train.PredictorConfig{Size: m.Built.Config.Image, Height: m.Built.Config.Height, Batch: min(n.Int("batch"), x.Len()), Select: train.SelectFirst})
	if err != nil {
		return nil, err
	}
	defer p.Free()
	params, err := m.placed(be)
	if err != nil {
		return nil, err
	}
	defer params.Free()
	f := Figure{Kind: "gates", Blocks: m.Built.Blocks}
	for _, s := range d.Samples {
		if !slices.Contains(f.Tasks, s.Task) {
			f.Tasks = append(f.Tasks, s.Task)
		}
	}
	slices.Sort(f.Tasks)
	f.Counts = make([]int, len(f.Tasks))
	experts := m.experts().Experts
	for range f.Blocks {
		rows := make([][]float64, len(f.Tasks))
		for i := range rows {
			rows[i] = make([]float64, experts)
		}
		f.Gates = append(f.Gates, rows)
	}
	err = p.Predict(ctx, params, x, func(i int, _ *train.Example, a *train.Prediction) error {
		t := slices.Index(f.Tasks, d.Samples[i].Task)
		f.Counts[t]++
		for b, g := range a.Gates {
			for k, v := range g {
				f.Gates[b][t][k] += float64(v)
			}
		}
		j.event(Event{Kind: "progress", Done: i + 1, Total: x.Len(), Unit: "images"})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for b := range f.Gates {
		for t := range f.Gates[b] {
			for k := range f.Gates[b][t] {
				f.Gates[b][t][k] /= float64(f.Counts[t])
			}
		}
	}
	return map[string]any{"backend": be.Provenance()}, w.WriteJSON("gates.json", f)
}

func loadGates(_ context.Context, j *Job, a *store.Artefact) (any, error) {
	f := &Figure{}
	if err := a.ReadJSON("gates.json", f); err != nil {
		return nil, err
	}
	if m := j.Node.Node("model"); m != nil {
		f.Title = j.label(m)
	}
	return f, nil
}
