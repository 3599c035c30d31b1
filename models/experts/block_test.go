package experts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"

	gx "github.com/gomlx/gomlx/core/graph"
)

// bottleneck is the adapter that the package builds itself, written by a user.
func bottleneck(units int) func(s *graph.Scope, x *graph.Node) *graph.Node {
	return func(s *graph.Scope, x *graph.Node) *graph.Node {
		h := graph.GELU(graph.Linear(s.In("down"), x, units, true))
		return graph.Linear(s.In("up"), h, x.Shape().Dim(-1), true)
	}
}

// An own block that is the bottleneck gives what the wide product gives, from
// the same numbers, whatever the gate is.
func TestBlockStandsInForTheBottleneck(t *testing.T) {
	for name, c := range variants {
		if c.Dropout > 0 || c.Widths != nil {
			continue // one block has one width, and its own dropout
		}
		t.Run(name, func(t *testing.T) {
			own := c
			own.Block, own.Bottleneck = experts.Alike(bottleneck(c.Bottleneck)), 0
			if err := own.Validate(1); err != nil {
				t.Fatal(err)
			}
			params, renamed := random(t, c, 67), graph.NewParams()
			for _, n := range params.Names() {
				p, _ := params.Get(n)
				for _, part := range []string{"down", "up"} {
					if rest, ok := strings.CutPrefix(n, "mlp.adapter_"+part+"."); ok {
						e, leaf, _ := strings.Cut(rest, ".")
						n = "mlp.adapter_block." + e + "." + part + "." + leaf
					}
				}
				if err := renamed.Set(n, p); err != nil {
					t.Fatal(err)
				}
			}
			want, wantGate := call(t, c, params, values(71))
			got, gate := call(t, own, renamed, values(71))
			if !slices.Equal(gate, wantGate) {
				t.Errorf("weights are %v, expected %v", gate, wantGate)
			}
			wide := make([]float64, len(want))
			for i, v := range want {
				wide[i] = float64(v)
			}
			near(t, "output", got, wide, 1e-5)
		})
	}
}

func TestGradientOfBlocks(t *testing.T) {
	c := with(func(c *experts.Config) {
		// Neighbouring tokens are mixed too, which no bottleneck does.
		c.Block = experts.Alike(func(s *graph.Scope, x *graph.Node) *graph.Node {
			y := graph.Linear(s.In("up"), gx.Tanh(graph.Linear(s.In("down"), x, 3, false)), width, false)
			return gx.Add(y, gx.Mul(s.Param("mean", graph.Zeros, 1, 1, width), gx.InsertAxes(gx.ReduceMean(x, 1), 1)))
		})
	})
	diff, err := graph.CheckGradient(backend(t), build(c), random(t, c, 73), 5, true, values(79)...)
	if err != nil {
		t.Fatal(err)
	}
	if !(diff <= 1e-6) {
		t.Errorf("gradient and central difference differ by %.1e of their size", diff)
	}
}

func TestBlockOfAnotherShape(t *testing.T) {
	c := with(func(c *experts.Config) {
		c.Block = experts.Alike(func(s *graph.Scope, x *graph.Node) *graph.Node { return graph.Linear(s, x, width+1, false) })
	})
	_, err := graph.Declare(shapes, build(c))
	if err == nil || !strings.Contains(err.Error(), `expert "mlp.adapter_block.0" answers the shape [2 6 6] to tokens of shape [2 6 5]`) {
		t.Errorf("got %v, expected the two shapes", err)
	}
}

// Where only some experts have a form of their own, the sum is still that of all.
func TestBlocksBesideBottlenecks(t *testing.T) {
	for name, c := range variants {
		if c.Dropout > 0 || c.Widths != nil || c.Experts < 2 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			own := c
			form := bottleneck(c.Bottleneck)
			own.Block = func(e int) experts.Form {
				if e == 1 {
					return form
				}
				return nil
			}
			params, renamed := random(t, c, 67), graph.NewParams()
			for _, n := range params.Names() {
				p, _ := params.Get(n)
				for _, part := range []string{"down", "up"} {
					if leaf, ok := strings.CutPrefix(n, "mlp.adapter_"+part+".1."); ok {
						n = "mlp.adapter_block.1." + part + "." + leaf
					}
				}
				if err := renamed.Set(n, p); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := call(t, c, params, values(71))
			got, _ := call(t, own, renamed, values(71))
			wide := make([]float64, len(want))
			for i, v := range want {
				wide[i] = float64(v)
			}
			near(t, "output", got, wide, 1e-5)
		})
	}
}
