package models

import (
	"context"
	"math"
	"testing"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/ops/graph"
)

// losses are those of a few training steps of a small network, with the
// parameters after them.
func losses(t *testing.T, b *graph.Backend, cfg Config, change func(*graph.StepConfig)) ([]float64, *graph.Params) {
	t.Helper()
	m, err := Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	trainable, err := m.Group(All)
	if err != nil {
		t.Fatal(err)
	}
	sc := graph.StepConfig{Name: t.Name(), Trainable: trainable}
	change(&sc)
	step, err := graph.NewStep(b, sc, append(InputShapes(4, cfg.Image), graph.F32(4, cfg.Image, cfg.Image)),
		func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
			out := Flat(m.Network)(s, in)
			best, _ := graph.BestOfMasks(graph.DiceBCELoss(s, out[0], in[4]))
			return graph.Mean(s, best), nil
		})
	if err != nil {
		t.Fatal(err)
	}
	defer step.Free()
	params, err := graph.Initialise(m.Parameters, 1)
	if err != nil {
		t.Fatal(err)
	}
	placed := b.Place(params)
	defer placed.Free()
	if err := step.Start(placed, nil); err != nil {
		t.Fatal(err)
	}
	var out []float64
	for i := range 6 {
		r, err := step.Run(context.Background(), 1e-3, uint64(i), discs(cfg.Image)...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.Loss)
	}
	after, err := placed.Host()
	if err != nil {
		t.Fatal(err)
	}
	return out, after
}

func small() map[string]Config {
	taxonomy := experts.Taxonomy{Modalities: 10, Levels: []int{5, 12, 39}, Tasks: 112}
	return map[string]Config{
		"tiny with experts": {Architecture: "tiny", Image: 32, Experts: &experts.Config{Experts: 2, Bottleneck: 4, Embedding: 4, Scale: 0.1, Dropout: 0.1, Taxonomy: taxonomy}},
		"unet":              {Architecture: "unet", Image: 32, Base: 4, Levels: 2},
		"vit":               {Architecture: "vit", Image: 32},
		"nnunet":            {Architecture: "nnunet", Image: 16, Plan: plan()},
		"residual_unet":     {Architecture: "residual_unet", Image: 32, Base: 4, Levels: 3, Convolutions: []int{1, 2, 1}},
	}
}

func plan() *unet.Plan {
	rules := unet.RulesFor(2, false)
	rules.Base = 4
	p, err := unet.PlanFor(unet.Fingerprint{Shape: []int{16, 16}, Spacing: []float64{1, 1}, Values: 1e6, Outputs: 1}, rules, false, 8)
	if err != nil {
		panic(err)
	}
	return &p
}

// Activations that are computed again are those that would have been kept: to
// the bit on go; XLA fuses differently. In residual blocks of convolutions the
// gradients of two ways are added in another order.
func TestRecomputationChangesNothing(t *testing.T) {
	for name, cfg := range small() {
		for _, backend := range []string{"go", "xla"} {
			if backend == "xla" && cfg.Architecture != "unet" {
				continue // a minute of compiling for what go says to the bit
			}
			t.Run(name+" on "+backend, func(t *testing.T) {
				b := onbackend.Open(t, backend)
				kept, keptParams := losses(t, b, cfg, func(*graph.StepConfig) {})
				again, againParams := losses(t, b, cfg, func(c *graph.StepConfig) { c.Recompute = true })
				limit := 0.0
				if backend == "xla" || cfg.Architecture == "residual_unet" {
					limit = 1e-4
				}
				for i := range kept {
					if d := math.Abs(kept[i] - again[i]); !(d <= limit) {
						t.Errorf("step %d: loss %.8f, recomputed %.8f", i+1, kept[i], again[i])
					}
				}
				if limit > 0 {
					return // Adam's steps magnify rounding; the losses say enough
				}
				for _, name := range keptParams.Names() {
					x, _ := keptParams.Get(name)
					y, _ := againParams.Get(name)
					for i := range x.Data {
						if x.Data[i] != y.Data[i] {
							t.Fatalf("%s %d is %g, recomputed %g", name, i, x.Data[i], y.Data[i])
						}
					}
				}
			})
		}
	}
}

// SAM's is tested where a smaller one can be built, in models/sam.
func TestHalfPrecisionTrainsWholeNetworks(t *testing.T) {
	for name, cfg := range map[string]Config{"unet": small()["unet"], "residual_unet": small()["residual_unet"]} {
		t.Run(name, func(t *testing.T) {
			b := onbackend.Open(t, "xla")
			want, _ := losses(t, b, cfg, func(*graph.StepConfig) {})
			for p, limit := range map[graph.Precision]float64{graph.BF16: 0.03, graph.F16: 0.01} {
				got, params := losses(t, b, cfg, func(c *graph.StepConfig) {
					c.Precision, c.Scaling, c.Recompute = p, graph.LossScaling{First: 1024}, true
				})
				worst := 0.0
				for i := range want {
					worst = max(worst, math.Abs(got[i]-want[i]))
				}
				t.Logf("%s: losses differ by up to %.5f of %.3f", p, worst, want[0])
				if worst == 0 || !(worst <= limit) {
					t.Errorf("%s: losses %.5f, in float32 %.5f", p, got, want)
				}
				for _, name := range params.Names() {
					x, _ := params.Get(name)
					for _, v := range x.Data {
						if v != v {
							t.Fatalf("%s: %s holds NaN", p, name)
						}
					}
				}
			}
		})
	}
}
