package graph

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	gx "github.com/gomlx/gomlx/core/graph"
)

// What is delivered gives what is handed over in the call gives, however often it is read, and the host's slices may be overwritten at once.
func TestDeliveredInputs(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		p := mustProgram(t, b, ProgramConfig{Name: "affine", Taps: AllTaps}, []Shape{F32(2), I32(1)}, affine)
		params := b.Place(mustInitialise(t, p.Specs(), 1))
		defer params.Free()
		x, k := []float32{3, -4}, []int32{1}
		in := []Value{Floats(x, 2), Ints(k, 1)}
		want, err := p.Call(context.Background(), params, 0, in...)
		if err != nil {
			t.Fatal(err)
		}
		on, err := b.Deliver(in)
		if err != nil {
			t.Fatal(err)
		}
		x[0], k[0] = 99, 99
		for range 2 {
			got, err := p.Call(context.Background(), params, 0, on...)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want.Outputs {
				if !slices.Equal(got.Outputs[i].Data, want.Outputs[i].Data) {
					t.Errorf("output %d is %v, expected %v", i, got.Outputs[i].Data, want.Outputs[i].Data)
				}
			}
		}
		if _, err := p.Call(context.Background(), params, 0, on[1], on[0]); err == nil || !strings.Contains(err.Error(), "input 0 is i32[1]") {
			t.Errorf("in the wrong order: %v", err)
		}
		Release(on)
		Release(on) // harmless
		if _, err := p.Call(context.Background(), params, 0, on...); err == nil || !strings.Contains(err.Error(), "input 0 has been released") {
			t.Errorf("after release: %v", err)
		}
		for _, bad := range [][]Value{{Floats(x, 3)}, {Floats(x, 2), Ints(k, 2)}} {
			if _, err := b.Deliver(bad); err == nil || !strings.Contains(err.Error(), "values, got") {
				t.Errorf("%d inputs, the last of another shape: %v", len(bad), err)
			}
		}
	})
}

func TestDeliveredInputsStayWhereTheyBelong(t *testing.T) {
	b, other := openForTest(t, "go"), openForTest(t, "go")
	on, err := other.Deliver([]Value{Floats([]float32{1}, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer Release(on)
	double := func(_ *Scope, in []*Node) []*Node { return []*Node{gx.Add(in[0], in[0])} }
	p := mustProgram(t, b, ProgramConfig{Name: "double"}, []Shape{F32(1)}, double)
	if _, err := p.Call(context.Background(), nil, 0, on...); err == nil || !strings.Contains(err.Error(), "was delivered to backend go") {
		t.Errorf("to another backend: %v", err)
	}
	wide := mustProgram(t, other, ProgramConfig{Name: "double", Float64: true}, []Shape{F32(1)}, double)
	if _, err := wide.Call(context.Background(), nil, 0, on...); err == nil || !strings.Contains(err.Error(), "delivered as float32") {
		t.Errorf("to a program in float64: %v", err)
	}
}

// A program in halves is near float32 but not equal to it, and takes some time.
func TestHalfPrecisionOfAProgram(t *testing.T) {
	b := openForTest(t, "xla")
	net := func(s *Scope, in []*Node) []*Node { return []*Node{Linear(s.In("layer"), in[0], 8, true)} }
	x := Floats(rowsOf(4, 16), 4, 16)
	outputs := map[Precision][]float32{}
	for _, precision := range []Precision{"", Float32, BF16, F16} {
		p := mustProgram(t, b, ProgramConfig{Name: "layer", Precision: precision}, []Shape{F32(4, 16)}, net)
		params := b.Place(mustInitialise(t, p.Specs(), 1))
		defer params.Free()
		start := time.Now()
		r, err := p.Call(context.Background(), params, 0, x)
		if err != nil {
			t.Fatal(err)
		}
		if r.Device <= 0 || r.Device > time.Since(start) {
			t.Errorf("the device took %v of %v", r.Device, time.Since(start))
		}
		outputs[precision] = r.Outputs[0].Data
	}
	if !slices.Equal(outputs[""], outputs[Float32]) {
		t.Error("f32 is not what is computed where nothing is said")
	}
	for precision, limit := range map[Precision]float64{BF16: 0.03, F16: 0.004} {
		worst := 0.0
		for i, want := range outputs[Float32] {
			worst = max(worst, abs(float64(outputs[precision][i]-want)))
		}
		if worst == 0 || !(worst <= limit) {
			t.Errorf("%s differs from f32 by up to %g, want above 0 and at most %g", precision, worst, limit)
		}
	}
}

func abs(v float64) float64 { return max(v, -v) }

func rowsOf(n, width int) []float32 {
	out := make([]float32, n*width)
	r := Stream(3, "rows")
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

func TestPrecisionsOfAProgramThatCannotBe(t *testing.T) {
	double := func(_ *Scope, in []*Node) []*Node { return []*Node{gx.Add(in[0], in[0])} }
	for _, c := range []struct {
		cfg  ProgramConfig
		says string
	}{
		{ProgramConfig{Name: "p", Precision: BF16}, "p: precision bf16: the go backend computes in f32 only"},
		{ProgramConfig{Name: "p", Precision: F16, Float64: true}, "precision f16 and float64 were asked for at once"},
		{ProgramConfig{Name: "p", Precision: "f8"}, `precision "f8" is unknown`},
	} {
		if _, err := NewProgram(openForTest(t, "go"), c.cfg, []Shape{F32(1)}, double); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, expected %q", err, c.says)
		}
	}
}
