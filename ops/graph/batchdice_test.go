package graph

import (
	"context"
	"math"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// The loss of a batch against its formula in plain loops, and its gradient. The last sample only fills the batch; whatever it is, it counts for
// nothing.
func TestBatchDiceLoss(t *testing.T) {
	const b, m, h, w = 3, 2, 2, 3
	logits, target, weights := make([]float32, b*m*h*w), make([]float32, b*h*w), []float32{1, 0.5, 0}
	for i := range logits {
		logits[i] = float32(math.Sin(float64(3*i))) * 2
	}
	for _, i := range []int{0, 1, 4, 13, 14} { // the second sample has no target
		target[i] = 1
	}
	want := make([]float64, m)
	for k := range m {
		both, all := 0.0, 0.0
		for s := range b {
			for i := range h * w {
				p := 1 / (1 + math.Exp(-float64(logits[(s*m+k)*h*w+i])))
				y := float64(target[s*h*w+i])
				both += float64(weights[s]) * p * y
				all += float64(weights[s]) * (p + y)
			}
		}
		want[k] = 1 - (2*both+1e-5)/(all+1e-5)
	}
	shapes := []Shape{{Dims: []int{b, m, h, w}}, {Dims: []int{b, h, w}}, {Dims: []int{b}}}
	eachBackend(t, func(t *testing.T, be *Backend) {
		p, err := NewProgram(be, ProgramConfig{Name: "batch dice", Float64: true}, shapes, func(s *Scope, in []*Node) []*Node {
			loss := BatchDiceLoss(s, in[0], in[1], in[2])
			return []*Node{loss, gx.Gradient(gx.ReduceAllSum(gx.Slice(loss, gx.AxisElem(0))), in[0])[0]}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Free()
		call := func(logits []float32) *Result {
			t.Helper()
			r, err := p.Call(context.Background(), nil, 0, Floats(logits, b, m, h, w), Floats(target, b, h, w), Floats(weights, b))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := call(logits)
		for i, got := range r.Outputs[0].Data {
			if !(math.Abs(float64(got)-want[i%m]) <= 1e-6) {
				t.Errorf("sample %d, mask %d: %g, want %g", i/m, i%m, got, want[i%m])
			}
		}
		for _, i := range []int{0, 7, 13, 25} {
			moved := func(by float32) float64 {
				x := append([]float32(nil), logits...)
				x[i] += by
				out := call(x).Outputs[0].Data
				return float64(out[0]) + float64(out[1])
			}
			const step = 1.0 / 64
			slope := (moved(step) - moved(-step)) / (2 * step)
			if got := float64(r.Outputs[1].Data[i]); !(math.Abs(got-slope) <= 2e-5) || i >= 2*m*h*w && got != 0 {
				t.Errorf("gradient %d is %g, differences say %g", i, got, slope)
			}
		}
		wild := append([]float32(nil), logits...)
		for i := 2 * m * h * w; i < len(wild); i++ {
			wild[i] = float32(math.NaN())
		}
		for i, got := range call(wild).Outputs[0].Data {
			if !(math.Abs(float64(got)-want[i%m]) <= 1e-6) {
				t.Errorf("with a filler that is no number, sample %d, mask %d: %g, want %g", i/m, i%m, got, want[i%m])
			}
		}
	})
}
