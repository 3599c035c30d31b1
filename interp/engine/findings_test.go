package engine

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/ops/data"
)

// shown is an eval of four images whose values are given, with samples to draw.
func shown(label, metric string, values ...float64) evalItem {
	e := measured(label, "", metric, len(values), func(i int) float64 { return values[i] })
	e.pred = &Predictions{}
	for i := range values {
		s := data.Sample{ID: string(rune('a' + i)), Width: 8, Height: 8, Channels: 1, Image: make([]uint8, 64), Mask: make([]uint8, 64)}
		e.data.Samples = append(e.data.Samples, s)
		e.pred.Masks, e.pred.Boxes = append(e.pred.Masks, make([]uint8, 64)), append(e.pred.Boxes, [4]float32{1, 1, 5, 5})
		if math.IsNaN(values[i]) {
			e.scores.Rows[i].Values[0] = nil
		}
	}
	return e
}

func TestGalleryBeginsWithTheWorst(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		metric, order, title string
		values               []float64
	}{
		"an overlap":         {"dice", "bcda", "From the worst to the best.", []float64{0.9, 0.1, 0.3, 0.5}},
		"a distance":         {"hd95", "adcb", "From the worst to the best.", []float64{9, 1, 3, 5}},
		"an undefined value": {"hd95", "cadb", "From the worst to the best.", []float64{9, 1, nan, 5}},
		"neither side":       {"of the script", "bcda", "From the lowest to the highest value.", []float64{0.9, 0.1, 0.3, 0.5}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := gallery(shown("mine", c.metric, c.values...), 4)
			if err != nil {
				t.Fatal(err)
			}
			order := ""
			for _, tile := range g.Tiles {
				order += tile.Title[:1]
			}
			if order != c.order || g.Title != c.title {
				t.Errorf("%q in the order %s, expected %q in %s", g.Title, order, c.title, c.order)
			}
		})
	}
}

func TestGalleryShowsNoBoxThatTheNetworkDidNotSee(t *testing.T) {
	drawn := func(unprompted bool) (legend []string, png []byte) {
		e := shown("mine", "dice", 0.5)
		e.model.Built = &models.Model{Config: models.Config{NoPrompt: unprompted}}
		g, err := gallery(e, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range g.Legend {
			legend = append(legend, l.Label)
		}
		return legend, g.Tiles[0].PNG
	}
	with, boxed := drawn(false)
	without, plain := drawn(true)
	if !slices.Contains(with, "box prompt") || slices.Contains(without, "box prompt") {
		t.Errorf("the legends are %v and, of a network without a prompt, %v", with, without)
	}
	if string(boxed) == string(plain) {
		t.Error("the box is drawn although the network did not see it")
	}
}

// Models on the same samples share tables, and may have been told different things.
func TestFindingsNameEveryPrompt(t *testing.T) {
	a, b := shown("mine", "dice", 0.5, 0.6), shown("theirs", "dice", 0.5, math.NaN())
	a.scores.Prompt, b.scores.Prompt = "a box", "a point"
	text := func(evals ...evalItem) string {
		var all []string
		for _, f := range findings(evals) {
			all = append(all, f.Text)
		}
		return strings.Join(all, "\n")
	}
	for _, want := range []string{"Prompt of mine: a box.", "Prompt of theirs: a point.", "1 value of theirs is not defined and left out of the means."} {
		if got := text(a, b); !strings.Contains(got, want) {
			t.Errorf("the findings do not say %q:\n%s", want, got)
		}
	}
	b.scores.Prompt = "a box"
	if got := text(a, b); !strings.Contains(got, "Prompt: a box.") || strings.Count(got, "Prompt") != 1 {
		t.Errorf("one prompt is told as\n%s", got)
	}
}

// A plan, a table in the terminal and a page call an expert by the same number.
func TestExpertsAreNumberedAlike(t *testing.T) {
	f := &Figure{Kind: "gates", Blocks: []int{0}, Tasks: []string{"CT_Liver"}, Counts: []int{1}, Gates: [][][]float64{{{0.25, 0.75}}}}
	for _, b := range figureBlocks(f) {
		if chart, ok := b.(report.Figure); ok && (!strings.Contains(chart.SVG, ">0<") || strings.Contains(chart.SVG, ">2<")) {
			t.Errorf("the experts 0 and 1 have other numbers in the chart:\n%s", chart.SVG)
		}
	}
	if text := f.text(); !strings.Contains(text, "expert 0") {
		t.Errorf("the table in the terminal:\n%s", text)
	}
}

// A table of a sweep names the prompt below it only where all rows have it.
func TestSweptPromptsAreNotToldAsOne(t *testing.T) {
	swept := func(n float64) *ir.Node {
		return &ir.Node{Label: "e", Swept: []ir.Setting{{Name: "points", Value: ir.Number{V: n}}}}
	}
	scores := func(prompt string) *Scores {
		s := shown("e", "dice", 0.5, 0.6).scores
		s.Prompt = prompt
		return s
	}
	nodes, e := []*ir.Node{swept(1), swept(2)}, &Engine{}
	if got := e.sweepText(nodes, []*Scores{scores("1 point"), scores("2 points")}); strings.Contains(got, "prompt") {
		t.Errorf("two prompts are told as one:\n%s", got)
	}
	if got := e.sweepText(nodes, []*Scores{scores("a box"), scores("a box")}); !strings.Contains(got, "prompt: a box") {
		t.Errorf("the prompt is not told:\n%s", got)
	}
}

// What makes numbers worthless is said before any table, and only where it is so.
func TestFindingsWarn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *evalItem)
		says   string
	}{
		"a leak":            {func(e *evalItem) { e.model.TrainedOn = []string{"d/1", "d/9"} }, "LEAK: 1 of 2 patients that mine is measured on were trained on (d/1)."},
		"a chosen model":    {func(e *evalItem) { e.model.ChosenOn = []string{"d/2"} }, "1 of 2 patients that mine is measured on also chose its checkpoint (d/2)."},
		"an oracle":         {func(e *evalItem) { e.scores.Select = "oracle" }, "mine takes the best of its masks by the reference (oracle)"},
		"untrained quality": {func(e *evalItem) { e.scores.Select, e.model.Built.Masks = "predicted_iou", 3 }, "by a predicted IoU that was never trained"},
		"generated images":  {func(e *evalItem) { e.data.Origins = []string{"phantom: GENERATED images, no patients"} }, "These results are from generated images"},
		"a cut to the box":  {func(e *evalItem) { e.data.Preps = []data.Prep{{Crop: &data.Crop{}}} }, "Images are cut to a region around the structure"},
		"few patients":      {func(e *evalItem) {}, "2 images of only 2 patients"},
	} {
		t.Run(name, func(t *testing.T) {
			text := func(change func(e *evalItem)) string {
				e := shown("mine", "dice", 0.5, 0.6)
				e.model.Built = &models.Model{Masks: 1}
				e.model.TrainedOn, e.model.ChosenOn = []string{"d/8"}, []string{"d/9"}
				for i := range e.data.Samples {
					e.data.Samples[i].Dataset, e.data.Samples[i].Patient = "d", string(rune('1'+i))
				}
				change(&e)
				var all []string
				for _, f := range findings([]evalItem{e}) {
					all = append(all, f.Text)
				}
				return strings.Join(all, "\n")
			}
			if got := text(c.change); !strings.Contains(got, c.says) {
				t.Errorf("the findings do not say %q:\n%s", c.says, got)
			}
			if got := text(func(*evalItem) {}); name != "few patients" && strings.Contains(got, c.says) {
				t.Errorf("without a cause they say %q", c.says)
			}
		})
	}
}

// A model remembers the patients of every training that it has been through, so that none is taken for new.
func TestModelsRememberAllPatients(t *testing.T) {
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	p, _ := runAll(t, e, &events, `mseg 1
split parts = phantom(patients: 8, slices: 1, size: 64 px) |> prep(percentile(0 % .. 100 %) |> resize(16 px)) |> by(patient, train: 25 %, val: 25 %, test: 50 %)
split more = parts.test |> by(patient, train: 50 %, test: 50 %)
model base = unet(image: 16 px, base: 2, depth: 2) |> train(parts.train, validate: parts.val, epochs: 1, batch: 4)
model after = base |> adapt(mixture(1, bottleneck: 2)) |> finetune(more.train, validate: more.test, epochs: 1, batch: 4, rate: 1e-3)
`)
	split := valueOf[*Split](t, e, p, "parts")
	more := valueOf[*Split](t, e, p, "more")
	m := valueOf[*Model](t, e, p, "after")
	if want := union(split.Parts["train"].Patients(), more.Parts["train"].Patients()); len(want) != 4 || !slices.Equal(m.TrainedOn, want) {
		t.Errorf("trained on %v, remembers %v", want, m.TrainedOn)
	}
	if want := union(split.Parts["val"].Patients(), more.Parts["test"].Patients()); len(want) != 4 || !slices.Equal(m.ChosenOn, want) {
		t.Errorf("chosen on %v, remembers %v", want, m.ChosenOn)
	}
}
