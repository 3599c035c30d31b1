package weights_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
)

// specsOf asks for what a set holds.
func specsOf(p *graph.Params) []graph.Spec {
	var s []graph.Spec
	for _, name := range p.Names() {
		t, _ := p.Get(name)
		s = append(s, graph.Spec{Name: name, Dims: t.Dims})
	}
	return s
}

// SAM's file at 512 px into the network that paints at full resolution at 128
// px, as MedSegX loads it.
func TestFitAsTheReferenceLoadsSAM(t *testing.T) {
	source := golden.Weights(t, "checkpoint-resize", "source.pth")
	into := golden.Weights(t, "checkpoint-resize", "init.safetensors")
	want := golden.Weights(t, "checkpoint-resize", "result.safetensors")
	var keys struct {
		Resized []string
		Kept    []string `json:"kept_from_init"`
	}
	golden.JSON(t, &keys, "checkpoint-resize", "keys.json")
	r, err := weights.Fit(into, specsOf(into), source, weights.Allowed{})
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{r.Resized, r.Fresh, keys.Resized, keys.Kept} {
		slices.Sort(names)
	}
	if !slices.Equal(r.Resized, keys.Resized) || !slices.Equal(r.Fresh, keys.Kept) {
		t.Errorf("resized %v, fresh %v; expected %v, %v", r.Resized, r.Fresh, keys.Resized, keys.Kept)
	}
	for _, name := range want.Names() {
		a, _ := want.Get(name)
		b, _ := into.Get(name)
		for i := range a.Data {
			if !(math.Abs(float64(a.Data[i]-b.Data[i])) <= 1e-6) {
				t.Errorf("%s[%d] is %g, expected %g", name, i, b.Data[i], a.Data[i])
				break
			}
		}
	}
}

func TestWrongFamilyIsNamed(t *testing.T) {
	sam := golden.Weights(t, "sam-tiny", "weights.pth")
	for _, c := range []struct {
		name string
		from *graph.Params
		into *graph.Params
		says []string
	}{
		{"SAM-Med2D into SAM", golden.Weights(t, "sam-med2d-tiny", "trainer.pth"), sam,
			[]string{"the file holds SAM-Med2D, 3 blocks of width 32", "the model is SAM or MedSAM", "names the model does not know: image_encoder.blocks.0.Adapter"}},
		{"MedSegX into SAM", golden.Weights(t, "medsegx-tiny", "weights.pth"), sam, []string{"the file holds MedSegX v2", "4 experts of 8 units in 3 blocks", "the model is SAM"}},
		{"v1 into v2", golden.Weights(t, "medsegx-tiny-v1", "weights.pth"), golden.Weights(t, "medsegx-tiny", "weights.pth"),
			[]string{"the file holds MedSegX v1", "the model is MedSegX v2"}},
		{"SAM into SAM-Med2D", sam, golden.Weights(t, "sam-med2d-tiny", "trainer.pth"), []string{"the file holds SAM or MedSAM", "the model is SAM-Med2D"}},
		{"the trained part alone", golden.Weights(t, "medsegx-tiny", "trainer.pth"), golden.Weights(t, "medsegx-tiny", "weights.pth"),
			[]string{"the trained part alone", "--base"}},
		{"another width", golden.Weights(t, "checkpoint-resize", "source.pth"), sam, []string{"3 blocks of width 16", "3 blocks of width 32", "another shape"}},
		{"full resolution into a quarter", golden.Weights(t, "checkpoint-resize", "init.safetensors"), golden.Weights(t, "checkpoint-resize", "source.pth"),
			[]string{"masks at full resolution", "another shape"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := weights.Fit(c.into.Clone(), specsOf(c.into), c.from, weights.Allowed{})
			if err == nil {
				t.Fatal("accepted")
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%v; expected %q in it", err, s)
				}
			}
		})
	}
	// What is allowed is not an error.
	r, err := weights.Fit(sam.Clone(), specsOf(sam), golden.Weights(t, "sam-med2d-tiny", "trainer.pth"), weights.Allowed{Unexpected: true})
	if err != nil || len(r.Loaded) != sam.Len() || len(r.Unexpected) != 18 {
		t.Errorf("%s and %v, expected all of SAM's loaded and the adapters left", r, err)
	}
}

func TestTrainedPartOnTopOfItsBase(t *testing.T) {
	whole := golden.Weights(t, "medsegx-tiny", "weights.pth")
	trained := golden.Weights(t, "medsegx-tiny", "trainer.pth")
	var index map[string]any
	golden.JSON(t, &index, "medsegx-tiny", "trainer_index.json")

	// The base as it was before the experts came: without them, and with the
	// MLP one level up.
	base := graph.NewParams()
	for _, name := range whole.Names() {
		if strings.Contains(name, ".adapter_") || strings.Contains(name, "_embed.") && strings.HasPrefix(name, "image_encoder.") && !strings.Contains(name, "patch_embed") {
			continue
		}
		v, _ := whole.Get(name)
		if err := base.Set("module.sam."+strings.Replace(name, ".mlp.mlp.", ".mlp.", 1), v); err != nil {
			t.Fatal(err)
		}
	}
	got, err := weights.Overlay(base, trained)
	if err != nil {
		t.Fatal(err)
	}
	want := graph.NewParams()
	for _, name := range whole.Names() {
		v, _ := whole.Get(name)
		if of, ok := trained.Get(name); ok {
			v = of
		}
		if err := want.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, got, want)
	if r, err := weights.Fit(whole.Clone(), specsOf(whole), got, weights.Allowed{}); err != nil || len(r.Loaded) != whole.Len() {
		t.Errorf("%s and %v, expected everything loaded", r, err)
	}

	for _, c := range []struct {
		name      string
		base, top *graph.Params
		says      string
	}{
		{"of another width", golden.Weights(t, "checkpoint-resize", "source.pth"), trained, "do not fit its width"},
		{"on itself", trained, trained, "whole network"},
		{"another network's adapters below", golden.Weights(t, "sam-med2d-tiny", "weights.safetensors"), trained, "do not belong together"},
		{"another network's adapters on top", base, golden.Weights(t, "sam-med2d-tiny", "weights.safetensors"), "do not belong together"},
		{"not of this kind", base, params(t, map[string][]int{"layer1.0.conv1.weight": {1}}), "a ResNet"},
	} {
		if _, err := weights.Overlay(c.base, c.top); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.says)
		}
	}
}

// A network that gets experts keeps the weights of its blocks, whose MLPs are
// then called otherwise.
func TestExpertsLeaveTheMLPAsItWas(t *testing.T) {
	plain, err := models.Build(models.Config{Architecture: "tiny", Image: 64})
	if err != nil {
		t.Fatal(err)
	}
	c := experts.Published()
	c.Blocks = []int{1, 2}
	adapted, err := models.Build(models.Config{Architecture: "tiny", Image: 64, Experts: &c})
	if err != nil {
		t.Fatal(err)
	}
	from, err := graph.Initialise(plain.Parameters, 1)
	if err != nil {
		t.Fatal(err)
	}
	into, err := graph.Initialise(adapted.Parameters, 2)
	if err != nil {
		t.Fatal(err)
	}
	r, err := weights.Load(into, adapted.Parameters, from)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Loaded) != from.Len() || len(r.Unexpected)+len(r.Mismatched) > 0 {
		t.Errorf("%s; expected all %d of the plain network", r, from.Len())
	}
	for _, pair := range [][2]string{{"0.mlp.lin1.weight", "0.mlp.lin1.weight"}, {"1.mlp.lin1.weight", "1.mlp.mlp.lin1.weight"}, {"2.mlp.lin2.bias", "2.mlp.mlp.lin2.bias"}} {
		a, _ := from.Get("image_encoder.blocks." + pair[0])
		b, ok := into.Get("image_encoder.blocks." + pair[1])
		if !ok || !slices.Equal(a.Data, b.Data) {
			t.Errorf("block %s is not that of the plain network", pair[1])
		}
	}
}

func TestDiff(t *testing.T) {
	a := params(t, map[string][]int{"same": {2}, "shape": {2}, "only": {1}, "value": {3}, "nan": {1}})
	b := params(t, map[string][]int{"module.same": {2}, "module.shape": {3}, "module.new": {1}, "module.value": {3}, "module.nan": {1}})
	set := func(p *graph.Params, name string, data ...float32) {
		if err := p.Set(name, &graph.Tensor{Dims: []int{len(data)}, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	nan := float32(math.NaN())
	for _, name := range []string{"same", "shape"} {
		x, _ := a.Get(name)
		if name == "same" {
			set(b, "module."+name, x.Data...)
		}
	}
	set(a, "value", 1, -4, 3)
	set(b, "module.value", 1, -4.5, 3.25)
	set(a, "nan", nan)
	set(b, "module.nan", nan)

	d := weights.Diff(a, b, 0.3)
	if d.Equal() || d.Same != 2 || !slices.Equal(d.OnlyA, []string{"only"}) || !slices.Equal(d.OnlyB, []string{"new"}) || len(d.Mismatched) != 1 {
		t.Errorf("%+v", d)
	}
	if want := (weights.Difference{Name: "value", Max: 0.5, Scale: 4, Count: 1, Size: 3}); len(d.Values) != 1 || d.Values[0] != want {
		t.Errorf("values %+v, expected %+v", d.Values, want)
	}
	if d := weights.Diff(a, b, 0.5); len(d.Values) != 0 {
		t.Errorf("within the tolerance, but %+v", d.Values)
	}
	set(b, "module.nan", 1)
	if d := weights.Diff(a, b, 0.5); len(d.Values) != 1 || !math.IsInf(d.Values[0].Max, 1) {
		t.Errorf("NaN against a number: %+v", d.Values)
	}
	if d := weights.Diff(a, a, 0); !d.Equal() || d.Same != 5 {
		t.Errorf("against itself: %+v", d)
	}
}

// Weights go from one model into another through any file.
func TestFitFromAFile(t *testing.T) {
	m, err := models.Build(models.Config{Architecture: "unet", Image: 32, Base: 2, Levels: 2})
	if err != nil {
		t.Fatal(err)
	}
	trained, err := graph.Initialise(m.Parameters, 5)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.pth")
	if err := weights.Write(path, trained, nil); err != nil {
		t.Fatal(err)
	}
	from, err := weights.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	into, err := graph.Initialise(m.Parameters, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := weights.Fit(into, m.Parameters, from, weights.Allowed{}); err != nil {
		t.Fatal(err)
	}
	equal(t, into, trained)
	deeper, err := models.Build(models.Config{Architecture: "unet", Image: 32, Base: 2, Levels: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := weights.Fit(graph.NewParams(), deeper.Parameters, from, weights.Allowed{}); err == nil ||
		!strings.Contains(err.Error(), "the file holds U-Net, 2 channels, 2 levels; the model is U-Net, 2 channels, 3 levels") {
		t.Errorf("%v, expected both sizes", err)
	}
}

func TestNumbersThatAreNoneAreRefused(t *testing.T) {
	for _, x := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		from := graph.NewParams()
		if err := from.Set("a.weight", &graph.Tensor{Dims: []int{2, 2}, Data: []float32{1, math.MaxFloat32, x, 4}}); err != nil {
			t.Fatal(err)
		}
		_, err := weights.Fit(graph.NewParams(), specsOf(from), from, weights.Allowed{})
		if err == nil || !strings.Contains(err.Error(), "a.weight holds") || !strings.Contains(err.Error(), "at place 2") {
			t.Errorf("%g: got %v", x, err)
		}
	}
}
