package engine

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
)

// saved writes first values of an architecture as a parallel trainer of torch
// names them, and returns them under their own names.
func saved(t *testing.T, path string, cfg models.Config, seed uint64) *graph.Params {
	t.Helper()
	m, err := models.Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(m.Parameters, seed)
	if err != nil {
		t.Fatal(err)
	}
	prefixed := graph.NewParams()
	for _, name := range params.Names() {
		v, _ := params.Get(name)
		if err := prefixed.Set("module."+name, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := weights.Write(path, prefixed, nil); err != nil {
		t.Fatal(err)
	}
	return params
}

// Weights of a .pth reach the model, and an adapted model keeps them in every
// part that it shares with the plain one.
func TestWeightsOfTorchReachTheModel(t *testing.T) {
	dir := t.TempDir()
	file := saved(t, filepath.Join(dir, "base.pth"), models.Config{Architecture: "tiny", Image: 64}, 9)
	var events []Event
	e := newEngine(t, Config{Dir: dir, Events: func(ev Event) { events = append(events, ev) }})
	p, _ := runAll(t, e, &events, `mseg 1
model base = sam_tiny(image: 32 px, weights: "base.pth", seed: 1)
model tuned = base |> adapt(mixture(2), blocks: [1])
expect tuned.params > base.params
`)
	base, tuned := valueOf[*Model](t, e, p, "base"), valueOf[*Model](t, e, p, "tuned")
	values := func(m *Model) *graph.Params {
		p, err := m.Params()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	resized := func(name string) bool {
		return strings.HasSuffix(name, ".pos_embed") || strings.Contains(name, ".rel_pos_") // of 64 px, for 32 px
	}
	for _, name := range file.Names() {
		if resized(name) {
			continue
		}
		want, _ := file.Get(name)
		got, ok := values(base).Get(name)
		if !ok || !slices.Equal(got.Data, want.Data) {
			t.Errorf("%s is not that of the file", name)
		}
		name = strings.Replace(name, "blocks.1.mlp.", "blocks.1.mlp.mlp.", 1)
		if got, ok = values(tuned).Get(name); !ok || !slices.Equal(got.Data, want.Data) {
			t.Errorf("%s of the adapted model is not that of the file", name)
		}
	}
	if !slices.ContainsFunc(events, func(ev Event) bool {
		return strings.Contains(ev.Text, "base.pth: ") && strings.Contains(ev.Text, "resized")
	}) {
		t.Errorf("no note says what was loaded: %+v", events)
	}
}

func TestWeightsOfAnotherNetworkAreRefused(t *testing.T) {
	dir := t.TempDir()
	saved(t, filepath.Join(dir, "unet.pth"), models.Config{Architecture: "unet", Image: 32, Base: 2, Levels: 2}, 1)
	e := newEngine(t, Config{Dir: dir, Events: func(Event) {}})
	text := "mseg 1\nmodel m = sam_tiny(image: 32 px, weights: \"unet.pth\")\nexpect m.params > 0\n"
	_, err := e.Run(t.Context(), checked(t, text), text)
	if err == nil || !strings.Contains(err.Error(), "unet.pth: the file holds U-Net, 2 channels, 2 levels; the model is SAM") {
		t.Errorf("%v, expected the networks of file and model", err)
	}
}

// A file of SAM gives a ViT its encoder; the decoder, which the file does not have, keeps its first values, and a note says so.
func TestEncoderOfSAMReachesTheViT(t *testing.T) {
	dir := t.TempDir()
	file := saved(t, filepath.Join(dir, "sam.pth"), models.Config{Architecture: "tiny", Image: 32}, 9)
	var events []Event
	e := newEngine(t, Config{Dir: dir, Events: func(ev Event) { events = append(events, ev) }})
	p, _ := runAll(t, e, &events, "mseg 1\nmodel m = vit(tiny, image: 32 px, weights: \"sam.pth\")\nexpect m.params > 0\n")
	got, err := valueOf[*Model](t, e, p, "m").Params()
	if err != nil {
		t.Fatal(err)
	}
	loaded := 0
	for _, name := range got.Names() {
		v, _ := got.Get(name)
		want, ok := file.Get(name)
		if !strings.HasPrefix(name, "image_encoder.") {
			continue
		}
		if loaded++; !ok || !slices.Equal(v.Data, want.Data) {
			t.Errorf("%s is not that of the file", name)
		}
	}
	if loaded < 40 || !slices.ContainsFunc(events, func(ev Event) bool { return strings.Contains(ev.Text, "missing (decoder.") }) {
		t.Errorf("%d tensors loaded; notes %+v", loaded, events)
	}
	saved(t, filepath.Join(dir, "unet.pth"), models.Config{Architecture: "unet", Image: 32, Base: 2, Levels: 2}, 1)
	text := "mseg 1\nmodel m = vit(tiny, image: 32 px, weights: \"unet.pth\")\nexpect m.params > 0\n"
	if _, err := e.Run(t.Context(), checked(t, text), text); err == nil || !strings.Contains(err.Error(), "the file holds U-Net, 2 channels, 2 levels; the model is ViT with a convolutional decoder") {
		t.Errorf("%v, expected the networks of file and model", err)
	}
}
