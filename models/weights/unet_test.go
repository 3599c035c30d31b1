package weights_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
)

func unets() map[string]models.Config {
	mixture := experts.Published()
	some := mixture
	some.Blocks, some.Experts, some.Bottleneck = []int{1}, 2, 8
	plan, err := unet.PlanFor(unet.Fingerprint{Shape: []int{32, 32}, Spacing: []float64{1, 1}, Values: 1e6, Outputs: 1}, unet.RulesFor(2, false), false, 8)
	if err != nil {
		panic(err)
	}
	return map[string]models.Config{
		"ViT with a convolutional decoder, 4 blocks of width 96, 64 px in patches of 8, 4 experts of 16 units in 4 blocks": {Architecture: "vit", Image: 64, Experts: &mixture},
		"U-Net, 4 channels, 3 levels, 4 experts of 16 units in 3 levels":                                                   {Architecture: "unet", Image: 32, Base: 4, Levels: 3, Experts: &mixture},
		"nnU-Net with a residual encoder, 4 channels, 3 levels, input of 4, output of 1":                                   {Architecture: "residual_unet", Image: 32, Base: 4, Levels: 3},
		"nnU-Net with a residual encoder, 4 channels, 3 levels, input of 3, output of 1, 2 experts of 8 units in 1 level":  {Architecture: "residual_unet", Image: 32, Base: 4, Levels: 3, Experts: &some, NoPrompt: true},
		"nnU-Net, 32 channels, 4 levels, input of 4, output of 1, 4 experts of 16 units in 4 levels":                       {Architecture: "nnunet", Image: 32, Plan: &plan, Experts: &mixture},
	}
}

func TestFamiliesOfUNets(t *testing.T) {
	for want, cfg := range unets() {
		m, err := models.Build(cfg)
		if err != nil {
			t.Fatal(err)
		}
		dims := map[string][]int{}
		for _, s := range m.Parameters {
			dims["module."+s.Name] = s.Dims
		}
		if got := weights.Recognise(dims).String(); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

// nnU-Net stores its encoder a second time in its decoder, and every layer a second time in its block. Both are the same tensors.
func TestSecondNamesOfNNUNet(t *testing.T) {
	m, err := models.Build(models.Config{Architecture: "residual_unet", Image: 32, Base: 2, Levels: 2})
	if err != nil {
		t.Fatal(err)
	}
	own, err := graph.Initialise(m.Parameters, 3)
	if err != nil {
		t.Fatal(err)
	}
	file := graph.NewParams()
	set := func(name string, v *graph.Tensor) {
		if err := file.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range own.Names() {
		v, _ := own.Get(name)
		set(name, v)
		set(strings.Replace(name, ".conv.", ".all_modules.0.", 1), v)
		if strings.HasPrefix(name, "encoder.") {
			set("decoder."+name, v)
		}
	}
	into := graph.NewParams()
	r, err := weights.Fit(into, m.Parameters, file, weights.Allowed{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Loaded) != own.Len() || len(r.Ignored) != file.Len()-own.Len() || len(r.Unexpected) > 0 {
		t.Errorf("%d of %d tensors loaded, %d of %d ignored", len(r.Loaded), own.Len(), len(r.Ignored), file.Len()-own.Len())
	}
	for _, name := range own.Names() {
		a, _ := own.Get(name)
		if b, ok := into.Get(name); !ok || !slices.Equal(a.Data, b.Data) {
			t.Errorf("%s is not that of the file", name)
		}
	}

	t.Run("of volumes", func(t *testing.T) {
		volumes := graph.NewParams()
		for _, name := range own.Names() {
			v, _ := own.Get(name)
			if len(v.Dims) == 4 {
				v = graph.NewTensor(append(slices.Clone(v.Dims), v.Dims[3])...)
			}
			if err := volumes.Set(name, v); err != nil {
				t.Fatal(err)
			}
		}
		_, err := weights.Fit(graph.NewParams(), m.Parameters, volumes, weights.Allowed{})
		if err == nil || !strings.Contains(err.Error(), "the file holds nnU-Net with a residual encoder for volumes, 2 channels, 2 levels") {
			t.Errorf("%v, expected what the file is", err)
		}
	})
}
