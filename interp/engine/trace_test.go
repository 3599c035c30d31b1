package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// goldenTrace is the reference's small MedSegX with its weights, as a model of the language is: the language has no word for its sizes.
func goldenTrace(t *testing.T) *Trace {
	t.Helper()
	c := sam.Config{Image: 128, Patch: 16, Window: 5, Dim: 32, Depth: 3, Heads: 2, Global: []int{1}, MLP: 4, Prompt: 64, MaskChannels: 16,
		DecoderDepth: 2, DecoderHeads: 4, DecoderMLP: 128, IoUHidden: 64, IoUDepth: 3, KeepResolution: true}
	var meta struct {
		Config map[string]any `json:"config"`
	}
	text, err := os.ReadFile(nearby.Path(t, "golden", "medsegx-tiny", "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	number := func(name string) int { return int(meta.Config[name].(float64)) }
	c.MaskChannels, c.DecoderMLP, c.IoUHidden = number("mask_in_chans"), number("decoder_mlp_dim"), number("iou_head_hidden_dim")
	e := experts.Published()
	e.Bottleneck, e.Embedding = 8, 8
	c.Experts = &e
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	params, err := weights.Read(nearby.Path(t, "golden", "medsegx-tiny", "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	arch, err := models.Find("vit_b")
	if err != nil {
		t.Fatal(err)
	}
	m := &Model{params: known(params), Built: &models.Model{Architecture: arch, Network: c.Network(), Masks: 3, Points: true, MaskSide: c.LowSide(),
		Config: models.Config{Image: c.Image, Experts: c.Experts}, Blocks: []int{0, 1, 2}}}
	eng, err := New(Config{Dir: t.TempDir(), Backend: "go"})
	if err != nil {
		t.Fatal(err)
	}
	return &Trace{eng, m}
}

func readArrays(t *testing.T, path string) map[string]*image.Array {
	t.Helper()
	a, err := image.ReadNPZ(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// channelsLast turns (B,C,H,W) into (B,H,W,C).
func channelsLast(a *image.Array) *image.Array {
	b, c, h, w := a.Shape[0], a.Shape[1], a.Shape[2], a.Shape[3]
	from, to := a.Float32(), make([]float32, a.Len())
	for i, v := range from {
		n, k, y, x := i/(c*h*w), i/(h*w)%c, i/w%h, i%w
		to[((n*h+y)*w+x)*c+k] = v
	}
	return image.NewArray(to, b, h, w, c)
}

// What the command writes is what the reference computed, layer by layer.
func TestTraceGivesTheReferencesActivations(t *testing.T) {
	tr := goldenTrace(t)
	given := readArrays(t, nearby.Path(t, "golden", "medsegx-tiny", "input.npz"))
	want := readArrays(t, nearby.Path(t, "golden", "medsegx-tiny", "forward.npz"))
	in, out := filepath.Join(t.TempDir(), "in.npz"), filepath.Join(t.TempDir(), "out.npz")
	if err := image.WriteNPZ(in, map[string]*image.Array{"image": channelsLast(given["image"]), "box": given["box"], "modality": given["modal"], "organ": given["organ"]}); err != nil {
		t.Fatal(err)
	}
	written, err := tr.Run(t.Context(), in, out, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := readArrays(t, out)
	if len(got) != len(written) {
		t.Errorf("%d arrays were written, %d told of", len(got), len(written))
	}
	names := map[string]string{"patch_embed": "image_encoder.patch_embed", "after_pos_embed": "image_encoder.after_pos_embed", "sparse": "prompt_encoder.sparse",
		"image_embedding": "image_encoder.image_embedding", "preprocessed": "image_encoder.preprocessed", "decoder.tokens": "mask_decoder.tokens",
		"decoder.upscaled": "mask_decoder.upscaled", "masks3": "output.masks", "masks4": "mask_decoder.masks", "iou4": "mask_decoder.iou"}
	for i := range 3 {
		block := fmt.Sprintf("image_encoder.blocks.%d.", i)
		names[fmt.Sprintf("block%d", i)] = block + "out"
		names[fmt.Sprintf("block%d.norm2", i)] = block + "norm2"
		names[fmt.Sprintf("block%d.after_attn", i)] = block + "after_attn"
		names[fmt.Sprintf("block%d.mlp", i)] = block + "mlp_out"
		names[fmt.Sprintf("gate%d", i)] = fmt.Sprintf("output.gates.%d", i)
		names[fmt.Sprintf("organ_gate%d", i)] = block + "mlp.organ_gate"
	}
	for theirs, ours := range names {
		w, g := want[theirs], got[ours]
		if w == nil || g == nil {
			t.Errorf("%s or %s is missing", theirs, ours)
			continue
		}
		switch theirs {
		case "preprocessed", "image_embedding", "decoder.upscaled":
			w = channelsLast(w)
		}
		abs, rel := 5e-5, 1e-4
		switch {
		case strings.Contains(theirs, "gate"):
			abs, rel = 2e-6, 0
		case strings.HasPrefix(theirs, "decoder"), strings.HasPrefix(theirs, "masks"):
			abs, rel = 5e-4, 2e-4
		case theirs == "iou4":
			abs, rel = 2e-5, 0
		}
		if !slices.Equal(w.Shape, g.Shape) {
			t.Errorf("%s has the shape %v, the reference %v", ours, g.Shape, w.Shape)
			continue
		}
		values := g.Float64()
		for i, v := range w.Float64() {
			if !(math.Abs(values[i]-v) <= abs+rel*math.Abs(v)) {
				t.Errorf("%s differs at %d: %g, the reference has %g", ours, i, values[i], v)
				break
			}
		}
	}
}

// A pattern chooses among the names of the list; points stand in for a box.
func TestTraceWritesWhatThePatternNames(t *testing.T) {
	tr := goldenTrace(t)
	all, err := tr.List()
	if err != nil {
		t.Fatal(err)
	}
	in, out := filepath.Join(t.TempDir(), "in.npz"), filepath.Join(t.TempDir(), "out.npz")
	arrays := map[string]*image.Array{"image": image.NewArray(make([]uint8, 128*128*3), 128, 128, 3), "modality": image.NewArray([]int32{2}, 1),
		"organ":  image.NewArray([]int32{1, 4, 17, 59}, 1, 4),
		"points": image.NewArray([]float32{3, 4, 90, 70}, 2, 2), "labels": image.NewArray([]int32{1, 0}, 2)}
	if err := image.WriteNPZ(in, arrays); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string][]string{
		"image_encoder.blocks.2.mlp": {"image_encoder.blocks.2.mlp.organ_gate", "image_encoder.blocks.2.mlp.gate"},
		"*.iou":                      {"mask_decoder.iou", "output.iou"},
		"prompt_encoder.sparse":      {"prompt_encoder.sparse"},
	} {
		written, err := tr.Run(t.Context(), in, out, pattern, nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range written {
			names = append(names, a.Name)
			if i := slices.IndexFunc(all, func(b graph.Activation) bool { return a.Name == b.Name }); i < 0 {
				t.Errorf("%s is not in the list", a.Name)
			} else if a.Name != "prompt_encoder.sparse" && !slices.Equal(a.Dims, all[i].Dims) {
				t.Errorf("%s has the shape %v, the list says %v", a.Name, a.Dims, all[i].Dims)
			}
			if a.Name == "prompt_encoder.sparse" && !slices.Equal(a.Dims, []int{1, 3, 64}) { // two points and one that is none
				t.Errorf("tokens of the prompt have the shape %v", a.Dims)
			}
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: written %v, expected %v", pattern, names, want)
		}
		if got := readArrays(t, out); len(got) != len(want) {
			t.Errorf("%s: the file holds %d arrays", pattern, len(got))
		}
	}
}

// traceOf is a model of the language, written as an expression.
func traceOf(t *testing.T, text string) *Trace {
	t.Helper()
	e := newEngine(t, Config{Events: func(Event) {}, Backend: "go"})
	script := "mseg 1\n" + text
	p := checked(t, script)
	e.Use(p, script)
	tr, err := e.Trace(t.Context(), p, "m")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Convolutional networks show their stages by name, and what they show is what they answer with: the last stage, taken through the head, is the mask.
func TestTraceOfConvolutionalNetworks(t *testing.T) {
	const side = 16
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.npz"), filepath.Join(dir, "out.npz")
	pixels := make([]float32, side*side*3)
	for i := range pixels {
		pixels[i] = float32((i * 37) % 256)
	}
	if err := image.WriteNPZ(in, map[string]*image.Array{"image": image.NewArray(pixels, side, side, 3), "box": image.NewArray([]float32{2, 3, 9, 12}, 4)}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		model string
		names map[string][]int // and shapes
		last  string           // what the head reads
		head  string           // weights of the head
	}{
		"unet": {"model m = unet(image: 16 px, base: 4, depth: 3)", map[string][]int{"input": {1, 16, 16, 4}, "down.0.conv1.out": {1, 16, 16, 4}, "down.0.out": {1, 16, 16, 4}, "down.2.out": {1, 4, 4, 16},
			"up.1.expand.out": {1, 8, 8, 8}, "up.0.out": {1, 16, 16, 4}}, "up.0.out", "head"},
		"residual": {"model m = residual_unet(image: 16 px, base: 4, depth: 3)", map[string][]int{"input": {1, 16, 16, 4}, "encoder.stem.convs.0.out": {1, 16, 16, 4}, "encoder.stages.0.blocks.0.conv1.out": {1, 16, 16, 4},
			"encoder.stages.2.blocks.1.out": {1, 4, 4, 16}, "encoder.stages.2": {1, 4, 4, 16}, "decoder.stages.0.convs.0.out": {1, 8, 8, 8}, "decoder.stages.1": {1, 16, 16, 4}, "decoder.seg_layers.1": {1, 16, 16, 1}},
			"decoder.stages.1", "decoder.seg_layers.1"},
		"custom": {`fn level(x: features, n: int) -> tensor = relu(conv(max_pool(adaptable(x)), n, name: "deep"))
fn net(x: image, box: mask) -> logits = sum(linear(resize(level(conv(concat(x / 255, box), 3), 5), 2), 1, name: "decoder"), over: channel)
model m = custom_network(net, image: 16 px)`, map[string][]int{"conv.0.out": {1, 16, 16, 3}, "places.0.out": {1, 16, 16, 3}, "deep.out": {1, 8, 8, 5}, "decoder.out": {1, 16, 16, 1}}, "", ""},
		"vit": {"model m = vit(image: 16 px, patch: 8 px)", map[string][]int{"image_encoder.blocks.0.out": {1, 2, 2, 96}, "decoder.steps.3.out": {1, 16, 16, 16}}, "decoder.steps.3.out", "decoder.head"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := traceOf(t, c.model)
			listed, err := tr.List()
			if err != nil {
				t.Fatal(err)
			}
			for want, dims := range c.names {
				i := slices.IndexFunc(listed, func(a graph.Activation) bool { return a.Name == want })
				if i < 0 || !slices.Equal(listed[i].Dims, dims) {
					t.Errorf("%s of %v is not in %v", want, dims, listed)
				}
			}
			seen := map[string]bool{}
			for _, a := range listed {
				if seen[a.Name] {
					t.Errorf("two activations are called %s", a.Name)
				}
				seen[a.Name] = true
			}
			if _, err := tr.Run(t.Context(), in, out, "", nil); err != nil {
				t.Fatal(err)
			}
			got := readArrays(t, out)
			masks := got["output.masks"].Float32()
			if name == "custom" {
				if !slices.Equal(got["decoder.out"].Float32(), masks) {
					t.Error("the layer that answers has other values than the mask")
				}
				return
			}
			params, err := tr.model.Params()
			if err != nil {
				t.Fatal(err)
			}
			w, okW := params.Get(c.head + ".weight")
			b, okB := params.Get(c.head + ".bias")
			if !okW || !okB {
				t.Fatalf("no %s among %v", c.head, params.Names())
			}
			x := got[c.last].Float32()
			for i, m := range masks {
				want := float64(b.Data[0])
				for k, v := range w.Data {
					want += float64(v) * float64(x[i*len(w.Data)+k])
				}
				if !(math.Abs(want-float64(m)) <= 1e-5*(1+math.Abs(want))) {
					t.Fatalf("pixel %d: %g, the head makes %g of %s", i, m, want, c.last)
				}
			}
		})
	}
}

// A mask prompt is read by networks that take one, and refused by others.
func TestTraceReadsMasks(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.npz"), filepath.Join(dir, "out.npz")
	write := func(side int, arrays ...string) {
		all := map[string]*image.Array{"image": image.NewArray(make([]uint8, 32*32*3), 32, 32, 3), "mask": image.NewArray(make([]float32, side*side), side, side)}
		if slices.Contains(arrays, "box") {
			all["box"] = image.NewArray([]float32{2, 3, 9, 12}, 4)
		}
		if err := image.WriteNPZ(in, all); err != nil {
			t.Fatal(err)
		}
	}
	write(16, "box")
	tiny, plain := traceOf(t, "model m = sam_tiny(image: 32 px)"), traceOf(t, "model m = unet(image: 32 px)")
	dense := func() []float32 {
		if _, err := tiny.Run(t.Context(), in, out, "prompt_encoder.dense", nil); err != nil {
			t.Fatal(err)
		}
		return readArrays(t, out)["prompt_encoder.dense"].Float32()
	}
	of := dense()
	if err := image.WriteNPZ(in, map[string]*image.Array{"image": image.NewArray(make([]uint8, 32*32*3), 32, 32, 3), "box": image.NewArray([]float32{2, 3, 9, 12}, 4)}); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(of, dense()) {
		t.Error("a mask of the file changes nothing")
	}
	refused := func(tr *Trace, want string) {
		t.Helper()
		if _, err := tr.Run(t.Context(), in, out, "", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	write(16, "box")
	refused(plain, "unet reads no mask prompts")
	write(8, "box")
	refused(tiny, "mask has the shape [8 8], expected [16 16]")
	write(16)
	refused(tiny, "cannot do without one")
}

// A row that a table does not have would silently be an unknown one.
func TestTraceRefusesRowsOutsideTheTables(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.npz"), filepath.Join(dir, "out.npz")
	tr := traceOf(t, "model m = unet(image: 16 px, base: 2, depth: 2) |> adapt(mixture(2, bottleneck: 2))")
	for _, c := range []struct {
		modality int32
		organ    []int32
		says     string // "" is taken
	}{
		{9, []int32{4, 11, 38, 110}, ""},
		{-1, []int32{-1, -1, -1, 500}, ""},
		{10, []int32{0, 0, 0, 0}, "modality of image 0 is row 10, expected one of 10"},
		{0, []int32{0, 12, 0, 0}, "organ of image 0 is row 12 of subregions, expected one of 12"},
	} {
		arrays := map[string]*image.Array{"image": image.NewArray(make([]uint8, 16*16*3), 16, 16, 3), "box": image.NewArray([]float32{2, 3, 9, 12}, 4),
			"modality": image.NewArray([]int32{c.modality}, 1), "organ": image.NewArray(c.organ, 1, 4)}
		if err := image.WriteNPZ(in, arrays); err != nil {
			t.Fatal(err)
		}
		_, err := tr.Run(t.Context(), in, out, "output.masks", nil)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("modality %d and organ %v: %v, expected %q", c.modality, c.organ, err, c.says)
		}
	}
}
