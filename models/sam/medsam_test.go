package sam_test

import (
	"maps"
	"slices"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
)

// MedSAM: pixels stretched to 0..1, one mask, encoder and decoder trained on
// logits enlarged to the image.
func TestMedSAM(t *testing.T) {
	f := load(t, "medsam-tiny")
	f.config.OneMask, f.config.Pixels = true, sam.MinMax
	eachBackend(t, func(t *testing.T, b *graph.Backend) { compareMedSAM(t, f, b) })
}

func compareMedSAM(t *testing.T, f *fixture, b *graph.Backend) {
	size := f.config.Image
	network := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		embedding, _ := f.config.Encode(s, graph.Inputs{Image: in[0]})
		out := f.config.Decode(s, embedding, sam.Prompts{Box: in[1]})
		return []*gx.Node{out.Masks, out.IoU}
	}
	for _, sample := range []string{"s0", "s1"} {
		t.Run(sample, func(t *testing.T) {
			pixels := f.input[sample+".resized_u8"].Float32()
			r := run(t, b, graph.ProgramConfig{Taps: graph.AllTaps}, f.weights, models.InputShapes(1, size)[:2], network,
				graph.Floats(pixels, 1, size, size, 3), graph.Floats(f.input[sample+".box_model"].Float32(), 1, 4))
			d := &differences{t: t}
			for _, stage := range []string{"preprocessed", "patch_embed", "block0", "block1", "block2", "image_embedding", "sparse"} {
				d.check(stage, f.activation(t, stage, r), f.forward[sample+"."+stage].Float64(), 5e-5, 1e-4)
			}
			masks := tapped(t, r, "mask_decoder.masks")
			d.check("low_res_logits", masks.Data[:masks.Dims[2]*masks.Dims[3]], f.forward[sample+".low_res_logits"].Float64(), 5e-4, 2e-4)
			d.check("iou", r.Outputs[1].Data, f.forward[sample+".iou"].Float64(), 2e-5, 0)
			d.log()
		})
	}
	t.Run("gradient", func(t *testing.T) {
		var meta struct {
			Training struct {
				Loss float64  `json:"loss_float64"`
				None []string `json:"grad_is_none"`
			} `json:"training"`
		}
		golden.JSON(t, &meta, "medsam-tiny", "meta.json")
		grads := golden.Arrays(t, "medsam-tiny", "grads.npz")
		names := slices.Sorted(maps.Keys(grads))
		build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
			masks := network(s, in)[0]
			loss := gx.Add(graph.Mean(s, graph.DiceLoss(s, masks, in[2])), graph.Mean(s, graph.BCELoss(s, masks, in[2])))
			var wrt []*gx.Node
			for _, name := range names {
				w, _ := f.weights.Get(name)
				wrt = append(wrt, s.Param(name, nil, w.Dims...))
			}
			return append([]*gx.Node{loss, masks}, gx.Gradient(loss, wrt...)...)
		}
		r := run(t, b, graph.ProgramConfig{Training: true}, f.weights,
			[]graph.Shape{graph.F32(2, size, size, 3), graph.F32(2, 4), graph.F32(2, size, size)}, build,
			graph.Floats(golden.ChannelsLast(f.input["train.image01"].Float32(), 2, 3, size, size), 2, size, size, 3),
			graph.Floats(f.input["train.box_model"].Float32(), 2, 4),
			graph.Floats(f.input["train.target"].Float32(), 2, size, size))
		d := &differences{t: t}
		d.check("loss", r.Outputs[0].Data, []float64{meta.Training.Loss}, 2e-6, 0)
		d.check("logits", r.Outputs[1].Data, f.forward["train.logits"].Float64(), 5e-4, 2e-4)
		d.log()
		compareGradients(t, names, r.Outputs[2:], grads)
	})
}
