package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/tensorfile"
)

const side = 24

// ellipses are bright spots on a noisy ground.
type ellipses struct {
	count  int
	poison int // number of a sample whose image holds NaN; -1 for none
	broken int // number of a sample that cannot be read; -1 for none
}

func (s ellipses) Len() int { return s.count }

func (s ellipses) Fill(i int, _ *rand.Rand, into *Example) error {
	if i == s.broken {
		return errors.New("the file is gone")
	}
	r := rand.New(rand.NewPCG(uint64(i), 99))
	cx, cy := 7+10*r.Float64(), 7+10*r.Float64()
	rx, ry := 3+3*r.Float64(), 3+3*r.Float64()
	for p := range into.Target {
		x, y := float64(p%side), float64(p/side)
		in := (x-cx)*(x-cx)/(rx*rx)+(y-cy)*(y-cy)/(ry*ry) <= 1
		value := 80 + 20*r.NormFloat64()
		into.Target[p] = 0
		if in {
			value += 80
			into.Target[p] = 1
		}
		for c := range 3 {
			into.Image[p*3+c] = float32(min(max(value, 0), 255))
		}
	}
	if i == s.poison {
		into.Image[5] = float32(math.NaN())
	}
	into.Box, _ = boundingBox(into.Target, side)
	into.Modality, into.Organ = 1, [4]int32{1, 2, 3, 4}
	into.Name = "ellipse " + string(rune('a'+i))
	return nil
}

func sound(count int) ellipses { return ellipses{count: count, poison: -1, broken: -1} }

// tiny is a small convolutional network with two candidate masks, a quality
// and a gate.
func tiny(s *graph.Scope, in graph.Inputs) graph.Outputs {
	x := gx.MulScalar(in.Image, 1.0/255)
	x = graph.ReLU(graph.Conv2d(s.In("one"), x, 8, graph.Conv{Kernel: 3, Padding: 1}))
	x = graph.Dropout(s, "drop", x, 0.05)
	x = graph.ReLU(graph.Conv2d(s.In("two"), x, 8, graph.Conv{Kernel: 3, Padding: 1}))
	logits := graph.Conv2d(s.In("head"), x, 2, graph.Conv{Kernel: 1}) // (B,S,S,2)
	masks := gx.TransposeAllAxes(logits, 0, 3, 1, 2)
	iou := graph.Linear(s.In("quality"), graph.Mean(s, x, 1, 2), 2, true)
	return graph.Outputs{Masks: masks, IoU: iou, Gates: []*graph.Node{graph.Softmax(iou)}}
}

func config() Config {
	return Config{
		Size: side, Epochs: 25, BatchSize: 3, Rate: 2e-2,
		Schedule: Schedule{Kind: "warmup_cosine", Warmup: 1, Floor: 1e-4},
		Jitter:   Jitter{0, 3}, Seeds: SameSeeds(7), Select: SelectOracle,
	}
}

func TestOverfitsOnBothBackends(t *testing.T) {
	losses := map[string][]float64{}
	for _, name := range []string{"go", "xla"} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.Validation = sound(8)
			var steps []float64
			cfg.Progress = func(e Event) {
				if e.Phase == "training" {
					steps = append(steps, e.Loss)
				}
			}
			r, err := Run(context.Background(), onbackend.Open(t, name), tiny, nil, sound(8), cfg)
			if err != nil {
				t.Fatal(err)
			}
			losses[name] = steps
			if r.BestDice < 0.9 {
				t.Errorf("Dice of 8 images learned by heart is %.3f, want above 0.9; history %+v", r.BestDice, r.History)
			}
			if want := 3 * 25; len(steps) != want || r.Steps != want {
				t.Errorf("%d steps were reported and %d counted, want %d", len(steps), r.Steps, want)
			}
			if want := []string{"quality.weight", "quality.bias"}; !slices.Equal(r.Unreached, want) {
				t.Errorf("unreached parameters are %v, want %v", r.Unreached, want)
			}
		})
	}
	if len(losses) < 2 {
		return
	}
	// Rounding differs between the backends and grows with the steps.
	for i, tolerance := range map[int]float64{0: 1e-6, 1: 1e-5, 5: 1e-4, 20: 2e-2} {
		if a, b := losses["go"][i], losses["xla"][i]; !(math.Abs(a-b) <= tolerance) {
			t.Errorf("step %d: loss %.8f on go, %.8f on xla; more than %g apart", i+1, a, b, tolerance)
		}
	}
}

// bits is everything a run leaves, as it would be compared bit by bit.
func bits(t *testing.T, r *Result) map[string][]float32 {
	t.Helper()
	out := map[string][]float32{}
	for _, name := range r.Params.Names() {
		p, _ := r.Params.Get(name)
		out[name] = p.Data
	}
	for _, h := range r.History {
		out["history"] = append(out["history"], float32(h.Loss))
		if h.Dice != nil {
			out["history"] = append(out["history"], float32(*h.Dice))
		}
	}
	return out
}

func same(a, b map[string][]float32) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if !slices.Equal(a[name], b[name]) {
			return false
		}
	}
	return true
}

func TestInterruptedAndResumedRunEndsWithTheSameBits(t *testing.T) {
	b := onbackend.Open(t, "go")
	short := func() Config {
		cfg := config()
		cfg.Epochs = 4
		cfg.Validation = sound(3)
		cfg.Augment = Augment{FlipHorizontal: 0.5, Noise: 5}
		return cfg
	}
	whole, err := Run(context.Background(), b, tiny, nil, sound(7), short())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Run(context.Background(), b, tiny, nil, sound(7), short())
	if err != nil {
		t.Fatal(err)
	}
	if !same(bits(t, whole), bits(t, again)) {
		t.Fatal("two equal runs end with different numbers")
	}
	// 3 steps an epoch: within an epoch, at the end of one, and during its validation.
	for name, stop := range map[string]func(Event) bool{
		"within an epoch":   func(e Event) bool { return e.Phase == "training" && e.Step == 5 },
		"after an epoch":    func(e Event) bool { return e.Phase == "epoch" && e.Epoch == 2 },
		"during validation": func(e Event) bool { return e.Phase == "validating" && e.Epoch == 2 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := short()
			cfg.Dir, cfg.Resume = t.TempDir(), true
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			cfg.Progress = func(e Event) {
				if stop(e) {
					cancel()
				}
			}
			part, err := Run(ctx, b, tiny, nil, sound(7), cfg)
			if !errors.Is(err, context.Canceled) || part == nil {
				t.Fatalf("interrupted run returned %v, want its result and %v", err, context.Canceled)
			}
			if part.Steps >= whole.Steps {
				t.Fatalf("the interrupted run took all %d steps", part.Steps)
			}
			cfg.Progress = nil
			rest, err := Run(context.Background(), b, tiny, nil, sound(7), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if !same(bits(t, whole), bits(t, rest)) {
				t.Error("the resumed run ends with other numbers than the uninterrupted one")
			}
			if rest.BestEpoch != whole.BestEpoch || rest.BestDice != whole.BestDice || !same(bits(t, &Result{Params: rest.Best}), bits(t, &Result{Params: whole.Best})) {
				t.Errorf("best is epoch %d with %v, want %d with %v", rest.BestEpoch, rest.BestDice, whole.BestEpoch, whole.BestDice)
			}
		})
	}
}

func TestResumeRefusesOtherSettings(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Epochs, cfg.Dir, cfg.Resume, cfg.Schedule = 1, t.TempDir(), true, Schedule{}
	if _, err := Run(context.Background(), b, tiny, nil, sound(3), cfg); err != nil {
		t.Fatal(err)
	}
	longer := cfg
	longer.Epochs = 2
	if r, err := Run(context.Background(), b, tiny, nil, sound(3), longer); err != nil || r.Steps != 2 {
		t.Errorf("a run with a constant rate cannot be prolonged: %v", err)
	}
	other := longer
	other.Rate = 1
	if _, err := Run(context.Background(), b, tiny, nil, sound(3), other); err == nil || !strings.Contains(err.Error(), "Rate differs") {
		t.Errorf("resuming with another rate gives %v", err)
	}
}

func TestNaNStopsWithTheNamesOfTheBatch(t *testing.T) {
	cfg := config()
	cfg.Dir = t.TempDir()
	data := sound(8)
	data.poison = 4
	_, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, data, cfg)
	var bad *NotFiniteError
	if !errors.As(err, &bad) || !errors.Is(err, graph.ErrNotFinite) {
		t.Fatalf("training on an image with NaN returned %v", err)
	}
	if bad.Epoch != 1 || !slices.Contains(bad.Samples, "ellipse e") || len(bad.Samples) > 3 {
		t.Errorf("the error names epoch %d and samples %v; the NaN is in ellipse e", bad.Epoch, bad.Samples)
	}
	f, err := tensorfile.Read(filepath.Join(cfg.Dir, LastFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range f.Names() {
		p, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(p.Data, func(v float32) bool { return v != v }) {
			t.Errorf("the checkpoint's %s holds NaN", name)
		}
	}
}

func TestUnreadableSampleEndsTheRunWithItsError(t *testing.T) {
	data := sound(4)
	data.broken = 2
	_, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, data, config())
	if err == nil || !strings.Contains(err.Error(), "sample 2: the file is gone") {
		t.Errorf("got %v", err)
	}
}

func TestFrozenParametersStay(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Epochs, cfg.Schedule = 1, Schedule{}
	cfg.Trainable = func(name string) bool { return strings.HasPrefix(name, "head.") }
	start := graph.NewParams()
	first, err := Run(context.Background(), b, tiny, nil, sound(3), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range first.Params.Names() {
		p, _ := first.Params.Get(name)
		if err := start.Set(name, p); err != nil {
			t.Fatal(err)
		}
	}
	before := start.Clone()
	second, err := Run(context.Background(), b, tiny, start, sound(3), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range before.Names() {
		was, _ := before.Get(name)
		given, _ := start.Get(name)
		is, _ := second.Params.Get(name)
		if !slices.Equal(was.Data, given.Data) {
			t.Errorf("training changed the caller's %s", name)
		}
		if trained := strings.HasPrefix(name, "head."); trained == slices.Equal(was.Data, is.Data) {
			t.Errorf("%s: trainable is %v, changed is %v", name, trained, !trained)
		}
	}
}

func TestGivenParametersOfAnotherShapeAreRefused(t *testing.T) {
	given := graph.NewParams()
	if err := given.Set("head.weight", graph.NewTensor(3, 8, 1, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, given, sound(2), config())
	if want := `parameter "head.weight" has shape [3 8 1 1], the network needs [2 8 1 1]`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPaddedBatchCountsForNothing(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Epochs, cfg.Jitter, cfg.Schedule = 1, Jitter{}, Schedule{}
	plain := func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		x := graph.Conv2d(s.In("one"), gx.MulScalar(in.Image, 1.0/255), 4, graph.Conv{Kernel: 3, Padding: 1})
		y := graph.Conv2d(s.In("head"), graph.ReLU(x), 1, graph.Conv{Kernel: 1})
		return graph.Outputs{Masks: gx.TransposeAllAxes(y, 0, 3, 1, 2)}
	}
	var loss [2]float64
	for i, size := range []int{2, 5} {
		cfg.BatchSize = size
		r, err := Run(context.Background(), b, plain, nil, sound(2), cfg)
		if err != nil {
			t.Fatal(err)
		}
		loss[i] = r.History[0].Loss
	}
	if !(math.Abs(loss[0]-loss[1]) <= 1e-6) {
		t.Errorf("two samples have loss %.8f in a batch of 2 and %.8f in one of 5", loss[0], loss[1])
	}
}

func TestPredictor(t *testing.T) {
	b := onbackend.Open(t, "go")
	p, err := NewPredictor(b, tiny, side, 3, SelectQuality)
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(p.Specs(), 3)
	if err != nil {
		t.Fatal(err)
	}
	single, err := NewPredictor(b, tiny, side, 1, SelectFirst)
	if err != nil {
		t.Fatal(err)
	}
	device := b.Place(params)
	var alone []*Prediction
	if err := single.Predict(context.Background(), device, sound(4), func(_ int, _ *Example, a *Prediction) error {
		alone = append(alone, a)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = p.Predict(context.Background(), device, sound(4), func(i int, e *Example, a *Prediction) error {
		if i != seen || e.Name != "ellipse "+string(rune('a'+i)) {
			t.Errorf("answer %d is for sample %d (%s)", seen, i, e.Name)
		}
		seen++
		if a.Count != 2 || len(a.Masks) != 2*side*side || len(a.IoU) != 2 || len(a.Gates) != 1 || len(a.Gates[0]) != 2 {
			t.Errorf("answer %d has %d masks of %d values, %d qualities, gates %v", i, a.Count, len(a.Masks), len(a.IoU), a.Gates)
		}
		if want := 0; alone[i].Chosen != want {
			t.Errorf("selection first chose mask %d", alone[i].Chosen)
		}
		if a.IoU[a.Chosen] < a.IoU[1-a.Chosen] {
			t.Errorf("selection quality chose mask %d of %v", a.Chosen, a.IoU)
		}
		for k := range a.Masks {
			if !(math.Abs(float64(a.Masks[k]-alone[i].Masks[k])) <= 1e-5) {
				t.Fatalf("sample %d: a batch of 3 gives logit %g, a batch of 1 %g", i, a.Masks[k], alone[i].Masks[k])
			}
		}
		return nil
	})
	if err != nil || seen != 4 {
		t.Errorf("%d answers and %v, want 4", seen, err)
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	b := onbackend.Open(t, "go")
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no epochs":         {func(c *Config) { c.Epochs = 0 }, "0 epochs"},
		"no batch":          {func(c *Config) { c.BatchSize = 0 }, "batch size is 0"},
		"rate zero":         {func(c *Config) { c.Rate = 0 }, "learning rate is 0"},
		"rate NaN":          {func(c *Config) { c.Rate = math.NaN() }, "learning rate is NaN"},
		"jitter reversed":   {func(c *Config) { c.Jitter = Jitter{5, 2} }, "from 5 to 2"},
		"schedule":          {func(c *Config) { c.Schedule.Kind = "step" }, `schedule "step"`},
		"warm-up too long":  {func(c *Config) { c.Schedule.Warmup = 99 }, "99 epochs"},
		"selection":         {func(c *Config) { c.Select = "median" }, `selection "median"`},
		"flip probability":  {func(c *Config) { c.Augment.FlipVertical = 2 }, "vertical flip is 2"},
		"scale zero":        {func(c *Config) { c.Augment.Scale = [2]float64{0, 1} }, "scale from 0"},
		"beta":              {func(c *Config) { c.Optimizer = graph.AdamW{Beta1: 1, Beta2: 0.9, Eps: 1e-8} }, "betas 1"},
		"nothing trainable": {func(c *Config) { c.Trainable = func(string) bool { return false } }, "none of the 8 parameters"},
		"resume nowhere":    {func(c *Config) { c.Resume = true }, "from a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			_, err := Run(context.Background(), b, tiny, nil, sound(2), cfg)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, c.says)
			}
		})
	}
}

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == graph.ProbeFlag {
		os.Exit(graph.ProbeMain(os.Args[2]))
	}
	os.Exit(m.Run())
}

// Of masks of equal quality the first counts, whoever judges.
func TestEqualMasks(t *testing.T) {
	p := &Prediction{Count: 3, Masks: []float32{-1, -1, 1, -1, -1, 1}, IoU: []float32{0.2, 0.7, 0.7}}
	target := []uint8{1, 1}
	for selection, want := range map[Selection]int{"": 1, SelectQuality: 1, SelectFirst: 0, SelectOracle: 1} {
		if got := selection.choose(p, target); got != want {
			t.Errorf("%q takes mask %d, expected %d", selection, got, want)
		}
	}
	p.IoU = nil
	if got := SelectQuality.choose(p, target); got != 0 {
		t.Errorf("without a predicted quality mask %d is taken, expected the first", got)
	}
}
