package graph

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// regression is the weighted mean over rows of a two-layer network's squared
// error, with a norm and a bias so that every kind of parameter is there.
func regression(s *Scope, in []*Node) (*Node, []*Node) {
	x := s.Block(in[0])
	h := LayerNorm(s.In("norm"), Linear(s.In("one"), x, 6, true), 1e-5)
	h = s.Unblock(GELU(h))
	y := Linear(s.In("two"), h, 1, true)
	diff := gx.Sub(gx.Reshape(y, -1), in[1])
	return WeightedMean(gx.Square(diff), in[2]), []*Node{y}
}

// rows are inputs of regression: n rows, of which the last few may weigh 0.
func rows(seed uint64, n, real int) []Value {
	r := rand.New(rand.NewPCG(seed, 1))
	x, y, w := make([]float32, 3*n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for i := range y {
		y[i] = 2*x[3*i] - x[3*i+1] + 0.5
		if i < real {
			w[i] = 1
		}
	}
	return []Value{Floats(x, n, 3), Floats(y, n), Floats(w, n)}
}

func rowShapes(n int) []Shape { return []Shape{F32(n, 3), F32(n), F32(n)} }

// part cuts rows from to to out of the inputs of regression.
func part(in []Value, from, to int) []Value {
	return []Value{Floats(in[0].Floats[3*from:3*to], to-from, 3), Floats(in[1].Floats[from:to], to-from), Floats(in[2].Floats[from:to], to-from)}
}

func started(t *testing.T, b *Backend, cfg StepConfig, shapes []Shape, build Objective) (*Step, *DeviceParams) {
	t.Helper()
	cfg.Name = t.Name()
	st, err := NewStep(b, cfg, shapes, build)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Free)
	device := b.Place(mustInitialise(t, st.Specs(), 3))
	t.Cleanup(device.Free)
	if err := st.Start(device, nil); err != nil {
		t.Fatal(err)
	}
	return st, device
}

func host(t *testing.T, d *DeviceParams) map[string][]float32 {
	t.Helper()
	p, err := d.Host()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for _, name := range p.Names() {
		v, _ := p.Get(name)
		out[name] = slices.Clone(v.Data)
	}
	return out
}

func largestDifference(a, b map[string][]float32) (worst float64) {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	for name := range a {
		for i := range a[name] {
			worst = max(worst, math.Abs(float64(a[name][i]-b[name][i])))
		}
	}
	return worst
}

// torchSGD is torch.optim.SGD's rule in float64; the first buffer is the first gradient.
func torchSGD(o SGD, rate float64, steps int, p float64, grad func(p float64) float64) float64 {
	var buffer float64
	for t := range steps {
		g := grad(p) + o.WeightDecay*p
		if t == 0 {
			buffer = g
		} else {
			buffer = o.Momentum*buffer + g
		}
		d := buffer
		if o.Nesterov {
			d = g + o.Momentum*buffer
		}
		p -= rate * d
	}
	return p
}

func TestStepFollowsSGD(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for name, o := range map[string]SGD{
			"plain": {}, "momentum": {Momentum: 0.9}, "nesterov": {Momentum: 0.99, Nesterov: true, WeightDecay: 3e-2},
		} {
			t.Run(name, func(t *testing.T) {
				st, device := started(t, b, StepConfig{Optimizer: o}, []Shape{F32(4)}, quadratic)
				before, target := host(t, device), []float32{1, -2, 0.5, 3}
				for range 7 {
					if _, err := st.Run(context.Background(), 0.05, 0, Floats(target, 4)); err != nil {
						t.Fatal(err)
					}
				}
				for i, p := range before["w"] {
					want := torchSGD(o, 0.05, 7, float64(p), func(p float64) float64 { return p - float64(target[i]) })
					if got := host(t, device)["w"][i]; !(math.Abs(float64(got)-want) <= 3e-6) {
						t.Errorf("element %d went from %g to %g, want %g", i, p, got, want)
					}
				}
			})
		}
	})
}

// pair has two parameters whose gradient is easy: ½(Σ(a-x)² + Σ(b-x)²).
func pair(s *Scope, in []*Node) (*Node, []*Node) {
	half := func(name string) *Node {
		return gx.MulScalar(Sum(s, gx.Square(gx.Sub(s.Param(name, Normal(1), 3), in[0]))), 0.5)
	}
	return gx.Add(half("a"), half("b")), nil
}

func TestGroupsHaveTheirOwnRateAndDecay(t *testing.T) {
	adam := AdamW{Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, WeightDecay: 0.2}
	sgd := SGD{Momentum: 0.9, WeightDecay: 0.2}
	eachBackend(t, func(t *testing.T, b *Backend) {
		for name, c := range map[string]struct {
			rule Optimizer
			want func(rate, decay, p float64, grad func(float64) float64) float64
		}{
			"adamw": {adam, func(rate, decay, p float64, grad func(float64) float64) float64 {
				o := adam
				o.WeightDecay = decay
				return torchAdamW(o, rate, 5, p, grad)
			}},
			"sgd": {sgd, func(rate, decay, p float64, grad func(float64) float64) float64 {
				o := sgd
				o.WeightDecay = decay
				return torchSGD(o, rate, 5, p, grad)
			}},
		} {
			t.Run(name, func(t *testing.T) {
				st, device := started(t, b, StepConfig{Optimizer: c.rule,
					Factor:  func(name string) float64 { return map[string]float64{"a": 0.1, "b": 2}[name] },
					Decayed: func(name string) bool { return name == "b" },
				}, []Shape{F32(3)}, pair)
				before, target := host(t, device), []float32{1, -2, 0.5}
				for range 5 {
					if _, err := st.Run(context.Background(), 0.05, 0, Floats(target, 3)); err != nil {
						t.Fatal(err)
					}
				}
				after := host(t, device)
				for name, g := range map[string]struct{ rate, decay float64 }{"a": {0.005, 0}, "b": {0.1, 0.2}} {
					for i, p := range before[name] {
						want := c.want(g.rate, g.decay, float64(p), func(p float64) float64 { return p - float64(target[i]) })
						if got := after[name][i]; !(math.Abs(float64(got)-want) <= 3e-6) {
							t.Errorf("%s %d went from %g to %g, want %g", name, i, p, got, want)
						}
					}
				}
			})
		}
	})
	st := StepConfig{Name: "pair", Factor: func(string) float64 { return 0 }}
	if _, err := NewStep(openForTest(t, "go"), st, []Shape{F32(3)}, pair); err == nil || !strings.Contains(err.Error(), "factor 0") {
		t.Errorf("a factor of 0 gives %v", err)
	}
}

// Parts of 2, 2 and 1 rows, the last filled up to 2, make the step of all 5.
func TestAccumulatedPartsMakeTheStepOfTheWholeBatch(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		cfg := StepConfig{ClipNorm: 0.5, Average: 0.9}
		whole, wholeParams := started(t, b, cfg, rowShapes(6), regression)
		cfg.Parts = true
		parts, partsParams := started(t, b, cfg, rowShapes(2), regression)
		for i := range uint64(4) {
			in := rows(i, 6, 5)
			want, err := whole.Run(context.Background(), 0.01, 0, in...)
			if err != nil {
				t.Fatal(err)
			}
			loss := 0.0
			for from, weight := range map[int]float64{0: 2, 2: 2, 4: 1} {
				r, err := parts.Accumulate(context.Background(), weight/5, 0, part(in, from, from+2)...)
				if err != nil {
					t.Fatal(err)
				}
				loss += weight / 5 * r.Loss
			}
			got, err := parts.Update(context.Background(), 0.01)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(loss-want.Loss) <= 1e-5*want.Loss) || !(math.Abs(got.GradientNorm-want.GradientNorm) <= 1e-5*want.GradientNorm) {
				t.Errorf("step %d: loss %.7g and gradient norm %.7g by parts, %.7g and %.7g at once", i+1, loss, got.GradientNorm, want.Loss, want.GradientNorm)
			}
		}
		// Adam divides by the gradient's size, which makes more of a rounding.
		if d := largestDifference(host(t, wholeParams), host(t, partsParams)); !(d < 2e-5) {
			t.Errorf("parameters differ by %g", d)
		}
		if d := largestDifference(host(t, whole.Averaged()), host(t, parts.Averaged())); !(d < 2e-5) {
			t.Errorf("averages differ by %g", d)
		}
		state, err := parts.State()
		if err != nil || state.Count != 4 {
			t.Errorf("4 updates of 3 parts are counted as %d, %v", state.Count, err)
		}
		if _, err := parts.Update(context.Background(), 1); err == nil {
			t.Error("an update without a gradient was made")
		}
		if _, err := parts.Run(context.Background(), 1, 0, rows(0, 2, 2)...); err == nil {
			t.Error("a step built for parts was run at once")
		}
	})
}

func TestBadPartIsDroppedWithItsSum(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		st, device := started(t, b, StepConfig{Parts: true}, rowShapes(2), regression)
		before := host(t, device)
		good, bad := rows(0, 2, 2), rows(1, 2, 2)
		bad[0].Floats[0] = float32(math.Inf(1))
		if _, err := st.Accumulate(context.Background(), 0.5, 0, good...); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Accumulate(context.Background(), 0.5, 0, bad...); !errors.Is(err, ErrNotFinite) {
			t.Fatalf("an infinite input returned %v", err)
		}
		if _, err := st.Update(context.Background(), 1); err == nil {
			t.Error("half a batch was used for an update")
		}
		if d := largestDifference(before, host(t, device)); d != 0 {
			t.Errorf("parameters changed by %g", d)
		}
		// The next batch starts from nothing.
		if _, err := st.Accumulate(context.Background(), 1, 0, good...); err != nil {
			t.Fatal(err)
		}
		got, err := st.Update(context.Background(), 0.1)
		if err != nil {
			t.Fatal(err)
		}
		fresh, _ := started(t, b, StepConfig{}, rowShapes(2), regression)
		want, err := fresh.Run(context.Background(), 0.1, 0, good...)
		if err != nil || !(math.Abs(want.GradientNorm-got.GradientNorm) <= 1e-6*want.GradientNorm) {
			t.Errorf("gradient norm %g after a dropped part, %g without (%v)", got.GradientNorm, want.GradientNorm, err)
		}
	})
}

func TestMovingAverageFollowsItsFormula(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		const d = 0.8
		st, device := started(t, b, StepConfig{Average: d}, []Shape{F32(4)}, quadratic)
		want := map[string][]float64{}
		for name, v := range host(t, device) {
			for _, x := range v {
				want[name] = append(want[name], float64(x))
			}
		}
		for range 6 {
			if _, err := st.Run(context.Background(), 0.1, 0, Floats([]float32{1, -2, 0.5, 3}, 4)); err != nil {
				t.Fatal(err)
			}
			for i, p := range host(t, device)["w"] {
				want["w"][i] = d*want["w"][i] + (1-d)*float64(p)
			}
		}
		got := host(t, st.Averaged())
		for name := range want {
			for i := range want[name] {
				if !(math.Abs(float64(got[name][i])-want[name][i]) <= 1e-6) {
					t.Errorf("average %s %d is %g, want %g", name, i, got[name][i], want[name][i])
				}
			}
		}
		if now := host(t, device)["w"]; slices.Equal(now, got["w"]) {
			t.Error("the average is the parameter itself")
		}
	})
}

// A state put back gives the bits of a step that never stopped.
func TestStateCarriesEverything(t *testing.T) {
	for _, c := range []struct {
		name    string
		backend string
		cfg     StepConfig
	}{
		{"adamw with average", "go", StepConfig{Average: 0.9}},
		{"sgd in parts", "go", StepConfig{Optimizer: SGD{Momentum: 0.9, Nesterov: true}, Parts: true}},
		{"f16", "xla", StepConfig{Precision: F16, Scaling: LossScaling{First: 1 << 10, Every: 2}, Average: 0.9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := openForTest(t, c.backend)
			steps := func(st *Step, from, to uint64) {
				t.Helper()
				for i := from; i < to; i++ {
					var err error
					if c.cfg.Parts {
						if _, err = st.Accumulate(context.Background(), 1, 0, rows(i, 4, 4)...); err == nil {
							_, err = st.Update(context.Background(), 0.01)
						}
					} else {
						_, err = st.Run(context.Background(), 0.01, 0, rows(i, 4, 4)...)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			whole, wholeParams := started(t, b, c.cfg, rowShapes(4), regression)
			steps(whole, 0, 7)
			first, firstParams := started(t, b, c.cfg, rowShapes(4), regression)
			steps(first, 0, 3)
			state, err := first.State()
			if err != nil {
				t.Fatal(err)
			}
			params, err := firstParams.Host()
			if err != nil {
				t.Fatal(err)
			}
			second, _ := started(t, b, c.cfg, rowShapes(4), regression)
			secondParams := b.Place(params)
			defer secondParams.Free()
			if err := second.Start(secondParams, state); err != nil {
				t.Fatal(err)
			}
			steps(second, 3, 7)
			if d := largestDifference(host(t, wholeParams), host(t, secondParams)); d != 0 {
				t.Errorf("parameters differ by %g", d)
			}
			if d := largestDifference(host(t, whole.Averaged()), host(t, second.Averaged())); d != 0 {
				t.Errorf("averages differ by %g", d)
			}
			a, _ := whole.State()
			z, _ := second.State()
			if a.Count != z.Count || a.LossScale != z.LossScale || a.GoodSteps != z.GoodSteps {
				t.Errorf("counters are %d, %g, %d, want %d, %g, %d", z.Count, z.LossScale, z.GoodSteps, a.Count, a.LossScale, a.GoodSteps)
			}
			if c.cfg.Precision == F16 && a.LossScale <= 1<<10 {
				t.Errorf("the loss scale is %g after 7 good steps, it should have been doubled every 2", a.LossScale)
			}
		})
	}
}

func TestHalfPrecisionStaysNearFloat32(t *testing.T) {
	b := openForTest(t, "xla")
	losses := map[Precision][]float64{}
	for _, p := range []Precision{Float32, BF16, F16} {
		st, _ := started(t, b, StepConfig{Precision: p, Scaling: LossScaling{First: 1024}}, rowShapes(8), regression)
		for i := range uint64(30) {
			r, err := st.Run(context.Background(), 0.02, 0, rows(i%4, 8, 8)...)
			if err != nil {
				t.Fatal(err)
			}
			losses[p] = append(losses[p], r.Loss)
		}
	}
	for p, limit := range map[Precision]float64{BF16: 0.05, F16: 0.01} {
		worst := 0.0
		for i, want := range losses[Float32] {
			worst = max(worst, math.Abs(losses[p][i]-want)/(want+0.1))
		}
		if worst == 0 || !(worst < limit) {
			t.Errorf("%s: losses differ from float32's by up to %.4f, want above 0 and below %g", p, worst, limit)
		}
	}
	if l := losses[Float32]; !(l[29] < l[0]/3) {
		t.Errorf("the loss went from %g to %g only", l[0], l[29])
	}
}

func TestOverflowSkipsTheStepAndHalvesTheScale(t *testing.T) {
	b := openForTest(t, "xla")
	st, device := started(t, b, StepConfig{Precision: F16, Scaling: LossScaling{First: 1 << 40, Every: 3}}, rowShapes(4), regression)
	before := host(t, device)
	skipped := 0
	for i := range 60 {
		r, err := st.Run(context.Background(), 0.01, 0, rows(uint64(i), 4, 4)...)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Skipped {
			break
		}
		skipped++
		if d := largestDifference(before, host(t, device)); d != 0 {
			t.Fatalf("a skipped step changed parameters by %g", d)
		}
		state, err := st.State()
		if want := math.Ldexp(1, 40-skipped); err != nil || state.LossScale != want || state.Count != 0 {
			t.Fatalf("after %d overflows the scale is %g and %d updates are counted, want %g and 0 (%v)", skipped, state.LossScale, state.Count, want, err)
		}
	}
	if skipped < 10 || skipped > 35 {
		t.Errorf("%d steps were skipped from a scale of 2⁴⁰", skipped)
	}
	if d := largestDifference(before, host(t, device)); d == 0 {
		t.Error("the first good step changed nothing")
	}
}

func TestPrecisionIsRefusedWhereItCannotBeHad(t *testing.T) {
	for p, says := range map[Precision]string{BF16: "go backend computes in f32 only", F16: "go backend computes in f32 only", "f8": `precision "f8" is unknown`} {
		_, err := NewStep(openForTest(t, "go"), StepConfig{Name: "half", Precision: p}, rowShapes(2), regression)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s on go gives %v", p, err)
		}
	}
}

// Recomputed activations give the same losses and parameters, to the bit on go.
func TestRecomputedBlocksGiveTheSameGradient(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		deep := func(s *Scope, in []*Node) (*Node, []*Node) {
			x := Linear(s.In("stem"), in[0], 8, true)
			for i := range 3 {
				x = s.Block(x)
				p := s.In(fmt.Sprint("block", i))
				h := Dropout(p, "drop", GELU(Linear(p.In("up"), LayerNorm(p.In("norm"), x, 1e-6), 16, true)), 0.2)
				x = gx.Add(x, Linear(p.In("down"), h, 8, true))
			}
			y := Linear(s.In("head"), s.Unblock(x), 1, true)
			return WeightedMean(gx.Square(gx.Sub(gx.Reshape(y, -1), in[1])), in[2]), nil
		}
		kept, keptParams := started(t, b, StepConfig{}, rowShapes(4), deep)
		again, againParams := started(t, b, StepConfig{Recompute: true}, rowShapes(4), deep)
		// The barriers alone are 4 nodes.
		if a, z := kept.Nodes(), again.Nodes(); z < a+40 {
			t.Errorf("the step has %d nodes with recomputation, %d without: nothing is computed again", z, a)
		}
		for i := range uint64(3) {
			a, err := kept.Run(context.Background(), 0.01, i, rows(i, 4, 4)...)
			if err != nil {
				t.Fatal(err)
			}
			z, err := again.Run(context.Background(), 0.01, i, rows(i, 4, 4)...)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(a.Loss-z.Loss) <= 1e-6) || !(math.Abs(a.GradientNorm-z.GradientNorm) <= 1e-5*a.GradientNorm) {
				t.Errorf("step %d: loss %.8g and gradient norm %.8g, without recomputation %.8g and %.8g", i+1, z.Loss, z.GradientNorm, a.Loss, a.GradientNorm)
			}
		}
		limit := 0.0
		if b.Name() == "xla" {
			limit = 1e-5
		}
		if d := largestDifference(host(t, keptParams), host(t, againParams)); !(d <= limit) {
			t.Errorf("parameters differ by %g", d)
		}
	})
}
