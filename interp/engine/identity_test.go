package engine

import (
	"strings"
	"testing"
)

// What a training computes differently than it once did has another identity; trainings that it does not concern keep theirs.
func TestTrainingsThatHaveAnotherIdentity(t *testing.T) {
	const samples = "phantom() |> prep(resize(32 px)), epochs: 1, batch: 2"
	for word, models := range map[string]map[string]bool{
		"balanced": {
			"sam_tiny(image: 32 px) |> adapt(mixture(4)) |> train(" + samples + ")":                                                       false,
			"sam_tiny(image: 32 px) |> adapt(mixture(4, gate: top(2, balance: 0))) |> train(" + samples + ")":                             false,
			"sam_tiny(image: 32 px) |> adapt(mixture(4, gate: top(2))) |> train(" + samples + ")":                                         true,
			"sam_tiny(image: 32 px) |> adapt(route { /torso/abdomen: mixture(2, gate: top(1)), else: shared }) |> train(" + samples + ")": true,
		},
		"dropped": { // a block that drops values was once left out of the training of a decoder on embeddings
			"sam_tiny(image: 32 px) |> adapt(mixture(2, block: drops, dropout: 0)) |> train(" + samples + ")": true,
			"sam_tiny(image: 32 px) |> adapt(mixture(2, block: keeps, dropout: 0)) |> train(" + samples + ")": false,
		},
		"halves": { // the gradient's products of a training in halves were once computed in float32
			"unet(image: 32 px) |> train(" + samples + ")":                  false,
			"unet(image: 32 px) |> train(" + samples + ", precision: f32)":  false,
			"unet(image: 32 px) |> train(" + samples + ", precision: bf16)": true,
			"unet(image: 32 px) |> train(" + samples + ", precision: f16)":  true,
		},
	} {
		for model, want := range models {
			e := newEngine(t, Config{})
			p := checked(t, "mseg 1\nfn drops(x: features) -> features = dropout(x, 20 %)\nfn keeps(x: features) -> features = relu(x)\nmodel m = "+model+"\n")
			e.Use(p, "")
			b, _ := p.Lookup("m")
			if version, _, _ := e.circumstances(nodeOf(b.Value)); strings.Contains(version, word) != want {
				t.Errorf("%s: the version is %q", model, version)
			}
		}
	}
}
