package models

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Two discs in every image, a box around one of them: a network that ignores
// the box cannot get far.
func discs(size int) []graph.Value {
	const batch = 4
	var image, target, boxes []float32
	for i := range batch {
		cx := size / 4
		if i%2 == 1 {
			cx = size - size/4
		}
		r := size / 6
		for y := range size {
			for x := range size {
				inside := func(c int) bool { return (x-c)*(x-c)+(y-size/2)*(y-size/2) <= r*r }
				v := float32(50 + 10*(i/2))
				if inside(size/4) || inside(size-size/4) {
					v = 180
				}
				image = append(image, v, v, v)
				if inside(cx) {
					target = append(target, 1)
				} else {
					target = append(target, 0)
				}
			}
		}
		boxes = append(boxes, float32(cx-r), float32(size/2-r), float32(cx+r), float32(size/2+r))
	}
	return []graph.Value{
		graph.Floats(image, batch, size, size, 3), graph.Floats(boxes, batch, 4),
		graph.Ints(make([]int32, batch), batch), graph.Ints(make([]int32, 4*batch), batch, 4),
		graph.Floats(target, batch, size, size),
	}
}

func TestTinyLearnsFromScratch(t *testing.T) {
	const size = 32
	mixture := experts.Published()
	m, err := Build(Config{Architecture: "tiny", Image: size, Experts: &mixture})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		groups []string
		steps  int
		below  float64 // of the first loss
	}{
		{[]string{All}, 35, 0.6},
		{[]string{Experts, Decoder}, 10, 1},
	} {
		t.Run(strings.Join(c.groups, " and "), func(t *testing.T) {
			var keep []func(string) bool
			for _, g := range c.groups {
				k, err := m.Group(g)
				if err != nil {
					t.Fatal(err)
				}
				keep = append(keep, k)
			}
			trainable := func(name string) bool {
				return slices.ContainsFunc(keep, func(k func(string) bool) bool { return k(name) })
			}
			b, err := graph.Open("go")
			if err != nil {
				t.Fatal(err)
			}
			step, err := graph.NewStep(b, graph.StepConfig{Name: t.Name(), Trainable: trainable, Optimizer: graph.DefaultAdamW()},
				append(InputShapes(4, size), graph.F32(4, size, size)),
				func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
					out := Flat(m.Network)(s, in)
					best, _ := graph.BestOfMasks(graph.DiceBCELoss(s, out[0], in[4]))
					return graph.Mean(s, best), nil
				})
			if err != nil {
				t.Fatal(err)
			}
			defer step.Free()
			for _, name := range step.Trained() {
				if !trainable(name) || strings.Contains(name, "gaussian") {
					t.Errorf("%s is trained", name)
				}
			}
			params, err := graph.Initialise(m.Parameters, 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := step.Start(b.Place(params), nil); err != nil {
				t.Fatal(err)
			}
			inputs := discs(size)
			var first, last float64
			for i := range c.steps {
				r, err := step.Run(context.Background(), 2e-3, uint64(i), inputs...)
				if err != nil {
					t.Fatal(err)
				}
				if last = r.Loss; i == 0 {
					first = last
				}
			}
			t.Logf("loss %.3f, after %d steps %.3f", first, c.steps, last)
			if !(last < c.below*first) {
				t.Errorf("loss fell from %.3f to %.3f, expected below %.3f", first, last, c.below*first)
			}
		})
	}
}
