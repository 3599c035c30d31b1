package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

func TestPromptsAreReadAndTold(t *testing.T) {
	for text, want := range map[string]struct {
		jitter train.Jitter
		points train.Points
		refine train.Refinement
		told   string
	}{
		"box()":                     {told: "box around the reference mask"},
		"box(jitter: 2 px .. 5 px)": {jitter: train.Jitter{Min: 2, Max: 5}, told: "box around the reference mask, each side moved outwards by 2 to 5 px"},
		"points()":                  {points: train.Points{Positive: 1, NoBox: true}, told: "1 point inside the reference mask"},
		"points(3, negative: 2, at: centre)": {points: train.Points{Positive: 3, Negative: 2, Centre: true, NoBox: true},
			told: "3 points inside the reference mask, the first in its centre; 2 points outside it"},
		"points(1, with: box(jitter: 0 px .. 3 px))": {jitter: train.Jitter{Max: 3}, points: train.Points{Positive: 1},
			told: "1 point inside the reference mask; box around the reference mask, each side moved outwards by 0 to 3 px"},
		"mask()": {points: train.Points{NoBox: true}, told: "the reference mask"},
		"mask(grow: -2 px .. 3 px, shift: 1 px .. 4 px, coarse: 8 px, with: points(2, with: box()))": {
			points: train.Points{Positive: 2, Mask: train.Mask{Grow: [2]int{-2, 3}, Shift: [2]int{1, 4}, Coarse: 8}},
			told:   "2 points inside the reference mask; box around the reference mask; the reference mask, grown by -2 to 3 px, moved by 1 to 4 px, in squares of 8 px"},
		"mask(of: box_fill |> evaluate(phantom()), clicks: 2, at: centre)": {points: train.Points{NoBox: true, Mask: train.Mask{Clicks: 2, Centre: true}},
			told: "a mask that was predicted before, with 2 clicks where it is wrong, the first where it is most wrong"},
		"mask(of: box_fill |> evaluate(phantom()))": {points: train.Points{NoBox: true}, told: "a mask that was predicted before"},
		"box() |> refine(2)": {refine: train.Refinement{Rounds: 2, Clicks: 1, Centre: true},
			told: "box around the reference mask; 2 further rounds of 1 click where the answer was wrong, the first where it was most wrong"},
		"mask() |> refine(rounds: 1, clicks: 3, at: random)": {points: train.Points{NoBox: true}, refine: train.Refinement{Rounds: 1, Clicks: 3},
			told: "the reference mask; 1 further round of 3 clicks where the answer was wrong"},
		"points() |> refine(rounds: 0)": {points: train.Points{Positive: 1, NoBox: true}, refine: train.Refinement{Clicks: 1, Centre: true}, told: "1 point inside the reference mask"},
	} {
		n := nodeOf(expression(t, text))
		p := promptOf(n)
		if p.jitter != want.jitter || p.points != want.points || p.refine != want.refine || promptText(n) != want.told {
			t.Errorf("%s: %+v, %q", text, p, promptText(n))
		}
		if p.masked != strings.HasPrefix(text, "mask(") || len(p.of) != strings.Count(text, "of:") {
			t.Errorf("%s: a mask: %t, of %d evals", text, p.masked, len(p.of))
		}
	}
}

// Box, points, mask and clicks of a sample are drawn independently of each other, of other samples, and of all these for other seeds, neighbouring ones included. So are the clicks of
// refinement, which have the same seed.
func TestPromptsAreDrawnApart(t *testing.T) {
	p := prompted{examples: &examples{samples: []data.Sample{{ID: "a"}, {ID: "b"}}}}
	seen, streams := map[uint64]string{}, 0
	add := func(what string, rng *rand.Rand) {
		streams++
		x := rng.Uint64()
		if other, ok := seen[x]; ok {
			t.Errorf("%s is drawn like %s", what, other)
		}
		seen[x] = what
	}
	for seed := range uint64(8) {
		p.seed = seed
		for i := range 2 {
			key := p.samples[i].Key()
			for _, part := range []string{"box", "points", "mask", "clicks"} {
				add(fmt.Sprintf("%s of %s by seed %d", part, key, seed), p.draws(i, part))
			}
			add(fmt.Sprintf("refinement of %s by seed %d", key, seed), graph.Stream(seed, "clicks of "+key))
		}
	}
	if streams != 8*2*5 {
		t.Errorf("%d streams were looked at", streams)
	}
}

// Predictions that hang on chance were drawn otherwise before, so they have another identity than then; all others keep theirs.
func TestOnlyDrawnPromptsChangedTheirIdentity(t *testing.T) {
	e := newEngine(t, Config{})
	e.Use(checked(t, "mseg 1\n"), "")
	for prompt, drawn := range map[string]bool{
		"box()": false, "box(jitter: 2 px .. 2 px)": false, "box(jitter: 0 px .. 2 px)": true,
		"points(1, at: centre)": false, "points(1, at: random)": true, "points(2, at: centre)": true, "points(1, negative: 1, at: centre)": true,
		"mask(grow: 1 px .. 1 px, coarse: 4 px)": false, "mask(grow: 0 px .. 1 px)": true, "mask(shift: 1 px .. 1 px)": true,
		"mask(clicks: 1, at: centre)": false, "mask(clicks: 1, at: random)": true, "mask(with: box(jitter: 0 px .. 2 px))": true,
		"points(1, at: centre) |> refine(2, at: random)": false, "points(2) |> refine(2)": true,
	} {
		n := expression(t, "sam_tiny(image: 32 px) |> evaluate(phantom(), prompt: "+prompt+")").(*ir.Node)
		for _, n := range []*ir.Node{n, e.prediction(n)} {
			if version, _, _ := e.circumstances(n); strings.Contains(version, "stream by seed") != drawn {
				t.Errorf("%s of %s: version %q", n.Op, prompt, version)
			}
		}
	}
}

func TestPromptsThatAModelDoesNotTake(t *testing.T) {
	const data = "data raw = phantom(patients: 2, slices: 1, size: 64 px, lesions: 1)\ndata all = raw |> prep(percentile(0 % .. 100 %) |> resize(32 px))\n"
	for text, want := range map[string]string{
		"unet(image: 32 px) |> evaluate(all, prompt: points())":                                                                                                                      "unet takes no points",
		"medsam(image: 32 px) |> evaluate(all, prompt: points(with: box()))":                                                                                                         "medsam takes no points",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: points())":                                                                                                                  "cannot do without one",
		"sam_tiny(image: 32 px) |> train(all, prompt: points(2)) |> evaluate(all)":                                                                                                   "cannot do without one",
		"box_fill |> evaluate(all, prompt: points())":                                                                                                                                "points alone give none",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: points(0))":                                                                                                                 "neither box nor points",
		"unet(image: 32 px) |> evaluate(all, prompt: mask(with: box()))":                                                                                                             "unet takes no mask prompts",
		"medsam(image: 32 px) |> train(all, prompt: mask()) |> evaluate(all)":                                                                                                        "medsam takes no mask prompts",
		"unet(image: 32 px) |> evaluate(all, prompt: box() |> refine())":                                                                                                             "cannot be refined",
		"box_fill |> evaluate(all, prompt: box() |> refine())":                                                                                                                       "looks at no mask and no clicks",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: mask())":                                                                                                                    "cannot do without one",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: mask(of: box_fill |> evaluate(all |> take(50 %)), with: box()))":                                                            "nothing was predicted for sample",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: mask(of: [box_fill |> evaluate(all), box_ellipse |> evaluate(all)], with: box()))":                                          "predicted by two of these evals",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: mask(of: box_fill |> evaluate(raw |> prep(percentile(0 % .. 100 %) |> resize(16 px))), with: box()))":                       "another crop or size",
		"sam_tiny(image: 32 px) |> evaluate(all, prompt: mask(of: box_fill |> evaluate(raw |> prep(percentile(0 % .. 100 %) |> crop(margin: 0 mm) |> resize(32 px))), with: box()))": "another crop or size",
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

// A mask prompt changes what a model answers, by what it is made of; refining changes it again; a training is shown masks, on embeddings too.
func TestMasksFromScriptToMask(t *testing.T) {
	var events []Event
	e := newEngine(t, Config{Events: func(ev Event) { events = append(events, ev) }})
	p, _ := runAll(t, e, &events, `mseg 1
data all = phantom(patients: 4, slices: 1, size: 64 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> resize(32 px))
split parts = all |> by(patient, train: 50 %, val: 50 %)
model net = sam_tiny(image: 32 px, seed: 2)
eval filled = box_fill |> evaluate(all, metrics: [dice])
model fixed = net |> adapt(train: [prompt, decoder]) |> train(parts.train, validate: parts.val, epochs: 1, batch: 2, prompt: mask(of: filled, grow: -1 px .. 1 px, clicks: 2, with: box()))
eval boxed   = net |> evaluate(all)
eval perfect = net |> evaluate(all, prompt: mask(with: box()))
eval worse   = net |> evaluate(all, prompt: mask(grow: 0 px .. 6 px, with: box()))
eval other   = net |> evaluate(all, prompt: mask(grow: 0 px .. 6 px, with: box()), seed: 3)
eval again   = net |> evaluate(all, prompt: mask(of: filled, with: box()))
eval thrice  = net |> evaluate(all, prompt: box() |> refine(2))
eval final   = fixed |> evaluate(parts.val, prompt: mask(of: filled, with: box()))
report r = [boxed, perfect, worse, other, again, thrice]
`)
	masks := map[string]string{}
	for _, name := range []string{"boxed", "perfect", "worse", "other", "again", "thrice"} {
		b, _ := p.Lookup(name)
		v, err := e.Value(t.Context(), e.prediction(b.Value.(*ir.Node)))
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(v.(*Predictions).Masks)
		for other, same := range masks {
			if text == same {
				t.Errorf("%s and %s are the same", name, other)
			}
		}
		masks[name] = text
	}
	if got := valueOf[*Scores](t, e, p, "final").Prompt; got != "box around the reference mask; a mask that was predicted before" {
		t.Errorf("the report says %q", got)
	}
	if !slices.ContainsFunc(events, func(ev Event) bool { return strings.Contains(ev.Text, "embeddings are kept") }) {
		t.Error("the training did not read embeddings")
	}
}

// Predictions that are shown are the same under another metric, and those made with them too.
func TestPromptsDependOnPredictionsAlone(t *testing.T) {
	key := func(metrics, model string) (predicted, trained string) {
		e := newEngine(t, Config{Events: func(Event) {}})
		text := `mseg 1
data all = phantom(patients: 2) |> prep(resize(128 px))
eval before = ` + model + ` |> evaluate(all, metrics: [` + metrics + `])
eval after = sam_tiny() |> evaluate(all, prompt: mask(of: before, with: box()))
model tuned = sam_tiny() |> train(all, prompt: mask(of: [before], with: box()))
`
		p := checked(t, text)
		e.Use(p, text)
		after, _ := p.Lookup("after")
		tuned, _ := p.Lookup("tuned")
		return e.Key(e.prediction(after.Value.(*ir.Node))), e.Key(tuned.Value.(*ir.Node))
	}
	a, b := key("dice", "box_fill")
	if c, d := key("iou", "box_fill"); a != c || b != d {
		t.Error("another metric of the eval before changes what is made with its predictions")
	}
	if c, d := key("dice", "box_ellipse"); a == c || b == d {
		t.Error("another model before changes nothing")
	}
}

func TestPromptsThatFitNoPlace(t *testing.T) {
	for text, want := range map[string]string{
		"points(with: points())":                                    "points stands within points",
		"points(with: mask())":                                      "mask stands within points",
		"mask(with: mask())":                                        "mask stands within mask",
		"mask(with: box() |> refine())":                             "refine stands within mask",
		"box() |> refine() |> refine()":                             "refine stands within refine",
		"mask(of: sam_tiny())":                                      "of of mask is an eval or a list of eval, found a model",
		"sam_tiny() |> train(phantom(), prompt: box() |> refine())": "train shows each sample one prompt",
	} {
		script := "eval y = sam_tiny() |> evaluate(phantom(), prompt: " + text + ")\n"
		if strings.HasPrefix(text, "sam_tiny") {
			script = "model y = " + text + "\n"
		}
		s, diags := syntax.Parse(source.New("a.mseg", script), false)
		_, more := check.Script(s, check.Options{})
		diags = append(diags, more...)
		if len(diags) != 1 || !strings.Contains(diags[0].Summary, want) {
			t.Errorf("%s: %v, expected %q", text, diags, want)
		}
	}
}
