package repl

import (
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/source"
)

func names() []string { return builtin.Names() }

// defined is a session with a name of many kinds.
func defined(t *testing.T) session {
	t.Helper()
	e := session{}.read(source.New("entry", cheap+`
use medsegdb (tree)
param epochs: int = 3
prep small = resize(32 px)
split parts = d |> by(patient, train: 50 %, test: 50 %)
model net = sam_tiny(image: 32 px)
experts four = mixture(4)
fn twice(x: model, rate: number) -> model = x |> finetune(parts.train, epochs: 1, rate: rate)
`), true)
	if e.diags.HasErrors() {
		t.Fatal(e.diags)
	}
	return e.next
}

func TestComplete(t *testing.T) {
	s := defined(t)
	cases := []struct {
		name, text string
		want       string // must be offered
		not        string // must not
	}{
		{"nothing typed", "", "data eval param use box_fill parts", "axial CT_Liver"},
		{"a bound name", "par", "parts param", "epochs"},
		{"a builtin", "sam_", "sam_tiny sam_vit_b", ""},
		{"a new name", "data x", "", "d"},
		{"a value of the kind", "eval x = ", "e evaluate", "net small d mixture"},
		{"data", "data x = ", "d phantom volumes", "net e sam_tiny"},
		{"functions for data", "data x = d |> ", "where take prep", "evaluate adapt train"},
		{"functions for a model", "net |> ", "adapt train evaluate twice", "where by"},
		{"functions behind a call", "sam_tiny() |> adapt(four) |> ", "train", "where"},
		{"functions inside a call", "box_fill |> evaluate(d |> ", "where", "adapt"},
		{"arguments", "box_fill |> evaluate(", "d data: metrics: by:", "net model: e"},
		{"arguments left", "box_fill |> evaluate(d, metrics: [dice], ", "by: ci:", "metrics:"},
		{"arguments of a block", "box_fill |> evaluate(d) {\n  metrics: [dice]\n  ", "by: ci: prompt:", "metrics:"},
		{"arguments of a fn", "net |> twice(", "rate:", ""},
		{"items of a list", "box_fill |> evaluate(d) { metrics: [", "dice hd95 nsd", "bce box d"},
		{"items after a comma", "box_fill |> evaluate(d) { metrics: [dice, n", "nsd", "net"},
		{"words", "slices(axis: ", "axial coronal", "labelled d"},
		{"a word half typed", "slices(axis: ax", "axial", ""},
		{"a positional word", "d |> by(", "patient site", "axial"},
		{"case fields of a list", "box_fill |> evaluate(d, by: [o", "organ", "optimizer"},
		{"losses, not metrics", "net |> train(d, loss: ", "dice bce best_of_masks", "hd95 nsd"},
		{"arguments of an argument", "net |> train(d, optimizer: adamw(1e-3, sched", "schedule:", ""},
		{"schedules", "net |> train(d, optimizer: adamw(1e-3, schedule: ", "warmup_cosine constant", "adamw"},
		{"fields of data", "d.", "n patients", "train"},
		{"fields of a split", "parts.", "train test", "n val"},
		{"fields of a field", "e.dice.", "mean sd low", "iou"},
		{"fields of a call", "(box_fill |> evaluate(d)).di", "dice", ""},
		{"a measure by task", "e.dice[MRI_Li", "MRI_Liver MRI_LiverCancer", "CT_Liver"},
		{"modalities", `volumes("{case}.nii", mask: "{case}_m.nii", modality: `, "CT MRI US", "axial"},
		{"modalities before tasks", `volumes("{case}.nii", mask: "{case}_m.nii", tasks: { 1: M`, "MRI_", "MRI"},
		{"tasks", `volumes("{case}.nii", mask: "{case}_m.nii", tasks: { 1: CT_Liv`, "CT_Liver CT_LiverCancer", "MRI_Liver"},
		{"parts of the pattern", `volumes("{site}/{case}.nii", mask: "x", patient: `, "site case", ""},
		{"conditions", "d |> where(", "modality task organ", "mean"},
		{"compared modality", "d |> where(modality == ", "CT MRI", "modality"},
		{"compared task", "d |> where(task in [CT_Liv", "CT_Liver", ""},
		{"paths", "d |> where(organ in /tor", "/torso", "/torso/abdomen"},
		{"paths below a whole one", "d |> where(organ in /torso", "/torso/abdomen", "/torso/abdomen/liver"},
		{"paths below", "d |> where(organ in /torso/", "/torso/abdomen", "/torso/abdomen/liver"},
		{"groups", "net |> adapt(four, train: [", "experts decoder all", "net"},
		{"libraries", "use ", "medsegdb", "data"},
		{"names of a library", "use medsegdb (", "tree", "data"},
		{"types", "fn f(x: ", "model number data", "net"},
		{"parameters of the fn being written", "fn f(image: model) = im", "image", ""},
		{"behind a value nothing", "data x = d ", "", "where d"},
		{"second line of a block of statements", "param a: int = 1\nev", "eval evaluate", ""},
		{"report titles", "report r = [e] { ", "title: overlays:", "items:"},
		{"in a comment", "d # ", "", "data"},
		{"in a string", `volumes("d`, "", "d data"},
		{"in a number", "1", "", "d"},
		{"commands", ":s", ":save :save!", ":list"},
		{"help", "?hd", "hd95", "d"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			start, got := s.complete(c.text)
			for _, x := range got {
				if !strings.HasPrefix(x, c.text[start:]) {
					t.Errorf("%q does not continue %q", x, c.text[start:])
				}
			}
			for _, w := range strings.Fields(c.want) {
				if !slices.Contains(got, w) {
					t.Errorf("%q is not offered; offered: %v", w, got)
				}
			}
			for _, w := range strings.Fields(c.not) {
				if slices.Contains(got, w) {
					t.Errorf("%q is offered; offered: %v", w, got)
				}
			}
		})
	}
}

// Whatever is typed, completion answers: it is asked at every place of a script, whole or broken.
func TestCompleteAnywhere(t *testing.T) {
	s := defined(t)
	text := s.source() + "\n)]} |> . [ { ( :: \"x\\"
	for i := 0; i <= len(text); i += 3 {
		s.complete(text[:i])
	}
}
