//go:build cgo && linux

package graph

import (
	"context"
	"math"
	"sync"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// deep is a network of alike blocks that read what was made before all of them, whose gates and an input are returned, and whose activations can be asked
// for; marked says whether its blocks are.
func deep(marked bool) Build {
	return func(s *Scope, in []*Node) []*Node {
		mark, end := s.Block, s.Unblock
		if !marked {
			mark, end = func(x *Node) *Node { return x }, func(x *Node) *Node { return x }
		}
		context := Linear(s.In("context"), in[1], 8, true)
		x := Linear(s.In("first"), in[0], 8, true)
		var out []*Node
		for i := range 6 {
			x = mark(x)
			b := s.In("blocks.%d", i)
			h := GELU(Linear(b.In("up"), LayerNorm(b.In("norm"), x, 1e-6), 32, true))
			h = Dropout(b, "dropout", h, 0.1)
			if i%3 == 2 {
				h = gx.MulScalar(h, 2)
			}
			gate := gx.Sigmoid(gx.Add(Linear(b.In("gate"), x, 8, true), context))
			x = gx.Add(x, gx.Mul(gate, Linear(b.In("down"), h, 8, true)))
			b.Tap("out", x)
			out = append(out, gx.ReduceAllMean(gate))
		}
		x = end(x)
		y := Linear(s.In("head"), x, 3, true)
		return append([]*Node{y, y, in[1], gx.ScalarOne(s.Graph(), s.DType())}, out...)
	}
}

// TestSegmentsComputeTheSame: a network in segments gives what it gives as one program, for all its results and activations.
func TestSegmentsComputeTheSame(t *testing.T) {
	b := openForTest(t, "xla")
	shapes := []Shape{F32(4, 8), F32(4, 2)}
	for _, training := range []bool{false, true} {
		var results []*Result
		for _, marked := range []bool{false, true} {
			p, err := NewProgram(b, ProgramConfig{Name: t.Name(), Taps: AllTaps, Training: training}, shapes, deep(marked))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			x, divided := p.code.exec.(*segmented)
			if divided != marked {
				t.Fatalf("marked %t, divided %t", marked, divided)
			}
			if divided && (len(x.programs) != 4 || len(x.calls) != 8) {
				t.Errorf("%d programs were compiled and are called %d times; wanted beginning, two kinds of blocks and end, 8 calls", len(x.programs), len(x.calls))
			}
			params, err := Initialise(p.Specs(), 3)
			if err != nil {
				t.Fatal(err)
			}
			placed := b.Place(params)
			defer placed.Free()
			call := func() *Result {
				r, err := p.Call(context.Background(), placed, 5, Floats(ramp(32), 4, 8), Floats(ramp(8), 4, 2))
				if err != nil {
					t.Error(err)
				}
				return r
			}
			first := call()
			results = append(results, first)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { alike(t, call(), first, 0) })
			}
			all.Wait()
		}
		alike(t, results[1], results[0], 1e-6)
		if len(results[0].Outputs) != 10 || len(results[0].Taps) != 6 {
			t.Errorf("%d outputs and %d activations", len(results[0].Outputs), len(results[0].Taps))
		}
	}
}

func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i%7) - 2.5
	}
	return v
}

func alike(t *testing.T, got, want *Result, tolerance float64) {
	t.Helper()
	if got == nil || want == nil {
		return
	}
	compare := func(what string, a, b *Tensor) {
		if a == nil || len(a.Data) != len(b.Data) {
			t.Errorf("%s is %v, want %v", what, a, b)
			return
		}
		for i, v := range b.Data {
			if !(math.Abs(float64(a.Data[i]-v)) <= tolerance*max(1, math.Abs(float64(v)))) {
				t.Errorf("%s: value %d is %g, want %g", what, i, a.Data[i], v)
				return
			}
		}
	}
	for i, x := range want.Outputs {
		compare("output", got.Outputs[i], x)
	}
	for name, x := range want.Taps {
		compare(name, got.Taps[name], x)
	}
}

// TestNothingToShare: a program whose parts are all different is one.
func TestNothingToShare(t *testing.T) {
	b := openForTest(t, "xla")
	p, err := NewProgram(b, ProgramConfig{Name: t.Name()}, []Shape{F32(2, 4)}, func(s *Scope, in []*Node) []*Node {
		x := Linear(s.In("a"), s.Block(in[0]), 5, true)
		x = Linear(s.In("b"), s.Block(x), 6, true)
		return []*Node{Linear(s.In("c"), s.Unblock(x), 7, true)}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	if x, ok := p.code.exec.(*segmented); ok && len(x.calls) != 1 {
		t.Errorf("%d calls for a program in which nothing repeats itself", len(x.calls))
	}
}
