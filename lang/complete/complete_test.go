package complete

import (
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

const before = `mseg 1
use medsegdb (tree)
param rate: number = 1e-3
param many: int = 4
data brain = phantom(patients: 4)
prep plane = resize(64 px)
split parts = brain |> by(patient, train: 80 %, test: 20 %)
model start = unet(image: 64 px)
fn fit(m: model, r: number, d: data = brain) -> model = m |> train(d) { optimizer: adamw(r) }
eval first = start |> evaluate(parts.test)
`

// at completes a text at its cursor ‸, behind the statements of before.
func at(text string) Result {
	text = before + text
	offset := strings.Index(text, "‸")
	text = strings.Replace(text, "‸", "", 1)
	f := source.New("t.mseg", text)
	script, _ := syntax.Parse(f, false)
	program, _ := check.Script(script, check.Options{})
	return At(f, offset, script, program)
}

func labels(r Result) []string {
	var out []string
	for _, x := range r.Items {
		out = append(out, x.Label)
	}
	return out
}

func names(result string, piped bool) []string {
	var out []string
	for _, b := range builtin.All() {
		if !piped && b.Result.Fits(types.Of(result)) {
			out = append(out, b.Name)
		}
		for _, p := range b.Params {
			if piped && p.Piped && types.Of(result).Fits(p.Type) {
				out = append(out, b.Name)
			}
		}
	}
	return out
}

func sorted(lists ...[]string) string {
	out := slices.Concat(lists...)
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

func words(set string) []string {
	w, ok := builtin.WordSet(set)
	if !ok {
		panic(set)
	}
	return w.Items
}

func arguments(name string) []string {
	var out []string
	for _, p := range builtin.Lookup(name)[0].Params {
		if !p.Piped && !p.Rest {
			out = append(out, p.Name)
		}
	}
	return out
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string
	}{
		{"a statement begins", "‸", sorted(syntax.Kinds, syntax.Heads)},
		{"a statement is begun", "mod‸", sorted(syntax.Kinds, syntax.Heads)},
		{"behind a whole statement", "model m = start\n‸", sorted(syntax.Kinds, syntax.Heads)},
		{"a new name", "model ‸", ""},
		{"the name of a param", "param ‸", ""},
		{"a complete value", "model m = start ‸", ""},
		{"a comment", "# mod‸", ""},
		{"a string", "data d = volumes(\"‸\")", ""},

		{"a model", "model m = ‸", sorted(names("model", false), []string{"start", "fit"})},
		{"a model is begun", "model m = st‸", sorted(names("model", false), []string{"start", "fit"})},
		{"an eval", "eval e = ‸", sorted(names("eval", false), []string{"first"})},
		{"only losses", "model m = start |> train(brain) { loss: ‸", sorted(names("loss", false))},
		{"only losses, with text behind", "model m = start |> train(brain) { loss: ‸, epochs: 3 }", sorted(names("loss", false))},
		{"only losses behind a plus", "model m = start |> train(brain) { loss: dice + ‸", sorted(names("loss", false))},
		{"only metrics", "eval e = start |> evaluate(brain) { metrics: [dice, ‸", sorted(names("metric", false))},
		{"a schedule in an optimizer", "model m = start |> train(brain) { optimizer: adamw(1e-3, schedule: ‸", sorted(names("schedule", false))},
		{"data as an argument", "model m = start |> train(brain, validate: ‸", sorted(names("data", false), []string{"brain"})},
		{"words of an argument", "prep p = slices(axis: ‸", sorted(words("axis"))},
		{"words of a list", "eval e = start |> evaluate(brain) { by: [‸", sorted(words("case field"))},
		{"true or false", "prep p = percentile(1 % .. 2 %, nonzero: ‸", "false true"},

		{"losses of the script", "fn mine(p: mask, t: mask) -> scalar = mean(p * t)\nfn step(x: image) -> image = x\nmodel m = start |> train(brain) { loss: ‸", sorted(names("loss", false), []string{"mine"})},
		{"losses of a library", "use losses (focal)\nmodel m = start |> train(brain) { loss: dice + fo‸", sorted(names("loss", false), []string{"focal"})},
		{"steps of the script", "fn step(x: image) -> image = x\nprep p = resize(64 px) |> ‸", sorted(names("prep", true), []string{"step"})},
		{"a param with a type", "param l: loss = ‸", sorted(names("loss", false))},
		{"tensors in a fn", "fn f(x: mask, y: mask) -> mask = x + ‸", sorted(names("tensor", false), []string{"x", "y", "many", "rate"})},

		{"functions of data", "data d = brain |> ‸", sorted(names("data", true))},
		{"functions of a model", "model m = start |> ‸", sorted(names("model", true), []string{"fit"})},
		{"functions of a model on the next line", "model m = start\n  |> ‸", sorted(names("model", true), []string{"fit"})},
		{"functions of a result", "model m = start |> train(brain) |> ‸", sorted(names("model", true), []string{"fit"})},
		{"functions inside an argument", "eval e = start |> evaluate(brain |> ‸)", sorted(names("data", true))},
		{"functions of a parameter", "fn g(x: data) -> data = x |> ‸", sorted(names("data", true))},

		{"sides of a split that have a share", "data d = parts.‸", "test train"},
		{"fields of an eval", "expect first.‸", sorted(fieldNames("eval"))},
		{"fields of a metric", "expect first.dice.‸", sorted(fieldNames("measure"))},
		{"fields of a narrowed metric", "expect first.dice[MRI_BrainWholeTumor].me‸", sorted(fieldNames("measure"))},
		{"fields of a call", "model m = unet().‸", sorted(fieldNames("model"))},
		{"fields of a parameter", "fn g(x: split) -> data = x.‸", sorted(fieldNames("split"))},

		{"libraries", "use ‸", "losses medsegdb recipes"},
		{"names of a library", "use medsegdb (‸", "tree"},
		{"types of a param", "param n: ‸", sorted(check.TypeNames())},
		{"types of a fn", "fn f(a: ‸", sorted(check.TypeNames())},
		{"type of a result", "fn f(a: int) -> ‸", sorted(check.TypeNames())},

		{"units behind a number", "prep p = resize(64 ‸", "px"},
		{"units directly behind a number", "prep p = resize(64‸", "px"},
		{"units begun", "prep p = resize(64 p‸", "px"},
		{"units of a length", "eval e = start |> evaluate(brain) { metrics: [nsd(2 ‸", "cm mm px"},
		{"units of a range", "prep p = window(-160 ‸", "HU"},
		{"units of a share", "split s = brain |> by(patient, train: 80 ‸", "%"},

		{"fields of a case", "data d = brain |> where(‸", sorted(words("case field"), []string{"not"})},
		{"fields of a case behind and", "data d = brain |> where(slice > 3 and ‸", sorted(words("case field"), []string{"not"})},
		{"modalities", "data d = brain |> where(modality == ‸", "CBCT CT CTA Colonos Dermos Endos Fundus MRI US Xray"},
		{"parts of the body", "data d = brain |> where(organ in ‸", "/head_neck /skeleton /skin /torso /vessel"},
		{"below a part of the body", "data d = brain |> where(task in /torso/‸", "/torso/abdomen /torso/chest /torso/pelvis"},
		{"below a whole part of the body", "data d = brain |> where(task in /torso‸", "/head_neck /skeleton /skin /torso /torso/abdomen /torso/chest /torso/pelvis /vessel"},
		{"names of a pattern", "data d = volumes(\"{case}_{site}.nii\", mask: \"m\", patient: ‸", "case site"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(labels(at(c.text)), " "); got != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", c.text, got, c.want)
			}
		})
	}
}

func fieldNames(kind string) []string {
	var out []string
	for _, f := range builtin.FieldsOf(kind) {
		out = append(out, f.Name)
	}
	return out
}

// Places where many things fit: what must and what must not be among them.
func TestPart(t *testing.T) {
	for _, c := range []struct {
		name, text string
		has, not   string
	}{
		{"arguments of a call", "prep p = slices(‸", sorted(arguments("slices")), "after"},
		{"arguments not given yet", "prep p = slices(axis: axial, ‸", "min_area keep", "axis"},
		{"arguments in a block", "model m = start |> train(brain) {\n  epochs: 3\n  ‸", "loss batch seed", "epochs model"},
		{"arguments of a report", "report r = [first] {\n ‸", "title overlays", "items"},
		{"arguments of a fn", "model m = start |> fit(‸", "r d", ""},
		{"arguments of a library's fn", "use recipes\nmodel x = start |> nnunet_trainer(‸", "d v epochs sampling brain", "m start hd95"},
		{"values for a parameter of a fn", "use recipes\nmodel x = start |> nnunet_trainer(sampling: ‸", "patches", "brain start hd95"},
		{"a library's functions for a model", "use recipes\nmodel m = start |> nn‸", "nnunet_training nnunet_trainer train", ""},
		{"types of parameters", "fn g(x: model, s: sam‸", "sampling model", "start"},
		{"a parameter that may be left out", "fn g(x: model, s: sampling?) -> model = x |> train(brain, sampling: ‸", "s patches", "brain"},
		{"params", "model m = start |> train(brain) { epochs: ‸", "many", "start brain"},
		{"tasks of a modality", "data d = volumes(\"a\", mask: \"b\", modality: MRI, tasks: { 1: ‸", "MRI_BrainWholeTumor", "CT_BrainWholeTumor dice MRI"},
		{"tasks under their own names", "use medsegdb (tree)\ntaxonomy t = tree |> extend { synonyms: { Hepar: Liver } }\ndata d = phantom(tasks: { 1: CT_‸", "CT_Liver", "CT_Hepar CT_ThyroidGland"},
		{"tasks of a modality that is typed", "data d = phantom(tasks: { 1: CT_‸", "CT_Liver CT_Spleen", "MRI_Liver CT_"},
		{"modalities of tasks", "data d = phantom(tasks: { 1: ‸", "MRI_ CT_ unplaced", "MRI_Liver"},
		{"tasks behind in", "data d = brain |> where(task in [CT_‸", "CT_Liver", "dice"},
		{"tasks of a metric", "expect first.dice[CT_‸", "CT_Liver", "dice"},
		{"local names", "fn g(x: model, y: data) -> model = ‸", "x", "y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := labels(at(c.text))
			for _, x := range strings.Fields(c.has) {
				if !slices.Contains(got, x) {
					t.Errorf("%s: no %s in %v", c.text, x, got)
				}
			}
			for _, x := range strings.Fields(c.not) {
				if slices.Contains(got, x) {
					t.Errorf("%s: %s in %v", c.text, x, got)
				}
			}
		})
	}
}

func TestTheWholeWordIsReplaced(t *testing.T) {
	for _, c := range [][2]string{
		{"model m = sta‸rt", "start"}, {"model m = ‸start", "start"}, {"data d = x |> where(task in /torso/ab‸", "/torso/ab"},
		{"data d = x |> where(task in /torso/‸", "/torso/"}, {"prep p = resize(64‸", ""}, {"prep p = resize(64 p‸x)", "px"}, {"model grö‸ße = ", "größe"},
	} {
		if got := at(c[0]).Replace.Text(); got != c[1] {
			t.Errorf("%s: replaces %q, want %q", c[0], got, c[1])
		}
	}
	if x := at("prep p = resize(64‸"); x.Items[0].Insert != " px" {
		t.Errorf("inserts %q", x.Items[0].Insert)
	}
}

// An entry of a session may be an expression alone; its names are bound by statements that stand in other files.
func TestAtPrompt(t *testing.T) {
	script, _ := syntax.Parse(source.New("t.mseg", before), false)
	program, _ := check.Script(script, check.Options{})
	for _, c := range []struct{ name, text, has, not string }{
		{"a value begins", "", "data param start fit evaluate", "dice_ axial"},
		{"a second statement", "param a: int = 1\n", "data start", "axial"},
		{"functions of a value", "start |> ", "evaluate fit", "start"},
		{"fields of a value", "parts.", "train test", "val"},
		{"a new name", "data ", "", "brain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := source.New("entry", c.text)
			got := labels(AtPrompt(f, len(c.text), script, program))
			for _, x := range strings.Fields(c.has) {
				if !slices.Contains(got, x) {
					t.Errorf("no %s in %v", x, got)
				}
			}
			for _, x := range strings.Fields(c.not) {
				if slices.Contains(got, x) {
					t.Errorf("%s in %v", x, got)
				}
			}
			if at := labels(At(f, len(c.text), script, program)); c.text == "" && slices.Contains(at, "start") {
				t.Errorf("a script is offered a value as a statement: %v", at)
			}
		})
	}
}

// Completion is asked for in texts that are broken in every way, at every place.
func TestAnywhere(t *testing.T) {
	text := before + "eval e = start |> fit(1e-3, d: brain |> where(modality == MRI and task in /torso)) |> evaluate(parts.test) { metrics: [nsd(2 mm)] }\n}) [ , \"x\n$ |> ."
	script, _ := syntax.Parse(source.New("t", text), false)
	program, _ := check.Script(script, check.Options{})
	for offset := 0; offset <= len(text); offset++ {
		for _, f := range []*source.File{source.New("t", text), source.New("t", text[:offset])} {
			r := At(f, offset, script, program)
			if r.Replace.Start > offset || r.Replace.End < min(offset, len(f.Text)) {
				t.Fatalf("offset %d: replaces %d .. %d", offset, r.Replace.Start, r.Replace.End)
			}
		}
	}
}
