package graph

import (
	"context"
	"errors"
	"math"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// The loss scale follows torch's GradScaler: doubled after so many good steps, up to a limit, halved by an overflow, down to 1.
func TestLossScaleMoves(t *testing.T) {
	s := scale{value: 1 << 22, every: 3}
	steps := func(n int) {
		for range n {
			s.raise()
		}
	}
	steps(2)
	if s.value != 1<<22 || s.good != 2 {
		t.Errorf("after two steps the scale is %g", s.value)
	}
	if steps(1); s.value != 1<<23 || s.good != 0 {
		t.Errorf("after three steps the scale is %g", s.value)
	}
	if steps(30); s.value != maxScale {
		t.Errorf("the scale rose to %g, its limit is %d", s.value, maxScale)
	}
	steps(2)
	if !s.lower() || s.value != maxScale/2 || s.good != 0 {
		t.Errorf("an overflow makes it %g with %d good steps", s.value, s.good)
	}
	s = scale{value: 1, every: 3}
	if s.lower() || s.value != 1 {
		t.Errorf("a scale of 1 was lowered to %g", s.value)
	}
	s = scale{value: 1 << 30, every: 1} // chosen by the user
	if steps(1); s.value != 1<<30 {
		t.Errorf("a first scale above the limit became %g", s.value)
	}
	if off := (scale{}); off.on() || off.numbers()[0] != 1 || off.numbers()[1] != 1 {
		t.Error("without a scale the loss is scaled")
	}
}

// A loss may be infinite where its gradient is not.
func TestInfiniteLossWithAFiniteGradient(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		st, device := started(t, b, StepConfig{}, []Shape{F32(2)}, func(s *Scope, in []*Node) (*Node, []*Node) {
			return gx.Add(gx.ReduceAllSum(s.Param("w", Ones, 2)), gx.ReduceAllSum(in[0])), nil
		})
		before := host(t, device)
		r, err := st.Run(context.Background(), 1, 0, Floats([]float32{0, float32(math.Inf(1))}, 2))
		if !errors.Is(err, ErrNotFinite) || finite(r.Loss) || !finite(r.GradientNorm) {
			t.Fatalf("%+v, %v", r, err)
		}
		if d := largestDifference(before, host(t, device)); d != 0 {
			t.Errorf("parameters changed by %g", d)
		}
	})
}
