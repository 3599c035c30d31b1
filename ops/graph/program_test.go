package graph

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

func mustProgram(t *testing.T, b *Backend, cfg ProgramConfig, inputs []Shape, build Build) *Program {
	t.Helper()
	p, err := NewProgram(b, cfg, inputs, build)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Free)
	return p
}

func mustInitialise(t *testing.T, specs []Spec, seed uint64) *Params {
	t.Helper()
	p, err := Initialise(specs, seed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func affine(s *Scope, in []*Node) []*Node {
	w, b := s.In("layer.%d", 0).Param("weight", Ones, 2), s.Param("bias", Zeros, 2)
	hidden := gx.Mul(in[0], w)
	s.In("layer.0").Tap("product", hidden)
	return []*Node{gx.Add(hidden, b), in[0], w, in[0], gx.ConvertDType(gx.GreaterThan(in[0], gx.ZerosLike(in[0])), in[1].DType())}
}

func TestChangedParametersAreSeenAndOthersStay(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		p := mustProgram(t, b, ProgramConfig{Name: "affine", Taps: AllTaps}, []Shape{F32(2), I32(1)}, affine)
		params := mustInitialise(t, p.Specs(), 1)
		device := b.Place(params)
		defer device.Free()
		call := func() *Result {
			t.Helper()
			// Twice: an output that is an argument must not take it along when freed.
			var r *Result
			for range 2 {
				var err error
				if r, err = p.Call(context.Background(), device, 0, Floats([]float32{3, -4}, 2), Ints([]int32{1}, 1)); err != nil {
					t.Fatal(err)
				}
			}
			return r
		}
		r := call()
		for i, want := range [][]float32{{3, -4}, {3, -4}, {1, 1}, {3, -4}, {1, 0}} {
			near(t, "output", r.Outputs[i].Data, want)
		}
		near(t, "tap", r.Taps["layer.0.product"].Data, []float32{3, -4})
		before := device.resident
		if err := params.Set("bias", &Tensor{Dims: []int{2}, Data: []float32{10, 20}}); err != nil {
			t.Fatal(err)
		}
		weight := before[residentKey{"layer.0.weight", p.code.float}].t
		near(t, "after change", call().Outputs[0].Data, []float32{13, 16})
		if device.resident[residentKey{"layer.0.weight", p.code.float}].t != weight {
			t.Error("an unchanged parameter was copied to the device again")
		}
	})
}

func TestCallsWithWrongArgumentsAreErrorsOfOneLine(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		p := mustProgram(t, b, ProgramConfig{Name: "affine"}, []Shape{F32(2), I32(1)}, affine)
		good := mustInitialise(t, p.Specs(), 1)
		other := good.Clone()
		if err := other.Set("bias", NewTensor(3)); err != nil {
			t.Fatal(err)
		}
		x, n := Floats([]float32{1, 2}, 2), Ints([]int32{1}, 1)
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		for _, c := range []struct {
			name   string
			ctx    context.Context
			params *Params
			inputs []Value
			says   string
		}{
			{"too few inputs", context.Background(), good, []Value{x}, "1 inputs were given, 2 are declared"},
			{"another shape", context.Background(), good, []Value{Floats([]float32{1, 2, 3}, 3), n}, "input 0 is f32[3] with 3 values, f32[2] is declared"},
			{"wrong number of values", context.Background(), good, []Value{Floats([]float32{1}, 2), n}, "with 1 values"},
			{"floats for integers", context.Background(), good, []Value{x, Floats([]float32{1}, 1)}, "i32[1] is declared"},
			{"missing parameter", context.Background(), NewParams(), []Value{x, n}, `parameter "layer.0.weight" is missing`},
			{"parameter of another shape", context.Background(), other, []Value{x, n}, `parameter "bias" has shape [3], the model needs [2]`},
			{"cancelled", cancelled, good, []Value{x, n}, "context canceled"},
		} {
			_, err := p.Call(c.ctx, b.Place(c.params), 0, c.inputs...)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %v, want one line with %q", c.name, err, c.says)
			}
		}
	})
}

func TestFaultsOfConstructionAreErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		build Build
		says  string
	}{
		{"parameter of two shapes", func(s *Scope, in []*Node) []*Node {
			s.In("a").Param("w", Ones, 2)
			return []*Node{s.In("a").Param("w", Ones, 3)}
		}, `parameter "a.w" is asked for with shape [3], but it was declared with [2]`},
		{"empty parameter", func(s *Scope, in []*Node) []*Node { return []*Node{s.Param("w", Ones, 0)} }, "every dimension must be at least 1"},
		{"shapes that do not fit", func(s *Scope, in []*Node) []*Node { return []*Node{gx.Add(in[0], s.Param("w", Ones, 3))} }, ""},
		{"nothing returned", func(s *Scope, in []*Node) []*Node { return nil }, "returns no output"},
		{"kernel too large", func(s *Scope, in []*Node) []*Node {
			return []*Node{Conv2d(s.In("c"), gx.Reshape(in[0], 1, 1, 2, 1), 1, Conv{Kernel: 3})}
		}, `convolution "c": a 3×3 kernel does not fit into a 1×2 map`},
		{"probability 1", func(s *Scope, in []*Node) []*Node { return []*Node{Dropout(s, "d", in[0], 1)} }, `dropout "d" has probability 1`},
	} {
		_, err := NewProgram(openForTest(t, "go"), ProgramConfig{Name: "net"}, []Shape{F32(2)}, c.build)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", c.name, err, c.says)
		}
	}
}

func TestDeclareListsParametersInOrder(t *testing.T) {
	specs, err := Declare([]Shape{F32(2), I32(1)}, affine)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	if want := []string{"layer.0.weight", "bias"}; !slices.Equal(names, want) {
		t.Errorf("declared %v, want %v", names, want)
	}
}

func TestAddingAParameterChangesNoOther(t *testing.T) {
	specs := []Spec{{"a", []int{3, 4}, KaimingUniform}, {"b", []int{5}, Normal(2)}, {"c", []int{7}, TruncNormal(3)}}
	all, some := mustInitialise(t, specs, 4), mustInitialise(t, []Spec{specs[2], specs[0]}, 4)
	other := mustInitialise(t, specs, 5)
	for _, name := range some.Names() {
		x, _ := all.Get(name)
		y, _ := some.Get(name)
		z, _ := other.Get(name)
		if !slices.Equal(x.Data, y.Data) || slices.Equal(x.Data, z.Data) {
			t.Errorf("%s: %v and %v with the same seed, %v with another", name, x.Data, y.Data, z.Data)
		}
	}
}

func TestFirstValuesHaveTheirDistribution(t *testing.T) {
	for _, c := range []struct {
		name           string
		init           Init
		dims           []int
		std, low, high float64
	}{
		{"kaiming linear", KaimingUniform, []int{200, 300}, 1 / math.Sqrt(3*300), -1 / math.Sqrt(300), 1 / math.Sqrt(300)},
		{"kaiming conv", KaimingUniform, []int{64, 32, 3, 3}, 1 / math.Sqrt(3*288), -1 / math.Sqrt(288), 1 / math.Sqrt(288)},
		{"uniform", Uniform(0.5), []int{100, 100}, 0.5 / math.Sqrt(3), -0.5, 0.5},
		{"normal", Normal(0.02), []int{100, 100}, 0.02, -0.2, 0.2},
		{"He", HeNormal(0.5), []int{64, 32, 3, 3}, math.Sqrt(2 / (1.25 * 288)), -1, 1},
		{"truncated", TruncNormal(0.02), []int{100, 100}, 0.02, -0.2, 0.2},
		{"truncated at 2", TruncNormal(50), []int{100, 100}, 2 / math.Sqrt(3), -2, 2},
	} {
		data := c.init(Stream(1, c.name), c.dims)
		var sum, square float64
		for _, v := range data {
			sum, square = sum+float64(v), square+float64(v)*float64(v)
		}
		n := float64(len(data))
		if m, s := sum/n, math.Sqrt(square/n); !(math.Abs(m) <= 4*c.std/math.Sqrt(n)) || !(math.Abs(s/c.std-1) <= 0.03) {
			t.Errorf("%s: mean %g and deviation %g, want 0 and %g", c.name, m, s, c.std)
		}
		if float64(slices.Min(data)) < c.low || float64(slices.Max(data)) > c.high {
			t.Errorf("%s: from %g to %g", c.name, slices.Min(data), slices.Max(data))
		}
	}
}

func TestParamsRefuseDataThatDoesNotFit(t *testing.T) {
	if err := NewParams().Set("w", &Tensor{Dims: []int{2, 3}, Data: make([]float32, 5)}); err == nil {
		t.Error("5 values were accepted for shape [2 3]")
	}
	if err := NewParams().Set("w", &Tensor{Dims: []int{-1, -1}, Data: make([]float32, 1)}); err == nil {
		t.Error("negative dimensions were accepted")
	}
}

// torchAdamW is the optimiser's rule in float64.
func torchAdamW(o AdamW, rate float64, steps int, p float64, grad func(p float64) float64) float64 {
	var m, v float64
	for t := 1; t <= steps; t++ {
		g := grad(p)
		p -= rate * o.WeightDecay * p
		m = o.Beta1*m + (1-o.Beta1)*g
		v = o.Beta2*v + (1-o.Beta2)*g*g
		p -= rate * (m / (1 - math.Pow(o.Beta1, float64(t)))) / (math.Sqrt(v)/math.Sqrt(1-math.Pow(o.Beta2, float64(t))) + o.Eps)
	}
	return p
}

// quadratic is ½Σ(w-x)² for the parameter "w"; "idle" does not influence it.
func quadratic(s *Scope, in []*Node) (*Node, []*Node) {
	w := s.Param("w", Normal(1), 4)
	s.Param("idle", Ones, 2)
	diff := gx.Sub(w, in[0])
	return gx.MulScalar(Sum(s, gx.Square(diff)), 0.5), []*Node{diff}
}

func TestStepFollowsAdamW(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		o := AdamW{Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, WeightDecay: 0.1}
		st, err := NewStep(b, StepConfig{Name: "quadratic", Optimizer: o}, []Shape{F32(4)}, quadratic)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Free()
		if want := []string{"idle"}; !slices.Equal(st.Unreached(), want) {
			t.Errorf("unreached: %v, want %v", st.Unreached(), want)
		}
		start := mustInitialise(t, st.Specs(), 3)
		target := []float32{1, -2, 0.5, 3}
		device := b.Place(start)
		defer device.Free()
		if err := st.Start(device, nil); err != nil {
			t.Fatal(err)
		}
		const steps = 7
		for range steps {
			if _, err := st.Run(context.Background(), 0.05, 0, Floats(target, 4)); err != nil {
				t.Fatal(err)
			}
		}
		after, err := device.Host()
		if err != nil {
			t.Fatal(err)
		}
		w0, _ := start.Get("w")
		w, _ := after.Get("w")
		for i, p := range w0.Data {
			want := torchAdamW(o, 0.05, steps, float64(p), func(p float64) float64 { return p - float64(target[i]) })
			if !(math.Abs(float64(w.Data[i])-want) <= 2e-6) {
				t.Errorf("element %d went from %g to %g, want %g", i, p, w.Data[i], want)
			}
		}
		if idle, _ := after.Get("idle"); !slices.Equal(idle.Data, []float32{1, 1}) {
			t.Errorf("a parameter without influence went to %v", idle.Data)
		}
		if state, err := st.State(); err != nil || state.Count != steps || state.Slots["adamw.first"].Len() != 1 {
			t.Errorf("state %+v, %v", state, err)
		}
	})
}

func TestFailedStepChangesNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		st, err := NewStep(b, StepConfig{Name: "quadratic", Optimizer: DefaultAdamW()}, []Shape{F32(4)}, quadratic)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Free()
		device := b.Place(mustInitialise(t, st.Specs(), 3))
		defer device.Free()
		if err := st.Start(device, nil); err != nil {
			t.Fatal(err)
		}
		step := func(x float32) (*StepResult, error) {
			return st.Run(context.Background(), 0.1, 0, Floats([]float32{x, 1, 1, 1}, 4))
		}
		if _, err := step(1); err != nil {
			t.Fatal(err)
		}
		before, err := device.Host()
		if err != nil {
			t.Fatal(err)
		}
		if r, err := step(float32(math.Inf(1))); !errors.Is(err, ErrNotFinite) || r == nil || !math.IsInf(r.Loss, 1) {
			t.Errorf("an infinite loss returned %+v and %v", r, err)
		}
		if _, err := st.Run(context.Background(), 0.1, 0, Floats([]float32{1}, 1)); err == nil {
			t.Error("an input of another shape was accepted")
		}
		after, err := device.Host()
		if err != nil {
			t.Fatal(err)
		}
		x, _ := before.Get("w")
		y, _ := after.Get("w")
		if !slices.Equal(x.Data, y.Data) {
			t.Errorf("a failed step changed %v to %v", x.Data, y.Data)
		}
		if state, err := st.State(); err != nil || state.Count != 1 {
			t.Errorf("after one good and two failed steps the count is %d (%v)", state.Count, err)
		}
		if _, err := step(1); err != nil {
			t.Errorf("the step after a failed one: %v", err)
		}
	})
}

func TestClippingBoundsTheGradient(t *testing.T) {
	b := openForTest(t, "go")
	o := AdamW{Beta1: 0, Beta2: 0, Eps: 1} // the step is g/(|g|+1)
	st, err := NewStep(b, StepConfig{Name: "quadratic", Optimizer: o, ClipNorm: 0.5}, []Shape{F32(4)}, quadratic)
	if err != nil {
		t.Fatal(err)
	}
	params := NewParams()
	for name, n := range map[string]int{"w": 4, "idle": 2} {
		if err := params.Set(name, NewTensor(n)); err != nil {
			t.Fatal(err)
		}
	}
	device := b.Place(params)
	if err := st.Start(device, nil); err != nil {
		t.Fatal(err)
	}
	r, err := st.Run(context.Background(), 1, 0, Floats([]float32{30, 0, 40, 0}, 4))
	if err != nil {
		t.Fatal(err)
	}
	after, err := device.Host()
	if err != nil {
		t.Fatal(err)
	}
	w, _ := after.Get("w")
	near(t, "gradient norm", []float32{float32(r.GradientNorm)}, []float32{50})
	near(t, "parameters", w.Data, []float32{0.3 / 1.3, 0, 0.4 / 1.4, 0})
}
