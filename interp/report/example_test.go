package report_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/plot"
	"github.com/mseg-lang/mseg/ops/stat"
)

// example is a report with every kind of block, filled with made-up results.
func example(t testing.TB) report.Doc {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	methods := []string{"routed experts", "context mixture", "no experts"}
	groups := []string{"Abdomen", "Thorax", "Head and neck"}
	tasks := [][]string{{"CT liver", "CT spleen", "CT left kidney"}, {"MRI left atrium", "X-ray left lung"}, {"MRI brain tumour"}}

	results := &report.Table{
		ID: "scores", Title: "Scores by task.",
		Caption: "Mean over images with 95 % t interval; the best mean of each task in bold. Missing structures count as worst value.",
		Columns: []report.Column{
			{Name: "Method"},
			{Name: "DSC", Kind: report.Interval, Digits: 3, Better: report.HigherBetter, Doc: "Dice similarity coefficient 2TP/(2TP+FP+FN)."},
			{Name: "HD95", Unit: "mm", Kind: report.Interval, Digits: 2, Better: report.LowerBetter, Doc: "Larger of the two directed 95th percentiles of edge distances."},
			{Name: "NSD", Unit: "2 mm", Kind: report.Number, Digits: 3, Better: report.HigherBetter, Doc: "Share of both surfaces within 2 mm of the other."},
			{Name: "p", Kind: report.PValue, Doc: "Paired t test on DSC against the first method, Holm-corrected."},
		},
		BestWithin: report.EachGroup,
	}
	estimates := make([]plot.Method, len(methods))
	boxes := []plot.BoxGroup{}
	var labels []string
	for g := range groups {
		for _, task := range tasks[g] {
			results.Rows = append(results.Rows, report.Row{Group: groups[g] + ", " + task})
			labels = append(labels, task)
			box := plot.BoxGroup{Name: task}
			base := 0.93 - 0.12*r.Float64()
			var first []float64
			for m, name := range methods {
				v := make([]float64, 25+r.IntN(10))
				for i := range v {
					v[i] = math.Max(0, 1-(1-base+0.03*float64(m))*math.Exp(0.5*r.NormFloat64()))
				}
				if m == 0 {
					first = v
				}
				s := stat.Describe(v, 0.95)
				p := math.NaN()
				if m > 0 {
					p = stat.Welch(first, v, 0.95).P
				}
				hd := 3 + 14*(1-s.Mean) + 2*r.Float64()
				results.Rows = append(results.Rows, report.Row{Cells: []report.Cell{
					report.String(name), report.Estimate(s.Mean, s.CI.Low, s.CI.High, s.N),
					report.Estimate(hd, hd-0.8, hd+0.8, s.N), report.Num(s.Mean + 0.4*(1-s.Mean)), report.Num(p),
				}})
				estimates[m].Name = name
				estimates[m].Estimates = append(estimates[m].Estimates, plot.Estimate{Value: s.Mean, Low: s.CI.Low, High: s.CI.High, N: s.N})
				box.Samples = append(box.Samples, plot.Sample{Name: name, Values: v})
			}
			boxes = append(boxes, box)
		}
	}
	var epochs, train, val []float64
	for e := 1; e <= 40; e++ {
		x := float64(e)
		epochs = append(epochs, x)
		train = append(train, 0.09+0.8*math.Exp(-x/7)+0.01*r.NormFloat64())
		val = append(val, 0.14+0.75*math.Exp(-x/6)+0.0009*max(0, x-24)+0.014*r.NormFloat64())
	}
	heat := plot.HeatChart{Title: "Gate activation", RowLabel: "task", ColumnLabel: "expert", Rows: labels, Decimals: 2}
	for k := range 8 {
		heat.Columns = append(heat.Columns, fmt.Sprint("E", k+1))
	}
	for i := range labels {
		row := make([]float64, 8)
		var sum float64
		for k := range row {
			row[k] = math.Exp(2 * math.Cos(float64(k-i-i/3)*0.9) * (0.6 + 0.4*r.Float64()))
			sum += row[k]
		}
		for k := range row {
			row[k] /= sum
		}
		heat.Values = append(heat.Values, row)
	}
	heat.Values[2][7] = math.NaN()

	return report.Doc{
		Title:    "Taxonomy-routed experts on three body regions",
		Subtitle: "Box-prompted segmentation of six tasks, trained on site A and tested on site B",
		Date:     time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC),
		Summary: []report.Finding{
			{Text: "Routed experts lead on all six tasks; the difference to the model without experts is significant on four of them after Holm correction.", Status: report.Good},
			{Text: "Two of 164 test images had an empty prediction; they enter every mean with the worst value.", Status: report.Bad},
			{Text: "Masks were selected by the predicted IoU, not by their score against the reference."},
		},
		Blocks: []report.Block{
			report.Heading{Text: "Results", Level: 1},
			report.Text{Text: "All scores are computed on the original pixel grid after undoing the resize, in millimetres where the header gives the spacing.\n\nOne row is one method on one task. A task of the test site that was never trained is marked in the text, not in the table."},
			results,
			report.Figure{Title: "DSC by task.", Caption: "Mean and 95 % interval; the dashed line marks the leader.", SVG: plot.EstimateChart{
				Title: "DSC of three methods on six tasks", XLabel: "DSC", Groups: labels, Methods: estimates, Leader: true}.SVG()},
			report.Figure{Title: "Distribution over images.", Caption: "Quartiles, whiskers to the farthest image within 2 interquartile ranges, all images beyond.", SVG: plot.BoxChart{
				Title: "DSC of images", YLabel: "DSC", Groups: boxes}.SVG()},
			report.Heading{Text: "Training", Level: 1},
			report.Figure{Title: "Loss.", Caption: "Mean of each epoch; the weights of the marked epoch are kept.", SVG: plot.LineChart{
				Title: "Training and validation loss", XLabel: "epoch", YLabel: "loss (log)", LogY: true, Best: 24, BestLabel: "kept: epoch 24",
				Lines: []plot.Line{{Name: "train", X: epochs, Y: train}, {Name: "validation", X: epochs, Y: val}}}.SVG()},
			report.Figure{Title: "Data efficiency.", Caption: "DSC over the share of training data, with 95 % band.", SVG: plot.LineChart{
				Title: "DSC over the share of data", XLabel: "training data (%)", YLabel: "DSC", Width: 560, Height: 280,
				Lines: []plot.Line{
					{Name: "experts", X: []float64{5, 15, 25, 50, 100}, Y: []float64{.71, .80, .835, .86, .872}, Low: []float64{.68, .78, .815, .845, .86}, High: []float64{.74, .82, .855, .875, .884}, Marks: true},
					{Name: "plain", X: []float64{5, 15, 25, 50, 100}, Y: []float64{.62, .73, .79, .83, .851}, Low: []float64{.58, .70, .765, .81, .836}, High: []float64{.66, .76, .815, .85, .866}, Marks: true},
				}}.SVG()},
			report.Heading{Text: "Routing", Level: 1},
			report.Figure{Title: "Gate activation", Caption: "Mean over the test images, last block.", SVG: heat.SVG()},
			report.Note{Severity: report.Warning, Text: "Expert E8 is reached by no training image of the task “CT left kidney”."},
			report.Heading{Text: "Examples", Level: 1},
			gallery(t),
			report.Note{Text: "Cases were chosen by rank of DSC: worst, quartiles, best."},
			report.Files{Title: "Files", Items: []report.File{{Name: "scores.csv", Href: "scores.csv", Note: "all rows in full precision"}, {Name: "scores.json", Href: "tables/scores of all.json"}}},
		},
		Provenance: [][2]string{
			{"Script", "routing.mseg"}, {"Value key", "b7e1f0c4a93d5528"}, {"Data", "164 images of 61 patients, split by patient 60/20/20, seed 2025"},
			{"Engine", "GoMLX on XLA CPU"}, {"Metric definitions", "hd95 (mm), nsd (2 mm), rule for empty masks: worst"},
		},
		Script: "mseg 1                      # language edition\n\nuse medsegdb (tree, modalities)\nparam seed: int = 2025\n\nexperts routed = route(atlas) {\n  /torso/abdomen:       expert(bottleneck: 16)\n  /torso/abdomen/liver: expert(bottleneck: 16, init: /torso/abdomen)\n  else:                 shared\n}\n\nmodel medsegx = sam_vit_b(image: 256 px, weights: \"sam_vit_b.pth\") |> adapt(routed, blocks: all)\neval id = medsegx |> evaluate(parts.test) { metrics: [dice, hd95(mm), nsd(2 mm)], ci: 95 % }\nexpect id.dice.mean >= 0.60\n",
	}
}

// gallery draws blobs over a smooth phantom.
func gallery(t testing.TB) report.Gallery {
	t.Helper()
	const n = 48
	g := report.Gallery{
		Title: "Predictions", Caption: "Outlines follow the pixel sides: reference inside, prediction outside the boundary. The dashed box is the prompt.",
		Legend: []report.LegendEntry{
			{Colour: fmt.Sprintf("#%02x%02x%02x", plot.TruthColour.R, plot.TruthColour.G, plot.TruthColour.B), Label: "reference"},
			{Colour: fmt.Sprintf("#%02x%02x%02x", plot.PredictionColour.R, plot.PredictionColour.G, plot.PredictionColour.B), Label: "prediction"},
		},
	}
	for k := range 5 {
		pixels := make([]float32, n*n)
		truth, pred := make([]uint8, n*n), make([]uint8, n*n)
		for i := range pixels {
			y, x := float64(i/n), float64(i%n)
			d := math.Hypot((y-22)/1.1, x-25)
			pixels[i] = float32(90*math.Exp(-d*d/260) + 25*math.Sin(x/5+float64(k))*math.Cos(y/6) + 60)
			if d < 11+1.5*math.Sin(3*math.Atan2(y-22, x-25)+float64(k)) {
				truth[i], pixels[i] = 1, pixels[i]+45
			}
			shift := float64(k) * 0.7
			if math.Hypot((y-22-shift)/1.1, x-25+shift) < 11+1.5*math.Sin(3*math.Atan2(y-22-shift, x-25+shift)+float64(k)*1.1) {
				pred[i] = 1
			}
		}
		b, err := plot.Overlay{Slice: plot.Slice{Width: n, Height: n, Channels: 1, Pixels: pixels}, Truth: truth, Prediction: pred,
			Box: &plot.Rectangle{Left: 10, Top: 7, Right: 40, Bottom: 37}, Errors: k == 4}.PNG()
		if err != nil {
			t.Fatal(err)
		}
		s, err := metric.Compute(metric.Mask{Data: pred, Shape: []int{n, n}}, metric.Mask{Data: truth, Shape: []int{n, n}},
			[]metric.Spec{{Name: "dice"}, {Name: "hd95", Unit: "px"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		status := report.Good
		if k > 2 {
			status = report.Bad
		}
		g.Tiles = append(g.Tiles, report.Tile{PNG: b, Title: fmt.Sprintf("phantom-%02d", k+1),
			Caption: fmt.Sprintf("DSC %.3f · HD95 %.1f px", s[0].Value, s[1].Value), Status: status})
	}
	return g
}

func hash(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(h[:])
}
