package engine

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/image"
)

const routesScript = `use medsegdb (tree)
taxonomy atlas = tree |> extend { /torso/abdomen/stomach: [StomachCancer] }
experts hard = route(atlas) {
  /torso/abdomen:       expert(bottleneck: 8)
  /torso/abdomen/liver: expert(bottleneck: 8, init: /torso/chest)
  /torso/chest:         expert(bottleneck: 8, init: /torso/abdomen)
  else:                 shared
}
experts mixed = route(atlas) {
  /torso/abdomen:       mixture(3, bottleneck: 4) { gate: top(2, balance: 0.5) }
  /torso/abdomen/liver: expert(bottleneck: 8)
  else:                 mixture(2, bottleneck: 6)
}
data odd = phantom(modality: CT, tasks: { 1: unplaced("CT_Odd") })
model m  = sam_tiny(image: 32 px, patch: 8 px) |> adapt(hard)
`

// inUse is an engine that has a program in use.
func inUse(t *testing.T, text string) (*Engine, *ir.Program) {
	t.Helper()
	e, p := newEngine(t, Config{}), checked(t, text)
	e.Use(p, text)
	return e, p
}

func bound(t *testing.T, p *ir.Program, name string) *ir.Node {
	t.Helper()
	b, ok := p.Lookup(name)
	if !ok {
		t.Fatalf("%s is not bound", name)
	}
	return b.Value.(*ir.Node)
}

func TestRoutesOfEveryExpertsValue(t *testing.T) {
	e, p := inUse(t, routesScript+"model n = sam_tiny() |> adapt(mixture(4) { gate: top(1) })\n")
	tables := e.Routes(p)
	var got []string
	for _, x := range tables {
		for _, r := range x.Routes {
			got = append(got, strings.Join([]string{x.Name, r.path(len(x.Routes)), r.numbers(), r.how()}, " | "))
		}
	}
	want := []string{
		"hard | /torso/abdomen | expert 0 | alone",
		"hard | /torso/abdomen/liver | expert 1 | alone, starts as /torso/chest",
		"hard | /torso/chest | expert 2 | alone, starts as /torso/abdomen",
		"hard | else | expert 3 | alone",
		"mixed | /torso/abdomen | experts 0–2 | the best 2 of 3 by organ, task, modality, image",
		"mixed | /torso/abdomen/liver | expert 3 | alone",
		"mixed | else | experts 4–5 | all, weighted by organ, task, modality, image",
		"of n | all tasks | experts 0–3 | the best 1 of 4 by organ, task, modality, image",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	mixed := tables[1].Routes
	if !slices.Equal(mixed[1].Tasks, []string{"Liver", "LiverCancer"}) || !slices.Contains(mixed[0].Tasks, "StomachCancer") || !slices.Contains(mixed[2].Tasks, "CT_Odd") || slices.Contains(mixed[0].Tasks, "Liver") {
		t.Errorf("tasks are divided as %v", mixed)
	}
	n := 0
	for _, r := range mixed {
		n += len(r.Tasks)
	}
	if n != 113 {
		t.Errorf("%d tasks have experts, want each of 113 once", n)
	}
}

func TestGroupsOfARouteWithMixtures(t *testing.T) {
	e, p := inUse(t, routesScript)
	c, balance, err := e.expertsOf(bound(t, p, "mixed"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(1); err != nil {
		t.Fatal(err)
	}
	if c.Gate == experts.Route || c.Groups == nil || c.Experts != 6 || balance != 0.5 || !slices.Equal(c.Widths, []int{4, 4, 4, 8, 6, 6}) ||
		!slices.Equal(c.Groups.Sizes, []int{3, 1, 2}) || !slices.Equal(c.Groups.Top, []int{2, 0, 0}) {
		t.Errorf("%+v, balance %g", c, balance)
	}
	for task, want := range map[string]int{"CT_Spleen": 0, "CT_Liver": 1, "CT_LeftLung": 2} {
		at, ok := e.tree.Lookup(task)
		if !ok || c.Groups.Of[at.Rows[3]] != want {
			t.Errorf("%s has group %d, want %d", task, c.Groups.Of[at.Rows[3]], want)
		}
	}
	at, _ := e.tree.Lookup("CT_StomachCancer")
	if c.Groups.Of[c.Taxonomy.Tasks] != 2 || len(c.Groups.Of) != c.Taxonomy.Tasks+2 || c.Groups.Of[at.TaskID()] != 0 {
		t.Errorf("tasks outside the tree have group %d, the added one %d", c.Groups.Of[c.Taxonomy.Tasks], c.Groups.Of[at.TaskID()])
	}
}

// Experts with init have the first values of the expert they start from, through others if need be; the rest have their own.
func TestExpertsStartAsOthers(t *testing.T) {
	e, p := inUse(t, routesScript)
	v, err := e.Value(t.Context(), bound(t, p, "m"))
	if err != nil {
		t.Fatal(err)
	}
	params, err := v.(*Model).Params()
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for _, name := range params.Names() {
		head, found := strings.CutSuffix(name, ".adapter_down.0.weight")
		if !found {
			continue
		}
		blocks++
		data := func(expert string) []float32 {
			x, ok := params.Get(head + ".adapter_down." + expert + ".weight")
			if !ok {
				t.Fatalf("no expert %s", expert)
			}
			return x.Data
		}
		if !slices.Equal(data("1"), data("0")) || !slices.Equal(data("2"), data("0")) {
			t.Error("an expert does not start as the one of its init")
		}
		if slices.Equal(data("3")[:8], data("0")[:8]) {
			t.Error("the shared expert starts as another one")
		}
	}
	if blocks == 0 {
		t.Error("no block has experts")
	}
}

const blocksScript = `use medsegdb (tree)
fn gated(x: features, width: int = 2) -> features = x * sigmoid(linear(gelu(linear(x, width)), 1))
fn double(x: features) -> features = 2 * x
experts mixed = route(tree) {
  /torso/abdomen:       mixture(2, block: gated(width: 3), dropout: 0)
  /torso/abdomen/liver: expert(block: double)
  /torso/chest:         expert(block: gated, init: /skeleton)
  /skeleton:            expert(block: gated)
  else:                 expert(bottleneck: 4)
}
experts plain = route(tree) { /torso/abdomen: expert(block: double), else: expert(bottleneck: 4) }
model m = sam_tiny(image: 32 px) |> adapt(mixed)
model n = unet(image: 16 px, base: 4, depth: 2) |> adapt(plain, train: [all])
data d  = phantom(patients: 2, slices: 1, size: 64 px, lesions: 1, modality: CT, tasks: { 1: CT_Liver }) |> prep(percentile(0 % .. 100 %) |> resize(16 px))
model t = n |> train(d, loss: dice + bce, epochs: 1, batch: 2)
eval e  = t |> evaluate(d)
`

// Experts of a route may have a form of their own, beside bottlenecks and within mixtures; each has its own weights, or those of the expert of its init.
func TestRouteOfBlocks(t *testing.T) {
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	p, _ := runAll(t, e, &events, blocksScript)
	c, _, err := e.expertsOf(bound(t, p, "mixed"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Experts != 6 || c.Groups == nil || c.Form == "" {
		t.Errorf("%+v", c)
	}
	for i := range 6 {
		if own := c.Block(i) != nil; own != (i < 5) {
			t.Errorf("expert %d has a block: %t", i, own)
		}
	}
	params, err := valueOf[*Model](t, e, p, "m").Params()
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) []float32 {
		x, ok := params.Get("image_encoder.blocks.0.mlp." + name)
		if !ok {
			t.Fatalf("no %s among %v", name, params.Names())
		}
		return x.Data
	}
	if !slices.Equal(value("adapter_block.3.linear.0.weight"), value("adapter_block.4.linear.0.weight")) {
		t.Error("an expert does not start as the one of its init")
	}
	if slices.Equal(value("adapter_block.0.linear.0.weight"), value("adapter_block.1.linear.0.weight")) {
		t.Error("two experts of a mixture start alike")
	}
	if len(value("adapter_down.5.weight")) != 4*96 {
		t.Error("the bottleneck has another size")
	}
	for _, name := range params.Names() {
		if strings.Contains(name, "adapter_block.2.") || strings.Contains(name, "adapter_down.0.") {
			t.Errorf("there is a %s", name)
		}
	}

	// Tasks of the liver get twice what the encoder has, scaled by 0.1; those of no listed path get what a bottleneck starts with, nothing.
	a, b := valueOf[*Model](t, e, p, "n"), *valueOf[*Model](t, e, p, "n")
	answer := func(m *Model, task string) []float32 {
		tr := &Trace{e, m}
		in, out := filepath.Join(t.TempDir(), "in.npz"), filepath.Join(t.TempDir(), "out.npz")
		pixels := make([]float32, 16*16*3)
		for i := range pixels {
			pixels[i] = float32(i % 200)
		}
		if err := image.WriteNPZ(in, map[string]*image.Array{"image": image.NewArray(pixels, 16, 16, 3), "box": image.NewArray([]float32{2, 2, 9, 9}, 4)}); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Run(t.Context(), in, out, "down.0.*", []string{task}); err != nil {
			t.Fatal(err)
		}
		return readArrays(t, out)["down.0.out"].Float32()
	}
	liver, lung := answer(a, "CT_Liver"), answer(&b, "CT_LeftLung")
	for i, v := range liver {
		if want := 1.2 * lung[i]; v < want-1e-4 || v > want+1e-4 {
			t.Fatalf("value %d: %g for the liver, %g for the lung", i, v, lung[i])
		}
	}
	if valueOf[*Scores](t, e, p, "e") == nil {
		t.Error("no scores")
	}
}
