package train

import (
	"context"
	"math"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
)

// The loss of this test is the squared difference, so that every pixel can be followed.
func squared(s *graph.Scope, out graph.Outputs, target Target) *graph.Node {
	first := gx.Squeeze(gx.Slice(out.Masks, gx.AxisRange(), gx.AxisElem(0)), 1)
	return graph.Mean(s, gx.Square(gx.Sub(first, target.Masks)), 1, 2)
}

func TestDeepSupervision(t *testing.T) {
	b := onbackend.Open(t, "go")
	// A target of 4×6 whose pixels are their numbers; masks of zeros, so that a loss is the mean of the squares it sees.
	target := make([]float32, 24)
	for i := range target {
		target[i] = float32(i)
	}
	mean := func(pixels ...int) float64 {
		sum := 0.0
		for _, p := range pixels {
			sum += float64(p*p) / float64(len(pixels))
		}
		return sum
	}
	all := make([]int, 24)
	for i := range all {
		all[i] = i
	}
	full := mean(all...)
	half := mean(7, 9, 11, 19, 21, 23) // rows 1 and 3, columns 1, 3 and 5
	uneven := mean(13, 16)             // row 2; columns ⌊1½⌋ and ⌊4½⌋
	for _, c := range []struct {
		name string
		deep [][2]int
		want float64
	}{
		{"none", nil, full},
		{"half", [][2]int{{2, 3}}, (full + half/2) / 1.5},
		{"half and coarser", [][2]int{{2, 3}, {1, 2}}, (full + half/2 + uneven/4) / 1.75},
		{"four of six columns", [][2]int{{1, 4}}, (full + mean(12, 14, 15, 17)/2) / 1.5}, // columns ⌊¾⌋, ⌊2¼⌋, ⌊3¾⌋, ⌊5¼⌋
		{"same size", [][2]int{{4, 6}}, full},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(1, 4, 6)}, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
				zeros := func(h, w int) *graph.Node {
					return gx.BroadcastToDims(gx.ScalarZero(s.Graph(), s.DType()), 1, 1, h, w)
				}
				out := graph.Outputs{Masks: zeros(4, 6)}
				for _, d := range c.deep {
					out.Deep = append(out.Deep, zeros(d[0], d[1]))
				}
				return []*graph.Node{DeeplySupervised(squared)(s, out, Target{Masks: in[0]})}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			r, err := p.Call(context.Background(), nil, 0, graph.Floats(target, 1, 4, 6))
			if err != nil {
				t.Fatal(err)
			}
			if got := float64(r.Outputs[0].Data[0]); !(math.Abs(got-c.want) <= 1e-3) {
				t.Errorf("loss %g, expected %g", got, c.want)
			}
		})
	}
}
