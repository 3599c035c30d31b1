package engine

import (
	"strings"
	"testing"
)

// What a training computes differently than it once did has another identity; trainings that it does not concern keep theirs.
func TestBalancedTrainingsHaveAnotherIdentity(t *testing.T) {
	e := newEngine(t, Config{})
	for experts, want := range map[string]bool{
		"mixture(4)":                           false,
		"mixture(4, gate: top(2, balance: 0))": false,
		"mixture(4, gate: top(2))":             true,
		"route { /torso/abdomen: mixture(2, gate: top(1)), else: shared }": true,
	} {
		p := checked(t, "mseg 1\nmodel m = sam_tiny(image: 32 px) |> adapt("+experts+") |> train(phantom() |> prep(resize(32 px)), epochs: 1, batch: 2)\n")
		e.Use(p, "")
		b, _ := p.Lookup("m")
		if version, _, _ := e.circumstances(nodeOf(b.Value)); strings.Contains(version, "balanced") != want {
			t.Errorf("%s: the version is %q", experts, version)
		}
	}
}

// A block that drops values was once left out of the training of a decoder on embeddings.
func TestTrainingsWithBlocksThatDropHaveAnotherIdentity(t *testing.T) {
	e := newEngine(t, Config{})
	for block, want := range map[string]bool{"dropout(x, 20 %)": true, "relu(x)": false} {
		p := checked(t, "mseg 1\nfn mine(x: features) -> features = "+block+"\nmodel m = sam_tiny(image: 32 px) |> adapt(mixture(2, block: mine, dropout: 0)) |> train(phantom() |> prep(resize(32 px)), epochs: 1, batch: 2)\n")
		e.Use(p, "")
		b, _ := p.Lookup("m")
		if version, _, _ := e.circumstances(nodeOf(b.Value)); strings.Contains(version, "dropped") != want {
			t.Errorf("%s: the version is %q", block, version)
		}
	}
}

// The gradient's products of a training in halves were once computed in float32.
func TestTrainingsInHalvesHaveAnotherIdentity(t *testing.T) {
	e := newEngine(t, Config{})
	for precision, want := range map[string]bool{"": false, ", precision: f32": false, ", precision: bf16": true, ", precision: f16": true} {
		p := checked(t, "mseg 1\nmodel m = unet(image: 32 px) |> train(phantom() |> prep(resize(32 px)), epochs: 1, batch: 2"+precision+")\n")
		e.Use(p, "")
		b, _ := p.Lookup("m")
		if version, _, _ := e.circumstances(nodeOf(b.Value)); strings.Contains(version, "halves") != want {
			t.Errorf("%q: the version is %q", precision, version)
		}
	}
}
