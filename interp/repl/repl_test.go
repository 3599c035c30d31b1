package repl

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
)

const cheap = `data d = phantom(patients: 2, slices: 2, size: 32 px)
  |> prep(percentile(0 % .. 100 %) |> slices() |> resize(32 px))
eval e = box_fill |> evaluate(d) { metrics: [dice] }
`

// typed is what a session answers to entries.
type typed struct {
	out, err string
	failed   int
	events   []string // kind and stage of what the engine did
}

// session types entries into a session whose results lie in dir.
func typeIn(t *testing.T, dir, input string) typed {
	t.Helper()
	var out, errs strings.Builder
	var got typed
	failed, err := Run(context.Background(), Config{
		Engine: engine.Config{Dir: dir}, Input: Lines(strings.NewReader(input), nil), Out: &out, Err: &errs,
		View: func() (func(engine.Event), func()) {
			return func(e engine.Event) {
				if e.Kind != "progress" {
					got.events = append(got.events, e.Kind+" "+e.Stage)
				}
			}, func() {}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got.out, got.err, got.failed = out.String(), errs.String(), failed
	return got
}

func TestEntries(t *testing.T) {
	cases := []struct {
		name, input string
		out, err    []string // each must stand in the answer
		failed      int
	}{
		{"a number", "1 + 2 * 3", []string{"7\n"}, nil, 0},
		{"units", "2 cm + 5 mm", []string{"2.5 cm\n"}, nil, 0},
		{"a definition says nothing", "param n: int = 3", []string{""}, nil, 0},
		{"definitions accumulate", "param n: int = 3\nn + 1", []string{"4\n"}, nil, 0},
		{"a name is replaced", "param n: int = 3\nparam n: int = 5\nn", []string{"5\n"}, nil, 0},
		{"order means nothing in an entry", "param n: int = 3\nparam m: int = n + k in [4\n]\nparam k: int = 1\nm", []string{""}, []string{`the name "k" is not bound`}, 2},
		{"a mistake changes nothing", "param n: int = 3\nparam n: int = 2 px +\n3 mm\nn", []string{"3\n"}, []string{"different units"}, 1},
		{"a name that others need keeps its type", "param n: number = 30 px\nprep p = resize(n)\nparam n: number = 3 mm\nn", []string{"30 px\n"}, []string{"MSEG-2002", "--> entry 2:1:17"}, 1},
		{"the place is shown", "box_full", nil, []string{"--> entry 1:1:1\n", "^^^^^^^^", "did you mean box_fill?"}, 1},
		{"a function", "fn half(x: number) -> number = x / 2\nhalf(3)", []string{"1.5\n"}, nil, 0},
		{"a library", "use medsegdb (tree)\ntree.tasks", []string{"111\n"}, nil, 0},
		{"a library twice", "use medsegdb (tree)\nuse medsegdb\ntree.organs", []string{"39\n"}, nil, 0},
		{"a name takes over from a library", "use medsegdb\ntaxonomy tree = hierarchy { modalities: { CT: [] }, /torso/abdomen/liver: [Liver] }\ntree.tasks", []string{"1\n"}, nil, 0},
		{"a bracket over lines", "[\n 1,\n 2\n]", []string{"[1, 2]\n"}, nil, 0},
		{"an operator at the end of a line", "1 +\n2", []string{"3\n"}, nil, 0},
		{"an operator at the beginning of a line", "1\n# why not\n\n  + 2\n4", []string{"3\n4\n"}, nil, 0},
		{"a setting", "adamw(1e-3)", []string{"adamw(rate: 0.001, weight_decay: 0.01"}, nil, 0},
		{"a prep", "percentile(0 % .. 100 %) |> resize(32 px)", []string{"percentile(range: 0 % .. 100 %, nonzero: true) |> resize(size: 32 px)\n"}, nil, 0},
		{"a tree", "hierarchy { modalities: { CT: [] }, /torso/abdomen/liver: [Liver, LiverTumor] }", []string{"/torso\n  /abdomen\n    /liver ", "Liver, LiverTumor\n"}, nil, 0},
		{"an eval", cheap + "e", []string{"dice\n", "all ", "task MRI_WhiteMatter", "[0.4514, 0.7115]", "95 % confidence intervals"}, nil, 0},
		{"a measure", cheap + "e.dice", []string{"dice 0.5814 [0.4514, 0.7115]", "median"}, nil, 0},
		{"a field of it", cheap + "e.dice.mean", []string{"0.581433\n"}, nil, 0},
		{"a list of values", cheap + "[e.dice.mean, e.n]", []string{"[0] 0.581433\n[1] 12\n"}, nil, 0},
		{"data", cheap + "d", []string{"12 samples of 2 patients, 3 tasks\n", "GENERATED", "phantom000", "32×32×1"}, nil, 0},
		{"data before preparation", "phantom(patients: 2, slices: 2, size: 32 px)", []string{"2 cases of 2 patients", "32×32×2"}, nil, 0},
		{"a split", cheap + "d |> by(patient, train: 50 %, test: 50 %)", []string{"side ", "train  1 ", "test   1 "}, nil, 0},
		{"a comparison", cheap + "eval o = box_ellipse |> evaluate(d) { metrics: [dice] }\ncompare c = [e, o]\nc", []string{"e − o  12 ", "wilcoxon, corrected by holm"}, nil, 0},
		{"a model", "box_fill\nsam_tiny(image: 32 px)", []string{"a baseline without parameters", "parameters ", "trainable "}, nil, 0},
		{"an expectation", cheap + "expect e.dice.mean >= 0.5", []string{"holds: e.dice.mean >= 0.5  (0.581433 >= 0.5)\n"}, nil, 0},
		{"one that fails is not kept", cheap + "expect e.dice.mean >= 0.9\n:list", []string{"eval"}, []string{"MSEG-5002", "found 0.581433 >= 0.9"}, 1},
		{"a missing file", `volumes("no/{case}.nrrd", mask: "no/{case}_m.nrrd") { modality: MRI, tasks: { 1: MRI_Liver } }` + "\n1 + 1", []string{"2\n"}, []string{"MSEG-5001", "--> entry 1:1:"}, 1},
		{"what only describes", "best_of_masks(0.5 * dice + bce)", []string{"best_of_masks(loss: 0.5 * dice + bce)\n"}, nil, 0},
		{":list", cheap + "use medsegdb (tree)\nparam n: int = 3\nfn f(x: number) = x\n:list", []string{"data   d ", "eval   e         box_fill |> evaluate(d)", "param  n         3", "use ", "fn "}, nil, 0},
		{":plan", strings.Replace(cheap, "dice", "iou", 1) + ":plan", []string{"cached  phantom  phantom", "run     e        evaluate", "4 stages, 1 to run"}, nil, 0},
		{":run", cheap + "expect e.n == 12\n:run", []string{"holds: e.n == 12", "4 stages done"}, nil, 0},
		{":help", ":help", []string{":save FILE.mseg", "?NAME"}, nil, 0},
		{"?name of a builtin", "?take", []string{"data |> take(part, by = patient, seed = 0) -> data", "share of the patients", "\n\nExample: "}, nil, 0},
		{"?name of two builtins", "?dice", []string{"dice -> metric", "dice -> loss"}, nil, 0},
		{"?name of the session", "param n: int = 3\n?n", []string{"param n: int = 3\n= 3\n"}, nil, 0},
		{"?kind", "?eval", []string{"Made by evaluate", "  - .assd (measure): "}, nil, 0},
		{"?word", "?axial", []string{"axial: axis, plane of slices", "\n  - a word for axis of slices"}, nil, 0},
		{"?task", "?CT_Liver", []string{"/torso/abdomen/liver"}, nil, 0},
		{"?slip", "?evaluat", nil, []string{"did you mean ?evaluate"}, 1},
		{"a command that does not exist", ":lst", nil, []string{"did you mean :list"}, 1},
		{"a command with too much", ":list x", nil, []string{":list takes nothing behind it"}, 1},
		{"a command with too little", ":load", nil, []string{":load needs a file"}, 1},
		{"nothing to save", ":save a.mseg", nil, []string{"nothing is bound"}, 1},
		{"quit", "1\n:quit\n2", []string{"1\n"}, nil, 0},
		{"the end inside a bracket", "1\n[2,", []string{"1\n"}, []string{`"[" is not closed`}, 1},
	}
	shared := t.TempDir() // the cheap data are made once
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := typeIn(t, shared, c.input)
			for _, w := range c.out {
				if !strings.Contains(got.out, w) {
					t.Errorf("output lacks %q:\n%s\n%s", w, got.out, got.err)
				}
			}
			for _, w := range c.err {
				if !strings.Contains(got.err, w) {
					t.Errorf("errors lack %q:\n%s", w, got.err)
				}
			}
			if c.err == nil && got.err != "" {
				t.Errorf("unexpected errors:\n%s", got.err)
			}
			if got.failed != c.failed {
				t.Errorf("%d entries failed, want %d:\n%s", got.failed, c.failed, got.err)
			}
			if strings.Contains(got.out+got.err, "\x1b") || strings.Contains(got.out, prompt) {
				t.Errorf("a pipe got prompts or escape codes: %q", got.out)
			}
		})
	}
}

func TestOnlyDependantsAreComputedAgain(t *testing.T) {
	got := typeIn(t, t.TempDir(), cheap+`e.dice.mean
eval o = box_ellipse |> evaluate(d) { metrics: [dice] }
o.dice.mean
eval e = box_fill |> evaluate(d) { metrics: [iou] }
e.iou.mean
o.dice.mean
`)
	var started []string
	for _, e := range got.events {
		if s, ok := strings.CutPrefix(e, "start "); ok {
			started = append(started, s)
		}
	}
	// e: data, predictions, measures; o: predictions, measures; e again: measures only; o again: nothing.
	if s := strings.Join(started, " "); s != "phantom d e e o o e" {
		t.Errorf("stages that ran: %s\n%s", s, got.err)
	}
}

// Definitions stay when what was computed with them fails: they passed the checker.
func TestDefinitionsSurviveAFailedComputation(t *testing.T) {
	var out, errs strings.Builder
	block := "param n: int = 3\nvolumes(\"no/{c}.nrrd\", mask: \"no/{c}_m.nrrd\") { modality: MRI, tasks: { 1: MRI_Liver } }"
	failed, err := Run(context.Background(), Config{Engine: engine.Config{Dir: t.TempDir()}, Input: &script1{entries: []string{block, "n"}}, Out: &out, Err: &errs})
	if err != nil || failed != 1 || out.String() != "3\n" {
		t.Errorf("%v, %d failed, answered %q\n%s", err, failed, out.String(), errs.String())
	}
}

// script1 is an Editor that gives whole entries, as a terminal does with pasted blocks.
type script1 struct {
	entries    []string
	remembered []string
	before     func(i int)
	width      int
	i          int
}

func (s *script1) Read(string, func(string) (int, []string)) (string, error) {
	if s.i >= len(s.entries) {
		return "", io.EOF
	}
	if s.before != nil {
		s.before(s.i)
	}
	s.i++
	if e := s.entries[s.i-1]; e != "^C" {
		return e, nil
	}
	return "", ErrInterrupt
}
func (s *script1) Remember(e string) error { s.remembered = append(s.remembered, e); return nil }
func (s *script1) Width() int              { return s.width }
func (s *script1) Close() error            { return nil }

func TestInterruptedInputIsForgotten(t *testing.T) {
	in := &script1{entries: []string{"[1,", "^C", "4"}}
	var out, errs strings.Builder
	if _, err := Run(context.Background(), Config{Engine: engine.Config{Dir: t.TempDir()}, Input: in, Out: &out, Err: &errs}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "4\n" || strings.Join(in.remembered, "|") != "4" {
		t.Errorf("answered %q, remembered %q\n%s", out.String(), in.remembered, errs.String())
	}
}

func TestSeveralLinesAreOneItem(t *testing.T) {
	in := &script1{entries: []string{"[1,", "2]", "param a: int = 1\nparam b: int = a + 1\n[a,\tb]"}}
	var out, errs strings.Builder
	if _, err := Run(context.Background(), Config{Engine: engine.Config{Dir: t.TempDir()}, Input: in, Out: &out, Err: &errs}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "[1, 2]\n[1, 2]\n" || len(in.remembered) != 2 || in.remembered[0] != "[1,\n2]" {
		t.Errorf("answered %q, remembered %q\n%s", out.String(), in.remembered, errs.String())
	}
}

func TestPanicDoesNotEndTheSession(t *testing.T) {
	var errs strings.Builder
	l := &Loop{Config: Config{Err: &errs}}
	l.guard(func() error { panic("out of order") })
	l.guard(func() error { return errors.New("late") })
	if l.failed != 2 || !strings.Contains(errs.String(), "internal fault: out of order") || !strings.Contains(errs.String(), "error: late") {
		t.Errorf("%d failed: %s", l.failed, errs.String())
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.mseg")
	got := typeIn(t, dir, "# the data\n"+cheap+"eval o = box_ellipse |> evaluate(d) # second\n"+`param bad: bool = 2 px
eval o = box_ellipse |> evaluate(d) { metrics: [dice] } # again
e.dice.mean
expect e.dice.mean >= 0.1
expect e.dice.mean >= 0.9
expect e.dice.mean >= 0.1
use medsegdb (tree)
compare c = [e, o]
:save `+path+"\n:save "+path+"\n:save! "+path+"\n:save x.txt\n")
	if got.failed != 4 || !strings.Contains(got.err, "exists; :save! ") || !strings.Contains(got.err, "has the ending .mseg") {
		t.Errorf("%d failed:\n%s", got.failed, got.err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, once := range []string{"mseg 1\n", "data d = phantom(", "\n  |> prep(", "eval o = ", "# again", "expect e.dice.mean >= 0.1\n", "use medsegdb (tree)\n"} {
		if strings.Count(text, once) != 1 {
			t.Errorf("%q stands %d times in\n%s", once, strings.Count(text, once), text)
		}
	}
	for _, never := range []string{"bad", "0.9", "# second"} {
		if strings.Contains(text, never) {
			t.Errorf("%q was saved:\n%s", never, text)
		}
	}
	l := script.Text(path, text, check.Options{})
	if l.Diags.HasErrors() {
		t.Fatalf("the saved script has mistakes: %v", l.Diags)
	}
	e, err := engine.New(engine.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	steps, err := e.Plan(l.Program, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if wants := s.Label != "o" && s.Label != "c"; s.Cached != wants {
			t.Errorf("stage %s (%s) cached: %t", s.Label, s.Op, s.Cached)
		}
	}
	again := typeIn(t, dir, ":load "+path+"\ne.dice.mean\n:save "+filepath.Join(dir, "t.mseg")+"\n")
	if again.failed != 0 || !strings.Contains(again.out, "0.581433\n") {
		t.Errorf("%d failed after :load\n%s", again.failed, again.err)
	}
	if c, err := os.ReadFile(filepath.Join(dir, "t.mseg")); err != nil || string(c) != text {
		t.Errorf("a loaded session is saved otherwise (%v):\n%s", err, c)
	}
}

func TestLoadedScriptWithMistakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.mseg")
	if err := os.WriteFile(path, []byte("param n: int = 3\ne.dice\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := typeIn(t, dir, ":load "+path+"\nn\n")
	if got.failed != 2 || !strings.Contains(got.err, "MSEG-0008") || !strings.Contains(got.err, "s.mseg:2:1") {
		t.Errorf("%d failed\n%s", got.failed, got.err)
	}
}

// Explanations are as wide as the screen, and say the same at every width.
func TestExplanationsAreAsWideAsTheScreen(t *testing.T) {
	answer := func(width int) string {
		var out, errs strings.Builder
		in := &script1{entries: []string{"?train", "?evaluate", "?axial", "?CT_Liver"}, width: width}
		if failed, err := Run(context.Background(), Config{Engine: engine.Config{Dir: t.TempDir()}, Input: in, Out: &out, Err: &errs}); err != nil || failed > 0 {
			t.Fatal(err, errs.String())
		}
		return out.String()
	}
	widest := func(text string) int { // of the lines that have a place to be broken at; examples are shown as they are written
		n := 0
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\n"); strings.Contains(strings.TrimLeft(line, " -"), " ") && !strings.Contains(line, "|>") {
				n = max(n, len([]rune(line)))
			}
		}
		return n
	}
	unbroken := strings.Join(strings.Fields(answer(10000)), " ")
	if n := widest(answer(10000)); n <= maxLine {
		t.Fatalf("the widest line has %d characters, so nothing is shown", n)
	}
	for width, most := range map[int]int{0: maxLine, 40: 40, 72: 72, 140: 140} {
		got := answer(width)
		if n := widest(got); n > most || n < most*3/4 {
			t.Errorf("at %d, the widest line has %d characters", width, n)
		}
		if words := strings.Join(strings.Fields(got), " "); words != unbroken {
			t.Errorf("at %d, other words are told", width)
		}
	}
}

func TestEveryBuiltinIsExplained(t *testing.T) {
	got := typeIn(t, t.TempDir(), "?"+strings.Join(names(), "\n?"))
	if got.failed != 0 {
		t.Errorf("%s", got.err)
	}
	if n := strings.Count(got.out, "\nExample: "); n < len(names()) {
		t.Errorf("%d examples for %d names", n, len(names()))
	}
}
