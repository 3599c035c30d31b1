package engine

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/stat"
	"github.com/mseg-lang/mseg/ops/train"
)

func init() {
	register("predict", stage{version: 1, tree: true, run: runPredict, load: loadPredict})
	register("evaluate", stage{version: 1, tree: true, run: runEvaluate, load: loadEvaluate})
	register("index", stage{value: indexValue})
	for _, op := range []string{"-", "/", "==", "!=", "<", "<=", ">", ">=", "and", "or", "negate"} {
		register(op, stage{value: operatorValue})
	}
}

// prediction is the node that an evaluate node takes its predictions from. It has no metrics, groups or level among its arguments, so
// changing those runs no model.
func (e *Engine) prediction(n *ir.Node) *ir.Node {
	if p, ok := e.derived[n]; ok {
		return p
	}
	p := &ir.Node{Op: "predict", T: types.Of("eval"), Span: n.Span, Label: n.Label}
	for _, a := range n.Args {
		switch a.Name {
		case "model", "data", "prompt", "select", "seed", "batch":
			p.Args = append(p.Args, a)
		}
	}
	e.derived[n] = p
	return p
}

// Predictions is what a model answers to data: one mask a sample, in the order of the data.
type Predictions struct {
	Masks   [][]uint8
	Boxes   [][4]float32
	Quality []float64 // predicted IoU, empty when there is none
}

// prompted gives every sample the box that the prompt asks for.
type prompted struct {
	*examples
	lo, hi int
	seed   uint64
}

func (p prompted) Fill(i int, rng *rand.Rand, into *train.Example) error {
	if err := p.examples.Fill(i, rng, into); err != nil {
		return err
	}
	into.Box = p.box(i)
	return nil
}

// box is the tight box of the mask, moved outwards where the prompt is jittered; the draw depends on seed and sample only.
func (p prompted) box(i int) [4]float32 {
	s := p.samples[i]
	b, _ := data.BoxOf(s.Mask, s.Width)
	if p.hi > 0 {
		h := fnv.New64a()
		h.Write([]byte(s.Key()))
		b = b.Jitter(p.lo, p.hi, s.Width, s.Height, rand.New(rand.NewPCG(p.seed, h.Sum64())))
	}
	return [4]float32{float32(b.X0), float32(b.Y0), float32(b.X1), float32(b.Y1)}
}

func runPredict(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	m, err := j.modelArg(ctx, n, "model")
	if err != nil {
		return nil, err
	}
	d, err := j.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	x, err := j.examplesOf(n, "data", d, m)
	if err != nil {
		return nil, err
	}
	r, _ := n.Node("prompt").Arg("jitter").(ir.Range)
	src := prompted{x, int(r.Lo), int(r.Hi), uint64(n.Int("seed"))}
	out := &Predictions{}
	notes := map[string]any{"samples": x.Len()}
	if m.Baseline != "" {
		for i, s := range d.Samples {
			b := src.box(i)
			out.Boxes = append(out.Boxes, b)
			out.Masks = append(out.Masks, baseline(m.Baseline, b, s.Width, s.Height))
		}
	} else {
		be, err := j.Backend()
		if err != nil {
			return nil, err
		}
		j.event(Event{Kind: "progress", Text: "compiling"})
		sel := map[string]train.Selection{"predicted_iou": train.SelectQuality, "first": train.SelectFirst, "oracle": train.SelectOracle}[n.Text("select")]
		p, err := train.NewPredictor(be, m.Built.Network, m.Built.Config.Image, min(n.Int("batch"), x.Len()), sel)
		if err != nil {
			return nil, err
		}
		defer p.Free()
		params := be.Place(m.Params)
		defer params.Free()
		err = p.Predict(ctx, params, src, func(i int, ex *train.Example, a *train.Prediction) error {
			logits := a.Mask(a.Chosen)
			mask := make([]uint8, len(logits))
			for k, v := range logits {
				if v > 0 {
					mask[k] = 1
				}
			}
			out.Masks = append(out.Masks, mask)
			out.Boxes = append(out.Boxes, ex.Box)
			if a.IoU != nil {
				out.Quality = append(out.Quality, float64(a.IoU[a.Chosen]))
			}
			j.event(Event{Kind: "progress", Done: i + 1, Total: x.Len(), Unit: "images"})
			return nil
		})
		if err != nil {
			return nil, err
		}
		notes["backend"] = be.Provenance()
	}
	return notes, writePredictions(w, d, out)
}

// baseline draws the mask of a box without looking at the image.
func baseline(kind string, b [4]float32, width, height int) []uint8 {
	mask := make([]uint8, width*height)
	cx, cy := float64(b[0]+b[2])/2, float64(b[1]+b[3])/2
	rx, ry := float64(b[2]-b[0]+1)/2, float64(b[3]-b[1]+1)/2
	for y := max(0, int(b[1])); y <= min(height-1, int(b[3])); y++ {
		for x := max(0, int(b[0])); x <= min(width-1, int(b[2])); x++ {
			u, v := (float64(x)-cx)/rx, (float64(y)-cy)/ry
			if kind == "box_fill" || u*u+v*v <= 1 {
				mask[y*width+x] = 1
			}
		}
	}
	return mask
}

// predictionIndex lies beside the masks: predictions.npz holds an array of masks for each size of sample.
type predictionIndex struct {
	Samples []string     `json:"samples"`
	Array   []string     `json:"array"` // name of the array in predictions.npz
	Row     []int        `json:"row"`
	Boxes   [][4]float32 `json:"boxes"`
	Quality []float64    `json:"predicted_iou,omitempty"`
}

func writePredictions(w *store.Writer, d *Data, p *Predictions) error {
	ix := predictionIndex{Boxes: p.Boxes, Quality: p.Quality}
	pixels := map[string][]uint8{}
	shape := map[string][]int{}
	for i, s := range d.Samples {
		name := fmt.Sprintf("masks_%dx%d", s.Height, s.Width)
		sh, ok := shape[name]
		if !ok {
			sh = []int{0, s.Height, s.Width}
		}
		ix.Samples = append(ix.Samples, s.Key())
		ix.Array = append(ix.Array, name)
		ix.Row = append(ix.Row, sh[0])
		sh[0]++
		shape[name] = sh
		pixels[name] = append(pixels[name], p.Masks[i]...)
	}
	arrays := map[string]*image.Array{}
	for name, px := range pixels {
		arrays[name] = image.NewArray(px, shape[name]...)
	}
	if err := image.WriteNPZ(w.Path("predictions.npz"), arrays); err != nil {
		return err
	}
	return w.WriteJSON("predictions.json", ix)
}

func loadPredict(_ context.Context, _ *Job, a *store.Artefact) (any, error) {
	var ix predictionIndex
	if err := a.ReadJSON("predictions.json", &ix); err != nil {
		return nil, err
	}
	arrays, err := image.ReadNPZ(a.Path("predictions.npz"))
	if err != nil {
		return nil, err
	}
	out := &Predictions{Boxes: ix.Boxes, Quality: ix.Quality}
	for i := range ix.Samples {
		arr := arrays[ix.Array[i]]
		if arr == nil || len(arr.Shape) != 3 || ix.Row[i] >= arr.Shape[0] {
			return nil, fmt.Errorf("%s does not hold what its index says", a.Path("predictions.npz"))
		}
		size := arr.Shape[1] * arr.Shape[2]
		out.Masks = append(out.Masks, arr.Uint8()[ix.Row[i]*size:][:size])
	}
	return out, nil
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
	out := Scores{Level: n.Num("ci") / 100, Select: n.Text("select"), Prompt: "box around the reference mask"}
	if r, ok := n.Node("prompt").Arg("jitter").(ir.Range); ok && r.Hi > 0 {
		out.Prompt = fmt.Sprintf("box around the reference mask, each side moved outwards by %g to %g px", r.Lo, r.Hi)
	}
	for _, m := range n.Items("metrics") {
		s, err := metricSpec(m.(*ir.Node))
		if err != nil {
			return nil, err
		}
		if slices.Contains(out.Metrics, s.String()) {
			return nil, fault(m.(*ir.Node).Span, "the metric %s stands twice", s)
		}
		out.Specs, out.Metrics = append(out.Specs, s), append(out.Metrics, s.String())
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
		if results, err = ws.Compute(results[:0], pm, rm, out.Specs, metric.Worst); err != nil {
			return nil, at(n.ArgSpan("metrics"), fmt.Errorf("sample %s: %w", s.Key(), err))
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

func loadEvaluate(_ context.Context, _ *Job, a *store.Artefact) (any, error) {
	s := &Scores{}
	return s, a.ReadJSON("scores.json", s)
}

// Measure is the value of the kind measure: the values of one metric over samples, with enough about each to narrow them.
type Measure struct {
	Name   string
	Rows   []ScoreRow
	Values []float64
	Level  float64
}

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

// constant or computed value of an operand.
func (e *Engine) operand(ctx context.Context, v ir.Value) (any, error) {
	switch v := v.(type) {
	case ir.Number:
		x := v.V
		if v.Unit == "%" {
			x /= 100
		}
		return x, nil
	case ir.Bool:
		return v.B, nil
	case *ir.Node:
		return e.Value(ctx, v)
	}
	return nil, fmt.Errorf("this has no value to compute with")
}

// operatorValue computes with numbers that are known only after a run. Comparisons with NaN do not hold.
func operatorValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	if n.Op == "negate" {
		v, err := e.operand(ctx, n.Arg("of"))
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case float64:
			return -v, nil
		case bool:
			return !v, nil
		}
		return nil, fault(n.Span, "this cannot be negated")
	}
	a, err := e.operand(ctx, n.Arg("a"))
	if err != nil {
		return nil, err
	}
	b, err := e.operand(ctx, n.Arg("b"))
	if err != nil {
		return nil, err
	}
	if x, ok := a.(bool); ok {
		y, ok := b.(bool)
		if !ok {
			return nil, fault(n.Span, "%s joins two conditions", n.Op)
		}
		switch n.Op {
		case "and":
			return x && y, nil
		case "or":
			return x || y, nil
		case "==":
			return x == y, nil
		default:
			return x != y, nil
		}
	}
	x, okA := a.(float64)
	y, okB := b.(float64)
	if !okA || !okB {
		return nil, fault(n.Span, "%s joins two numbers", n.Op)
	}
	switch n.Op {
	case "-":
		return x - y, nil
	case "/":
		return x / y, nil
	case "==":
		return x == y, nil
	case "!=":
		return x != y, nil
	case "<":
		return x < y, nil
	case "<=":
		return x <= y, nil
	case ">":
		return x > y, nil
	default:
		return x >= y, nil
	}
}

func (e *Engine) expect(ctx context.Context, x ir.Expect) (ExpectResult, error) {
	v, err := e.operand(ctx, x.Condition)
	if err != nil {
		return ExpectResult{}, at(x.Span, err)
	}
	holds, ok := v.(bool)
	if !ok {
		return ExpectResult{}, fault(x.Span, "this is no condition")
	}
	r := ExpectResult{Expect: x, Holds: holds}
	if n, ok := x.Condition.(*ir.Node); ok && n.Arg("a") != nil {
		a, errA := e.operand(ctx, n.Arg("a"))
		b, errB := e.operand(ctx, n.Arg("b"))
		if errA == nil && errB == nil {
			r.Found = fmt.Sprintf("%.6g %s %.6g", a, n.Op, b)
			if _, isBool := a.(bool); isBool {
				r.Found = fmt.Sprintf("%v %s %v", a, n.Op, b)
			}
		}
	}
	return r, nil
}
