package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/train"
)

func TestPromptsAreReadAndTold(t *testing.T) {
	for text, want := range map[string]struct {
		jitter train.Jitter
		points train.Points
		told   string
	}{
		"box()":                     {train.Jitter{}, train.Points{}, "box around the reference mask"},
		"box(jitter: 2 px .. 5 px)": {train.Jitter{Min: 2, Max: 5}, train.Points{}, "box around the reference mask, each side moved outwards by 2 to 5 px"},
		"points()":                  {train.Jitter{}, train.Points{Positive: 1, NoBox: true}, "1 point inside the reference mask"},
		"points(3, negative: 2, at: centre)": {train.Jitter{}, train.Points{Positive: 3, Negative: 2, Centre: true, NoBox: true},
			"3 points inside the reference mask, the first in its centre; 2 points outside it"},
		"points(1, with: box(jitter: 0 px .. 3 px))": {train.Jitter{Max: 3}, train.Points{Positive: 1},
			"1 point inside the reference mask; box around the reference mask, each side moved outwards by 0 to 3 px"},
	} {
		n := nodeOf(expression(t, text))
		j, p := promptOf(n)
		if j != want.jitter || p != want.points || promptText(n) != want.told {
			t.Errorf("%s: %+v %+v, %q", text, j, p, promptText(n))
		}
	}
}

func TestPromptsThatAModelDoesNotTake(t *testing.T) {
	const data = "data all = phantom(patients: 2, slices: 1, size: 64 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> resize(32 px))\n"
	for text, want := range map[string]string{
		"unet(image: 32 px) |> evaluate(all, prompt: points())":                    "unet takes no points",
		"medsam(image: 32 px) |> evaluate(all, prompt: points(with: box()))":       "medsam takes no points",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: points())":                "cannot do without one",
		"sam_tiny(image: 32 px) |> train(all, prompt: points(2)) |> evaluate(all)": "cannot do without one",
		"box_fill |> evaluate(all, prompt: points())":                              "points alone give none",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: points(0))":               "neither box nor points",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: points(with: points()))":  "write all of them in one points",
	} {
		e := newEngine(t, Config{Events: func(Event) {}})
		all := "mseg 1\n" + data + "eval x = " + text + "\nreport r = [x]\n"
		if _, err := e.Run(t.Context(), checked(t, all), all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", text, err, want)
		}
	}
}

// Points change what a model answers, the same seed gives the same points, and a training with them runs, on embeddings too.
func TestPointsFromScriptToMask(t *testing.T) {
	var events []Event
	e := newEngine(t, Config{Events: func(ev Event) { events = append(events, ev) }})
	p, _ := runAll(t, e, &events, `mseg 1
data all = phantom(patients: 2, slices: 1, size: 64 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> resize(32 px))
model net = sam_tiny(image: 32 px, seed: 2)
model fixed = net |> adapt(train: [prompt, decoder]) |> train(all, epochs: 1, batch: 2, prompt: points(2, negative: 1, with: box()))
eval boxed = net |> evaluate(all)
eval one   = net |> evaluate(all, prompt: points(4, with: box()))
eval again = net |> evaluate(all, prompt: points(4, with: box()), ci: 90 %)
eval other = net |> evaluate(all, prompt: points(4, with: box()), seed: 3)
eval final = fixed |> evaluate(all, prompt: points(2, negative: 1, with: box()))
report r = [boxed, one, again, other, final]
`)
	masks := func(name string) string {
		b, _ := p.Lookup(name)
		v, err := e.Value(t.Context(), e.prediction(b.Value.(*ir.Node)))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(v.(*Predictions).Masks)
	}
	if masks("boxed") == masks("one") {
		t.Error("points beside the box change nothing")
	}
	if masks("one") != masks("again") {
		t.Error("the same seed has other points")
	}
	if masks("one") == masks("other") {
		t.Error("another seed has the same points")
	}
	if !slices.ContainsFunc(events, func(ev Event) bool { return strings.Contains(ev.Text, "embeddings are kept") }) {
		t.Error("the training did not read embeddings")
	}
	if got := valueOf[*Scores](t, e, p, "final").Prompt; !strings.HasPrefix(got, "2 points inside the reference mask; 1 point outside it; box") {
		t.Errorf("the report says %q", got)
	}
}

// A network of SAM's own form needs no box.
func TestPointsAlone(t *testing.T) {
	m := modelOf(t, "sam(image: 32 px)")
	if !m.Built.Points || m.Built.NeedsBox {
		t.Errorf("sam takes points: %t, needs a box: %t", m.Built.Points, m.Built.NeedsBox)
	}
}
