package engine

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/train"
)

const decoderOnly = `mseg 1
fn noisy(x: features) -> features = dropout(x, 20 %)
param seed: int = 1
data shapes = phantom(patients: 4, slices: 2, size: 48 px, tasks: { 3: MRI_BrainWholeTumor, 1: MRI_Liver }, seed: 3)
  |> prep(percentile(0.5 % .. 99.5 %) |> slices(axis: axial) |> resize(32 px))
split parts = shapes |> by(patient, train: 50 %, val: 25 %, test: 25 %, seed: 1)
model base  = sam_tiny(image: 32 px, seed: 2) |> adapt(mixture(2, bottleneck: 2, dropout: 0), train: [decoder])
model tuned = base |> train(parts.train, validate: parts.val) { epochs: 2, batch: 3, seed: seed, prompt: box(jitter: 0 px .. 2 px) }
eval after  = tuned |> evaluate(parts.test, metrics: [dice])
expect after.n > 0
`

// job is a computation of a model's stage, to call what belongs to one.
func job(t *testing.T, e *Engine, p *ir.Program, name string) *Job {
	t.Helper()
	b, ok := p.Lookup(name)
	if !ok {
		t.Fatalf("nothing is called %s", name)
	}
	n := b.Value.(*ir.Node)
	return &Job{Engine: e, Node: n, Key: e.Key(n), Label: name}
}

// Training on embeddings gives the losses, the validation and the weights that training on images gives, up to rounding.
func TestEmbeddingsTrainAsImagesDo(t *testing.T) {
	var events []Event
	e := newEngine(t, Config{Dir: t.TempDir(), Events: func(ev Event) { events = append(events, ev) }})
	p, _ := runAll(t, e, &events, decoderOnly)
	j := job(t, e, p, "tuned")
	m := valueOf[*Model](t, e, p, "base")
	ctx := t.Context()
	samples := func(arg string) *examples {
		d, err := j.dataArg(ctx, j.Node, arg)
		if err != nil {
			t.Fatal(err)
		}
		x, err := j.examplesOf(j.Node, arg, d, m)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := samples("data")
	cfg, err := j.trainConfig(j.Node, m, x.Len())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Validation = samples("validate")
	b, err := e.Backend()
	if err != nil {
		t.Fatal(err)
	}
	run, err := j.trainingSources(ctx, b, m, x, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if run.cfg.Input != m.Built.Halves.Input {
		t.Fatalf("the encoder is not trained, but images are chosen")
	}
	first, err := m.Params()
	if err != nil {
		t.Fatal(err)
	}
	half, err := train.Run(ctx, b, run.network, first, run.samples, run.cfg)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := train.Run(ctx, b, m.Built.Network, first, x, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range whole.History {
		got := half.History[i]
		if !(math.Abs(got.Loss-want.Loss) <= 1e-5) || !(math.Abs(*got.Dice-*want.Dice) <= 1e-2) {
			t.Errorf("epoch %d: loss %g and Dice %g on embeddings, %g and %g on images", i+1, got.Loss, *got.Dice, want.Loss, *want.Dice)
		}
	}
	moved := false
	for _, name := range whole.Params.Names() {
		if strings.HasSuffix(name, "k_proj.bias") {
			continue // softmax ignores a constant added to all keys: the gradient is rounding noise, and Adam makes steps of it
		}
		first, _ := first.Get(name)
		want, _ := whole.Params.Get(name)
		got, ok := half.Params.Get(name)
		if !ok {
			t.Fatalf("%s is lost", name)
		}
		var far int
		for k, v := range want.Data {
			moved = moved || v != first.Data[k]
			if !(math.Abs(float64(got.Data[k]-v)) <= 1e-4) {
				far++
			}
		}
		if far*100 > len(want.Data) { // single values may have a gradient of nearly nothing as well
			t.Errorf("%s: %d of %d values differ", name, far, len(want.Data))
		}
	}
	if !moved {
		t.Error("training changed nothing")
	}
}

// Each image is embedded once: by the first training and the first evaluation, never again for the same encoder.
func TestEmbeddingsAreKept(t *testing.T) {
	dir := t.TempDir()
	var events []Event
	e := newEngine(t, Config{Dir: dir, Events: func(ev Event) { events = append(events, ev) }})
	runAll(t, e, &events, decoderOnly)
	computed := func() int {
		n := 0
		for _, ev := range events {
			if ev.Text == "embeddings" {
				n = max(n, ev.Done)
			}
		}
		return n
	}
	if computed() == 0 || !slices.ContainsFunc(events, func(ev Event) bool { return strings.Contains(ev.Text, "embeddings are kept") }) {
		t.Fatalf("no embedding was computed")
	}
	s := e.store
	kept := func() (keys []string) {
		all, err := s.Keys()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if a, err := s.Get(k); err == nil && a.Op == "embedding" {
				keys = append(keys, k)
			}
		}
		return keys
	}
	before := kept()
	if len(before) == 0 {
		t.Fatal("no embedding is in the store")
	}

	runAll(t, e, &events, strings.Replace(decoderOnly, "seed: int = 1", "seed: int = 2", 1))
	if n := computed(); n != 0 {
		t.Errorf("another seed of the training computed %d embeddings again", n)
	}
	if after := kept(); !slices.Equal(after, before) {
		t.Errorf("%d embeddings are in the store, %d were there before", len(after), len(before))
	}

	runAll(t, e, &events, strings.Replace(decoderOnly, "image: 32 px, seed: 2", "image: 32 px, seed: 5", 1))
	if n := computed(); n == 0 {
		t.Error("another encoder found embeddings")
	}

	// A damaged one is made again.
	a, err := s.Get(before[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.Path(embeddingFile), []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	runAll(t, e, &events, strings.Replace(decoderOnly, "seed: int = 1", "seed: int = 3", 1))
	if n := computed(); n != 1 {
		t.Errorf("%d embeddings were made for one that was damaged", n)
	}
}

// What trains the encoder, changes images or has experts that drop units is trained on images.
func TestImagesWhereEmbeddingsWouldDiffer(t *testing.T) {
	for name, change := range map[string][2]string{
		"experts trained": {"train: [decoder]", "train: [experts, decoder]"},
		"dropout":         {"dropout: 0", "dropout: 0.1"},
		"a block's own":   {"bottleneck: 2, dropout: 0", "block: noisy, dropout: 0"},
		"augmentation":    {"batch: 3,", "batch: 3, augment: augment(flip: true),"},
		"top-k balance":   {"dropout: 0)", "dropout: 0) { gate: top(1) }"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(decoderOnly, change[0], change[1], 1)
			if text == decoderOnly {
				t.Fatal("nothing was changed")
			}
			text = text[:strings.Index(text, "eval after")]
			var events []Event
			e := newEngine(t, Config{Dir: t.TempDir(), Events: func(ev Event) { events = append(events, ev) }})
			runAll(t, e, &events, text)
			if slices.ContainsFunc(events, func(ev Event) bool { return strings.Contains(ev.Text, "embeddings") }) {
				t.Error("trained on embeddings")
			}
		})
	}
}

// An embedding belongs to an encoder, a backend and an image, and with experts to what the image shows.
func TestEmbeddingsHaveKeysOfTheirOwn(t *testing.T) {
	plain, err := build(models.Config{Architecture: "tiny", Image: 32}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	mixture := experts.Published()
	adapted, err := build(models.Config{Architecture: "tiny", Image: 32, Experts: &mixture}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := build(models.Config{Architecture: "tiny", Image: 32}, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	key := func(m *Model, backend string, pixel uint8, task int32) string {
		t.Helper()
		k, err := embeddingKey(m, backend, data.Sample{Width: 1, Height: 1, Channels: 1, Image: []uint8{pixel}}, [5]int32{0, 0, 0, 0, task})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	of := key(plain, "go", 1, 1)
	if of != key(plain, "go", 1, 1) || of != key(plain, "go", 1, 2) {
		t.Error("without experts the task changes an embedding")
	}
	for what, k := range map[string]string{"backend": key(plain, "xla", 1, 1), "image": key(plain, "go", 2, 1), "weights": key(other, "go", 1, 1), "experts": key(adapted, "go", 1, 1)} {
		if k == of {
			t.Errorf("another %s has the same embedding", what)
		}
	}
	if key(adapted, "go", 1, 1) == key(adapted, "go", 1, 2) {
		t.Error("experts see the task, but it does not change an embedding")
	}
}
