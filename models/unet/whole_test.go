package unet

import (
	"context"
	"math"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// A part of a sample enters a network with the values that the same place has when the whole sample enters; without the sample's numbers it would not.
func TestPartsEnterAsInTheWhole(t *testing.T) {
	const size, side, x0, y0 = 12, 4, 7, 2
	image := noise(3, size*size*3, 200)
	for i := range image {
		image[i] += float32(4 * (i / 3 % size)) // brighter to the right: the part has another mean
	}
	var part []float32
	whole := make([]float32, 6)
	for c := range 3 {
		var sum, squares float64
		for i := c; i < len(image); i += 3 {
			sum, squares = sum+float64(image[i]), squares+float64(image[i])*float64(image[i])
		}
		mean := sum / (size * size)
		whole[c], whole[3+c] = float32(mean), float32(math.Sqrt(squares/(size*size)-mean*mean))
	}
	for y := range side {
		for x := range side {
			part = append(part, image[3*((y0+y)*size+x0+x):][:3]...)
		}
	}
	for name, c := range map[string]Staged{
		"standardised":  {},
		"fixed numbers": {Intensities: []Intensity{{Modality: 1, Low: 20, High: 200, Mean: 90, Deviation: 40}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := backend(t)
			p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(1, size, size, 3), graph.F32(1, side, side, 3), graph.F32(1, 2, 3), graph.I32(1)},
				func(s *graph.Scope, in []*gx.Node) []*gx.Node {
					return []*gx.Node{
						c.entering(s, graph.Inputs{Image: in[0], Modality: in[3]}),
						c.entering(s, graph.Inputs{Image: in[1], Modality: in[3], Whole: in[2]}),
						c.entering(s, graph.Inputs{Image: in[1], Modality: in[3]}),
					}
				})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			r, err := p.Call(context.Background(), nil, 0, graph.Floats(image, 1, size, size, 3), graph.Floats(part, 1, side, side, 3), graph.Floats(whole, 1, 2, 3), graph.Ints([]int32{1}, 1))
			if err != nil {
				t.Fatal(err)
			}
			all, cut, alone := r.Outputs[0].Data, r.Outputs[1].Data, r.Outputs[2].Data
			differs := false
			for i, v := range cut {
				p, c := i/3, i%3
				if want := all[3*((y0+p/side)*size+x0+p%side)+c]; math.Abs(float64(v-want)) > 1e-5 {
					t.Fatalf("value %d of the part is %g, of the whole %g", i, v, want)
				}
				differs = differs || math.Abs(float64(alone[i]-v)) > 0.1
			}
			if differs != (len(c.Intensities) == 0) {
				t.Errorf("the part by itself has other values: %v", differs)
			}
		})
	}
}
