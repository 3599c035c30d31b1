package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/tensorfile"
)

// steady is tiny without dropout.
func steady(s *graph.Scope, in graph.Inputs) graph.Outputs {
	x := gx.MulScalar(in.Image, 1.0/255)
	x = graph.ReLU(graph.GroupNorm(s.In("norm"), graph.Conv2d(s.In("one"), x, 8, graph.Conv{Kernel: 3, Padding: 1}), 2, 1e-5))
	logits := graph.Conv2d(s.In("head"), x, 2, graph.Conv{Kernel: 1})
	return graph.Outputs{Masks: gx.TransposeAllAxes(logits, 0, 3, 1, 2)}
}

func mustRun(t *testing.T, b *graph.Backend, net graph.Network, data, cfg any) *Result {
	t.Helper()
	r, err := Run(context.Background(), b, net, nil, data.(Source), cfg.(Config))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// 11 samples in batches of 2, three to a step: steps of 6 and of 5 samples, the
// last batch being filled up.
func TestAccumulationIsTheLargeBatch(t *testing.T) {
	for _, name := range []string{"go", "xla"} {
		t.Run(name, func(t *testing.T) {
			b := onbackend.Open(t, name)
			cfg := config()
			cfg.Epochs, cfg.BatchSize, cfg.ClipNorm = 3, 6, 0.3
			cfg.Schedule = Schedule{Kind: "warmup_cosine", Warmup: 1}
			large := mustRun(t, b, steady, sound(11), cfg)
			cfg.BatchSize, cfg.Accumulate = 2, 3
			parts := mustRun(t, b, steady, sound(11), cfg)
			if large.Steps != 6 || parts.Steps != 6 {
				t.Errorf("%d steps at once, %d in parts, want 6", large.Steps, parts.Steps)
			}
			for i, h := range large.History {
				if d := math.Abs(h.Loss - parts.History[i].Loss); !(d < 1e-5) {
					t.Errorf("epoch %d: loss %.7f at once, %.7f in parts", i+1, h.Loss, parts.History[i].Loss)
				}
			}
			worst := 0.0
			for name, v := range bits(t, &Result{Params: large.Params}) {
				for i := range v {
					worst = max(worst, math.Abs(float64(v[i]-bits(t, &Result{Params: parts.Params})[name][i])))
				}
			}
			// Adam divides by the gradient's size: rounding counts where that is small.
			if !(worst < 1e-3) {
				t.Errorf("parameters differ by up to %g", worst)
			}
		})
	}
}

// variants are configurations whose state is all that can be remembered.
func variants() map[string]func(*Config) {
	return map[string]func(*Config){
		"adamw": func(c *Config) {},
		"everything": func(c *Config) {
			c.BatchSize, c.Accumulate, c.ClipNorm, c.Average = 2, 2, 0.5, 0.8
			c.Optimizer = graph.SGD{Momentum: 0.9, Nesterov: true, WeightDecay: 1e-3}
			c.Schedule = Schedule{Kind: "step_decay", Every: 1, Factor: 0.5}
			c.NoDecay = NoDecay{Norm: true, Bias: true}
			c.Groups = []Group{{Name: "head", Contains: func(n string) bool { return strings.HasPrefix(n, "head.") }, Factor: 3}}
			c.Patience = Patience{Epochs: 3, Least: 0.5}
			c.Augment = Augment{FlipHorizontal: 0.5, Blur: 1, Noise: 4}
			c.Recompute = true
		},
		"patience": func(c *Config) { c.Patience, c.Rate = Patience{Epochs: 2, Least: 0.9}, 1e-6 },
	}
}

// A run stopped after any of its steps and continued ends with the bits of one
// that was left alone.
func TestAnyStepCanBeTheLastBeforeAResume(t *testing.T) {
	b := onbackend.Open(t, "go")
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			base := func() Config {
				cfg := config()
				cfg.Epochs, cfg.Validation = 4, sound(3)
				cfg.Schedule = Schedule{}
				change(&cfg)
				return cfg
			}
			whole := mustRun(t, b, tiny, sound(7), base())
			if name == "patience" && (!whole.Stopped || len(whole.History) != 3 || !whole.History[2].Stopped) {
				t.Fatalf("patience of 2 epochs did not stop after the third: %+v", whole.History)
			}
			for stop := 1; stop < whole.Steps; stop++ {
				cfg := base()
				cfg.Dir, cfg.Resume = t.TempDir(), true
				ctx, cancel := context.WithCancel(context.Background())
				cfg.Progress = func(e Event) {
					if e.Phase == "training" && e.Step == stop {
						cancel()
					}
				}
				part, err := Run(ctx, b, tiny, nil, sound(7), cfg)
				cancel()
				if !errors.Is(err, context.Canceled) || part.Steps != stop {
					t.Fatalf("stopping after step %d: %v", stop, err)
				}
				cfg.Progress = nil
				rest := mustRun(t, b, tiny, sound(7), cfg)
				if !same(bits(t, whole), bits(t, rest)) || rest.Stopped != whole.Stopped {
					t.Errorf("stopped after step %d and resumed, the run ends with other numbers", stop)
				}
				if rest.BestEpoch != whole.BestEpoch || !same(bits(t, &Result{Params: rest.Best}), bits(t, &Result{Params: whole.Best})) {
					t.Errorf("stopped after step %d and resumed, the best is epoch %d, want %d", stop, rest.BestEpoch, whole.BestEpoch)
				}
			}
			// What has ended stays ended.
			cfg := base()
			cfg.Dir, cfg.Resume = t.TempDir(), true
			mustRun(t, b, tiny, sound(7), cfg)
			cfg.Progress = func(e Event) {
				if e.Phase == "training" {
					t.Error("a finished run took another step")
				}
			}
			if again := mustRun(t, b, tiny, sound(7), cfg); !same(bits(t, whole), bits(t, again)) {
				t.Error("a finished run that is run again ends with other numbers")
			}
		})
	}
}

// A run that is killed has no time to save: it goes on from the last checkpoint
// that was written on the way, which a copy of the file stands for here.
func TestCheckpointsWithinAnEpoch(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Epochs, cfg.BatchSize, cfg.Schedule = 2, 1, Schedule{}
	whole := mustRun(t, b, tiny, sound(5), cfg)
	cfg.Dir, cfg.Resume, cfg.CheckpointAfter = t.TempDir(), true, time.Nanosecond
	copied := t.TempDir()
	cfg.Progress = func(e Event) {
		if e.Phase == "training" && e.Step == 4 {
			data, err := os.ReadFile(filepath.Join(cfg.Dir, LastFile)) // of step 3
			if err == nil {
				err = os.WriteFile(filepath.Join(copied, LastFile), data, 0o644)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	mustRun(t, b, tiny, sound(5), cfg)
	cfg.Dir = copied
	first := 0
	cfg.Progress = func(e Event) {
		if first == 0 {
			first = e.Step
		}
	}
	rest := mustRun(t, b, tiny, sound(5), cfg)
	if first != 4 || !same(bits(t, whole), bits(t, rest)) {
		t.Errorf("the run went on with step %d, want 4; equal numbers: %v", first, same(bits(t, whole), bits(t, rest)))
	}
}

func TestScaledHalfPrecisionResumes(t *testing.T) {
	b := onbackend.Open(t, "xla")
	base := func() Config {
		cfg := config()
		cfg.Epochs, cfg.Schedule = 3, Schedule{}
		cfg.Precision, cfg.Scaling = graph.F16, graph.LossScaling{First: 1 << 24, Every: 2}
		return cfg
	}
	whole := mustRun(t, b, tiny, sound(7), base())
	if whole.History[0].Skipped == 0 {
		t.Error("no step overflowed at a scale of 2²⁴")
	}
	cfg := base()
	cfg.Dir, cfg.Resume = t.TempDir(), true
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cfg.Progress = func(e Event) {
		if e.Step == 5 {
			cancel()
		}
	}
	if _, err := Run(ctx, b, tiny, nil, sound(7), cfg); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	cfg.Progress = nil
	if rest := mustRun(t, b, tiny, sound(7), cfg); !same(bits(t, whole), bits(t, rest)) {
		t.Error("the resumed run ends with other numbers")
	}
}

func TestProlongedRunIsTheLongRun(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Validation, cfg.Average = sound(3), 0.9
	cfg.Schedule = Schedule{Kind: "step_decay", EverySteps: 4, Factor: 0.3}
	cfg.Epochs = 4
	whole := mustRun(t, b, tiny, sound(7), cfg)
	cfg.Dir, cfg.Resume, cfg.Epochs = t.TempDir(), true, 2
	mustRun(t, b, tiny, sound(7), cfg)
	cfg.Epochs = 4
	first := 0
	cfg.Progress = func(e Event) {
		if e.Phase == "training" && first == 0 {
			first = e.Step
		}
	}
	longer := mustRun(t, b, tiny, sound(7), cfg)
	if first != 7 {
		t.Errorf("the first step of the prolonged run is %d, want 7", first)
	}
	if !same(bits(t, whole), bits(t, longer)) {
		t.Error("2 epochs continued to 4 differ from 4 epochs")
	}
}

func TestAverageIsWhatIsValidatedAndReturned(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Epochs, cfg.Validation, cfg.Schedule = 4, sound(3), Schedule{}
	plain := mustRun(t, b, tiny, sound(6), cfg)
	cfg.Average = 0.9
	averaged := mustRun(t, b, tiny, sound(6), cfg)
	if plain.History[3].Loss != averaged.History[3].Loss {
		t.Error("the average changes what is trained")
	}
	if *plain.History[3].Dice == *averaged.History[3].Dice {
		t.Fatal("average and parameters have one Dice; the test tells nothing")
	}
	if same(bits(t, &Result{Params: plain.Params}), bits(t, &Result{Params: averaged.Params})) {
		t.Error("the result is not the average")
	}
	// The Dice of the history is that of the returned parameters.
	p, err := NewPredictor(b, tiny, side, 3, SelectOracle)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	placed := b.Place(averaged.Params)
	defer placed.Free()
	v, _, err := p.validate(context.Background(), placed, sound(3), nil, nil)
	if err != nil || v.dice != *averaged.History[3].Dice {
		t.Errorf("the average has Dice %g, recorded is %g (%v)", v.dice, *averaged.History[3].Dice, err)
	}
	_, state, _, _, err := func() (*graph.Params, *graph.OptimizerState, progress, bool, error) {
		cfg.Dir = t.TempDir()
		mustRun(t, b, tiny, sound(6), cfg)
		return load(cfg.Dir+"/"+LastFile, settingsOf(t, cfg, 6), []string{"adamw.first", "adamw.second", "average"})
	}()
	if err != nil || state.Slots["average"].Len() == 0 || state.Slots["average"].Len() != state.Slots["adamw.first"].Len() {
		t.Errorf("the checkpoint holds no average: %v", err)
	}
}

func settingsOf(t *testing.T, cfg Config, samples int) settings {
	t.Helper()
	if err := cfg.check(sound(samples)); err != nil {
		t.Fatal(err)
	}
	return cfg.settings(samples, []string{"one.weight", "one.bias", "two.weight", "two.bias", "head.weight", "head.bias"})
}

func TestPatience(t *testing.T) {
	for _, c := range []struct {
		name string
		Patience
		dice []float64
		stop int // epoch, from 1; 0 for never
	}{
		{"none", Patience{}, []float64{0.5, 0.4, 0.3, 0.2}, 0},
		{"rising", Patience{Epochs: 1}, []float64{0.1, 0.2, 0.3}, 0},
		{"equal is no gain", Patience{Epochs: 2}, []float64{0.5, 0.5, 0.5, 0.9}, 3},
		{"zero counts as measured", Patience{Epochs: 2}, []float64{0, 0, 0}, 3},
		{"a gain starts the count again", Patience{Epochs: 2}, []float64{0.5, 0.4, 0.6, 0.6, 0.6}, 5},
		{"small gains are none", Patience{Epochs: 2, Least: 0.05}, []float64{0.5, 0.53, 0.54, 0.9}, 3},
		{"slow gains add up", Patience{Epochs: 3, Least: 0.05}, []float64{0.5, 0.53, 0.56, 0.57, 0.58, 0.6}, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p progress
			stop := 0
			for i, d := range c.dice {
				if p.tire(c.Patience, d) {
					stop = i + 1
					break
				}
			}
			if stop != c.stop {
				t.Errorf("stopped after epoch %d, want %d", stop, c.stop)
			}
		})
	}
}

// Rates of torch.optim.lr_scheduler: StepLR(step_size, gamma), LambdaLR with
// nnU-Net's rule, LinearLR's warm-up followed by CosineAnnealingLR, whose formulas
// are written out here step by step.
func TestSchedulesAreTorchs(t *testing.T) {
	const rate, perEpoch, epochs = 0.01, 4, 10
	total := float64(perEpoch * epochs)
	for _, c := range []struct {
		name string
		s    Schedule
		want func(step int) float64
	}{
		{"constant", Schedule{}, func(int) float64 { return rate }},
		{"poly", Schedule{Kind: "poly"}, func(step int) float64 { return rate * math.Pow(1-float64(step)/total, 0.9) }},
		{"cosine", Schedule{Kind: "warmup_cosine", Floor: 1e-4}, func(step int) float64 {
			return 1e-4 + (rate-1e-4)*(1+math.Cos(math.Pi*float64(step)/total))/2
		}},
		{"warm-up and cosine", Schedule{Kind: "warmup_cosine", Warmup: 2, Floor: 1e-4}, func(step int) float64 {
			if step < 8 {
				return rate * float64(step) / 8
			}
			return 1e-4 + (rate-1e-4)*(1+math.Cos(math.Pi*float64(step-8)/(total-8)))/2
		}},
		{"StepLR(12, 0.1)", Schedule{Kind: "step_decay", Every: 3, Factor: 0.1}, func(step int) float64 {
			lr := rate
			for s := 1; s <= step; s++ {
				if s%12 == 0 {
					lr *= 0.1
				}
			}
			return lr
		}},
		{"StepLR(5, 0.5)", Schedule{Kind: "step_decay", EverySteps: 5, Factor: 0.5}, func(step int) float64 {
			lr := rate
			for s := 1; s <= step; s++ {
				if s%5 == 0 {
					lr *= 0.5
				}
			}
			return lr
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.s.Check(epochs); err != nil {
				t.Fatal(err)
			}
			for step := range perEpoch * epochs {
				if got, want := c.s.Rate(rate, step, perEpoch, epochs), c.want(step); !(math.Abs(got-want) <= 1e-15+1e-12*want) {
					t.Errorf("step %d has the rate %.12g, want %.12g", step, got, want)
				}
			}
		})
	}
	// A fall falls on its step even where step/perEpoch/every is no exact number.
	s := Schedule{Kind: "step_decay", Every: 3, Factor: 0.5}
	for epoch := range 30 {
		if got, want := s.Rate(1, epoch*7, 7, 30), math.Pow(0.5, float64(epoch/3)); got != want {
			t.Errorf("epoch %d has the rate %g, want %g", epoch, got, want)
		}
	}
	tenth := Schedule{Kind: "step_decay", Every: 0.1, Factor: 0.5}
	for step := range 10 { // 0.3/0.1 is less than 3
		if got, want := tenth.Rate(1, step, 10, 1), math.Pow(0.5, float64(step)); got != want {
			t.Errorf("step %d has the rate %g, want %g", step, got, want)
		}
	}
}

func TestNormsAndBiasesAreKnown(t *testing.T) {
	specs := []graph.Spec{
		{Name: "norm1.weight", Dims: []int{8}}, {Name: "norm1.bias", Dims: []int{8}},
		{Name: "lin.weight", Dims: []int{4, 8}}, {Name: "lin.bias", Dims: []int{4}},
		{Name: "conv.weight", Dims: []int{4, 8, 3, 3}}, {Name: "pos_embed", Dims: []int{1, 8}},
	}
	for _, c := range []struct {
		n    NoDecay
		kept []string
	}{
		{NoDecay{Norm: true}, []string{"lin.weight", "lin.bias", "conv.weight", "pos_embed"}},
		{NoDecay{Bias: true}, []string{"norm1.weight", "norm1.bias", "lin.weight", "conv.weight", "pos_embed"}},
		{NoDecay{Norm: true, Bias: true}, []string{"lin.weight", "conv.weight", "pos_embed"}},
	} {
		decayed := c.n.decayed(specs)
		var got []string
		for _, s := range specs {
			if decayed(s.Name) {
				got = append(got, s.Name)
			}
		}
		if !slices.Equal(got, c.kept) {
			t.Errorf("%+v: decayed are %v, want %v", c.n, got, c.kept)
		}
	}
	if (NoDecay{}).decayed(specs) != nil {
		t.Error("without exceptions nothing needs to be asked")
	}
}

func TestGroupsAndDecayReachTheStep(t *testing.T) {
	b := onbackend.Open(t, "go")
	cfg := config()
	cfg.Epochs, cfg.Schedule, cfg.Rate = 1, Schedule{}, 1e-4
	cfg.Optimizer = graph.AdamW{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 100} // the decay is what is seen: p·(1-0.01) a step
	all := mustRun(t, b, steady, sound(3), cfg)
	cfg.NoDecay = NoDecay{Norm: true}
	some := mustRun(t, b, steady, sound(3), cfg)
	cfg.Groups = []Group{{Name: "norm", Contains: func(n string) bool { return strings.HasPrefix(n, "norm.") }, Factor: 10}}
	group := mustRun(t, b, steady, sound(3), cfg)
	norm := func(r *Result) float64 { p, _ := r.Params.Get("norm.weight"); return float64(p.Data[0]) }
	head := func(r *Result) []float32 { p, _ := r.Params.Get("head.weight"); return p.Data }
	if d := norm(some) - norm(all); !(math.Abs(d-0.01) <= 1e-4) {
		t.Errorf("without decay the norm's weight is larger by %g, want 0.01", d)
	}
	if d := math.Abs(norm(group) - 1); !(math.Abs(d-10*math.Abs(norm(some)-1)) <= 1e-5) {
		t.Errorf("ten times the rate moves by %g, the rate by %g", d, math.Abs(norm(some)-1))
	}
	if !slices.Equal(head(all), head(some)) || !slices.Equal(head(all), head(group)) {
		t.Error("the exception and the group of the norm change the head's first step")
	}
}

func TestBadRulesAreRefused(t *testing.T) {
	b := onbackend.Open(t, "go")
	for says, change := range map[string]func(*Config){
		"-1 batches":                    func(c *Config) { c.Accumulate = -1 },
		"gradient norm is -1":           func(c *Config) { c.ClipNorm = -1 },
		"average keeps 1 of itself":     func(c *Config) { c.Average = 1 },
		"patience of -2 epochs":         func(c *Config) { c.Patience.Epochs = -2 },
		"validation samples are needed": func(c *Config) { c.Patience.Epochs = 2 },
		"group encoder has the factor 0": func(c *Config) {
			c.Groups = []Group{{Name: "encoder", Contains: func(string) bool { return true }}}
		},
		"SGD with momentum 1":    func(c *Config) { c.Optimizer = graph.SGD{Momentum: 1} },
		"Nesterov":               func(c *Config) { c.Optimizer = graph.SGD{Nesterov: true} },
		"every 0 epochs":         func(c *Config) { c.Schedule = Schedule{Kind: "step_decay", Factor: 0.1} },
		"the factor is 2":        func(c *Config) { c.Schedule = Schedule{Kind: "step_decay", Every: 1, Factor: 2} },
		"blur of -1":             func(c *Config) { c.Augment.Blur = -1 },
		"computes in f32 only":   func(c *Config) { c.Precision = graph.BF16 },
		`precision "half"`:       func(c *Config) { c.Precision = "half" },
		"must be a power of two": func(c *Config) { c.Precision, c.Scaling = graph.Float32, graph.LossScaling{First: 3} },
	} {
		t.Run(says, func(t *testing.T) {
			cfg := config()
			change(&cfg)
			_, err := Run(context.Background(), b, tiny, nil, sound(2), cfg)
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, says)
			}
		})
	}
}

func TestResumeRefusesOtherRules(t *testing.T) {
	b := onbackend.Open(t, "go")
	base := config()
	base.Epochs, base.Schedule, base.Dir, base.Resume = 1, Schedule{}, t.TempDir(), true
	mustRun(t, b, tiny, sound(3), base)
	for name, change := range map[string]func(*Config){
		"Accumulate": func(c *Config) { c.Accumulate = 2 },
		"Average":    func(c *Config) { c.Average = 0.5 },
		"NoDecay":    func(c *Config) { c.NoDecay.Bias = true },
		"Factors": func(c *Config) {
			c.Groups = []Group{{Name: "all", Contains: func(string) bool { return true }, Factor: 2}}
		},
		"Beta1":    func(c *Config) { c.Optimizer = graph.SGD{Momentum: 0.9} },
		"Patience": func(c *Config) { c.Validation, c.Patience.Epochs = sound(2), 2 },
		"Points":   func(c *Config) { c.Points = Points{Positive: 1} },
		"Scaling":  func(c *Config) { c.Scaling.First = 2 },
	} {
		cfg := base
		change(&cfg)
		if _, err := Run(context.Background(), b, tiny, nil, sound(3), cfg); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s differs", name)) {
			t.Errorf("resuming with another %s gives %v", name, err)
		}
	}
}

// Half precision is XLA's; what a checkpoint says of the loss scale is read anywhere.
func TestLossScaleOfACheckpoint(t *testing.T) {
	cfg := config()
	cfg.Precision = graph.F16
	want := cfg.settings(3, []string{"w"})
	path := filepath.Join(t.TempDir(), LastFile)
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{progressKey: `{"step":7}`, settingsKey: string(text), stepsKey: "6", scalingKey: `{"scale":1024,"good":5}`}
	write := func() {
		t.Helper()
		err := tensorfile.Write(path, []string{"w", "adamw.first.w"}, func(name string) ([]int, []float32) { return []int{1}, []float32{float32(len(name))} }, meta)
		if err != nil {
			t.Fatal(err)
		}
	}
	write()
	params, state, p, ok, err := load(path, want, []string{"adamw.first"})
	if err != nil || !ok || p.Step != 7 || state.Count != 6 || state.LossScale != 1024 || state.GoodSteps != 5 {
		t.Fatalf("read %+v and %+v: %t %v", state, p, ok, err)
	}
	if w, _ := params.Get("w"); params.Len() != 1 || w.Data[0] != 1 || state.Slots["adamw.first"].Len() != 1 {
		t.Errorf("read the parameters %v and the slots %v", params.Names(), state.Slots)
	}
	meta[scalingKey] = "?"
	write()
	if _, _, _, _, err := load(path, want, nil); err == nil || !strings.Contains(err.Error(), `"mseg.scaling" is damaged`) {
		t.Errorf("damaged: %v", err)
	}
}

func TestNaNInAPartNamesThePart(t *testing.T) {
	cfg := config()
	cfg.BatchSize, cfg.Accumulate, cfg.Seeds = 2, 4, SameSeeds(1)
	data := sound(8)
	data.poison = 4
	_, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, data, cfg)
	var bad *NotFiniteError
	if !errors.As(err, &bad) || !slices.Contains(bad.Samples, "ellipse e") || len(bad.Samples) != 2 {
		t.Fatalf("training on an image with NaN in parts of two returned %v", err)
	}
}

func TestBatchThatCannotFitIsToldBeforeItIsMade(t *testing.T) {
	cfg := config()
	cfg.BatchSize = 1 << 30 // some 10 TB
	_, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, sound(2), cfg)
	var want *graph.MemoryError
	if !errors.As(err, &want) || want.Needed != 3*16*side*side<<30 {
		t.Fatalf("a batch of 2³⁰ gives %v", err)
	}
	for _, part := range []string{"TiB are needed", "GiB are free", "lower the batch of 1073741824 (batch: 536870912 with accumulate: 2 takes the same steps)", "image of 24 px", "recompute: true"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}

// What a network reads in the place of images counts, not the images.
func TestEmbeddingsAreCounted(t *testing.T) {
	cfg := config()
	cfg.BatchSize, cfg.Input = 1<<30, 8
	_, err := Run(context.Background(), onbackend.Open(t, "go"), tiny, nil, sound(2), cfg)
	var want *graph.MemoryError
	if !errors.As(err, &want) || want.Needed != 3*4*(8+side*side)<<30 {
		t.Errorf("a batch of 2³⁰ embeddings gives %v", err)
	}
}

func TestPredictionThatCannotFit(t *testing.T) {
	_, err := NewPredictor(onbackend.Open(t, "go"), tiny, side, 1<<40, SelectFirst)
	var want *graph.MemoryError
	if !errors.As(err, &want) || !strings.Contains(err.Error(), "lower the batch of 1099511627776: no result depends on it") {
		t.Errorf("a batch of 2⁴⁰ gives %v", err)
	}
}
