package train

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
)

// A target of 6×5 with an arm: its innermost pixel lies in the broad part.
var shape = []uint8{
	0, 0, 0, 0, 0, 0,
	0, 1, 1, 1, 1, 1,
	0, 1, 1, 1, 0, 0,
	0, 1, 1, 1, 0, 0,
	0, 0, 0, 0, 0, 0,
}

func TestInnermostPixel(t *testing.T) {
	if got := innermost(shape, 6); got != 2*6+2 {
		t.Errorf("pixel %d,%d, expected 2,2", got%6, got/6)
	}
	full := slices.Repeat([]uint8{1}, 25) // the outside of the image counts
	if got := innermost(full, 5); got != 12 {
		t.Errorf("pixel %d,%d of a full square, expected 2,2", got%5, got/5)
	}
	line := []uint8{0, 1, 1, 1} // of equal ones the first
	if got := innermost(line, 4); got != 1 {
		t.Errorf("pixel %d of a line, expected the first", got)
	}
}

// The depth of a pixel is the number of steps to the nearest one outside, for any shape.
func TestDepthIsTheDistanceToTheOutside(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		const side, rows = 7, 6
		mask := make([]uint8, side*rows)
		for i := range mask {
			if r.IntN(6) > 0 {
				mask[i] = 1
			}
		}
		inside := func(y, x int) bool { return y >= 0 && y < rows && x >= 0 && x < side && mask[y*side+x] != 0 }
		want, most := 0, 0
		for i := range mask {
			depth := side * rows
			for y := -1; y <= rows; y++ {
				for x := -1; x <= side; x++ {
					if !inside(y, x) {
						depth = min(depth, max(y-i/side, i/side-y)+max(x-i%side, i%side-x))
					}
				}
			}
			if depth > most {
				want, most = i, depth
			}
		}
		if at, depth := deepest(mask, side); at != want || depth != most {
			t.Fatalf("pixel %d is %d deep, expected %d with %d, of %v", at, depth, want, most, mask)
		}
	}
}

func TestPointsLieWhereTheySay(t *testing.T) {
	p := Points{Positive: 20, Negative: 30, Centre: true}
	xy, labels := p.Draw(graph.Stream(1, "points"), shape, 6)
	if len(xy) != 100 || len(labels) != 50 {
		t.Fatalf("%d coordinates, %d labels", len(xy), len(labels))
	}
	seen := map[[2]float32]bool{}
	for k, label := range labels {
		x, y := int(xy[2*k]), int(xy[2*k+1])
		if got := int32(shape[y*6+x]); got != label || (label == 1) != (k < 20) {
			t.Errorf("point %d at %d,%d has label %d", k, x, y, label)
		}
		seen[[2]float32{xy[2*k], xy[2*k+1]}] = true
	}
	if xy[0] != 2 || xy[1] != 2 {
		t.Errorf("the first point is at %g,%g, expected the centre", xy[0], xy[1])
	}
	if len(seen) < 15 {
		t.Errorf("50 points are %d pixels", len(seen))
	}
	again, _ := p.Draw(graph.Stream(1, "points"), shape, 6)
	if !slices.Equal(xy, again) {
		t.Error("the same stream draws other points")
	}
	xy, labels = Points{Positive: 1, Negative: 1}.Draw(graph.Stream(1, "points"), []uint8{1, 1, 1, 1}, 2)
	if !slices.Equal(labels, []int32{1, -1}) || !slices.Equal(xy[2:], []float32{0, 0}) {
		t.Errorf("a target without a background has labels %v", labels)
	}
}

func TestPointsThatCannotBe(t *testing.T) {
	for want, p := range map[string]Points{"-1 positive": {Positive: -1}, "neither box nor points nor a mask": {NoBox: true}} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	if err := (Points{}).Check(); err != nil {
		t.Error(err)
	}
}

// A network that knows nothing but its points learns to paint them; so they reach it, in training, validation and prediction.
func TestPointsReachTheNetwork(t *testing.T) {
	const side = 8
	net := func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		if in.Box != nil {
			s.Failf("there is a box")
		}
		// 1 in the pixel of the only point.
		at := func(k int) *graph.Node {
			p := gx.Slice(in.Points, gx.AxisRange(), gx.AxisElem(0), gx.AxisElem(k))
			return gx.OneHot(gx.ConvertDType(gx.Reshape(p, -1), in.Labels.DType()), side, s.DType())
		}
		spot := gx.Einsum("by,bx->byx", at(1), at(0))
		w := s.Param("weight", graph.Zeros, 1)
		b := s.Param("bias", graph.Zeros, 1)
		m := gx.Add(gx.Mul(spot, gx.Reshape(w, 1, 1, 1)), gx.Reshape(b, 1, 1, 1))
		return graph.Outputs{Masks: gx.Reshape(m, -1, 1, side, side)}
	}
	src := spots{}
	b := onbackend.Open(t, "go")
	points := Points{Positive: 1, NoBox: true}
	res, err := Run(t.Context(), b, net, nil, src, Config{Size: side, Epochs: 40, BatchSize: 3, Rate: 0.3, Points: points, Validation: src, Select: SelectFirst})
	if err != nil {
		t.Fatal(err)
	}
	if res.BestDice != 1 {
		t.Errorf("Dice %g: the network was not shown its points", res.BestDice)
	}
	p, err := NewPromptedPredictor(b, net, PredictorConfig{Size: side, Batch: 2, Select: SelectFirst, Points: points})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	params := b.Place(res.Params)
	defer params.Free()
	if v, _, err := p.validate(t.Context(), params, src, nil, nil); err != nil || v.dice != 1 {
		t.Errorf("Dice %g, %v", v.dice, err)
	}
}

// spots are targets of a single pixel.
type spots struct{}

func (spots) Len() int { return 5 }

func (spots) Fill(i int, _ *rand.Rand, into *Example) error {
	clear(into.Target)
	into.Target[11*i+3] = 1
	into.Name = "spot"
	return nil
}
