package models

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/ops/graph"
)

// U-Nets take images that are not square, have the parameters of the square ones, and see the box where it lies: the answer changes most around it.
func TestImagesThatAreNotSquare(t *testing.T) {
	const width, height = 32, 16
	plan, err := unet.PlanFor(unet.Fingerprint{Shape: []int{height, width}, Spacing: []float64{1, 1}, Values: 1e5, Outputs: 1}, unet.RulesFor(2, false), false, 8)
	if err != nil {
		t.Fatal(err)
	}
	plan.Features, plan.Encoder, plan.Decoder = []int{2, 3}, []int{1, 1}, []int{1}
	plan.Strides, plan.Kernels = plan.Strides[:2], plan.Kernels[:2]
	for name, c := range map[string]Config{
		"unet":          {Architecture: "unet", Base: 2, Levels: 2},
		"residual_unet": {Architecture: "residual_unet", Base: 2, Levels: 2, Convolutions: []int{1, 1}},
		"nnunet":        {Architecture: "nnunet", Plan: &plan},
	} {
		t.Run(name, func(t *testing.T) {
			c.Image = width
			square, err := Build(c)
			if err != nil {
				t.Fatal(err)
			}
			c.Height = height
			m, err := Build(c)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(m.Parameters, square.Parameters, func(a, b graph.Spec) bool { return a.Name == b.Name && slices.Equal(a.Dims, b.Dims) }) {
				t.Error("other parameters than those of the square network")
			}
			b, err := graph.Open("go")
			if err != nil {
				t.Fatal(err)
			}
			shapes := []graph.Shape{graph.F32(2, height, width, 3), graph.F32(2, 4), graph.I32(2), graph.I32(2, 4)}
			p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, shapes, Flat(m.Network))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			params, err := graph.Initialise(m.Parameters, 3)
			if err != nil {
				t.Fatal(err)
			}
			image := make([]float32, 2*height*width*3)
			for i := range image {
				image[i] = float32(i % (height * width * 3) * 7 % 31)
			}
			// The same image twice, with boxes in opposite corners.
			r, err := p.Call(context.Background(), b.Place(params), 0, graph.Floats(image, 2, height, width, 3), graph.Floats([]float32{1, 1, 6, 6, 25, 9, 30, 14}, 2, 4),
				graph.Ints(make([]int32, 2), 2), graph.Ints(make([]int32, 8), 2, 4))
			if err != nil {
				t.Fatal(err)
			}
			out := r.Outputs[0]
			if !slices.Equal(out.Dims, []int{2, 1, height, width}) {
				t.Fatalf("masks have shape %v", out.Dims)
			}
			change := func(x0, y0, x1, y1 int) (sum float64) {
				for y := y0; y <= y1; y++ {
					for x := x0; x <= x1; x++ {
						d := float64(out.Data[y*width+x] - out.Data[(height+y)*width+x])
						sum += d * d
					}
				}
				return sum / float64((x1-x0+1)*(y1-y0+1))
			}
			inside, middle := min(change(1, 1, 6, 6), change(25, 9, 30, 14)), max(change(25, 1, 30, 4), change(1, 11, 6, 14))
			if inside < 2*middle {
				t.Errorf("the answer changes by %.3g in the boxes and by %.3g in the other corners", inside, middle)
			}
		})
	}
	for name, c := range map[string]Config{"sam": {Architecture: "tiny", Image: 32, Height: 16}, "own": {Architecture: "own", Image: 32, Height: 16}, "negative": {Architecture: "unet", Image: 32, Height: -1}} {
		if _, err := Build(c); err == nil || !strings.Contains(err.Error(), "U-Nets alone") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Build(Config{Architecture: "unet", Image: 32, Height: 18}); err == nil || !strings.Contains(err.Error(), "a height of 18 px cannot be halved") {
		t.Errorf("a height that cannot be halved: %v", err)
	}
}
