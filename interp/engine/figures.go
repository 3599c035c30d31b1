package engine

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/plot"
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
	o := plot.Overlay{Slice: plot.Slice{Width: s.Width, Height: s.Height, Channels: s.Channels, Pixels: px, Low: 0, High: 255}, Truth: s.Mask, Prediction: pred}
	if box != noBox {
		o.Box = &plot.Rectangle{Left: float64(box[0]), Top: float64(box[1]), Right: float64(box[2]) + 1, Bottom: float64(box[3]) + 1}
	}
	return o.PNG()
}
