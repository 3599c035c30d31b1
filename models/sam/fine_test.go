package sam

import (
	"math"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// fineConfig is the smallest network that shows its box as a mask and paints with features of single pixels.
func fineConfig() Config {
	return Config{
		Image: 8, Patch: 4, Window: 2, Dim: 8, Depth: 1, Heads: 2, Global: []int{0}, MLP: 2,
		Prompt: 64, MaskChannels: 4, DecoderDepth: 1, DecoderHeads: 2, DecoderMLP: 8, IoUHidden: 8, IoUDepth: 2,
		KeepResolution: true, BoxAsMask: true, Fine: true,
	}
}

func goBackend(t *testing.T) *graph.Backend {
	t.Helper()
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBoxMaskPaintsInclusiveCorners(t *testing.T) {
	c := fineConfig()
	shapes := []graph.Shape{graph.F32(2, 4)}
	build := func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		return []*graph.Node{c.boxMask(s, in[0], c.Image, 1)}
	}
	b := goBackend(t)
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "box mask"}, shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	boxes := []float32{2, 1, 4, 1, 0, 0, 7, 7}
	out, err := p.Call(t.Context(), b.Place(graph.NewParams()), 0, graph.Floats(boxes, 2, 4))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range out.Outputs[0].Data {
		img, y, x := i/64, i/8%8, i%8
		box := boxes[4*img:]
		want := float32(-1)
		if x >= int(box[0]) && x <= int(box[2]) && y >= int(box[1]) && y <= int(box[3]) {
			want = 1
		}
		if v != want {
			t.Errorf("image %d pixel (%d,%d) is %g, want %g", img, x, y, v, want)
		}
	}
}

func TestGradientOfFineFeatures(t *testing.T) {
	c := fineConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	shapes := []graph.Shape{graph.F32(1, 8, 8, 3), graph.F32(1, 2, 2, 64)}
	build := func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		maps := c.fine(s, in[0], gx.ConstAsDType(s.Graph(), s.DType(), [][]float64{{2, 2, 5, 6}}))
		return []*graph.Node{c.blend(s, maps[1]), maps[0]}
	}
	specs, err := graph.Declare(shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(specs, 5)
	if err != nil {
		t.Fatal(err)
	}
	image := make([]float32, 8*8*3)
	for i := range image {
		image[i] = float32(math.Sin(float64(i)))
	}
	diff, err := graph.CheckGradient(goBackend(t), build, params, 3, false, graph.Floats(image, 1, 8, 8, 3), graph.Floats(make([]float32, 256), 1, 2, 2, 64))
	if err != nil {
		t.Fatal(err)
	}
	if !(diff <= 1e-6) {
		t.Errorf("gradient and central difference differ by %.1e of their size", diff)
	}
}

func TestMaskFollowsTheBoxFromTheFirstStep(t *testing.T) {
	c := fineConfig()
	build := func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		out := c.Network()(s, graph.Inputs{Image: in[0], Box: in[1]})
		return []*graph.Node{out.Masks}
	}
	shapes := []graph.Shape{graph.F32(2, 8, 8, 3), graph.F32(2, 4)}
	specs, err := graph.Declare(shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := goBackend(t)
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "fine"}, shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Call(t.Context(), b.Place(params), 0, graph.Floats(make([]float32, 2*8*8*3), 2, 8, 8, 3), graph.Floats([]float32{0, 0, 3, 3, 4, 4, 7, 7}, 2, 4))
	if err != nil {
		t.Fatal(err)
	}
	m := out.Outputs[0]
	half := len(m.Data) / 2
	differ := false
	for i := range half {
		differ = differ || m.Data[i] != m.Data[half+i]
	}
	if !differ {
		t.Error("two boxes on the same image give the same masks")
	}
	for _, s := range specs {
		if s.Name == "mask_decoder.fine_features.stem.0.weight" {
			return
		}
	}
	t.Error("the network has no features of single pixels")
}
