package sam_test

import (
	"fmt"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
)

// SAM as published, at its full size of 1024 px. Only on XLA: the interpreter takes long.
func TestFullSizeSAM(t *testing.T) {
	var want struct {
		ImageSum float64 `json:"image_sum"`
		Box      []float32
		Values   struct {
			Encoder map[string]any
			Decoder struct{ Box map[string][]float64 }
		} `json:"values_float64"`
	}
	golden.JSON(t, &want, "full-sam-vitb.json")
	b := open(t, "xla")

	const size = 1024
	picture := make([]float32, 0, size*size*3)
	sum := 0.0
	for y := range size {
		for x := range size {
			for c := range 3 {
				v := (3*x + 5*y + 40*c + 60*((x/64+y/64)%2)) % 256
				picture = append(picture, float32(v))
				sum += float64(v)
			}
		}
	}
	if sum != want.ImageSum {
		t.Fatalf("the values of the image sum up to %g, expected %g", sum, want.ImageSum)
	}

	config := sam.Base()
	shapes := []graph.Shape{graph.F32(1, size, size, 3), graph.F32(1, 4)}
	build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		embedding, _ := config.Encode(s, graph.Inputs{Image: in[0]})
		out := config.Decode(s, embedding, sam.Prompts{Box: in[1]})
		return []*gx.Node{out.IoU}
	}
	specs, err := graph.Declare(shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, b, graph.ProgramConfig{Taps: graph.AllTaps}, ruleWeights(t, specs), shapes, build, graph.Floats(picture, 1, size, size, 3), graph.Floats(want.Box, 1, 4))

	d := &differences{t: t}
	value := func(key string) []float64 { return reference(t, want.Values.Encoder, key) }
	for _, i := range []int{0, 2} {
		block := tapped(t, r, fmt.Sprintf("image_encoder.blocks.%d.out", i))
		for _, place := range []int{0, 63} {
			key := fmt.Sprintf("block%d[%d,%d,:3]", i, place, place)
			d.check(key, channelsAt(block, place, place, 0, 3), value(key), 2e-5, 0)
		}
	}
	embedding := tapped(t, r, "image_encoder.image_embedding")
	d.check("embedding mean,std", moments(embedding.Data), value("embedding mean,std"), 2e-5, 0)
	d.check("embedding[0..2,0,0]", channelsAt(embedding, 0, 0, 0, 3), value("embedding[0..2,0,0]"), 2e-5, 0)
	d.check("embedding[255,63,63]", channelsAt(embedding, 63, 63, 255, 256), value("embedding[255,63,63]"), 2e-5, 0)
	masks := tapped(t, r, "mask_decoder.masks") // (1,4,256,256)
	var first []float32
	for m := 1; m < 4; m++ {
		first = append(first, masks.Data[m*masks.Dims[2]*masks.Dims[3]])
	}
	d.check("iou", r.Outputs[0].Data, want.Values.Decoder.Box["iou"], 2e-5, 0)
	d.check("low_res[0,0]", first, want.Values.Decoder.Box["low_res[0,0]"], 2e-5, 0)
	d.log()
}
