package sam_test

import (
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// ruleValue is value i of a tensor in the rule by which the reference filled
// its weights, before it is scaled: a hash of name and place, in -1..1.
func ruleValue(key uint32, i int) float64 {
	h := key + uint32(i)*2654435761
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	h ^= h >> 16
	return 2*float64(h)/0xffffffff - 1
}

// ruleWeights fills every parameter by the rule of the reference.
func ruleWeights(t *testing.T, specs []graph.Spec) *graph.Params {
	t.Helper()
	params := graph.NewParams()
	for _, s := range specs {
		tensor := graph.NewTensor(s.Dims...)
		centre, scale := 0.0, 0.05
		switch {
		case len(s.Dims) == 1 && strings.HasSuffix(s.Name, ".weight"):
			centre, scale = 1, 0.1
		case strings.HasSuffix(s.Name, ".bias"):
		case strings.Contains(s.Name, "gaussian_matrix"):
			scale = 1
		default:
			for _, part := range []string{"modal_embed", "organ_embed", "point_embeddings", "_token", "no_mask_embed", "not_a_point"} {
				if strings.Contains(s.Name, part) {
					scale = 0.5
				}
			}
		}
		key := crc32.ChecksumIEEE([]byte(s.Name))
		for i := range tensor.Data {
			tensor.Data[i] = float32(centre + scale*ruleValue(key, i))
		}
		if err := params.Set(s.Name, tensor); err != nil {
			t.Fatal(err)
		}
	}
	return params
}

// The network of the paper at its full size, on a real image. Only on XLA: the
// interpreter takes long.
func TestFullSizeMedSegX(t *testing.T) {
	var want struct {
		Rule struct {
			Check map[string]struct {
				First []float64
				Last  float64
			} `json:"check_values_before_rounding"`
		} `json:"fill_rule"`
		Tensors int
		Input   struct {
			File  string
			Box   []float32
			Modal int32
			Organ []int32 `json:"organ_levels_1_2_3_task"`
		}
		Values struct {
			Gates   map[string][]float64
			Encoder map[string]any
			Decoder map[string]any
		} `json:"values_float64"`
	}
	golden.JSON(t, &want, "full-vitb.json")
	b := open(t, "xla")

	config := sam.Base()
	config.Image, config.KeepResolution = 256, true
	mixture := experts.Published()
	config.Experts = &mixture
	shapes := models.InputShapes(1, 256)
	specs, err := graph.Declare(shapes, models.Flat(config.Network()))
	if err != nil {
		t.Fatal(err)
	}
	if len(specs) != want.Tensors {
		t.Errorf("%d tensors, expected %d", len(specs), want.Tensors)
	}
	params := ruleWeights(t, specs)
	for name, check := range want.Rule.Check {
		tensor, ok := params.Get(name)
		if !ok || tensor.Data[0] != float32(check.First[0]) || tensor.Data[1] != float32(check.First[1]) || tensor.Data[len(tensor.Data)-1] != float32(check.Last) {
			t.Fatalf("%s is not filled as in the reference", name)
		}
	}

	mask := readNPY(t, want.Input.File)
	picture := readNPY(t, strings.Replace(want.Input.File, "npy_gts", "npy_imgs", 1))
	build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		out := config.Network()(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]})
		loss := gx.Add(graph.DiceLoss(s, out.Masks, in[4]), graph.BCELoss(s, out.Masks, in[4]))
		return append([]*gx.Node{out.Masks, loss}, out.Gates...)
	}
	r := run(t, b, graph.ProgramConfig{Taps: graph.AllTaps}, params, withTarget(1, 256), build,
		graph.Floats(picture.Float32(), 1, 256, 256, 3), graph.Floats(want.Input.Box, 1, 4),
		graph.Ints([]int32{want.Input.Modal}, 1), graph.Ints(want.Input.Organ, 1, 4),
		graph.Floats(mask.Float32(), 1, 256, 256))

	d := &differences{t: t}
	for i, gate := range r.Outputs[2:] {
		d.check(fmt.Sprintf("gates of block %d", i), gate.Data, want.Values.Gates[fmt.Sprintf("block%d", i)], 2e-6, 0)
	}
	encoder := func(tap string) *graph.Tensor { return tapped(t, r, "image_encoder."+tap) }
	check := func(key string, got []float32, abs float64) {
		t.Helper()
		d.check(key, got, reference(t, want.Values.Encoder, key), abs, 0)
	}
	patches := encoder("patch_embed")
	check("patch_embed[0,0,:3]", channelsAt(patches, 0, 0, 0, 3), 2e-5)
	check("patch_embed[7,9,100]", channelsAt(patches, 7, 9, 100, 101), 2e-5)
	for _, i := range []int{0, 2, 5, 11} {
		block := encoder(fmt.Sprintf("blocks.%d.out", i))
		check(fmt.Sprintf("block%d[0,0,:3]", i), channelsAt(block, 0, 0, 0, 3), 2e-5)
		check(fmt.Sprintf("block%d[3,4,:3]", i), channelsAt(block, 3, 4, 0, 3), 2e-5)
		check(fmt.Sprintf("block%d[15,15,767]", i), channelsAt(block, 15, 15, 767, 768), 2e-5)
		check(fmt.Sprintf("block%d mean,std", i), moments(block.Data), 2e-5)
	}
	embedding := encoder("image_embedding")
	check("embedding mean,std", moments(embedding.Data), 2e-5)
	check("embedding[0..2,0,0]", channelsAt(embedding, 0, 0, 0, 3), 2e-5)
	check("embedding[255,15,15]", channelsAt(embedding, 15, 15, 255, 256), 2e-5)

	sparse := tapped(t, r, "prompt_encoder.sparse").Data
	d.check("sparse 0", sparse[:3], reference(t, want.Values.Decoder, "sparse[0,0,:3]"), 5e-6, 0)
	d.check("sparse 1", sparse[256+253:512], reference(t, want.Values.Decoder, "sparse[0,1,253:256]"), 5e-6, 0)
	masks := r.Outputs[0].Data
	pixel := func(y, x int) (v []float32) {
		for m := range 3 {
			v = append(v, masks[(m*256+y)*256+x])
		}
		return v
	}
	d.check("mask[0,0]", pixel(0, 0), reference(t, want.Values.Decoder, "mask[0,0]"), 2e-6, 0)
	d.check("mask[128,128]", pixel(128, 128), reference(t, want.Values.Decoder, "mask[128,128]"), 2e-6, 0)
	d.check("mask[row 200, col 60]", pixel(200, 60), reference(t, want.Values.Decoder, "mask[row 200, col 60]"), 2e-6, 0)
	d.check("loss", r.Outputs[1].Data, reference(t, want.Values.Decoder, "loss"), 2e-6, 0)
	d.log()
}

func readNPY(t *testing.T, path string) *image.Array {
	t.Helper()
	a, err := image.ReadNPY(golden.Path(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// moments are mean and standard deviation.
func moments(x []float32) []float32 {
	mean, square := 0.0, 0.0
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	return []float32{float32(mean), float32(math.Sqrt(square / float64(len(x))))}
}
