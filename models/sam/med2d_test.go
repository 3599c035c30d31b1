package sam_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// SAM-Med2D: a convolutional adapter in every block, images brought to a square
// by nearest neighbours without keeping the aspect.
func TestSAMMed2D(t *testing.T) {
	f := load(t, "sam-med2d-tiny")
	f.config.Convolutional = true
	f.sameKeys(t)
	size := f.config.Image
	picture := graph.Floats(nearest(f.input["a.image_u8"], size), 1, size, size, 3)
	var cases map[string]struct {
		Multimask bool `json:"multimask_output"`
	}
	golden.JSON(t, &cases, "sam-med2d-tiny", "cases.json")
	for name := range cases {
		t.Run(name, func(t *testing.T) {
			c := f.prompts(name)
			build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
				embedding, _ := f.config.Encode(s, graph.Inputs{Image: in[0]})
				return []*gx.Node{f.config.Decode(s, embedding, c.take(in[1:])).Masks}
			}
			test := func(t *testing.T, b *graph.Backend) {
				r := run(t, b, graph.ProgramConfig{Taps: graph.AllTaps}, f.weights,
					append([]graph.Shape{graph.F32(1, size, size, 3)}, c.shapes...), build, append([]graph.Value{picture}, c.values...)...)
				d := &differences{t: t}
				for _, stage := range []string{"preprocessed", "patch_embed", "block0", "block1", "block2", "image_embedding"} {
					d.check(stage, f.activation(t, stage, r), f.forward["a."+stage].Float64(), 5e-5, 1e-4)
				}
				for i := range f.config.Depth {
					block := fmt.Sprintf("image_encoder.blocks.%d.Adapter.", i)
					d.check("adapter", tapped(t, r, block+"adapter").Data, f.forward[fmt.Sprintf("a.block%d.adapter", i)].Float64(), 5e-5, 1e-4)
					d.check("channel gate", tapped(t, r, block+"channel_gate").Data, f.forward[fmt.Sprintf("a.block%d.adapter_channel_gate", i)].Float64(), 2e-6, 0)
				}
				from, to := 1, 4
				if !cases[name].Multimask {
					from, to = 0, 1
				}
				masks, iou := tapped(t, r, "mask_decoder.masks"), tapped(t, r, "mask_decoder.iou")
				side := masks.Dims[2] * masks.Dims[3]
				d.check("low_res_logits", masks.Data[from*side:to*side], f.forward[name+".low_res_logits"].Float64(), 5e-4, 2e-4)
				d.check("iou", iou.Data[from:to], f.forward[name+".iou"].Float64(), 2e-5, 0)
				d.log()
			}
			eachBackend(t, test)
		})
	}
}

// SAM-Med2D trains adapters, prompt encoder and decoder on the mask it takes
// for the best.
func TestGradientOfSAMMed2D(t *testing.T) {
	f := load(t, "sam-med2d-tiny")
	f.config.Convolutional = true
	var meta struct {
		Training struct {
			Loss   float64 `json:"loss_float64"`
			Chosen []int   `json:"chosen_mask"`
		} `json:"training"`
	}
	golden.JSON(t, &meta, "sam-med2d-tiny", "meta.json")
	grads := golden.Arrays(t, "sam-med2d-tiny", "grads.npz")
	names := slices.Sorted(maps.Keys(grads))
	size := f.config.Image
	build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		embedding, _ := f.config.Encode(s, graph.Inputs{Image: in[0]})
		out := f.config.Decode(s, embedding, sam.Prompts{Box: in[1]})
		chosen := meta.Training.Chosen[0]
		logits := gx.Reshape(gx.SliceAxis(out.Masks, 1, gx.AxisElem(chosen)), 1, size, size)
		quality := gx.Reshape(gx.SliceAxis(out.IoU, 1, gx.AxisElem(chosen)))
		p, y := gx.Sigmoid(logits), in[2]

		right := gx.Add(gx.Mul(p, y), gx.Mul(gx.OneMinus(p), gx.OneMinus(y)))
		alpha := gx.Add(gx.MulScalar(y, 0.25), gx.MulScalar(gx.OneMinus(y), 0.75))
		focal := graph.Mean(s, gx.Neg(gx.Mul(alpha, gx.Mul(gx.Square(gx.OneMinus(right)), gx.Log(gx.AddScalar(right, 1e-12))))))
		overlap, both := graph.Sum(s, gx.Mul(p, y)), gx.Add(graph.Sum(s, p), graph.Sum(s, y))
		dice := gx.OneMinus(gx.Div(gx.AddScalar(gx.MulScalar(overlap, 2), 1), gx.AddScalar(both, 1)))
		iou := gx.Div(gx.AddScalar(overlap, 1e-7), gx.AddScalar(gx.Sub(both, overlap), 1e-7))
		loss := gx.Add(gx.Add(gx.MulScalar(focal, 20), dice), gx.Square(gx.Sub(iou, quality)))
		var wrt []*gx.Node
		for _, name := range names {
			w, _ := f.weights.Get(name)
			wrt = append(wrt, s.Param(name, nil, w.Dims...))
		}
		return append([]*gx.Node{loss, logits}, gx.Gradient(loss, wrt...)...)
	}
	eachBackend(t, func(t *testing.T, b *graph.Backend) {
		r := run(t, b, graph.ProgramConfig{Training: true}, f.weights,
			[]graph.Shape{graph.F32(1, size, size, 3), graph.F32(1, 4), graph.F32(1, size, size)}, build,
			graph.Floats(nearest(f.input["a.image_u8"], size), 1, size, size, 3),
			graph.Floats(f.input["a.box.box_model"].Float32(), 1, 4),
			graph.Floats(f.input["train.target"].Float32(), 1, size, size))
		d := &differences{t: t}
		d.check("loss", r.Outputs[0].Data, []float64{meta.Training.Loss}, 1e-4, 0) // 20 times the others
		d.check("logits", r.Outputs[1].Data, f.forward["train.logits"].Float64(), 5e-4, 2e-4)
		d.log()
		compareGradients(t, names, r.Outputs[2:], grads)
	})
}

// nearest resizes an image (H,W,3) to a square; source row = floor(row·H/size).
func nearest(a *image.Array, size int) []float32 {
	h, w := a.Shape[0], a.Shape[1]
	pixels := a.Float32()
	var out []float32
	for y := range size {
		for x := range size {
			at := (y*h/size*w + x*w/size) * 3
			out = append(out, pixels[at:at+3]...)
		}
	}
	return out
}
