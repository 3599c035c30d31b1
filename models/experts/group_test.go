package experts_test

import (
	"context"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// grouped: one expert for the tasks 0 and 3, two others for the rest.
func grouped() experts.Config {
	return with(func(c *experts.Config) {
		c.Groups = &experts.Groups{Sizes: []int{1, 2}, Top: []int{0, 0}, Of: []int{0, 1, 1, 0, 1, 1}}
	})
}

func TestTasksSeeTheExpertsOfTheirGroup(t *testing.T) {
	c := grouped()
	_, gate := call(t, c, random(t, c, 61), values(67, 0, 0, 0, 3, 0, 0, 0, 1))
	near(t, "a group of one", gate[:3], []float64{1, 0, 0}, 0)
	if gate[3] != 0 || gate[4] <= 0.01 || gate[5] <= 0.01 || gate[4] == gate[5] {
		t.Errorf("a group of two has the weights %v, expected 0 and two others", gate[3:])
	}
	near(t, "their sum", []float32{gate[4] + gate[5]}, []float64{1}, 1e-6)
	_, gate = call(t, c, random(t, c, 61), values(67, 0, 0, 0, 99, 0, 0, 0, 0))
	if gate[0] != 0 {
		t.Errorf("a task outside the taxonomy has the weights %v, expected those of the last group", gate[:3])
	}
}

// Tasks that have a place and no row in the embeddings have rows of their own in routes, and the spare one in embeddings.
func TestAddedTasksAreRouted(t *testing.T) {
	c := routed()
	c.Table = append(c.Table, []float64{1, 0, 0}, []float64{0, 1, 0})
	_, gate := call(t, c, random(t, c, 43), values(47, 0, 0, 0, 6, 0, 0, 0, 7))
	near(t, "a fixed route", gate, []float64{1, 0, 0, 0, 1, 0}, 0)
	_, gate = call(t, c, random(t, c, 43), values(47, 0, 0, 0, 8, 0, 0, 0, -1))
	near(t, "tasks it does not know", gate, []float64{0, 0, 1, 0, 0, 1}, 0)

	c = grouped()
	c.Groups.Of = append(c.Groups.Of, 0, 1)
	_, gate = call(t, c, random(t, c, 61), values(67, 0, 0, 0, 6, 0, 0, 0, 7))
	near(t, "a group of one", gate[:4], []float64{1, 0, 0, 0}, 0)
	_, spare := call(t, c, random(t, c, 61), values(67, 0, 0, 0, 5, 0, 0, 0, 5))
	near(t, "the gate of the second group, which reads the spare row", gate[3:], widen(spare[3:]), 1e-6)
}

// A group is the mixture it would be alone: the same gate, weights and output, whatever stands beside it.
func TestAGroupIsAMixtureOfItsOwn(t *testing.T) {
	for _, top := range []int{0, 1} {
		c := grouped()
		c.Groups.Top = []int{0, top}
		params := random(t, c, 71)
		inputs := values(73, 0, 1, 2, 1, 1, 2, 3, 4) // tasks 1 and 4, both of the group of two
		out, gate := call(t, c, params, inputs)

		alone := with(func(c *experts.Config) { c.Experts, c.Top = 2, top })
		own := random(t, alone, 1)
		for _, name := range own.Names() {
			from := name
			for _, part := range []string{"mlp.adapter_down.", "mlp.adapter_up."} {
				if len(name) > len(part) && name[:len(part)] == part {
					from = part + string(name[len(part)]+1) + name[len(part)+1:] // expert 0 is expert 1 of the whole
				}
			}
			value, ok := params.Get(from)
			if !ok {
				t.Fatalf("no parameter %s", from)
			}
			switch name {
			case "mlp.adapter_gate.weight": // (E,n): the rows of the group
				value = &graph.Tensor{Dims: []int{2, value.Dims[1]}, Data: value.Data[value.Dims[1]:]}
			case "mlp.adapter_gate.bias":
				value = &graph.Tensor{Dims: []int{2}, Data: value.Data[1:]}
			}
			if err := own.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		wantOut, wantGate := call(t, alone, own, inputs)
		near(t, "output", out, widen(wantOut), 1e-5)
		near(t, "weights", []float32{gate[1], gate[2], gate[4], gate[5]}, widen(wantGate), 1e-6)
		if top == 1 && gate[1]*gate[2] != 0 {
			t.Errorf("top 1 keeps the weights %v", gate)
		}
	}
}

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// Balance counts within groups: what another group does to its experts, and how many images it has, does not make a group uneven.
func TestBalanceWithinGroups(t *testing.T) {
	cfg := with(func(c *experts.Config) {
		c.Experts = 5
		c.Groups = &experts.Groups{Sizes: []int{1, 2, 2}, Top: []int{0, 1, 0}, Of: make([]int, 6)}
	})
	all := []float32{1, 1, 1, 1}
	for _, c := range []struct {
		name    string
		gates   []float32 // (4,5)
		weights []float32 // (4)
		want    float64
	}{
		{"even in the group", []float32{0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0}, all, 0},
		{"all to one of the group", []float32{0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0}, all, 0.5},
		{"no image of the group", []float32{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0}, all, 0},
		{"a group without top", []float32{0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}, all, 0},
		{"fillers of the group", []float32{0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0}, []float32{1, 1, 0, 0}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := backend(t)
			p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(4, 5), graph.F32(4)},
				func(_ *graph.Scope, in []*gx.Node) []*gx.Node { return []*gx.Node{cfg.Balance(in[:1], in[1])} })
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			placed := b.Place(graph.NewParams())
			defer placed.Free()
			r, err := p.Call(context.Background(), placed, 1, graph.Floats(c.gates, 4, 5), graph.Floats(c.weights, 4))
			if err != nil {
				t.Fatal(err)
			}
			near(t, "balance", r.Outputs[0].Data, []float64{c.want}, 1e-5)
		})
	}
}
