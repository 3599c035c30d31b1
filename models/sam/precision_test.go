package sam_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Half precision in products alone keeps the losses of a few training steps
// near those of float32; recomputation in half precision is no different.
func TestHalfPrecisionStaysNearFloat32(t *testing.T) {
	b := open(t, "xla")
	c := sam.Config{
		Image: 16, Patch: 4, Window: 3, Dim: 8, Depth: 2, Heads: 2, Global: []int{1}, MLP: 2,
		Prompt: 8, MaskChannels: 4, DecoderDepth: 1, DecoderHeads: 2, DecoderMLP: 8, IoUHidden: 8, IoUDepth: 1, KeepResolution: true,
		Experts: &experts.Config{Experts: 2, Bottleneck: 4, Embedding: 4, Scale: 0.1, Taxonomy: experts.Taxonomy{Modalities: 2, Levels: []int{2, 2, 2}, Tasks: 2}},
	}
	r := rand.New(rand.NewPCG(1, 2))
	image, target := make([]float32, 2*16*16*3), make([]float32, 2*16*16)
	for i := range image {
		image[i] = float32(255 * r.Float64())
	}
	for i := range target {
		if i%16 > 4 && i/16%16 < 9 {
			target[i] = 1
		}
	}
	inputs := []graph.Value{graph.Floats(image, 2, 16, 16, 3), graph.Floats([]float32{5, 0, 15, 8, 5, 0, 15, 8}, 2, 4), graph.Ints([]int32{0, 1}, 2),
		graph.Ints([]int32{0, 1, 0, 1, 1, 0, 1, 0}, 2, 4), graph.Floats(target, 2, 16, 16)}
	shapes := []graph.Shape{graph.F32(2, 16, 16, 3), graph.F32(2, 4), graph.I32(2), graph.I32(2, 4), graph.F32(2, 16, 16)}
	losses := func(cfg graph.StepConfig) (out []float64) {
		cfg.Name = "half precision"
		cfg.Trainable = func(name string) bool { return name != "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix" }
		step, err := graph.NewStep(b, cfg, shapes, func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
			o := c.Network()(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]})
			best, _ := graph.BestOfMasks(graph.DiceBCELoss(s, o.Masks, in[4]))
			return graph.Mean(s, best), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer step.Free()
		params, err := graph.Initialise(step.Specs(), 1)
		if err != nil {
			t.Fatal(err)
		}
		placed := b.Place(params)
		defer placed.Free()
		if err := step.Start(placed, nil); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			r, err := step.Run(context.Background(), 1e-2, 1, inputs...)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, r.Loss)
		}
		return out
	}
	want := losses(graph.StepConfig{})
	got := losses(graph.StepConfig{Precision: graph.F16, Scaling: graph.LossScaling{First: 1024}, Recompute: true})
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(got[i]-want[i]))
	}
	t.Logf("losses from %.4f to %.4f; f16 differs by up to %.5f", want[0], want[7], worst)
	if worst == 0 || !(worst < 0.01) {
		t.Errorf("losses in f16 are %.5f, in float32 %.5f", got, want)
	}
}
