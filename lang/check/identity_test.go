package check_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

const experiment = `mseg 1
param rate: number = 1e-3
data brain = volumes("r/{case}_image.nrrd", mask: "r/{case}_label.nrrd") { modality: MRI, tasks: { 1: MRI_BrainWholeTumor, 2: MRI_BrainCoreTumor } }
prep plane = percentile(0.5 % .. 99.5 %) |> slices(axis: axial, min_area: 10 px) |> crop(margin: 20 mm) |> resize(64 px)
split parts = brain |> where(case != "brain9") |> prep(plane) |> by(patient, train: 60 %, val: 20 %, test: 20 %, seed: 7)
model m = sam_tiny(image: 64 px) |> adapt(mixture(4, bottleneck: 16), train: [experts, decoder]) |> train(parts.train, validate: parts.val) { loss: dice + 2 * bce, optimizer: adamw(rate), epochs: 5 }
eval e = m |> evaluate(parts.test) { metrics: [dice, nsd(2 mm)], batch: 4 }
report page = [e] { title: "A" }
`

// identities are the hashes of a script's bindings in the order of a list of names.
func identities(t *testing.T, text string, names ...string) []string {
	t.Helper()
	p, diags := read("identity.mseg", text)
	for _, d := range diags {
		t.Fatalf("%v | %s", d, d.Help)
	}
	h := ir.NewHasher(nil)
	var out []string
	for _, n := range names {
		b, ok := p.Lookup(n)
		if !ok {
			t.Fatalf("%s is not bound", n)
		}
		out = append(out, h.Hash(b.Value))
	}
	return out
}

func replaced(t *testing.T, pairs ...string) string {
	t.Helper()
	out := experiment
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(out, pairs[i]) == 0 {
			t.Fatalf("the experiment has no %q", pairs[i])
		}
		out = strings.ReplaceAll(out, pairs[i], pairs[i+1])
	}
	return out
}

// A parameter that may be left out changes no identity: without it the call means what is written without the argument, with it what is written with it.
func TestLeftOutIsNotGiven(t *testing.T) {
	got := identities(t, `
fn fit(m: model, d: data, n: int?, s: sampling?, c: number?) -> model = m |> train(d, epochs: n, sampling: s, clip: c, seed: 1)
fn passed(m: model, d: data, n: int?, s: sampling?) -> model = m |> fit(d, n, s)
data d = phantom() |> prep(percentile(0 % .. 100 %) |> slices() |> resize(64 px))
model a = vit(box: false) |> train(d, seed: 1)
model b = vit(box: false) |> fit(d)
model c = vit(box: false) |> passed(d)
model e = vit(box: false) |> train(d, epochs: 3, sampling: patches(), seed: 1)
model f = vit(box: false) |> passed(d, 3, patches())
model g = vit(box: false) |> fit(d, 3, patches(), 12)
`, "a", "b", "c", "e", "f", "g")
	if got[0] != got[1] || got[0] != got[2] {
		t.Errorf("not given %s, left out %s, left out twice %s", got[0], got[1], got[2])
	}
	if got[3] != got[4] || got[3] == got[0] || got[5] == got[3] {
		t.Errorf("written %s, passed on %s, with one more %s", got[3], got[4], got[5])
	}
}

func TestWhatDoesNotChangeMeaningKeepsIdentity(t *testing.T) {
	want := identities(t, experiment, "m", "e", "page")
	lines := strings.Split(strings.TrimSpace(experiment), "\n")
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	for _, c := range []struct {
		name, text string
	}{
		{"comments and blank lines", "# head\n\n" + strings.ReplaceAll(experiment, "\n", " # why\n\n  # and\n")},
		{"white space", strings.NewReplacer(" |> ", "\n\t|>   ", ", ", " ,  ", " = ", "=", "(", "( ", "1 px", "1px").Replace(experiment)},
		{"CRLF", strings.ReplaceAll(experiment, "\n", "\r\n")},
		{"names of values", replaced(t, "plane", "flat", "parts", "sides", "brain =", "skull =", "= brain", "= skull", "rate", "step", "adamw(step)", "adamw(rate: step)")},
		{"order of statements", strings.Join(lines, "\n")},
		{"order of named arguments", replaced(t, "train: 60 %, val: 20 %, test: 20 %, seed: 7", "seed: 7, test: 20 %, train: 60 %, val: 20 %", "axis: axial, min_area: 10 px", "min_area: 10 px, axis: axial")},
		{"order of a map", replaced(t, "1: MRI_BrainWholeTumor, 2: MRI_BrainCoreTumor", "2: MRI_BrainCoreTumor, 1: MRI_BrainWholeTumor")},
		{"positional or named", replaced(t, "resize(64 px)", "resize(size: 64 px)", "mixture(4, ", "mixture(count: 4, ")},
		{"block or parentheses", replaced(t, "{ metrics: [dice, nsd(2 mm)], batch: 4 }", "", "evaluate(parts.test)", "evaluate(parts.test, metrics: [dice, nsd(2 mm)], batch: 4)")},
		{"call or pipe", replaced(t, "brain |> where(case != \"brain9\")", "where(brain, case != \"brain9\")")},
		{"millimetres or centimetres", replaced(t, "margin: 20 mm", "margin: 2 cm", "nsd(2 mm)", "nsd(0.2 cm)")},
		{"epochs with their unit", replaced(t, "epochs: 5", "epochs: 5 epochs")},
		{"spelling of numbers", replaced(t, "1e-3", "0.001", "64 px", "64.0 px")},
		{"a default written out", replaced(t, "adamw(rate)", "adamw(rate, weight_decay: 0.01, schedule: constant)")},
		{"a value given a name", replaced(t, "resize(64 px)", "resize(side)") + "param side: number = 64 px\n"},
		{"a step made a fn", replaced(t, "|> adapt(mixture(4, bottleneck: 16), train: [experts, decoder])", "|> bend(4)") +
			"fn bend(x: model, n: int) -> model = x |> adapt(mixture(n, bottleneck: 16), train: [experts, decoder])\n"},
		{"what cannot change the result", replaced(t, "batch: 4", "batch: 64", `"A"`, `"B"`)},
		{"the factor on the other side", replaced(t, "2 * bce", "bce * 2")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := identities(t, c.text, "m", "e", "page")
			for i, n := range []string{"m", "e", "page"} {
				if got[i] != want[i] {
					t.Errorf("%s has another identity", n)
				}
			}
		})
	}
}

func TestWhatChangesMeaningChangesIdentity(t *testing.T) {
	seen := map[string]string{identities(t, experiment, "e")[0]: "as it was"}
	for _, c := range [][]string{
		{"1e-3", "2e-3"}, {"64 px", "96 px"}, {"99.5 %", "99 %"}, {"axial", "coronal"}, {"10 px", "11 px"}, {"20 mm", "20.5 mm"},
		{"60 %, val: 20 %", "50 %, val: 30 %"}, {"seed: 7", "seed: 8"}, {"mixture(4", "mixture(5"}, {"[experts, decoder]", "[decoder]"}, {"[experts, decoder]", "[decoder, experts]"},
		{"2 * bce", "3 * bce"}, {"dice + 2 * bce", "2 * bce + dice"}, {"epochs: 5", "epochs: 6"}, {"nsd(2 mm)", "nsd(2 px)"}, {"[dice, nsd(2 mm)]", "[dice]"},
		{"brain9", "brain8"}, {"!=", "=="}, {"parts.test", "parts.val"}, {"r/{case}_image", "q/{case}_image"}, {"1: MRI_BrainWholeTumor", "3: MRI_BrainWholeTumor"},
		{"2: MRI_BrainCoreTumor", "2: MRI_BrainEnhancingTumor"}, {", validate: parts.val", ""},
	} {
		got := identities(t, replaced(t, c...), "e")[0]
		if other, ok := seen[got]; ok {
			t.Errorf("%v gives the same identity as %s", c, other)
		}
		seen[got] = strings.Join(c, " → ")
	}
}

// A change keeps the identity of everything that does not depend on it.
func TestOnlyWhatDependsOnAChangeChanges(t *testing.T) {
	before := identities(t, experiment, "brain", "parts", "m", "e", "page")
	for _, c := range []struct {
		from, to string
		changed  string
	}{
		{"nsd(2 mm)", "nsd(3 mm)", "e page"},
		{"epochs: 5", "epochs: 6", "m e page"},
		{"seed: 7", "seed: 8", "parts m e page"},
		{`"A"`, `"B"`, ""},
	} {
		after := identities(t, replaced(t, c.from, c.to), "brain", "parts", "m", "e", "page")
		var changed []string
		for i, n := range []string{"brain", "parts", "m", "e", "page"} {
			if before[i] != after[i] {
				changed = append(changed, n)
			}
		}
		if got := strings.Join(changed, " "); got != c.changed {
			t.Errorf("%s → %s changed %q, want %q", c.from, c.to, got, c.changed)
		}
	}
}

// The example's identities survive the loss of all its comments and a change of all its indentation.
func TestExampleKeepsIdentityWithoutTrivia(t *testing.T) {
	b, err := os.ReadFile("../../examples/first.mseg")
	if err != nil {
		t.Fatal(err)
	}
	f := source.New("first.mseg", string(b))
	var bare strings.Builder
	at := 0
	for _, k := range syntax.Lex(f, nil) {
		if k.Type != syntax.Newline && k.Start > at {
			bare.WriteString("   ")
		}
		if k.Type != syntax.Comment {
			bare.WriteString(k.Text)
		}
		at = k.End
	}
	p, _ := read("first.mseg", string(b))
	var names []string
	for _, x := range p.Bindings {
		names = append(names, x.Name)
	}
	want, got := identities(t, string(b), names...), identities(t, bare.String(), names...)
	for i := range names {
		if want[i] != got[i] {
			t.Errorf("%s changed", names[i])
		}
	}
}

func TestQuantitiesAreOneValueInEveryUnit(t *testing.T) {
	h := ir.NewHasher(nil)
	for _, c := range []struct {
		a, b ir.Value
		same bool
	}{
		{ir.Number{V: 1, Unit: "cm"}, ir.Number{V: 10, Unit: "mm"}, true},
		{ir.Number{V: 2, Unit: "min"}, ir.Number{V: 120, Unit: "s"}, true},
		{ir.Range{Lo: 1, Hi: 2, Unit: "cm"}, ir.Range{Lo: 10, Hi: 20, Unit: "mm"}, true},
		{ir.Number{V: 1, Unit: "px"}, ir.Number{V: 1, Unit: "mm"}, false},
		{ir.Number{V: 1}, ir.Number{V: 1, Unit: "mm"}, false},
	} {
		if (h.Hash(c.a) == h.Hash(c.b)) != c.same {
			t.Errorf("%v and %v: same identity is %t, want %t", c.a, c.b, !c.same, c.same)
		}
	}
}
