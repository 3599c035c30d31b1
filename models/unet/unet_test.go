package unet

import (
	"context"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

func backend(t *testing.T) *graph.Backend {
	t.Helper()
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func inputShapes(batch, size int) []graph.Shape {
	return []graph.Shape{graph.F32(batch, size, size, 3), graph.F32(batch, 4)}
}

func flat(c Config) graph.Build {
	return func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		return []*gx.Node{c.Network()(s, graph.Inputs{Image: in[0], Box: in[1]}).Masks}
	}
}

func parameters(t *testing.T, c Config) *graph.Params {
	t.Helper()
	specs, err := graph.Declare(inputShapes(1, c.Image), flat(c))
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	return params
}

func noise(seed uint64, n int, scale float64) []float32 {
	r := graph.Stream(seed, "noise")
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(r.Float64() * scale)
	}
	return data
}

func TestMasksHaveTheImagesSize(t *testing.T) {
	for name, c := range map[string]Config{
		"one level":  {Image: 8, Base: 2, Depth: 1},
		"four":       {Image: 16, Base: 2, Depth: 4},
		"odd levels": {Image: 12, Base: 3, Depth: 3},
		"no prompt":  {Image: 8, Base: 2, Depth: 2, Prompt: None},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			b := backend(t)
			p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, inputShapes(2, c.Image), flat(c))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			r, err := p.Call(context.Background(), b.Place(parameters(t, c)), 0,
				graph.Floats(noise(1, 2*c.Image*c.Image*3, 255), 2, c.Image, c.Image, 3), graph.Floats([]float32{1, 1, 4, 5, 0, 0, 3, 3}, 2, 4))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Outputs[0].Dims, []int{2, 1, c.Image, c.Image}) {
				t.Errorf("masks have shape %v", r.Outputs[0].Dims)
			}
		})
	}
}

func TestBoxIsFilled(t *testing.T) {
	c := Config{Image: 4, Base: 1, Depth: 1}
	b := backend(t)
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(2, 4)},
		func(s *graph.Scope, in []*gx.Node) []*gx.Node { return []*gx.Node{filled(s, in[0], c.Image, c.Image)} })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	r, err := p.Call(context.Background(), nil, 0, graph.Floats([]float32{1, 0, 2, 1, 3, 3, 3, 3}, 2, 4))
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{
		0, 1, 1, 0,
		0, 1, 1, 0,
		0, 0, 0, 0,
		0, 0, 0, 0,

		0, 0, 0, 0,
		0, 0, 0, 0,
		0, 0, 0, 0,
		0, 0, 0, 1,
	}
	if !slices.Equal(r.Outputs[0].Data, want) {
		t.Errorf("filled box is %v", r.Outputs[0].Data)
	}
}

// A box prompt is the only way to say which of two discs is meant, so a network
// that reads it learns the task, and one that does not cannot.
func TestLearnsWhatTheBoxPointsAt(t *testing.T) {
	const size, batch = 16, 4
	image := make([]float32, 0, batch*size*size*3)
	target := make([]float32, 0, batch*size*size)
	var boxes []float32
	for i := range batch {
		left := i%2 == 0
		for y := range size {
			for x := range size {
				disc := func(cx int) bool { return (x-cx)*(x-cx)+(y-8)*(y-8) <= 9 }
				v := float32(40)
				if disc(4) || disc(12) {
					v = 200
				}
				image = append(image, v, v, v)
				inside := float32(0)
				if left && disc(4) || !left && disc(12) {
					inside = 1
				}
				target = append(target, inside)
			}
		}
		if left {
			boxes = append(boxes, 1, 5, 7, 11)
		} else {
			boxes = append(boxes, 9, 5, 15, 11)
		}
	}
	final := func(prompt Prompt) float64 {
		c := Config{Image: size, Base: 4, Depth: 2, Prompt: prompt}
		b := backend(t)
		step, err := graph.NewStep(b, graph.StepConfig{Name: t.Name(), Optimizer: graph.DefaultAdamW()},
			append(inputShapes(batch, size), graph.F32(batch, size, size)),
			func(s *graph.Scope, in []*gx.Node) (*gx.Node, []*gx.Node) {
				masks := flat(c)(s, in)[0]
				return graph.Mean(s, graph.DiceLoss(s, masks, in[2])), nil
			})
		if err != nil {
			t.Fatal(err)
		}
		defer step.Free()
		if err := step.Start(b.Place(parameters(t, c)), nil); err != nil {
			t.Fatal(err)
		}
		loss := 0.0
		for range 60 {
			r, err := step.Run(context.Background(), 1e-2, 0,
				graph.Floats(image, batch, size, size, 3), graph.Floats(boxes, batch, 4), graph.Floats(target, batch, size, size))
			if err != nil {
				t.Fatal(err)
			}
			loss = r.Loss
		}
		return loss
	}
	if loss := final(Box); loss > 0.1 {
		t.Errorf("with the box the Dice loss stays at %.3f", loss)
	}
	if loss := final(None); loss < 0.2 {
		t.Errorf("without the box the Dice loss falls to %.3f, which it cannot", loss)
	}
}

func TestGradient(t *testing.T) {
	c := Config{Image: 4, Base: 2, Depth: 2}
	b := backend(t)
	// The box decides by comparison and has no gradient: it is held in the
	// function, not moved.
	build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		box := gx.ConstAsDType(s.Graph(), s.DType(), [][]float64{{0, 1, 2, 3}})
		return []*gx.Node{c.Network()(s, graph.Inputs{Image: in[0], Box: box}).Masks}
	}
	diff, err := graph.CheckGradient(b, build, parameters(t, c), 2, true, graph.Floats(noise(3, 4*4*3, 255), 1, 4, 4, 3))
	if err != nil {
		t.Fatal(err)
	}
	if !(diff <= 1e-5) {
		t.Errorf("gradient and central difference differ by %.1e of their size", diff)
	}
}

func TestValidateRefuses(t *testing.T) {
	for want, c := range map[string]Config{
		"multiple of 8": {Image: 12, Base: 2, Depth: 4},
		"base is 0":     {Image: 16, Depth: 2},
		"depth is 0":    {Image: 16, Base: 2},
		"prompt kind 5": {Image: 16, Base: 2, Depth: 2, Prompt: 5},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected an error with %q", err, want)
		}
	}
}
