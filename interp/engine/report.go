package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/plot"
	"github.com/mseg-lang/mseg/ops/stat"
)

func init() {
	register("report", stage{version: 2, run: runReport, load: loadReport, fresh: reportFresh})
}

// ReportFiles is the value of the kind report: files of its artefact.
type ReportFiles struct {
	Files map[string]string // name → path in the store
}

// evalItem is an eval of a report with all that tables need.
type evalItem struct {
	label  string
	scores *Scores
	data   *Data
	model  *Model
	pred   *Predictions
	node   *ir.Node
}

// reportFresh says whether a kept report still shows the script's text and names. They are no part of its identity: renaming a value runs
// nothing again; only the page is drawn anew.
func reportFresh(j *Job, notes map[string]any) bool {
	return notes["shown"] == j.shown()
}

func (j *Job) shown() string {
	var names []string
	for _, x := range j.Node.Items("items") {
		if n, ok := x.(*ir.Node); ok {
			names = append(names, j.label(n))
		}
	}
	return ir.NewHasher(nil).Hash(ir.Str{S: j.cfg.Script + "\x00" + strings.Join(names, "\x00") + j.Node.Text("title")})
}

func runReport(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	doc := report.Doc{Title: n.Text("title"), Script: j.cfg.Script, Language: "en"}
	if doc.Title == "" {
		doc.Title = j.Label
	}
	var evals []evalItem
	var rest []*ir.Node
	for _, x := range n.Items("items") {
		node, ok := x.(*ir.Node)
		if !ok {
			continue
		}
		v, err := j.Value(ctx, node)
		if err != nil {
			return nil, err
		}
		if s, ok := v.(*Scores); ok {
			it := evalItem{label: j.label(node), scores: s, node: node}
			if it.data, err = j.dataArg(ctx, node, "data"); err != nil {
				return nil, err
			}
			if it.model, err = j.modelArg(ctx, node, "model"); err != nil {
				return nil, err
			}
			p, err := j.Value(ctx, j.prediction(node))
			if err != nil {
				return nil, err
			}
			it.pred = p.(*Predictions)
			evals = append(evals, it)
			continue
		}
		rest = append(rest, node)
	}
	uniqueLabels(evals)
	doc.Summary = findings(evals)
	files := report.Files{Title: "Files beside this page"}
	addTable := func(t *report.Table, note string) error {
		doc.Blocks = append(doc.Blocks, t)
		if err := report.WriteCSV(w.Path(t.ID+".csv"), t); err != nil {
			return err
		}
		if err := report.WriteJSON(w.Path(t.ID+".json"), t); err != nil {
			return err
		}
		files.Items = append(files.Items, report.File{Name: t.ID + ".csv", Href: t.ID + ".csv", Note: note}, report.File{Name: t.ID + ".json", Href: t.ID + ".json", Note: note})
		return nil
	}
	for _, group := range sameData(evals) {
		title := "Results"
		if len(sameData(evals)) > 1 {
			title = "Results of " + strings.Join(labels(group), ", ")
		}
		doc.Blocks = append(doc.Blocks, report.Heading{Text: title, Level: 1})
		id := group[0].label
		if err := addTable(overallTable(id, group), "means with intervals"); err != nil {
			return nil, err
		}
		doc.Blocks = append(doc.Blocks, report.Figure{Title: "Distribution", SVG: boxChart(group),
			Caption: fmt.Sprintf("%s of every image. Boxes: quartiles; whiskers: farthest value within 2 interquartile ranges.", group[0].scores.Metrics[0])})
		for _, by := range group[0].scores.By {
			if t := groupTable(id, by, group); t != nil {
				if err := addTable(t, "by "+by); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, node := range rest {
		v, err := j.Value(ctx, node)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case *Comparison:
			doc.Blocks = append(doc.Blocks, report.Heading{Text: "Comparison", Level: 1})
			if err := addTable(j.compareTable(node, v), "paired differences"); err != nil {
				return nil, err
			}
		case *Figure:
			doc.Blocks = append(doc.Blocks, figureBlocks(v)...)
		}
	}
	for _, it := range evals {
		g, err := gallery(it, n.Int("overlays"))
		if err != nil {
			return nil, err
		}
		if g != nil && it.model.Baseline == "" {
			doc.Blocks = append(doc.Blocks, report.Heading{Text: "Examples: " + it.label, Level: 1}, *g)
		}
		t := sampleTable(it)
		if err := report.WriteCSV(w.Path(t.ID+".csv"), t); err != nil {
			return nil, err
		}
		if err := report.WriteJSON(w.Path(t.ID+".json"), t); err != nil {
			return nil, err
		}
		files.Items = append(files.Items, report.File{Name: t.ID + ".csv", Href: t.ID + ".csv", Note: "every image of " + it.label},
			report.File{Name: t.ID + ".json", Href: t.ID + ".json", Note: "every image of " + it.label})
	}
	doc.Blocks = append(doc.Blocks, files)
	doc.Provenance = j.provenance(n, evals)
	if err := report.WriteFile(w.Path("index.html"), doc); err != nil {
		return nil, err
	}
	return map[string]any{"shown": j.shown()}, nil
}

func loadReport(_ context.Context, _ *Job, a *store.Artefact) (any, error) {
	r := &ReportFiles{Files: map[string]string{}}
	for name := range a.Files {
		r.Files[name] = a.Path(name)
	}
	return r, nil
}

// export copies a report to the output folder and returns the path of the page.
func (e *Engine) export(n *ir.Node, r *ReportFiles) (string, error) {
	out := e.cfg.Out
	if out == "" {
		out = filepath.Join(e.cfg.Dir, e.name+".out")
	}
	dir := filepath.Join(out, e.label(n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, name := range sorted(r.Files) {
		if err := copyFile(r.Files[name], filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "index.html"), nil
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	return store.WriteFile(to, b)
}

func uniqueLabels(evals []evalItem) {
	seen := map[string]int{}
	for i := range evals {
		seen[evals[i].label]++
		if k := seen[evals[i].label]; k > 1 {
			evals[i].label = fmt.Sprintf("%s %d", evals[i].label, k)
		}
	}
}

func labels(evals []evalItem) []string {
	var out []string
	for _, e := range evals {
		out = append(out, e.label)
	}
	return out
}

// sameData groups evals of the same samples and metrics: they share tables.
func sameData(evals []evalItem) [][]evalItem {
	var out [][]evalItem
next:
	for _, e := range evals {
		for i, g := range out {
			if _, err := paired(g[0].scores, e.scores); err == nil && slices.Equal(g[0].scores.Metrics, e.scores.Metrics) {
				out[i] = append(out[i], e)
				continue next
			}
		}
		out = append(out, []evalItem{e})
	}
	return out
}

// findings are the sentences a reader needs before any table: who beat whom, and what weakens the numbers.
func findings(evals []evalItem) []report.Finding {
	var out []report.Finding
	say := func(s report.Status, format string, args ...any) {
		f := report.Finding{Text: fmt.Sprintf(format, args...), Status: s}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	for _, g := range sameData(evals) {
		for _, m := range g {
			if m.model.Baseline != "" {
				continue
			}
			compared := false
			for _, b := range g {
				if b.model.Baseline == "" {
					continue
				}
				field := m.scores.Specs[0].Name
				d, _, _, err := difference(m.scores, b.scores, field, m.scores.Level)
				if err != nil {
					continue
				}
				compared = true
				def, _ := metric.Define(field)
				name, unit := def.Title, fmt.Sprintf("%.0f %% CI", 100*m.scores.Level)
				low, high := orNaN(d.Low), orNaN(d.High)
				interval := fmt.Sprintf("difference %+.3f, %s [%+.3f, %+.3f], %d images", d.Mean, unit, low, high, d.N)
				if d.Low == nil {
					interval = fmt.Sprintf("difference %+.3f, %d images, no interval", d.Mean, d.N)
				}
				better := d.Mean > 0 && low > 0
				worse := d.Mean < 0 && high < 0
				if def.Better == metric.Lower {
					better, worse = worse, better
				}
				switch {
				case better:
					say(report.Good, "%s is better than the baseline %s: %s %.3f against %.3f (%s).", m.label, b.label, name, d.First, d.Second, interval)
				case worse:
					say(report.Bad, "%s is worse than the baseline %s: %s %.3f against %.3f (%s).", m.label, b.label, name, d.First, d.Second, interval)
				default:
					say(report.Bad, "%s does not beat the baseline %s: %s %.3f against %.3f (%s).", m.label, b.label, name, d.First, d.Second, interval)
				}
			}
			if !compared {
				say(report.Neutral, "%s is not compared with a baseline; add box_fill and box_ellipse.", m.label)
			}
			test := m.data.Patients()
			if both := common(test, m.model.TrainedOn); len(both) > 0 {
				say(report.Bad, "LEAK: %d of %d patients that %s is measured on were trained on (%s).", len(both), len(test), m.label, strings.Join(both[:min(3, len(both))], ", "))
			}
			if both := common(test, m.model.ChosenOn); len(both) > 0 {
				say(report.Bad, "%d of %d patients that %s is measured on also chose its checkpoint (%s).", len(both), len(test), m.label, strings.Join(both[:min(3, len(both))], ", "))
			}
			if m.scores.Select == "oracle" {
				say(report.Bad, "%s takes the best of its masks by the reference (oracle): nobody can do that in use.", m.label)
			}
			if m.scores.Select == "predicted_iou" && !m.model.QualityTrained && m.model.Built.Masks > 1 {
				say(report.Bad, "%s chooses among its masks by a predicted IoU that was never trained; add quality to the loss or write select: first.", m.label)
			}
		}
		test := g[0].data
		if n := len(test.Patients()); n < 10 {
			say(report.Neutral, "%d images of only %d patients: intervals treat images as independent and are too narrow for a claim about patients.", len(g[0].scores.Rows), n)
		}
		for _, o := range test.Origins {
			if strings.Contains(o, "GENERATED") {
				say(report.Bad, "These results are from generated images (%s), not from patients.", o)
			}
		}
		for _, p := range test.Preps {
			if p.Focus != nil || p.Crop != nil {
				say(report.Neutral, "Images are cut to a region around the structure, as a tool does once a person has drawn the box.")
			}
		}
		say(report.Neutral, "Prompt: %s.", g[0].scores.Prompt)
		missing := 0
		for _, r := range g[0].scores.Rows {
			for _, v := range r.Values {
				if v == nil {
					missing++
				}
			}
		}
		if missing > 0 {
			say(report.Neutral, "%d values are not defined and left out of the means.", missing)
		}
	}
	return out
}

func metricColumns(s *Scores) []report.Column {
	var out []report.Column
	for i, spec := range s.Specs {
		def, _ := metric.Define(spec.Name)
		c := report.Column{Name: s.Metrics[i], Doc: def.Doc, Kind: report.Interval, Digits: 3, Counted: true}
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
	s := strings.Join(parts, "-")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, s)
}

func overallTable(id string, group []evalItem) *report.Table {
	first := group[0].scores
	t := &report.Table{ID: tableID(id, "overall"), Title: "All images.",
		Caption: fmt.Sprintf("Mean over images with the %.0f %% confidence interval of the mean (Student's t). Distances in mm use the spacing of the prepared images.", 100*first.Level)}
	t.Columns = append([]report.Column{{Name: "model"}, {Name: "images", Kind: report.Number}, {Name: "patients", Kind: report.Number}}, metricColumns(first)...)
	for _, e := range group {
		row := report.Row{Cells: []report.Cell{report.String(e.label), report.Num(float64(len(e.scores.Rows))), report.Num(float64(len(e.data.Patients())))}}
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
	t.Columns = append([]report.Column{{Name: "model"}, {Name: "images", Kind: report.Number}, {Name: "patients", Kind: report.Number}}, metricColumns(first)...)
	for _, name := range names {
		shown := name
		if shown == "" {
			shown = "(none)"
		}
		t.Rows = append(t.Rows, report.Row{Group: shown})
		for _, e := range group {
			keep := func(r ScoreRow) bool { return r.Field(by) == name }
			patients := map[string]bool{}
			n := 0
			for _, r := range e.scores.Rows {
				if keep(r) {
					patients[r.Owner()] = true
					n++
				}
			}
			row := report.Row{Cells: []report.Cell{report.String(e.label), report.Num(float64(n)), report.Num(float64(len(patients)))}}
			for i := range first.Specs {
				row.Cells = append(row.Cells, estimate(e.scores.values(i, keep), first.Level))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func sampleTable(e evalItem) *report.Table {
	t := &report.Table{ID: tableID(e.label, "images"), Title: "Every image of " + e.label + "."}
	for _, c := range []string{"sample", "dataset", "site", "patient", "case", "slice", "modality", "sequence", "task", "organ", "subregion", "body_part"} {
		t.Columns = append(t.Columns, report.Column{Name: c})
	}
	t.Columns = append(t.Columns, report.Column{Name: "area", Unit: "px", Kind: report.Number})
	for _, c := range metricColumns(e.scores) {
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

func boxChart(group []evalItem) string {
	def, _ := metric.Define(group[0].scores.Specs[0].Name)
	c := plot.BoxChart{Title: def.Title + " by model", YLabel: group[0].scores.Metrics[0], Whisker: 2, Points: len(group[0].scores.Rows) <= 200}
	tasks := map[string]bool{}
	for _, r := range group[0].scores.Rows {
		tasks[r.Task] = true
	}
	for _, task := range sorted(tasks) {
		g := plot.BoxGroup{Name: task}
		for _, e := range group {
			g.Samples = append(g.Samples, plot.Sample{Name: e.label, Values: e.scores.values(0, func(r ScoreRow) bool { return r.Task == task })})
		}
		c.Groups = append(c.Groups, g)
	}
	return c.SVG()
}

func (j *Job) compareTable(n *ir.Node, c *Comparison) *report.Table {
	var names []string
	for _, x := range n.Items("evals") {
		names = append(names, j.label(x.(*ir.Node)))
	}
	test := map[string]string{"paired_t": "paired t-test", "wilcoxon": "Wilcoxon signed-rank test"}[c.Test]
	t := &report.Table{ID: tableID(j.label(n), "differences"), Title: fmt.Sprintf("%s against the others, %s.", names[0], c.Metric),
		Caption: fmt.Sprintf("Mean of paired differences with its %.0f %% confidence interval; two-sided %s; p values corrected: %s.", 100*c.Level, test, c.Correct)}
	digits := 3
	if d, _ := metric.Define(c.Field); d.Scaled == "distance" {
		digits = 2
	}
	t.Columns = []report.Column{{Name: "against"}, {Name: "images", Kind: report.Number}, {Name: names[0], Kind: report.Number, Digits: digits}, {Name: "other", Kind: report.Number, Digits: digits},
		{Name: "difference", Kind: report.Interval, Digits: digits, Counted: true}, {Name: "p", Kind: report.PValue}, {Name: "p corrected", Kind: report.PValue}}
	for _, d := range c.Pairs {
		t.Rows = append(t.Rows, report.Row{Cells: []report.Cell{report.String(names[d.Other]), report.Num(float64(d.N)), report.Num(d.First), report.Num(d.Second),
			report.Estimate(d.Mean, orNaN(d.Low), orNaN(d.High), d.N), report.Num(orNaN(d.P)), report.Num(orNaN(d.Adjusted))}})
	}
	return t
}

func figureBlocks(f *Figure) []report.Block {
	switch f.Kind {
	case "history":
		var x, loss, xd, dice []float64
		for _, r := range f.History {
			x, loss = append(x, float64(r.Epoch)), append(loss, r.Loss)
			if r.Dice != nil {
				xd, dice = append(xd, float64(r.Epoch)), append(dice, *r.Dice)
			}
		}
		out := []report.Block{report.Heading{Text: "Training of " + f.Title, Level: 1},
			report.Figure{Title: "Loss.", Caption: "Mean training loss of every epoch.", SVG: plot.LineChart{Title: "training loss by epoch", XLabel: "epoch", YLabel: "loss",
				Lines: []plot.Line{{Name: "training loss", X: x, Y: loss}}}.SVG()}}
		if len(dice) > 0 {
			out = append(out, report.Figure{Title: "Validation.", Caption: "Mean Dice of the validation data after every epoch; the marked epoch is the one that was kept.",
				SVG: plot.LineChart{Title: "validation Dice by epoch", XLabel: "epoch", YLabel: "Dice", Lines: []plot.Line{{Name: "validation Dice", X: xd, Y: dice}},
					Best: float64(f.BestEpoch), BestLabel: "kept"}.SVG()})
		}
		return out
	case "gates":
		out := []report.Block{report.Heading{Text: "Experts of " + f.Title, Level: 1}}
		for b, rows := range f.Gates {
			var columns []string
			for k := range rows[0] {
				columns = append(columns, fmt.Sprint(k+1))
			}
			out = append(out, report.Figure{Title: fmt.Sprintf("Block %d.", f.Blocks[b]), Caption: "Mean gate weight of every expert, by task.",
				SVG: plot.HeatChart{Title: "gate weights", RowLabel: "task", ColumnLabel: "expert", Rows: f.Tasks, Columns: columns, Values: rows, Min: 0, Max: maxOf(rows), Decimals: 2}.SVG()})
		}
		return out
	}
	return nil
}

// webColour is a colour as pages write it.
func webColour(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

func maxOf(rows [][]float64) float64 {
	m := 0.0
	for _, r := range rows {
		m = max(m, slices.Max(r))
	}
	return m
}

// gallery shows images from the worst to the best, evenly over the ranks, so that failures are seen.
func gallery(e evalItem, count int) (*report.Gallery, error) {
	if count == 0 {
		return nil, nil
	}
	order := make([]int, len(e.scores.Rows))
	for i := range order {
		order[i] = i
	}
	value := func(i int) float64 {
		v := e.scores.Rows[i].Value(0)
		if math.IsNaN(v) {
			return math.Inf(-1)
		}
		return v
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case value(a) < value(b):
			return -1
		case value(a) > value(b):
			return 1
		}
		return 0
	})
	g := &report.Gallery{Title: "From the worst to the best.", TileWidth: 190,
		Caption: fmt.Sprintf("%d of %d images, evenly over the ranks of %s.", min(count, len(order)), len(order), e.scores.Metrics[0]),
		Legend:  []report.LegendEntry{{Colour: webColour(plot.TruthColour), Label: "reference"}, {Colour: webColour(plot.PredictionColour), Label: "prediction"}, {Colour: webColour(plot.BoxColour), Label: "box prompt"}}}
	shown := map[int]bool{}
	for k := range min(count, len(order)) {
		i := order[0]
		if m := min(count, len(order)); m > 1 {
			i = order[k*(len(order)-1)/(m-1)]
		}
		if shown[i] {
			continue
		}
		shown[i] = true
		s := e.data.Samples[i]
		png, err := overlay(s, e.pred.Masks[i], e.pred.Boxes[i])
		if err != nil {
			return nil, fmt.Errorf("sample %s: %w", s.Key(), err)
		}
		var numbers []string
		for m, name := range e.scores.Metrics {
			if v := e.scores.Rows[i].Value(m); !math.IsNaN(v) {
				numbers = append(numbers, fmt.Sprintf("%s %.3g", name, v))
			}
		}
		g.Tiles = append(g.Tiles, report.Tile{PNG: png, Title: fmt.Sprintf("%s, slice %d", s.ID, s.Slice), Caption: s.Task + ": " + strings.Join(numbers, ", ")})
	}
	return g, nil
}

func overlay(s data.Sample, pred []uint8, box [4]float32) ([]byte, error) {
	px := make([]float32, len(s.Image))
	for i, v := range s.Image {
		px[i] = float32(v)
	}
	return plot.Overlay{Slice: plot.Slice{Width: s.Width, Height: s.Height, Channels: s.Channels, Pixels: px, Low: 0, High: 255},
		Truth: s.Mask, Prediction: pred,
		Box: &plot.Rectangle{Left: float64(box[0]), Top: float64(box[1]), Right: float64(box[2]) + 1, Bottom: float64(box[3]) + 1}}.PNG()
}

// backendLine is what results depend on besides the script, without the place of the plugin on this machine.
func backendLine(notes any) string {
	var p graph.Provenance
	b, err := json.Marshal(notes)
	if err != nil || json.Unmarshal(b, &p) != nil {
		return "not recorded"
	}
	s := fmt.Sprintf("%s, %d threads", p.Backend, p.Threads)
	if p.PluginSHA256 != "" {
		s += fmt.Sprintf(", PJRT %s, plugin sha256 %s", p.PJRT, p.PluginSHA256)
	} else if !p.SIMD {
		s += ", without SIMD"
	}
	return s
}

// provenance says what was run on what, without names of people, absolute paths or the time of day.
func (j *Job) provenance(n *ir.Node, evals []evalItem) [][2]string {
	var out [][2]string
	add := func(k, v string) {
		for _, o := range out {
			if o[0] == k && o[1] == v {
				return
			}
		}
		out = append(out, [2]string{k, v})
	}
	add("program", Version())
	for _, p := range j.params {
		v := check.Show(p.Value)
		if p.Set {
			v += " (set on the command line)"
		}
		add("param "+p.Name, v)
	}
	for _, e := range evals {
		for _, o := range e.data.Origins {
			add("images", o)
		}
		for _, p := range e.data.Preps {
			if b, err := json.Marshal(p); err == nil {
				add("preparation", string(b))
			}
		}
	}
	seen := map[*ir.Node]bool{}
	var visit func(x *ir.Node)
	visit = func(x *ir.Node) {
		if seen[x] {
			return
		}
		seen[x] = true
		for _, in := range j.inputs(x) {
			visit(in)
		}
		st, ok := stages[x.Op]
		if !ok || st.run == nil || x.Op == "report" {
			return
		}
		a, err := j.store.Get(j.Engine.Key(x))
		if errors.Is(err, store.ErrDamaged) || err != nil {
			return
		}
		if b, ok := a.Notes["backend"]; ok {
			add("backend of "+j.label(x), backendLine(b))
		}
		if s, ok := a.Notes["seconds"].(float64); ok {
			add("time of "+j.label(x), fmt.Sprintf("%.0f s, %v steps, %v samples", s, a.Notes["steps"], a.Notes["samples"]))
		}
		add("identity of "+j.label(x)+" ("+x.Op+")", store.Short(j.Engine.Key(x)))
	}
	visit(n)
	add("machine", fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()))
	return out
}
