package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models/experts"
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
