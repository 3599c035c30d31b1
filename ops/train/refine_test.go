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

func of(mask []uint8) func(int) bool { return func(i int) bool { return mask[i] != 0 } }

func TestClicksAreWhereTheAnswerIsWrong(t *testing.T) {
	target, side := picture(
		"###...",
		"###...",
		"###...",
		"......",
		"......",
		"......")
	found, _ := picture(
		"......",
		"......",
		"......",
		"....##",
		"....##",
		"......")
	rng := rand.New(rand.NewPCG(3, 4))
	xy, labels, done := Refinement{Clicks: 1, Centre: true}.click(rng, of(found), target, side)
	if done || !slices.Equal(xy, []float32{1, 1}) || !slices.Equal(labels, []int32{1}) {
		t.Errorf("the deepest mistake is what was missed, found %v %v", xy, labels)
	}
	xy, labels, _ = Refinement{Clicks: 1, Centre: true}.click(rng, of(target), found, side)
	if !slices.Equal(xy, []float32{1, 1}) || !slices.Equal(labels, []int32{0}) {
		t.Errorf("the deepest mistake is what was added, found %v %v", xy, labels)
	}
	equal, _ := picture(
		"......",
		"......",
		"......",
		"...###",
		"...###",
		"...###")
	xy, labels, _ = Refinement{Clicks: 1, Centre: true}.click(rng, of(equal), target, side)
	if !slices.Equal(xy, []float32{1, 1}) || !slices.Equal(labels, []int32{1}) {
		t.Errorf("of mistakes of equal depth what was missed comes first, found %v %v", xy, labels)
	}
	met := map[int32]int{}
	for range 60 {
		xy, labels, _ = Refinement{Clicks: 2}.click(rng, of(found), target, side)
		for k, l := range labels {
			at := int(xy[2*k+1])*side + int(xy[2*k])
			if target[at] == found[at] || int32(target[at]) != l {
				t.Fatalf("a click at (%g,%g) with the label %d", xy[2*k], xy[2*k+1], l)
			}
			met[l]++
		}
	}
	if met[0] == 0 || met[1] == 0 {
		t.Errorf("60 times two clicks hit only one kind of mistake: %v", met)
	}
	if _, _, done = (Refinement{Clicks: 1}).click(rng, of(target), target, side); !done {
		t.Error("an answer without a mistake is clicked at")
	}
}

// predict shows samples to a network without weights, and each answer.
func predict(t *testing.T, net graph.Network, c PredictorConfig, samples Source, answered func(*Example, *Prediction)) {
	t.Helper()
	b := onbackend.Open(t, "go")
	p, err := NewPromptedPredictor(b, net, c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	none := b.Place(graph.NewParams())
	defer none.Free()
	if err := p.Predict(t.Context(), none, samples, func(_ int, e *Example, a *Prediction) error { answered(e, a); return nil }); err != nil {
		t.Fatal(err)
	}
}

// A network that answers what it is shown: the mask prompt, with the pixels of positive points added and of negative ones taken away. Round by
// round it comes nearer to the target, and only as fast as the clicks tell it.
func TestRefinementReachesTheNetwork(t *testing.T) {
	const side = 6
	var counts []int // of points, as networks are compiled
	net := func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		batch := in.Labels.Shape().Dim(0)
		counts = append(counts, in.Labels.Shape().Dim(1))
		base := gx.BroadcastToDims(gx.Reshape(gx.ConstAsDType(s.Graph(), s.DType(), -1.0), 1, 1, 1), batch, side, side)
		if in.Mask != nil {
			base = gx.Reshape(in.Mask, batch, side, side)
		}
		at := func(k int) *graph.Node { // (B,N,side)
			p := gx.Slice(in.Points, gx.AxisRange(), gx.AxisRange(), gx.AxisElem(k))
			return gx.OneHot(gx.ConvertDType(gx.Squeeze(p, 2), in.Labels.DType()), side, s.DType())
		}
		sign := gx.ConvertDType(gx.AddScalar(gx.MulScalar(in.Labels, 2), -1), s.DType()) // 1, -1; -3 is no point
		sign = gx.Mul(sign, gx.ConvertDType(gx.GreaterOrEqual(in.Labels, gx.ZerosLike(in.Labels)), s.DType()))
		spots := gx.Einsum("bny,bnx->bnyx", at(1), at(0))
		spots = gx.Einsum("bnyx,bn->byx", spots, sign)
		spots = gx.MulScalar(spots, 100)
		masks := gx.Reshape(gx.Add(base, spots), batch, 1, side, side)
		return graph.Outputs{Masks: masks, Low: masks}
	}
	dice := func(r Refinement) (out []float64) {
		counts = nil
		c := PredictorConfig{Size: side, Batch: 2, Select: SelectFirst, Points: Points{Positive: 1, NoBox: true}, Refine: r, MaskSide: side}
		predict(t, net, c, bars{}, func(e *Example, a *Prediction) { out = append(out, Dice(a.Mask(0), e.Target)) })
		return out
	}
	// Targets are bars of 1, 2 and 3 pixels; the first point paints one.
	if got := dice(Refinement{}); !slices.Equal(got, []float64{1, 2.0 / 3, 0.5}) || !slices.Equal(counts, []int{1}) {
		t.Errorf("without rounds: %v by networks for %v points", got, counts)
	}
	if got := dice(Refinement{Rounds: 1, Clicks: 1, Centre: true}); !slices.Equal(got, []float64{1, 1, 0.8}) || !slices.Equal(counts, []int{1, 2}) {
		t.Errorf("after one round: %v by networks for %v points", got, counts)
	}
	if got := dice(Refinement{Rounds: 3, Clicks: 1}); !slices.Equal(got, []float64{1, 1, 1}) || !slices.Equal(counts, []int{1, 2, 3, 4}) {
		t.Errorf("after three rounds: %v by networks for %v points", got, counts)
	}
}

// bars are targets of 1, 2 and 3 pixels in a row.
type bars struct{}

func (bars) Len() int { return 3 }

func (bars) Fill(i int, _ *rand.Rand, into *Example) error {
	clear(into.Target)
	for k := range i + 1 {
		into.Target[6*i+1+k] = 1
	}
	into.Name = "bar"
	return nil
}

// Each sample is shown its own former answer, whatever stands beside it in a batch.
func TestRefinementDoesNotDependOnTheBatch(t *testing.T) {
	const side = 6
	net := func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		batch := in.Image.Shape().Dim(0)
		m := gx.AddScalar(gx.MulScalar(gx.ReduceSum(in.Image, 3), 1.0/255), -1.5)
		if in.Mask != nil {
			m = gx.Add(m, gx.MulScalar(gx.Reshape(in.Mask, batch, side, side), 3))
		}
		masks := gx.Reshape(m, batch, 1, side, side)
		return graph.Outputs{Masks: masks, Low: masks}
	}
	answers := func(batch int) (out [][]float32) {
		c := PredictorConfig{Size: side, Batch: batch, Refine: Refinement{Rounds: 2, Clicks: 1}, MaskSide: side}
		predict(t, net, c, specks{}, func(_ *Example, a *Prediction) { out = append(out, a.Mask(0)) })
		return out
	}
	alone := answers(1)
	for _, batch := range []int{2, 5} {
		for i, got := range answers(batch) {
			if !slices.Equal(got, alone[i]) {
				t.Errorf("sample %d in a batch of %d is answered otherwise than alone", i, batch)
			}
		}
	}
}

// specks are images and targets of scattered pixels.
type specks struct{}

func (specks) Len() int { return 5 }

func (specks) Fill(i int, _ *rand.Rand, into *Example) error {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for p := range into.Target {
		into.Target[p] = uint8(r.IntN(2))
		for c := range 3 {
			into.Image[3*p+c] = float32(r.IntN(256))
		}
	}
	into.Name = string(rune('a' + i))
	return nil
}

func TestRefinementThatCannotBe(t *testing.T) {
	b := onbackend.Open(t, "go")
	plain := func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		return graph.Outputs{Masks: gx.Reshape(gx.ReduceMax(in.Image, 3), -1, 1, 4, 4)}
	}
	for want, c := range map[string]PredictorConfig{
		"2 rounds of 0 clicks":    {Refine: Refinement{Rounds: 2}, MaskSide: 4},
		"takes no mask prompts":   {Refine: Refinement{Rounds: 1, Clicks: 1}},
		"gives no masks on the g": {Refine: Refinement{Rounds: 1, Clicks: 1}, MaskSide: 4},
	} {
		c.Size, c.Batch = 4, 1
		if _, err := NewPromptedPredictor(b, plain, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}
