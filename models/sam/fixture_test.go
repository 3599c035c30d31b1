package sam_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// eachBackend runs a test on GoMLX's interpreter and, where its plugin is
// installed, on XLA.
func eachBackend(t *testing.T, test func(t *testing.T, b *graph.Backend)) {
	for _, name := range []string{"go", "xla"} {
		t.Run(name, func(t *testing.T) { test(t, open(t, name)) })
	}
}

func open(t *testing.T, name string) *graph.Backend {
	t.Helper()
	if name == "xla" && testing.Short() {
		t.Skip("XLA needs seconds to compile")
	}
	return onbackend.Open(t, name)
}

// fixture is one folder of numbers from a reference implementation.
type fixture struct {
	folder  string
	config  sam.Config
	meta    meta
	weights *graph.Params
	forward map[string]*image.Array
	input   map[string]*image.Array
}

type meta struct {
	Config struct {
		Image        int    `json:"image_size"`
		Patch        int    `json:"patch_size"`
		Window       int    `json:"window_size"`
		Depth        int    `json:"depth"`
		Dim          int    `json:"embed_dim"`
		Heads        int    `json:"num_heads"`
		Global       []int  `json:"global_attn_indexes"`
		MLP          int    `json:"mlp_ratio"`
		Prompt       int    `json:"prompt_dim"`
		MaskChannels int    `json:"mask_in_chans"`
		DecoderDepth int    `json:"decoder_depth"`
		DecoderHeads int    `json:"decoder_heads"`
		DecoderMLP   int    `json:"decoder_mlp_dim"`
		IoUDepth     int    `json:"iou_head_depth"`
		IoUHidden    int    `json:"iou_head_hidden_dim"`
		Bottleneck   int    `json:"bottleneck_dim"`
		Embedding    int    `json:"embedding_dim"`
		Experts      int    `json:"expert_num"`
		Keep         bool   `json:"keep_resolution"`
		Gate         string `json:"gate"`
		Pos          []int  `json:"pos"`
	} `json:"config"`
	Trainable []string `json:"requires_grad"`
	None      []string `json:"grad_is_none"`
	Zero      []string `json:"grad_is_exactly_zero"`
}

func load(t *testing.T, folder string) *fixture {
	t.Helper()
	f := &fixture{folder: folder}
	golden.JSON(t, &f.meta, folder, "meta.json")
	c := f.meta.Config
	f.config = sam.Config{
		Image: c.Image, Patch: c.Patch, Window: c.Window, Dim: c.Dim, Depth: c.Depth, Heads: c.Heads, Global: c.Global, MLP: c.MLP,
		Prompt: c.Prompt, MaskChannels: c.MaskChannels, DecoderDepth: c.DecoderDepth, DecoderHeads: c.DecoderHeads,
		DecoderMLP: c.DecoderMLP, IoUHidden: c.IoUHidden, IoUDepth: c.IoUDepth, KeepResolution: c.Keep,
	}
	if c.Experts > 0 {
		e := experts.Published()
		e.Experts, e.Bottleneck, e.Embedding, e.Blocks = c.Experts, c.Bottleneck, c.Embedding, c.Pos
		e.Dropout = 0 // off in the reference for gradients and steps
		if c.Gate == "v1" {
			e.Gate = experts.Flat
		}
		f.config.Experts = &e
	}
	if err := f.config.Validate(); err != nil {
		t.Fatal(err)
	}
	f.weights = golden.Weights(t, folder, "weights.safetensors")
	f.forward = golden.Arrays(t, folder, "forward.npz")
	f.input = golden.Arrays(t, folder, "input.npz")
	return f
}

// inputs are the batch of a MedSegX fixture, in the order of models.InputShapes.
func (f *fixture) inputs(t *testing.T) []graph.Value {
	t.Helper()
	picture := f.input["image"]
	b, s := picture.Shape[0], picture.Shape[2]
	return []graph.Value{
		graph.Floats(golden.ChannelsLast(picture.Float32(), b, 3, s, s), b, s, s, 3),
		graph.Floats(f.input["box"].Float32(), b, 4),
		graph.Ints(integers(f.input["modal"]), b),
		graph.Ints(integers(f.input["organ"]), b, 4),
	}
}

func integers(a *image.Array) []int32 {
	out := make([]int32, 0, a.Len())
	for _, v := range a.Int64() {
		out = append(out, int32(v))
	}
	return out
}

// target is (B,S,S).
func (f *fixture) target() graph.Value {
	a := f.input["target"]
	return graph.Floats(a.Float32(), a.Shape[0], a.Shape[2], a.Shape[3])
}

// run builds, calls once and frees.
func run(t *testing.T, b *graph.Backend, cfg graph.ProgramConfig, weights *graph.Params, shapes []graph.Shape, build graph.Build, inputs ...graph.Value) *graph.Result {
	t.Helper()
	cfg.Name = t.Name()
	p, err := graph.NewProgram(b, cfg, shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	placed := b.Place(weights)
	defer placed.Free()
	r, err := p.Call(context.Background(), placed, 1, inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sameKeys fails unless the model asks for exactly the tensors of the file.
func (f *fixture) sameKeys(t *testing.T) {
	t.Helper()
	specs, err := graph.Declare(models.InputShapes(1, f.config.Image), models.Flat(f.config.Network()))
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string][]int{}
	for _, s := range specs {
		asked[s.Name] = s.Dims
		w, ok := f.weights.Get(s.Name)
		if !ok || fmt.Sprint(w.Dims) != fmt.Sprint(s.Dims) {
			t.Errorf("the model asks for %s %v, which the reference does not have", s.Name, s.Dims)
		}
	}
	for _, name := range f.weights.Names() {
		if _, ok := asked[name]; !ok && !strings.Contains(name, "_index") {
			t.Errorf("the reference has %s, the model does not", name)
		}
	}
}

// differences collects the largest difference of each stage for the log.
type differences struct {
	t     *testing.T
	lines []string
}

func (d *differences) check(what string, got []float32, want []float64, abs, rel float64) {
	d.t.Helper()
	worst := golden.Close(d.t, what, got, want, abs, rel)
	d.lines = append(d.lines, fmt.Sprintf("%s %.1e", what, worst))
}

// channelsAt are the channels from..to-1 of one place of a map (1,H,W,C).
func channelsAt(x *graph.Tensor, row, column, from, to int) []float32 {
	start := (row*x.Dims[2] + column) * x.Dims[3]
	return x.Data[start+from : start+to]
}

// reference is what a file of reference numbers holds under a name: a number, or a list.
func reference(t *testing.T, of map[string]any, name string) []float64 {
	t.Helper()
	switch v := of[name].(type) {
	case float64:
		return []float64{v}
	case []any:
		var out []float64
		for _, x := range v {
			out = append(out, x.(float64))
		}
		return out
	}
	t.Fatalf("no reference for %q", name)
	return nil
}

func (d *differences) log() {
	d.t.Helper()
	d.t.Logf("largest differences: %s", strings.Join(d.lines, ", "))
}

// compareGradients allows rounding noise where the exact gradient is zero: a
// constant added to all keys changes nothing, so neither do the biases of keys.
func compareGradients(t *testing.T, names []string, got []*graph.Tensor, grads map[string]*image.Array) {
	t.Helper()
	worst, where := 0.0, ""
	for i, name := range names {
		g, want := got[i].Data, grads[name].Float64()
		if strings.HasSuffix(name, "attn.qkv.bias") { // its middle third belongs to the keys
			third := len(want) / 3
			g, want = slices.Concat(g[:third], g[2*third:]), slices.Concat(want[:third], want[2*third:])
		}
		largest := 0.0
		for _, v := range want {
			largest = max(largest, math.Abs(v))
		}
		limit := 5e-5 * largest
		if noGradient(name) {
			limit = keyNoise
		}
		diff := golden.Close(t, "gradient of "+name, g, want, limit, 0)
		if !noGradient(name) && largest > 0 && diff/largest > worst {
			worst, where = diff/largest, name
		}
	}
	t.Logf("gradients of %d tensors: largest difference %.1e of the tensor's maximum (%s)", len(names), worst, where)
}
