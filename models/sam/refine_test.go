package sam_test

import (
	"testing"

	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
)

// The reference's mask prompt is one of its own answers on the grid that masks are painted on. Here the network's answer is handed back the
// way refinement does, through Inputs and Outputs, and the second answer is the reference's.
func TestAnswersAsPrompts(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		mask          int // which answer is the prompt
		convolutional bool
	}{
		"sam-tiny":       {"a.points", "a.mask_only", 2, false},
		"sam-med2d-tiny": {"a.point", "a.mask_points", 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := load(t, name)
			f.config.Convolutional = c.convolutional
			side := f.config.LowSide()
			var picture graph.Value
			if size := f.config.Image; c.convolutional {
				picture = graph.Floats(nearest(f.input["a.image_u8"], size), 1, size, size, 3)
			} else {
				picture = padded(f.input["a.resized_u8"], size)
			}
			shape := graph.F32(1, f.config.Image, f.config.Image, 3)
			test := func(t *testing.T, b *graph.Backend) {
				answer := func(of string, mask []float32) []float32 {
					p := f.prompts(of)
					shapes, values := append([]graph.Shape{shape}, p.shapes...), append([]graph.Value{picture}, p.values...)
					if mask != nil { // in the place of the reference's
						values[len(values)-1] = graph.Floats(mask, 1, side, side, 1)
					}
					r := run(t, b, graph.ProgramConfig{}, f.weights, shapes, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
						given := p.take(in[1:])
						return []*graph.Node{f.config.Network()(s, graph.Inputs{Image: in[0], Box: given.Box, Points: given.Points, Labels: given.Labels, Mask: given.Mask}).Low}
					}, values...)
					return r.Outputs[0].Data
				}
				d := &differences{t: t}
				first := answer(c.first, nil)
				d.check("first answer", first, f.forward[c.first+".low_res_logits"].Float64(), 5e-4, 2e-4)
				second := answer(c.second, first[c.mask*side*side:][:side*side])
				d.check("second answer", second, f.forward[c.second+".low_res_logits"].Float64(), 5e-4, 2e-4)
				d.log()
			}
			if c.convolutional { // compiling it again for XLA says nothing new
				test(t, open(t, "go"))
				return
			}
			eachBackend(t, test)
		})
	}
}

// Masks painted at the size of the image reach the grid of prompts as means of its cells.
func TestAnswersAtFullResolutionAsPrompts(t *testing.T) {
	c := sam.Config{
		Image: 16, Patch: 8, Window: 2, Dim: 8, Depth: 1, Heads: 2, Global: []int{0}, MLP: 2,
		Prompt: 64, MaskChannels: 8, DecoderDepth: 1, DecoderHeads: 2, DecoderMLP: 8, IoUHidden: 8, IoUDepth: 2, KeepResolution: true,
	}
	build := func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		out := c.Network()(s, graph.Inputs{Image: in[0], Mask: in[1]})
		return []*graph.Node{out.Masks, out.Low}
	}
	shapes := []graph.Shape{graph.F32(1, 16, 16, 3), graph.F32(1, 8, 8, 1)}
	specs, err := graph.Declare(shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]float32, 64)
	run := func() (masks, low []float32) {
		r := run(t, b, graph.ProgramConfig{}, params, shapes, build, graph.Floats(make([]float32, 16*16*3), 1, 16, 16, 3), graph.Floats(mask, 1, 8, 8, 1))
		return r.Outputs[0].Data, r.Outputs[1].Data
	}
	masks, low := run()
	for i, v := range low {
		m, y, x := i/64, i/8%8, i%8
		at := m*256 + 2*y*16 + 2*x
		if want := (masks[at] + masks[at+1] + masks[at+16] + masks[at+17]) / 4; v < want-1e-5 || v > want+1e-5 {
			t.Fatalf("mask %d, cell (%d,%d): %g, expected %g", m, x, y, v, want)
		}
	}
	mask[9] = 8
	if _, other := run(); other[0] == low[0] {
		t.Error("another mask prompt has the same answer")
	}
}
