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
	m := &Model{params: known(params), Built: &models.Model{Architecture: arch, Network: c.Network(), Masks: 3,
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
