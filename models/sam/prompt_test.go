package sam_test

import (
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// padded lays an image into the top left corner of a square and fills the rest
// with ImageNet's mean colour, which the network turns into zeros.
func padded(a *image.Array, size int) graph.Value {
	h, w := a.Shape[0], a.Shape[1]
	pixels := a.Float32()
	data := make([]float32, 0, size*size*3)
	for y := range size {
		for x := range size {
			if y < h && x < w {
				data = append(data, pixels[(y*w+x)*3:(y*w+x)*3+3]...)
			} else {
				data = append(data, 123.675, 116.28, 103.53)
			}
		}
	}
	return graph.Floats(data, 1, size, size, 3)
}

// promptCase turns a case of the fixture into inputs and a function that finds
// the prompts among the nodes behind the image.
type promptCase struct {
	shapes []graph.Shape
	values []graph.Value
	take   func(in []*gx.Node) sam.Prompts
}

func (f *fixture) prompts(name string) promptCase {
	var c promptCase
	box, points, mask := -1, -1, -1
	add := func(v graph.Value) int {
		c.shapes = append(c.shapes, graph.Shape{Dims: v.Dims, Integer: v.Ints != nil})
		c.values = append(c.values, v)
		return len(c.values) - 1
	}
	if a, ok := f.input[name+".box_model"]; ok {
		box = add(graph.Floats(a.Float32(), a.Len()/4, 4))
	}
	if a, ok := f.input[name+".point_coords_model"]; ok {
		points = add(graph.Floats(a.Float32(), a.Shape...))
		add(graph.Ints(integers(f.input[name+".point_labels"]), 1, a.Shape[1]))
	}
	if a, ok := f.input[name+".mask_input"]; ok {
		mask = add(graph.Floats(a.Float32(), 1, a.Shape[1], a.Shape[2], 1))
	}
	c.take = func(in []*gx.Node) (p sam.Prompts) {
		if box >= 0 {
			p.Box = in[box]
		}
		if points >= 0 {
			p.Points, p.Labels = in[points], in[points+1]
		}
		if mask >= 0 {
			p.Mask = in[mask]
		}
		return p
	}
	return c
}

// Every kind of prompt, from the resized image to masks of the original size.
func TestPromptsOfSAM(t *testing.T) {
	f := load(t, "sam-tiny")
	var cases map[string]struct {
		Multimask bool `json:"multimask_output"`
	}
	golden.JSON(t, &cases, "sam-tiny", "cases.json")
	if len(cases) < 10 {
		t.Fatalf("only %d cases", len(cases))
	}
	for name, how := range cases {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, b *graph.Backend) { f.comparePrompt(t, b, name, !how.Multimask) })
		})
	}
}

func (f *fixture) comparePrompt(t *testing.T, b *graph.Backend, name string, single bool) {
	config := f.config
	config.OneMask = single
	letter, _, _ := strings.Cut(name, ".")
	resized, original := f.input[letter+".resized_u8"], f.input[letter+".image_u8"]
	c := f.prompts(name)
	build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		embedding, _ := config.Encode(s, graph.Inputs{Image: in[0]})
		out := config.Decode(s, embedding, c.take(in[1:]))
		region := gx.Slice(out.Masks, gx.AxisRange(), gx.AxisRange(), gx.AxisRange(0, resized.Shape[0]), gx.AxisRange(0, resized.Shape[1]))
		return []*gx.Node{out.IoU, graph.ResizeMasks(s, region, original.Shape[0], original.Shape[1])}
	}
	shapes := append([]graph.Shape{graph.F32(1, config.Image, config.Image, 3)}, c.shapes...)
	inputs := append([]graph.Value{padded(resized, config.Image)}, c.values...)
	r := run(t, b, graph.ProgramConfig{Taps: graph.AllTaps}, f.weights, shapes, build, inputs...)

	d := &differences{t: t}
	compare := func(what, key string, got []float32, abs, rel float64) {
		want, ok := f.forward[key]
		if !ok {
			t.Fatalf("no reference for %s", key)
		}
		d.check(what, got, want.Float64(), abs, rel)
	}
	for _, stage := range []string{"preprocessed", "patch_embed", "after_pos_embed", "block0", "block1", "block2", "image_embedding"} {
		compare(stage, letter+"."+stage, f.activation(t, stage, r), 5e-5, 1e-4)
	}
	if sparse, ok := r.Taps["prompt_encoder.sparse"]; ok {
		compare("sparse", name+".sparse", sparse.Data, 5e-5, 1e-4)
	} else if want := f.forward[name+".sparse"]; want.Len() != 0 {
		t.Errorf("no prompt tokens, the reference has shape %v", want.Shape)
	}
	dense := channelsFirst(tapped(t, r, "prompt_encoder.dense"))
	prompts := f.forward[name+".dense"].Shape[0]
	compare("dense", name+".dense", slices.Repeat(dense, prompts), 5e-5, 1e-4)

	masks := tapped(t, r, "mask_decoder.masks") // (B,4,32,32)
	side := masks.Dims[2] * masks.Dims[3]
	var low []float32
	for i := range masks.Dims[0] {
		from, to := 1, 4
		if single {
			from, to = 0, 1
		}
		low = append(low, masks.Data[(4*i+from)*side:(4*i+to)*side]...)
	}
	compare("low_res_logits", name+".low_res_logits", low, 5e-4, 2e-4)
	compare("iou", name+".iou", r.Outputs[0].Data, 2e-5, 0)
	compare("logits", name+".logits", r.Outputs[1].Data, 5e-4, 2e-4)
	d.log()
}
