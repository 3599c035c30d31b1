package graph

import (
	"context"
	"sync"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// Numbers that are drawn ahead, beside another step, are those that would have been drawn, each is used once, and what nobody used is given back.
func TestNumbersDrawnAheadAreTheSame(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		noisy := func(s *Scope, in []*Node) (*Node, []*Node) {
			w := s.Param("w", Zeros, 1, 4)
			a, c := s.Uniform("first", 3, 4), s.Uniform("second", 1, 4)
			return gx.ReduceAllMean(gx.Square(gx.Sub(a, gx.BroadcastToDims(gx.Add(c, w), 3, 4)))), nil
		}
		losses := func(ahead bool) (out []float64) {
			st, _ := started(t, b, StepConfig{Name: "noisy"}, nil, noisy)
			for seed := range uint64(6) {
				var wait sync.WaitGroup
				if ahead {
					wait.Go(func() {
						if err := st.Ahead(seed + 1); err != nil {
							t.Error(err)
						}
					})
				}
				r, err := st.Run(context.Background(), 0.1, seed, nil...)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, r.Loss)
				wait.Wait()
				if n := len(st.code.drawn.coming); ahead && n != 1 {
					t.Errorf("after step %d numbers for %d steps are there, expected those of the next", seed, n)
				}
			}
			st.Free()
			if n := len(st.code.drawn.coming); n != 0 {
				t.Errorf("numbers for %d steps are still there after the step was freed", n)
			}
			return out
		}
		late, ahead := losses(false), losses(true)
		for i := range late {
			if late[i] != ahead[i] {
				t.Errorf("step %d: loss %v, with numbers drawn ahead %v", i, late[i], ahead[i])
			}
		}
		if late[4] == late[5] {
			t.Error("two steps had the same numbers")
		}
	})
}
