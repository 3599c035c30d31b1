package engine

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
)

// experiment is a whole experiment in small: pre-training, fine-tuning, evaluation against baselines, comparison, gates and a report.
const experiment = `mseg 1
param epochs: int = 4
data shapes = phantom(patients: 8, slices: 1, size: 64 px, tasks: { 3: MRI_BrainWholeTumor, 1: MRI_Liver }, seed: 3)
  |> prep(percentile(0.5 % .. 99.5 %) |> slices(axis: axial) |> resize(32 px))
split parts = shapes |> by(patient, train: 50 %, val: 25 %, test: 25 %, seed: 1)
experts context = mixture(3, bottleneck: 4) { gate: soft(organ, task, modality, image) }
model base = sam_tiny(image: 32 px, seed: 2) |> adapt(context, train: [all]) |> train(parts.train, validate: parts.val) {
  optimizer: adamw(2e-3)
  prompt:    box(jitter: 0 px .. 2 px)
  epochs:    epochs
  batch:     4
  seed:      7
}
model tuned = base |> finetune(parts.train |> take(50 %), epochs: 1, rate: 1e-4, batch: 4, keep: last)
eval before = base |> evaluate(parts.test) { metrics: [dice, hd95(mm), nsd(2 mm)] }
eval after  = tuned |> evaluate(parts.test) { metrics: [dice, hd95(mm), nsd(2 mm)] }
eval fill   = box_fill |> evaluate(parts.test) { metrics: [dice, hd95(mm), nsd(2 mm)] }
compare gain = [after, before, fill] { metric: dice, test: paired_t }
report paper = [before, after, fill, gain, base.history, base |> gates(parts.test)] { title: "Small experiment", overlays: 3 }
expect before.n == after.n
expect fill.dice.mean > 0.3
`

// runAll runs a script and collects what happened.
func runAll(t *testing.T, e *Engine, events *[]Event, text string) (*ir.Program, *Outcome) {
	t.Helper()
	*events = nil
	p := checked(t, text)
	out, err := e.Run(t.Context(), p, text)
	if err != nil {
		t.Fatal(err)
	}
	return p, out
}

func valueOf[T any](t *testing.T, e *Engine, p *ir.Program, name string) T {
	t.Helper()
	b, ok := p.Lookup(name)
	if !ok {
		t.Fatalf("nothing is called %s", name)
	}
	v, err := e.Value(t.Context(), b.Value.(*ir.Node))
	if err != nil {
		t.Fatal(err)
	}
	x, ok := v.(T)
	if !ok {
		t.Fatalf("%s is a %T", name, v)
	}
	return x
}

// started lists the stages that were computed, as op label.
func started(events []Event) []string {
	var out []string
	for _, ev := range events {
		if ev.Kind == "start" {
			out = append(out, ev.Op+" "+ev.Stage)
		}
	}
	slices.Sort(out)
	return out
}

func TestAnExperimentFromScriptToReport(t *testing.T) {
	dir := t.TempDir()
	var events []Event
	e := newEngine(t, Config{Dir: dir, Events: func(ev Event) { events = append(events, ev) }})
	p, out := runAll(t, e, &events, experiment)

	for _, x := range out.Expects {
		if !x.Holds {
			t.Errorf("%s: %s", x.Expect.Text, x.Found)
		}
	}
	base := valueOf[*Model](t, e, p, "base")
	h := base.History
	if len(h) != 4 || !(h[3].Loss < h[0].Loss) {
		t.Errorf("the loss did not fall: %+v", h)
	}
	best := 0
	for i, r := range h {
		if r.Dice == nil || *r.Dice < 0 || *r.Dice > 1 {
			t.Fatalf("epoch %d has no validation Dice", r.Epoch)
		}
		if *r.Dice > *h[best].Dice {
			best = i
		}
	}
	if base.BestEpoch != best+1 {
		t.Errorf("epoch %d was kept, the best is %d: %+v", base.BestEpoch, best+1, h)
	}

	s := valueOf[*Split](t, e, p, "parts")
	all := slices.Concat(s.Parts["train"].Patients(), s.Parts["val"].Patients(), s.Parts["test"].Patients())
	if len(all) != 8 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 8 {
		t.Errorf("8 patients were divided into %v", all)
	}
	if !slices.Equal(base.TrainedOn, s.Parts["train"].Patients()) || !slices.Equal(base.ChosenOn, s.Parts["val"].Patients()) {
		t.Errorf("trained on %v, chosen on %v", base.TrainedOn, base.ChosenOn)
	}
	tuned := valueOf[*Model](t, e, p, "tuned")
	if len(tuned.History) != 1 || slices.Equal(weightsOf(t, e, p, "tuned"), weightsOf(t, e, p, "base")) {
		t.Error("fine-tuning changed nothing")
	}

	before, fill := valueOf[*Scores](t, e, p, "before"), valueOf[*Scores](t, e, p, "fill")
	if len(before.Rows) != 4 || len(before.Metrics) != 3 { // 2 patients × 1 slice × 2 tasks
		t.Errorf("%d rows of %v", len(before.Rows), before.Metrics)
	}
	for _, r := range fill.Rows {
		if d := r.Value(0); !(d > 0 && d <= 1) {
			t.Errorf("%s: Dice of the box is %g", r.Sample, d)
		}
	}
	gain := valueOf[*Comparison](t, e, p, "gain")
	if len(gain.Pairs) != 2 || gain.Pairs[0].N != 4 || !(math.Abs(gain.Pairs[0].Mean-(gain.Pairs[0].First-gain.Pairs[0].Second)) <= 1e-9) {
		t.Errorf("comparison %+v", gain)
	}

	page, err := os.ReadFile(out.Reports[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<title>Small experiment</title>", "Results", "By task", "MRI_Liver", "Comparison", "Training of base", "Experts of base", "GENERATED",
		"does not beat|is better than|is worse than", "data:image/png", "<svg", "sam_tiny"} {
		if !slices.ContainsFunc(strings.Split(want, "|"), func(s string) bool { return strings.Contains(string(page), s) }) {
			t.Errorf("the report does not say %q", want)
		}
	}
	text := regexp.MustCompile(`base64,[^"]*`).ReplaceAllString(string(page), "") // pictures may hold any letters
	for _, wrong := range []string{"<script src", "<link", "https://fonts", "NaN", dir} {
		if strings.Contains(text, wrong) {
			t.Errorf("the report holds %q", wrong)
		}
	}
	for _, name := range []string{"before-overall.csv", "before-overall.json", "before-task.csv", "gain-differences.csv", "after-images.csv", "fill-images.json"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(out.Reports[0]), name))
		if err != nil || len(b) == 0 {
			t.Errorf("%s beside the report: %v", name, err)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(b) {
			t.Errorf("%s is no JSON", name)
		}
	}

	t.Run("gates", func(t *testing.T) {
		var f Figure
		readArtefact(t, e, "gates", "gates.json", &f)
		if !slices.Equal(f.Tasks, []string{"MRI_BrainWholeTumor", "MRI_Liver"}) || len(f.Gates) != len(f.Blocks) || len(f.Blocks) == 0 {
			t.Fatalf("tasks %v, %d blocks of %v", f.Tasks, len(f.Gates), f.Blocks)
		}
		for _, block := range f.Gates {
			for _, weights := range block {
				sum := 0.0
				for _, w := range weights {
					sum += w
				}
				if len(weights) != 3 || !(math.Abs(sum-1) <= 1e-5) {
					t.Errorf("gate weights %v do not add up to 1", weights)
				}
			}
		}
	})

	t.Run("a second run computes nothing", func(t *testing.T) {
		again := newEngine(t, Config{Dir: dir, Store: e.store.Root(), Events: func(ev Event) { events = append(events, ev) }})
		_, second := runAll(t, again, &events, experiment)
		if s := started(events); len(s) > 0 {
			t.Errorf("computed again: %v", s)
		}
		if !slices.Equal(second.Reports, out.Reports) {
			t.Errorf("reports %v, first %v", second.Reports, out.Reports)
		}
		for _, s := range second.Steps {
			if !s.Cached {
				t.Errorf("%s %s is planned: %s", s.Op, s.Label, s.Why)
			}
		}
	})

	t.Run("what a change runs again", func(t *testing.T) {
		for name, c := range map[string]struct {
			from, to string
			want     []string
		}{
			"metric of one eval": {"eval fill   = box_fill |> evaluate(parts.test) { metrics: [dice, hd95(mm), nsd(2 mm)] }", "eval fill   = box_fill |> evaluate(parts.test) { metrics: [dice, iou] }",
				[]string{"compare gain", "evaluate fill", "report paper"}},
			"test of the comparison": {"test: paired_t", "test: wilcoxon", []string{"compare gain", "report paper"}},
			"rate of the fine-tuning": {"rate: 1e-4", "rate: 2e-4",
				[]string{"compare gain", "evaluate after", "finetune tuned", "predict after", "report paper"}},
			"title":   {"Small experiment", "Smaller experiment", []string{"report paper"}},
			"nothing": {"metrics: [dice, hd95(mm), nsd(2 mm)] }", "metrics: [dice, hd95( mm ), nsd(0.2 cm)] } # the same", []string{"report paper"}},
		} {
			t.Run(name, func(t *testing.T) {
				text := strings.Replace(experiment, c.from, c.to, 1)
				if text == experiment {
					t.Fatal("nothing was changed")
				}
				other := newEngine(t, Config{Dir: dir, Store: e.store.Root(), Events: func(ev Event) { events = append(events, ev) }})
				runAll(t, other, &events, text)
				if got := started(events); !slices.Equal(got, c.want) {
					t.Errorf("computed %v, expected %v", got, c.want)
				}
			})
		}
	})

	t.Run("another store gives the same numbers", func(t *testing.T) {
		other := newEngine(t, Config{})
		runAll(t, other, &events, experiment)
		a, b := contents(t, e.store), contents(t, other.store)
		for key, files := range b {
			if !maps.Equal(files, a[key]) {
				t.Errorf("artefact %s holds %v, in the first store %v", key, files, a[key])
			}
		}
		if len(b) < 12 {
			t.Errorf("only %d artefacts", len(b))
		}
	})
}

func weightsOf(t *testing.T, e *Engine, p *ir.Program, name string) []byte {
	t.Helper()
	b, _ := p.Lookup(name)
	a, err := e.store.Get(e.Key(b.Value.(*ir.Node)))
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.ReadFile(a.Path("weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// readArtefact reads a file of the first artefact of an operation.
func readArtefact(t *testing.T, e *Engine, op, name string, into any) {
	t.Helper()
	keys, err := e.store.Keys()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		a, err := e.store.Get(k)
		if err != nil {
			t.Fatal(err)
		}
		if a.Op == op {
			if err := a.ReadJSON(name, into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("there is no artefact of %s", op)
}

// contents are the checksums of all files of a store by identity; pages are left out, since they say how long a training took.
func contents(t *testing.T, s *store.Store) map[string]map[string]string {
	t.Helper()
	keys, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for _, k := range keys {
		a, err := s.Get(k)
		if err != nil {
			t.Fatal(err)
		}
		out[k] = map[string]string{}
		for name, f := range a.Files {
			if name != "index.html" {
				out[k][name] = f.SHA256
			}
		}
	}
	return out
}
