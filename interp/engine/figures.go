package engine

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/plot"
	"github.com/mseg-lang/mseg/ops/stat"
)

func boxChart(group []evalItem) string {
	title := group[0].scores.Metrics[0]
	if def, ok := metric.Define(group[0].scores.Specs[0].Name); ok {
		title = def.Title
	}
	c := plot.BoxChart{Title: title + " by model", YLabel: group[0].scores.Metrics[0], Whisker: 2, Points: len(group[0].scores.Rows) <= 200}
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

func figureBlocks(f *Figure) []report.Block {
	switch f.Kind {
	case "history":
		var x, loss, xd, dice, xs, score []float64
		measure := ""
		for _, r := range f.History {
			x, loss = append(x, float64(r.Epoch)), append(loss, r.Loss)
			if r.Dice != nil {
				xd, dice = append(xd, float64(r.Epoch)), append(dice, *r.Dice)
			}
			if r.Score != nil {
				measure, xs, score = r.Measure, append(xs, float64(r.Epoch)), append(score, *r.Score)
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
		if len(score) > 0 {
			out = append(out, report.Figure{Title: "Validation by " + measure + ".", Caption: "Mean over the validation data after every epoch, by which the epoch to keep was chosen.",
				SVG: plot.LineChart{Title: "validation " + measure + " by epoch", XLabel: "epoch", YLabel: measure, Lines: []plot.Line{{Name: "validation " + measure, X: xs, Y: score}},
					Best: float64(f.BestEpoch), BestLabel: "kept"}.SVG()})
		}
		return out
	case "gates":
		out := []report.Block{report.Heading{Text: "Experts of " + f.Title, Level: 1}}
		for b, rows := range f.Gates {
			var columns []string
			for k := range rows[0] {
				columns = append(columns, fmt.Sprint(k)) // as plans and tables number them
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

// gallery shows images from the worst to the best in the first metric, evenly over the ranks, so that failures are seen. Images without a value come first; a metric
// that has no better side is taken from its lowest value to its highest.
func gallery(e evalItem, count int) (*report.Gallery, error) {
	if count == 0 {
		return nil, nil
	}
	order := make([]int, len(e.scores.Rows))
	for i := range order {
		order[i] = i
	}
	title, better := "From the worst to the best.", e.scores.definition(0).Better
	if better == metric.Neutral {
		title = "From the lowest to the highest value."
	}
	value := func(i int) float64 {
		v := e.scores.Rows[i].Value(0)
		switch {
		case math.IsNaN(v):
			return math.Inf(-1)
		case better == metric.Lower:
			return -v
		}
		return v
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(value(a), value(b)) })
	g := &report.Gallery{Title: title, TileWidth: 190,
		Caption: fmt.Sprintf("%d of %d images, evenly over the ranks of %s.", min(count, len(order)), len(order), e.scores.Metrics[0]),
		Legend:  []report.LegendEntry{{Colour: webColour(plot.TruthColour), Label: "reference"}, {Colour: webColour(plot.PredictionColour), Label: "prediction"}}}
	if !e.unprompted() {
		g.Legend = append(g.Legend, report.LegendEntry{Colour: webColour(plot.BoxColour), Label: "box prompt"})
	}
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
		box := e.pred.Boxes[i]
		if e.unprompted() {
			box = noBox
		}
		png, err := overlay(s, e.pred.Masks[i], box)
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

// unprompted says whether the network of an eval was shown no prompt, whatever box its samples have.
func (e evalItem) unprompted() bool { return e.model.Built != nil && e.model.Built.Config.NoPrompt }

func overlay(s data.Sample, pred []uint8, box [4]float32) ([]byte, error) {
	px := make([]float32, len(s.Image))
	for i, v := range s.Image {
		px[i] = float32(v)
	}
	o := plot.Overlay{Slice: plot.Slice{Width: s.Width, Height: s.Height, Channels: s.Channels, Pixels: px, Low: 0, High: 255}, Truth: s.Mask, Prediction: pred}
	if box != noBox {
		o.Box = &plot.Rectangle{Left: float64(box[0]), Top: float64(box[1]), Right: float64(box[2]) + 1, Bottom: float64(box[3]) + 1}
	}
	return o.PNG()
}

func (f *Figure) text() string {
	if f.Kind == "gates" {
		rows := [][]string{{"task", "n"}}
		for t, task := range f.Tasks {
			r := []string{task, fmt.Sprint(f.Counts[t])}
			for k := range f.Gates[0][t] {
				mean := 0.0
				for b := range f.Gates {
					mean += f.Gates[b][t][k] / float64(len(f.Gates))
				}
				r = append(r, fmt.Sprintf("%.2f %c", mean, bar(mean)))
			}
			rows = append(rows, r)
		}
		for k := range f.Gates[0][0] {
			rows[0] = append(rows[0], fmt.Sprintf("expert %d", k))
		}
		return shorten(rows, "task") + fmt.Sprintf("mean gate weights over %s\n", diag.Counted(len(f.Gates), "block"))
	}
	var loss, dice, score []float64
	measure := ""
	for _, r := range f.History {
		loss = append(loss, r.Loss)
		if r.Dice != nil {
			dice = append(dice, *r.Dice)
		}
		if r.Score != nil {
			measure, score = r.Measure, append(score, *r.Score)
		}
	}
	var b strings.Builder
	curve := func(name string, v []float64) {
		if len(v) > 0 {
			fmt.Fprintf(&b, "%-16s %s  %.4f → %.4f\n", name, sparkline(v), v[0], v[len(v)-1])
		}
	}
	curve("loss", loss)
	curve("validation Dice", dice)
	curve(measure, score)
	fmt.Fprintf(&b, "%s, epoch %d kept\n", diag.Counted(len(f.History), "epoch"), f.BestEpoch)
	return b.String()
}

// sparkline draws a curve in one line of at most 60 blocks, each the mean of its share of the values.
func sparkline(v []float64) string {
	cells := min(60, len(v))
	means := make([]float64, cells)
	for i := range means {
		from, to := i*len(v)/cells, (i+1)*len(v)/cells
		means[i] = stat.Mean(v[from:to])
	}
	lo, hi := slices.Min(means), slices.Max(means)
	var b strings.Builder
	for _, m := range means {
		if hi > lo {
			m = (m - lo) / (hi - lo)
		} else {
			m = 0
		}
		b.WriteRune(bar(m))
	}
	return b.String()
}

// bar is a block as high as t, from 0 to 1.
func bar(t float64) rune {
	bars := []rune("▁▂▃▄▅▆▇█")
	return bars[min(max(int(t*float64(len(bars))), 0), len(bars)-1)]
}
