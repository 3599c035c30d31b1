package weights_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/pth"
)

func equal(t *testing.T, got, want *graph.Params) {
	t.Helper()
	if got.Len() != want.Len() {
		t.Errorf("%d tensors, expected %d", got.Len(), want.Len())
	}
	for _, name := range want.Names() {
		a, _ := want.Get(name)
		b, ok := got.Get(name)
		if !ok || !slices.Equal(a.Dims, b.Dims) || !slices.Equal(a.Data, b.Data) {
			t.Errorf("%s is %v, expected %v", name, b, a)
		}
	}
}

func TestEveryFormatComesBack(t *testing.T) {
	want := params(t, map[string][]int{"a.weight": {2, 3}, "b": {1}, "scalar": {}})
	for _, c := range []struct{ name, format string }{
		{"x.safetensors", "safetensors"}, {"x.pth", "pth"}, {"x.PT", "pth"}, {"x.ckpt", "pth"}, {"x.npz", "npz"},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		if err := weights.Write(path, want, nil); err != nil {
			t.Fatal(err)
		}
		// The format is told by the contents.
		other := filepath.Join(t.TempDir(), "weights")
		if err := os.Rename(path, other); err != nil {
			t.Fatal(err)
		}
		f, err := weights.Open(other)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Format != c.format || f.Part != "" {
			t.Errorf("%s: format %q, part %q; expected %q", c.name, f.Format, f.Part, c.format)
		}
		got, err := f.Params()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want)
	}
	path := filepath.Join(t.TempDir(), "x.h5")
	if err := weights.Write(path, want, nil); err == nil || !strings.Contains(err.Error(), ".safetensors, .pth or .npz") {
		t.Errorf("%v, expected the formats that can be written", err)
	}
}

func TestWhatIsNoFileOfWeights(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"a.txt", "hello", "no file of weights"},
		{"a.pth", "<html>not found</html>", "it is text"},
		{"a.safetensors", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
		{"a.safetensors", "hello hello", "not a usable safetensors file"},
		{"a.npz", "hello", "not a .npz archive"},
		{"a", "", "no file of weights"},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := weights.Open(path); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s of %q: %v, expected the path and %q", c.name, c.text, err, c.says)
		}
	}
	if _, err := weights.Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestStateDictOfReferenceFiles(t *testing.T) {
	for _, c := range []struct {
		file, part string
		tensors    int
		beside     map[string]int
		family     weights.Family
	}{
		{"sam-tiny/weights.pth", "", 188, nil,
			weights.Family{Name: weights.SAM, Width: 32, Depth: 3, Heads: 2, Patch: 16, Image: 128, Window: 5}},
		{"sam-med2d-tiny/trainer.pth", "model", 206, nil,
			weights.Family{Name: weights.SAMMed2D, Width: 32, Depth: 3, Heads: 2, Patch: 16, Image: 128, Window: 5}},
		{"medsegx-tiny/weights.pth", "", 268, nil, weights.Family{Name: weights.MedSegXV2, Width: 32, Depth: 3, Heads: 2, Patch: 16, Image: 128, Window: 5,
			Experts: 4, Bottleneck: 8, Embedding: 8, Adapted: []int{0, 1, 2}, FullResolution: true}},
		{"medsegx-tiny-v1/weights.pth", "", 266, nil, weights.Family{Name: weights.MedSegXV1, Width: 32, Depth: 3, Heads: 2, Patch: 16, Image: 128, Window: 5,
			Experts: 4, Bottleneck: 8, Embedding: 8, Adapted: []int{0, 1, 2}, FullResolution: true}},
		{"medsegx-tiny-pos/weights.safetensors", "", 246, nil, weights.Family{Name: weights.MedSegXV2, Width: 32, Depth: 3, Heads: 2, Patch: 16, Image: 128, Window: 5,
			Experts: 4, Bottleneck: 8, Embedding: 8, Adapted: []int{0, 2}, FullResolution: true}},
		{"medsegx-tiny/trainer.pth", "model", 200, map[string]int{"optimizer": 582},
			weights.Family{Name: weights.MedSegXV2, Partial: true, Depth: 3, Experts: 4, Bottleneck: 8, Embedding: 8, Adapted: []int{0, 1, 2}, FullResolution: true}},
		{"pth/zip_nested.pth", "model", 2, map[string]int{"optimizer": 4}, weights.Family{}},
		{"pth/zip_list.pth", "", 2, nil, weights.Family{}},
	} {
		t.Run(c.file, func(t *testing.T) {
			f, err := weights.Open(golden.Path(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Part != c.part || len(f.State()) != c.tensors || !maps.Equal(f.Beside(), c.beside) {
				t.Errorf("part %q with %d tensors, beside it %v; expected %q, %d, %v", f.Part, len(f.State()), f.Beside(), c.part, c.tensors, c.beside)
			}
			got := f.Family()
			if got.String() != c.family.String() || got.Name != c.family.Name || got.Window != c.family.Window || got.Heads != c.family.Heads || got.Embedding != c.family.Embedding || got.Partial != c.family.Partial {
				t.Errorf("recognised as %+v, expected %+v", got, c.family)
			}
		})
	}
	if _, err := weights.Read(golden.Path(t, "pth", "zip_bare_tensor.pth")); err == nil || !strings.Contains(err.Error(), "no state dict") {
		t.Errorf("one tensor alone: %v, expected a word about the state dict", err)
	}
}

// A checkpoint of the whole network in the form of SAM-Med2D's trainer is the
// network itself.
func TestTrainerFileIsItsModel(t *testing.T) {
	got, err := weights.Read(golden.Path(t, "sam-med2d-tiny", "trainer.pth"))
	if err != nil {
		t.Fatal(err)
	}
	want := golden.Weights(t, "sam-med2d-tiny", "weights.safetensors")
	equal(t, got, want)
	equal(t, golden.Weights(t, "pth", "zip_handmade.pth"), func() *graph.Params {
		p := graph.NewParams()
		if err := p.Set("w", &graph.Tensor{Dims: []int{2, 2}, Data: []float32{1, 2, 3, 4}}); err != nil {
			t.Fatal(err)
		}
		return p
	}())
}

// Every family this program builds is recognised from the model's own list.
func TestFamiliesOfArchitectures(t *testing.T) {
	for name, want := range map[string]string{
		"vit_b":     "SAM or MedSAM, ViT-B, 256 px in patches of 16, masks at full resolution",
		"sam_plain": "SAM or MedSAM, ViT-B, 1024 px in patches of 16",
		"medsam":    "SAM or MedSAM, ViT-B, 1024 px in patches of 16",
		"sam_med2d": "SAM-Med2D, ViT-B, 256 px in patches of 16",
		"unet":      "U-Net, 16 channels, 5 levels",
	} {
		m, err := models.Build(models.Config{Architecture: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []string{"", "module.", "module.sam.", "_orig_mod.module.", "model."} {
			dims := map[string][]int{}
			for _, s := range m.Parameters {
				dims[prefix+s.Name] = s.Dims
			}
			if got := weights.Recognise(dims).String(); got != want {
				t.Errorf("%s under %q is %q, expected %q", name, prefix, got, want)
			}
		}
	}
	for name, want := range map[string]string{
		"vision_encoder.layers.0.attn.qkv.weight": "transformers library",
		"image_encoder.trunk.pos_embed":           "SAM 2",
		"layer1.0.conv1.weight":                   "a ResNet",
		"anything":                                "not recognised",
	} {
		if got := weights.Recognise(map[string][]int{name: {1}, "other": {1}}).String(); !strings.Contains(got, want) {
			t.Errorf("%s is %q, expected %q in it", name, got, want)
		}
	}
}

// A header of 128 + 256·k bytes begins like a pickle of protocol k.
func TestSafetensorsThatBeginLikeAPickle(t *testing.T) {
	want := params(t, map[string][]int{"a": {2}})
	found := false
	for n := 0; n < 256; n += 8 {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := weights.Write(path, want, map[string]string{"note": strings.Repeat("x", n)}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !pth.IsPTH(b) {
			continue
		}
		found = true
		got, err := weights.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want)
	}
	if !found {
		t.Error("no such file was tried")
	}
}

// Files of torch with names that end like a format of another kind, and the
// other way round.
func TestFormatIsToldByContents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := pth.Write(path, []string{"a"}, func(string) ([]int, []float32) { return []int{1}, []float32{2} }); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Format != "pth" {
		t.Errorf("format %q, expected pth", f.Format)
	}
}
