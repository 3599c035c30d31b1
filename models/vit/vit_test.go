package vit_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/models/vit"
	"github.com/mseg-lang/mseg/ops/graph"
)

func small() vit.Config {
	mixture := experts.Config{Experts: 2, Bottleneck: 2, Embedding: 2, Scale: 0.1, Taxonomy: experts.Taxonomy{Modalities: 2, Levels: []int{2, 2, 2}, Tasks: 2}}
	return vit.Config{Encoder: sam.Config{
		Image: 16, Patch: 4, Window: 3, Dim: 8, Depth: 2, Heads: 2, Global: []int{1}, MLP: 2,
		Prompt: 8, MaskChannels: 4, DecoderDepth: 1, DecoderHeads: 2, DecoderMLP: 4, IoUHidden: 4, IoUDepth: 1, Experts: &mixture,
	}}
}

func build(c vit.Config) graph.Build {
	return func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		box := gx.ConstAsDType(s.Graph(), s.DType(), [][]float64{{2, 3, 9, 10}})
		out := c.Network()(s, graph.Inputs{Image: in[0], Box: box, Modality: in[1], Organ: in[2]})
		return append([]*gx.Node{out.Masks}, out.Gates...)
	}
}

var shapes = []graph.Shape{graph.F32(1, 16, 16, 3), graph.I32(1), graph.I32(1, 4)}

func values() []graph.Value {
	r := graph.Stream(3, "image")
	x := make([]float32, 16*16*3)
	for i := range x {
		x[i] = float32(r.Float64() * 255)
	}
	return []graph.Value{graph.Floats(x, 1, 16, 16, 3), graph.Ints([]int32{1}, 1), graph.Ints([]int32{0, 1, 1, 0}, 1, 4)}
}

func random(t *testing.T, c vit.Config) *graph.Params {
	t.Helper()
	specs, err := graph.Declare(shapes, build(c))
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		if !strings.HasSuffix(specs[i].Name, "norm.weight") {
			specs[i].Init = graph.Normal(0.3)
		}
	}
	params, err := graph.Initialise(specs, 5)
	if err != nil {
		t.Fatal(err)
	}
	return params
}

func TestGradient(t *testing.T) {
	onbackend.Each(t, func(t *testing.T, b *graph.Backend) {
		c := small()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		diff, err := graph.CheckGradient(b, build(c), random(t, c), 2, true, values()...)
		if err != nil {
			t.Fatal(err)
		}
		if !(diff <= 1e-6) {
			t.Errorf("gradient and central difference differ by %.1e of their size", diff)
		}
	})
}

// The encoder has exactly the parameters of SAM's, so its weights fit.
func TestEncoderIsSAMs(t *testing.T) {
	c := small()
	names := func(build graph.Build) []string {
		specs, err := graph.Declare(shapes, build)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range specs {
			if strings.HasPrefix(s.Name, "image_encoder.") {
				out = append(out, s.Name)
			}
		}
		slices.Sort(out)
		return out
	}
	encoder := names(func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		x, _ := c.Encoder.Encode(s, graph.Inputs{Image: in[0], Box: in[0], Modality: in[1], Organ: in[2]})
		return []*gx.Node{x}
	})
	if got := names(build(c)); !slices.Equal(got, encoder) || len(got) < 30 {
		t.Errorf("the encoder's parameters are %v, SAM's %v", got, encoder)
	}
}

func TestMasksAndBox(t *testing.T) {
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	run := func(c vit.Config) []float32 {
		p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, append(shapes, graph.F32(1, 4)), func(s *graph.Scope, in []*gx.Node) []*gx.Node {
			return []*gx.Node{c.Network()(s, graph.Inputs{Image: in[0], Box: in[3], Modality: in[1], Organ: in[2]}).Masks}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Free()
		var out []float32
		for _, box := range [][]float32{{1, 1, 6, 6}, {8, 8, 15, 15}} {
			r, err := p.Call(context.Background(), b.Place(random(t, c)), 0, append(values(), graph.Floats(box, 1, 4))...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Outputs[0].Dims, []int{1, 1, 16, 16}) {
				t.Fatalf("masks have shape %v", r.Outputs[0].Dims)
			}
			out = append(out, r.Outputs[0].Data...)
		}
		return out
	}
	differ := func(x []float32) bool { return !slices.Equal(x[:256], x[256:]) }
	if c := small(); !differ(run(c)) {
		t.Error("two boxes have the same mask")
	}
	c := small()
	c.NoBox = true
	if differ(run(c)) {
		t.Error("a network that is not shown the box depends on it")
	}
}

func TestShareOfTheBox(t *testing.T) {
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	c := small()
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(1, 4)},
		func(s *graph.Scope, in []*gx.Node) []*gx.Node { return []*gx.Node{vit.Share(c, s, in[0], 4)} })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	r, err := p.Call(context.Background(), nil, 0, graph.Floats([]float32{2, 4, 8, 5}, 1, 4)) // columns 2..8 and rows 4..5 of cells of 4 px
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{0, 0, 0, 0, 0.25, 0.5, 0.125, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for i, v := range r.Outputs[0].Data {
		if !(math.Abs(float64(v)-want[i]) <= 1e-6) {
			t.Errorf("shares are %v, expected %v", r.Outputs[0].Data, want)
			break
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	c := small()
	c.Encoder.Patch, c.Encoder.Image = 3, 15
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "power of two, found 3 px") {
		t.Errorf("got %v", err)
	}
	c = small()
	c.Encoder.Experts.Blocks = []int{2}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "block 2 does not exist") {
		t.Errorf("got %v", err)
	}
}
