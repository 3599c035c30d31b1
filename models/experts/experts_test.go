package experts_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/ops/graph"
)

// A small mixture on a grid of 2×3 tokens of width 5, for a batch of 2.
const batch, rows, cols, width = 2, 2, 3, 5

func small() experts.Config {
	return experts.Config{
		Experts: 3, Bottleneck: 2, Embedding: 2, Scale: 0.1,
		Taxonomy: experts.Taxonomy{Modalities: 3, Levels: []int{2, 3, 4}, Tasks: 5},
	}
}

func with(change func(c *experts.Config)) experts.Config {
	c := small()
	change(&c)
	return c
}

// shapes: tokens, MLP output, modality, organ.
var shapes = []graph.Shape{
	graph.F32(batch, rows, cols, width), graph.F32(batch, rows, cols, width), graph.I32(batch), graph.I32(batch, 4),
}

// build adapts one block and answers the tokens and the weights.
func build(c experts.Config) graph.Build {
	return func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		box := gx.Slice(in[0], gx.AxisRange(), gx.AxisElem(0), gx.AxisElem(0), gx.AxisRange(0, 4)) // only its type is read
		context := c.Look(s, graph.Inputs{Box: box, Modality: in[2], Organ: in[3]})
		out, gate := c.Adapt(s.In("mlp"), context, in[0], in[1])
		return []*gx.Node{out, gate}
	}
}

// values are inputs without a pattern.
func values(seed uint64, organ ...int32) []graph.Value {
	r := graph.Stream(seed, "inputs")
	draw := func() graph.Value {
		data := make([]float32, batch*rows*cols*width)
		for i := range data {
			data[i] = float32(r.NormFloat64())
		}
		return graph.Floats(data, batch, rows, cols, width)
	}
	if organ == nil {
		organ = []int32{0, 2, 1, 4, 1, 0, 3, 2}
	}
	return []graph.Value{draw(), draw(), graph.Ints([]int32{2, 0}, batch), graph.Ints(organ, batch, 4)}
}

// random gives every parameter values that are not zero.
func random(t *testing.T, c experts.Config, seed uint64) *graph.Params {
	t.Helper()
	specs, err := graph.Declare(shapes, build(c))
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		specs[i].Init = graph.Normal(0.7)
	}
	params, err := graph.Initialise(specs, seed)
	if err != nil {
		t.Fatal(err)
	}
	return params
}

func backend(t *testing.T) *graph.Backend {
	t.Helper()
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func call(t *testing.T, c experts.Config, params *graph.Params, inputs []graph.Value) (out, gate []float32) {
	t.Helper()
	b := backend(t)
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, shapes, build(c))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	placed := b.Place(params)
	defer placed.Free()
	r, err := p.Call(context.Background(), placed, 1, inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return r.Outputs[0].Data, r.Outputs[1].Data
}

func near(t *testing.T, what string, got []float32, want []float64, limit float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, expected %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i])-want[i]) <= limit) {
			t.Errorf("%s[%d] is %g, expected %g", what, i, got[i], want[i])
			return
		}
	}
}

var variants = map[string]experts.Config{
	"hierarchical":     small(),
	"flat":             with(func(c *experts.Config) { c.Gate = experts.Flat }),
	"top 2":            with(func(c *experts.Config) { c.Top = 2 }),
	"single":           with(func(c *experts.Config) { c.Experts = 1 }),
	"unequal widths":   with(func(c *experts.Config) { c.Widths = []int{1, 3, 2} }),
	"dropout":          with(func(c *experts.Config) { c.Dropout = 0.4 }),
	"without organ":    with(func(c *experts.Config) { c.Terms.WithoutOrgan = true }),
	"without task":     with(func(c *experts.Config) { c.Terms.WithoutTask = true }),
	"without modality": with(func(c *experts.Config) { c.Terms.WithoutModality = true }),
	"without image":    with(func(c *experts.Config) { c.Terms.WithoutImage = true }),
	"without context":  with(func(c *experts.Config) { c.Terms = experts.Terms{true, true, true, true} }),
	"route":            routed(),
	"groups":           grouped(),
}

func routed() experts.Config {
	return with(func(c *experts.Config) {
		c.Gate = experts.Route
		c.Table = [][]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 0}, {0, 0.5, 0.5}, {0, 0, 1}}
	})
}

func TestGradient(t *testing.T) {
	for name, c := range variants {
		t.Run(name, func(t *testing.T) {
			if err := c.Validate(1); err != nil {
				t.Fatal(err)
			}
			diff, err := graph.CheckGradient(backend(t), build(c), random(t, c, 3), 5, true, values(7)...)
			if err != nil {
				t.Fatal(err)
			}
			if !(diff <= 1e-6) {
				t.Errorf("gradient and central difference differ by %.1e of their size", diff)
			}
		})
	}
}

// The equation of the package's documentation, expert by expert.
func TestWideProductIsTheSumOverExperts(t *testing.T) {
	for name, c := range variants {
		t.Run(name, func(t *testing.T) {
			params, inputs := random(t, c, 11), values(13)
			out, gate := call(t, c, params, inputs)
			get := func(format string, e int) []float32 {
				p, ok := params.Get(fmt.Sprintf(format, e))
				if !ok {
					t.Fatalf("no parameter "+format, e)
				}
				return p.Data
			}
			x, mlp := inputs[0].Floats, inputs[1].Floats
			want := make([]float64, len(x))
			for i := range batch * rows * cols {
				token := x[i*width : (i+1)*width]
				sum := make([]float64, width)
				for e := range c.Experts {
					g := float64(gate[i/(rows*cols)*c.Experts+e])
					down, downBias := get("mlp.adapter_down.%d.weight", e), get("mlp.adapter_down.%d.bias", e)
					up, upBias := get("mlp.adapter_up.%d.weight", e), get("mlp.adapter_up.%d.bias", e)
					for j := range width {
						sum[j] += g * float64(upBias[j])
					}
					for k := range downBias {
						h := float64(downBias[k])
						for j := range width {
							h += float64(token[j]) * float64(down[k*width+j])
						}
						h *= 0.5 * (1 + math.Erf(h/math.Sqrt2))
						for j := range width {
							sum[j] += g * h * float64(up[j*len(downBias)+k])
						}
					}
				}
				for j := range width {
					want[i*width+j] = float64(mlp[i*width+j]) + c.Scale*sum[j]
				}
			}
			near(t, "output", out, want, 1e-5)
		})
	}
}

func TestWeightsAreShares(t *testing.T) {
	for name, c := range variants {
		t.Run(name, func(t *testing.T) {
			_, gate := call(t, c, random(t, c, 17), values(19))
			for b := range batch {
				sum, used := 0.0, 0
				for _, g := range gate[b*c.Experts : (b+1)*c.Experts] {
					if g < 0 {
						t.Errorf("negative weight %g", g)
					}
					if g > 0 {
						used++
					}
					sum += float64(g)
				}
				if !(math.Abs(sum-1) <= 1e-6) {
					t.Errorf("weights sum to %g, expected 1", sum)
				}
				if c.Top > 0 && used != c.Top {
					t.Errorf("%d experts have a weight, expected %d", used, c.Top)
				}
			}
		})
	}
}

func TestExpertsHaveNoOrder(t *testing.T) {
	order := []int{2, 0, 1} // expert e of the second network is expert order[e] of the first
	c := small()
	params := random(t, c, 23)
	out, gate := call(t, c, params, values(29))

	moved := params.Clone()
	set := func(name string, from *graph.Tensor) {
		if err := moved.Set(name, from.Clone()); err != nil {
			t.Fatal(err)
		}
	}
	for e, was := range order {
		for _, part := range []string{"down.%d.weight", "down.%d.bias", "up.%d.weight", "up.%d.bias"} {
			from, _ := params.Get(fmt.Sprintf("mlp.adapter_"+part, was))
			set(fmt.Sprintf("mlp.adapter_"+part, e), from)
		}
	}
	for _, name := range []string{"mlp.adapter_gate.weight", "mlp.adapter_gate.bias"} {
		from, _ := params.Get(name)
		to, n := from.Clone(), len(from.Data)/c.Experts
		for e, was := range order {
			copy(to.Data[e*n:(e+1)*n], from.Data[was*n:])
		}
		set(name, to)
	}
	outMoved, gateMoved := call(t, c, moved, values(29))

	var want, wantGate []float64
	for _, v := range out {
		want = append(want, float64(v))
	}
	for b := range batch {
		for _, was := range order {
			wantGate = append(wantGate, float64(gate[b*c.Experts+was]))
		}
	}
	near(t, "output", outMoved, want, 1e-5)
	near(t, "weights", gateMoved, wantGate, 1e-6)
}

// Before training the mixture changes nothing: adapter_up starts at zero.
func TestFirstValuesLeaveTheBlockAlone(t *testing.T) {
	c := small()
	specs, err := graph.Declare(shapes, build(c))
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	inputs := values(31)
	out, _ := call(t, c, params, inputs)
	for i, v := range out {
		if v != inputs[1].Floats[i] {
			t.Fatalf("output %d is %g, the MLP alone gives %g", i, v, inputs[1].Floats[i])
		}
	}
}

// A task outside the taxonomy has the reserved row, whatever number it bears;
// an unknown level has none, and does not break the others.
func TestUnplacedTasks(t *testing.T) {
	for name, c := range map[string]experts.Config{"hierarchical": small(), "route": routed()} {
		t.Run(name, func(t *testing.T) {
			params := random(t, c, 37)
			spare := int32(c.Taxonomy.Tasks)
			_, want := call(t, c, params, values(41, 0, 0, 0, spare, 0, 0, 0, 1))
			for _, id := range []int32{-1, spare + 1, 1000} {
				_, gate := call(t, c, params, values(41, 0, 0, 0, id, 0, 0, 0, 1))
				for e := range c.Experts {
					if gate[e] != want[e] {
						t.Errorf("task %d: weight %d is %g, the reserved row gives %g", id, e, gate[e], want[e])
					}
				}
			}
			if want[0] == want[c.Experts] && want[1] == want[c.Experts+1] {
				t.Error("a placed and an unplaced task have the same weights: nothing is checked")
			}
		})
	}
}

func TestRouteReadsTheTable(t *testing.T) {
	c := routed()
	_, gate := call(t, c, random(t, c, 43), values(47, 0, 0, 0, 4, 0, 0, 0, 9))
	near(t, "weights", gate, []float64{0, 0.5, 0.5, 0, 0, 1}, 0)
}

func TestEqualWeightsKeepTheFirst(t *testing.T) {
	c := with(func(c *experts.Config) { c.Top = 2 })
	params := random(t, c, 53)
	for _, name := range []string{"mlp.adapter_gate.weight", "mlp.adapter_gate.bias"} {
		was, _ := params.Get(name)
		if err := params.Set(name, graph.NewTensor(was.Dims...)); err != nil {
			t.Fatal(err)
		}
	}
	_, gate := call(t, c, params, values(59))
	near(t, "weights", gate, []float64{0.5, 0.5, 0, 0.5, 0.5, 0}, 1e-7)
}

func TestBalance(t *testing.T) {
	for _, c := range []struct {
		name    string
		gates   []float32 // (2,4)
		weights []float32 // (2)
		want    float64
	}{
		{"equal", []float32{0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25}, []float32{1, 1}, 0},
		{"each its own two", []float32{0.5, 0.5, 0, 0, 0, 0, 0.5, 0.5}, []float32{1, 1}, 0},
		{"two of four", []float32{1, 0, 0, 0, 0, 1, 0, 0}, []float32{1, 1}, 1},
		{"all to one", []float32{0, 1, 0, 0, 0, 1, 0, 0}, []float32{1, 1}, 3},
		{"a filler", []float32{0.5, 0.5, 0, 0, 0, 0, 0.5, 0.5}, []float32{1, 0}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := backend(t)
			p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(2, 4), graph.F32(2)},
				func(_ *graph.Scope, in []*gx.Node) []*gx.Node {
					return []*gx.Node{experts.Config{}.Balance([]*gx.Node{in[0], in[0]}, in[1])}
				})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			r, err := p.Call(context.Background(), nil, 0, graph.Floats(c.gates, 2, 4), graph.Floats(c.weights, 2))
			if err != nil {
				t.Fatal(err)
			}
			near(t, "balance", r.Outputs[0].Data, []float64{c.want}, 1e-6)
		})
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		config experts.Config
		want   string
	}{
		"no experts":        {with(func(c *experts.Config) { c.Experts = 0 }), "at least 1"},
		"no bottleneck":     {with(func(c *experts.Config) { c.Bottleneck = 0 }), "expert 0 has a bottleneck of 0"},
		"widths":            {with(func(c *experts.Config) { c.Widths = []int{1} }), "1 bottleneck widths for 3 experts"},
		"top":               {with(func(c *experts.Config) { c.Top = 4 }), "expected 1 to 3"},
		"dropout":           {with(func(c *experts.Config) { c.Dropout = 1 }), "below 1"},
		"block":             {with(func(c *experts.Config) { c.Blocks = []int{0, 2} }), "block 2 does not exist, expected 0 to 1"},
		"groups of a route": {with(func(c *experts.Config) { *c = routed(); c.Groups = grouped().Groups }), "leave one of them out"},
		"sizes of groups": {with(func(c *experts.Config) {
			c.Groups = &experts.Groups{Sizes: []int{1, 1}, Top: []int{0, 0}, Of: make([]int, 6)}
		}), "have 2 experts in all, expected 3"},
		"tasks of groups": {with(func(c *experts.Config) {
			c.Groups = &experts.Groups{Sizes: []int{3}, Top: []int{0}, Of: make([]int, 5)}
		}), "given for 5 tasks, expected 6 or more"},
		"top of a group": {with(func(c *experts.Config) {
			c.Groups = &experts.Groups{Sizes: []int{3}, Top: []int{4}, Of: make([]int, 6)}
		}), "3 experts and top 4"},
		"a missing group": {with(func(c *experts.Config) {
			c.Groups = &experts.Groups{Sizes: []int{3}, Top: []int{0}, Of: []int{0, 0, 1, 0, 0, 0}}
		}), "task 2 has group 1"},
		"rows of a route": {with(func(c *experts.Config) { c.Gate = experts.Route }), "has 0 rows, expected 6 or more"},
		"top of a route":  {with(func(c *experts.Config) { *c = routed(); c.Top = 1 }), "leave one of them out"},
		"weight of a route": {with(func(c *experts.Config) {
			*c = routed()
			c.Table[2] = []float64{0, math.NaN(), 0}
		}), "holds NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.config.Validate(2); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected an error with %q", err, c.want)
			}
		})
	}
	published := experts.Published()
	if err := published.Validate(12); err != nil {
		t.Error(err)
	}
}

func TestRecognise(t *testing.T) {
	for folder, want := range map[string]struct {
		gate   experts.Gate
		blocks []int
	}{
		"medsegx-tiny":     {experts.Hierarchical, nil},
		"medsegx-tiny-v1":  {experts.Flat, nil},
		"medsegx-tiny-pos": {experts.Hierarchical, []int{0, 2}},
	} {
		t.Run(folder, func(t *testing.T) {
			c, found, err := experts.Recognise(golden.Weights(t, folder, "weights.safetensors"))
			if err != nil || !found {
				t.Fatal(found, err)
			}
			expected := experts.Published()
			expected.Gate, expected.Blocks, expected.Bottleneck, expected.Embedding = want.gate, want.blocks, 8, 8
			if !reflect.DeepEqual(c, expected) {
				t.Errorf("recognised %+v, expected %+v", c, expected)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if _, found, err := experts.Recognise(golden.Weights(t, "sam-tiny", "weights.safetensors")); found || err != nil {
			t.Errorf("found %t, error %v in weights without experts", found, err)
		}
	})
}

// What is declared is recognised again, whatever was switched off.
func TestRecogniseUndoesDeclare(t *testing.T) {
	for name, c := range variants {
		if c.Gate == experts.Route || name == "without context" {
			continue // the weights do not say how they were shared out
		}
		t.Run(name, func(t *testing.T) {
			c.Scale, c.Dropout, c.Top = 0.1, 0.1, 0
			params := graph.NewParams()
			for _, n := range random(t, c, 61).Names() {
				p, _ := random(t, c, 61).Get(n)
				to := "image_encoder." + n
				if rest, ok := strings.CutPrefix(n, "mlp."); ok {
					to = "image_encoder.blocks.0.mlp." + rest
				}
				if err := params.Set(to, p); err != nil {
					t.Fatal(err)
				}
			}
			got, found, err := experts.Recognise(params)
			if err != nil || !found {
				t.Fatal(found, err)
			}
			if got.Experts != c.Experts || got.Gate != c.Gate || c.Experts > 1 && got.Terms != c.Terms ||
				fmt.Sprint(got.Widths) != fmt.Sprint(c.Widths) {
				t.Errorf("recognised %+v, declared %+v", got, c)
			}
			if specs, err := graph.Declare(shapes, build(got)); err != nil || len(specs) != params.Len() {
				t.Errorf("%d parameters and %v, expected %d", len(specs), err, params.Len())
			}
		})
	}
}
