package engine

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

func TestRulesOfATraining(t *testing.T) {
	e := newEngine(t, Config{})
	e.Use(checked(t, "mseg 1\n"), "")
	m, err := build(models.Config{Architecture: "tiny", Image: 32}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.Groups = []string{models.All}
	const before = "sam_tiny(image: 32 px) |> train(phantom() |> prep(resize(32 px)), validate: phantom(seed: 1) |> prep(resize(32 px)), epochs: 10, batch: 5, "
	config := func(t *testing.T, args string) train.Config {
		t.Helper()
		c, err := e.trainConfig(expression(t, before+args+")").(*ir.Node), m, 103)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	plain := config(t, "seed: 0")
	if plain.Accumulate != 0 || plain.ClipNorm != 0 || plain.Average != 0 || plain.Groups != nil || plain.NoDecay != (train.NoDecay{}) ||
		plain.Patience != (train.Patience{}) || plain.Precision != "" || plain.Recompute || plain.Augment != (train.Augment{}) {
		t.Errorf("without any of them something is set: %+v", plain)
	}
	for _, c := range []struct {
		args string
		get  func(train.Config) any
		want any
	}{
		{"accumulate: 4", func(c train.Config) any { return c.Accumulate }, 4},
		{"clip: 1.5", func(c train.Config) any { return c.ClipNorm }, 1.5},
		{"ema: 0.999", func(c train.Config) any { return c.Average }, 0.999},
		{"stop: patience(3 epochs, least: 0.01)", func(c train.Config) any { return c.Patience }, train.Patience{Epochs: 3, Least: 0.01}},
		{"precision: bf16", func(c train.Config) any { return c.Precision }, graph.BF16},
		{"recompute: true", func(c train.Config) any { return c.Recompute }, true},
		{"augment: augment(flip: false, blur: 1.5 px)", func(c train.Config) any { return c.Augment }, train.Augment{Blur: 1.5}},
		{"optimizer: sgd(0.01)", func(c train.Config) any { return c.Optimizer }, graph.SGD{Momentum: 0.99, Nesterov: true, WeightDecay: 3e-5}},
		{"optimizer: adamw(1e-3, no_decay: [norm])", func(c train.Config) any { return c.NoDecay }, train.NoDecay{Norm: true}},
		{"optimizer: sgd(1e-3, no_decay: [bias, norm])", func(c train.Config) any { return c.NoDecay }, train.NoDecay{Norm: true, Bias: true}},
		{"optimizer: adamw(1e-3, schedule: step_decay(2 epochs, factor: 0.5))", func(c train.Config) any { return c.Schedule },
			train.Schedule{Kind: "step_decay", Every: 2, Factor: 0.5}},
		{"optimizer: adamw(1e-3, schedule: step_decay(7 steps))", func(c train.Config) any { return c.Schedule },
			train.Schedule{Kind: "step_decay", EverySteps: 7, Factor: 0.1}},
		// 103 samples in batches of 5, four to a step, are 6 steps an epoch.
		{"accumulate: 4, optimizer: adamw(1e-3, schedule: warmup_cosine(12 steps))", func(c train.Config) any { return c.Schedule.Warmup }, 2.0},
		{"optimizer: adamw(1e-3, rates: { decoder: 2, all: 0.5 })", func(c train.Config) any { return []string{c.Groups[0].Name, c.Groups[1].Name} }, []string{"all", "decoder"}},
		{"optimizer: adamw(1e-3, rates: { encoder: 0.1, decoder: 2 })", func(c train.Config) any {
			var got []any
			for _, g := range c.Groups {
				got = append(got, g.Name, g.Factor, g.Contains("image_encoder.blocks.0.norm1.weight"), g.Contains("mask_decoder.iou_token.weight"))
			}
			return got
		}, []any{"encoder", 0.1, true, false, "decoder", 2.0, false, true}},
	} {
		t.Run(c.args, func(t *testing.T) {
			if got := c.get(config(t, c.args)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if _, err := e.trainConfig(expression(t, before+"optimizer: adamw(1, rates: { experts: 2 }))").(*ir.Node), m, 103); err == nil ||
		!strings.Contains(err.Error(), `no group of parameters "experts"`) {
		t.Errorf("a group that the model lacks gives %v", err)
	}
}

// What a script does not name is no part of its identity: results made before an argument existed stay valid.
func TestAbsentRulesAreNoPartOfTheIdentity(t *testing.T) {
	e := newEngine(t, Config{})
	e.Use(checked(t, "mseg 1\n"), "")
	n := expression(t, "sam_tiny(image: 32 px) |> train(phantom() |> prep(resize(32 px)))").(*ir.Node)
	var texts []string
	for _, x := range append([]*ir.Node{n}, n.Inputs()...) {
		texts = append(texts, e.hasher.Canonical(x))
	}
	for _, name := range []string{"accumulate", "clip", "ema", "stop", "precision", "recompute", "rates", "no_decay", "blur"} {
		if slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, name) }) {
			t.Errorf("%s is in %q", name, texts)
		}
	}
}
