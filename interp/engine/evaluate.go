package engine

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/metric"
)

func init() {
	register("predict", stage{version: 1, tree: true, device: hasNetwork, run: runPredict, load: loadPredict})
	register("evaluate", stage{version: 1, tree: true, run: runEvaluate, load: loadEvaluate})
	register("index", stage{value: indexValue})
	for _, op := range []string{"*", "-", "/", "==", "!=", "<", "<=", ">", ">=", "and", "or", "negate"} {
		register(op, stage{value: operatorValue})
	}
}

// Scores is the value of the kind eval: the metrics of every sample.
type Scores struct {
	Metrics []string      `json:"metrics"` // as columns are named: dice, hd95 (mm)
	Specs   []metric.Spec `json:"specs"`
	Level   float64       `json:"level"` // of confidence intervals, 0.95
	By      []string      `json:"by"`
	Select  string        `json:"select"`
	Prompt  string        `json:"prompt"`
	Rows    []ScoreRow    `json:"rows"`

	own map[int]metric.Definition // of the script's own metrics, by their place among all
}

// definition of metric i of this eval.
func (s *Scores) definition(i int) metric.Definition {
	if d, ok := s.own[i]; ok {
		return d
	}
	d, _ := metric.Define(s.Specs[i].Name)
	return d
}

// ScoreRow is one sample.
type ScoreRow struct {
	Sample    string     `json:"sample"`
	Dataset   string     `json:"dataset"`
	Site      string     `json:"site,omitempty"`
	Patient   string     `json:"patient"`
	Case      string     `json:"case"`
	Modality  string     `json:"modality"`
	Sequence  string     `json:"sequence,omitempty"`
	Task      string     `json:"task"`
	Organ     string     `json:"organ"`
	Subregion string     `json:"subregion"`
	BodyPart  string     `json:"body_part"`
	Path      string     `json:"path"`
	Slice     int        `json:"slice"`
	Area      int        `json:"area_px"`
	Values    []*float64 `json:"values"` // nil: not defined
	States    []string   `json:"states,omitempty"`
}

// Value of metric i; NaN when it is not defined.
func (r ScoreRow) Value(i int) float64 {
	if r.Values[i] == nil {
		return math.NaN()
	}
	return *r.Values[i]
}

// Field is a case field as a group is named by.
func (r ScoreRow) Field(name string) string {
	switch name {
	case "dataset":
		return r.Dataset
	case "site":
		return r.Site
	case "patient":
		return r.Patient
	case "case":
		return r.Case
	case "modality":
		return r.Modality
	case "sequence":
		return r.Sequence
	case "task":
		return r.Task
	case "organ":
		return r.Organ
	case "subregion":
		return r.Subregion
	case "body_part":
		return r.BodyPart
	case "slice":
		return fmt.Sprint(r.Slice)
	case "area":
		return fmt.Sprint(r.Area)
	}
	return ""
}

// Owner is the patient, unique over data sets.
func (r ScoreRow) Owner() string { return r.Dataset + "/" + r.Patient }

func metricSpec(n *ir.Node) (metric.Spec, error) {
	s := metric.Spec{Name: n.Op, Variant: n.Text("variant")}
	if n.Arg("unit") != nil {
		s.Unit = metric.Unit(n.Text("unit"))
	}
	for _, t := range []string{"tolerance", "width"} {
		if v, ok := n.Arg(t).(ir.Number); ok {
			s.Tolerance, s.Unit = v.V, metric.Unit(v.Unit)
		}
	}
	s, err := s.Resolve()
	return s, at(n.Span, err)
}

func runEvaluate(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	v, err := j.Value(ctx, j.prediction(n))
	if err != nil {
		return nil, err
	}
	pred := v.(*Predictions)
	d, err := j.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	out := Scores{Level: n.Num("ci") / 100, Select: n.Text("select"), Prompt: promptText(n.Node("prompt"))}
	if seesImageAlone(n.Node("model")) {
		out.Prompt = "none, the network sees the image alone"
	}
	if err := out.name(n); err != nil {
		return nil, err
	}
	var specs []metric.Spec // those that the program has
	own := map[int]*hostFn{}
	for i, m := range n.Items("metrics") {
		m := m.(*ir.Node)
		if m.Op != "fn" {
			specs = append(specs, out.Specs[i])
			continue
		}
		if own[i], err = newHostFn(m); err != nil {
			return nil, err
		}
		defer own[i].free()
	}
	if len(out.Specs) == 0 {
		return nil, fault(n.ArgSpan("metrics"), "no metric is asked for; write metrics: [dice]")
	}
	for _, b := range n.Items("by") {
		out.By = append(out.By, b.(ir.Word).Text)
	}
	var ws metric.Workspace
	var results []metric.Result
	for i, s := range d.Samples {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row, err := j.scoreRow(s)
		if err != nil {
			return nil, err
		}
		pm, rm := maskOf(pred.Masks[i], s), maskOf(s.Mask, s)
		if results, err = ws.Compute(results[:0], pm, rm, specs, metric.Worst); err != nil {
			return nil, at(n.ArgSpan("metrics"), fmt.Errorf("sample %s: %w", s.Key(), err))
		}
		for i := range out.Specs {
			if own[i] == nil {
				continue
			}
			r, err := own[i].measure(ctx, pm, rm)
			if err != nil {
				return nil, at(n.ArgSpan("metrics"), fmt.Errorf("sample %s: %w", s.Key(), err))
			}
			results = slices.Insert(results, i, r)
		}
		for _, r := range results {
			if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
				row.Values = append(row.Values, nil)
			} else {
				row.Values = append(row.Values, &r.Value)
			}
			row.States = append(row.States, r.State.String())
		}
		out.Rows = append(out.Rows, row)
		j.event(Event{Kind: "progress", Done: i + 1, Total: len(d.Samples), Unit: "images"})
	}
	return map[string]any{"samples": len(out.Rows)}, w.WriteJSON("scores.json", out)
}

// name gives every metric of an evaluate node its name.
func (s *Scores) name(n *ir.Node) error {
	s.Specs, s.Metrics, s.own = nil, nil, map[int]metric.Definition{}
	for _, m := range n.Items("metrics") {
		m := m.(*ir.Node)
		spec, column := metric.Spec{Name: check.FnName(m)}, m.Label
		if m.Op != "fn" {
			var err error
			if spec, err = metricSpec(m); err != nil {
				return err
			}
			column = spec.String()
		} else {
			s.own[len(s.Specs)] = ownDefinition(m)
		}
		if slices.Contains(s.Metrics, column) {
			return fault(m.Span, "the metric %s stands twice", column)
		}
		s.Specs, s.Metrics = append(s.Specs, spec), append(s.Metrics, column)
	}
	return nil
}

func maskOf(px []uint8, s data.Sample) metric.Mask {
	m := metric.Mask{Data: px, Shape: []int{s.Height, s.Width}}
	if s.SpacingX > 0 && s.SpacingY > 0 {
		m.Spacing = []float64{s.SpacingY, s.SpacingX}
	}
	return m
}

func (e *Engine) scoreRow(s data.Sample) (ScoreRow, error) {
	p, err := e.place(s.Task)
	if err != nil {
		return ScoreRow{}, err
	}
	return ScoreRow{Sample: s.Key(), Dataset: s.Dataset, Site: s.Site, Patient: s.Patient, Case: s.ID, Modality: p.Modality, Sequence: s.Sequence,
		Task: s.Task, Organ: p.Organ, Subregion: p.Subregion, BodyPart: p.BodyPart, Path: p.Path, Slice: s.Slice, Area: area(s.Mask)}, nil
}

func loadEvaluate(_ context.Context, j *Job, a *store.Artefact) (any, error) {
	s := &Scores{}
	if err := a.ReadJSON("scores.json", s); err != nil {
		return nil, err
	}
	return s, s.name(j.Node) // a fn may have another name since
}
