package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
)

// picture is a mask drawn with # and dots, a line a row.
func picture(lines ...string) (mask []uint8, side int) {
	for _, l := range lines {
		for _, c := range l {
			v := uint8(0)
			if c == '#' {
				v = 1
			}
			mask = append(mask, v)
		}
	}
	return mask, len(lines[0])
}

func drawn(mask []uint8, side int) string {
	var b strings.Builder
	for i, v := range mask {
		if i > 0 && i%side == 0 {
			b.WriteByte('\n')
		}
		b.WriteByte(".#"[v])
	}
	return b.String()
}

func TestMasksThatAreChanged(t *testing.T) {
	square := []string{
		"......",
		".###..",
		".###..",
		".###..",
		"......",
		"......"}
	for name, c := range map[string]struct {
		from []string
		m    Mask
		want []string
	}{
		"grown": {square, Mask{Grow: [2]int{1, 1}}, []string{
			"#####.",
			"#####.",
			"#####.",
			"#####.",
			"#####.",
			"......"}},
		"shrunk": {square, Mask{Grow: [2]int{-1, -1}}, []string{
			"......",
			"......",
			"..#...",
			"......",
			"......",
			"......"}},
		"shrunk to nothing": {square, Mask{Grow: [2]int{-9, -9}}, []string{
			"......",
			"......",
			"..#...",
			"......",
			"......",
			"......"}},
		"shrunk from outside the image": {[]string{
			"###",
			"###",
			"###"}, Mask{Grow: [2]int{-1, -1}}, []string{
			"...",
			".#.",
			"..."}},
		"coarse": {square, Mask{Coarse: 2}, []string{
			"..##..",
			"..##..",
			"####..",
			"####..",
			"......",
			"......"}},
		"coarse, with an unequal last square": {square, Mask{Coarse: 4}, []string{
			"####..",
			"####..",
			"####..",
			"####..",
			"......",
			"......"}},
	} {
		mask, side := picture(c.from...)
		before := slices.Clone(mask)
		c.m.Side = side
		logits, _ := c.m.Draw(rand.New(rand.NewPCG(1, 1)), mask, side)
		got := make([]uint8, len(logits))
		for i, v := range logits {
			switch v {
			case sure:
				got[i] = 1
			case -sure:
			default:
				t.Fatalf("%s: a cell that is a pixel has the logit %g", name, v)
			}
		}
		if text := drawn(got, side); text != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n%s\nexpected\n%s", name, text, strings.Join(c.want, "\n"))
		}
		if !slices.Equal(mask, before) {
			t.Errorf("%s: the mask itself was changed", name)
		}
	}
}

func TestMaskThatIsMoved(t *testing.T) {
	mask := make([]uint8, 21*21)
	mask[10*21+10] = 1
	far := map[int]bool{}
	for seed := range uint64(40) {
		logits, _ := Mask{Side: 21, Shift: [2]int{3, 4}}.Draw(rand.New(rand.NewPCG(seed, 2)), mask, 21)
		at := slices.Index(logits, sure)
		x, y := at%21-10, at/21-10
		if d := x*x + y*y; at < 0 || d < 6 || d > 23 { // 3 to 4 px, each coordinate rounded
			t.Fatalf("seed %d: moved by (%d,%d)", seed, x, y)
		}
		far[at] = true
	}
	if len(far) < 10 {
		t.Errorf("only %d places in 40 draws", len(far))
	}
}

// Cells of a coarser or finer grid are covered by shares, exactly.
func TestGridOfAMaskPrompt(t *testing.T) {
	mask, side := picture(
		"##..",
		"#...",
		"....",
		"....")
	for grid, want := range map[int][]float64{
		1: {3.0 / 16},
		2: {3.0 / 4, 0, 0, 0},
		3: {15.0 / 16, 3.0 / 8, 0, 3.0 / 8, 0, 0, 0, 0, 0}, // cells of 4/3 px, 16/9 px²: the first holds 1 + 1/3 + 1/3 of the three pixels
	} {
		for i, p := range shares(mask, side, grid) {
			if !(math.Abs(p-want[i]) <= 1e-12) {
				t.Errorf("grid %d, cell %d: %g, expected %g", grid, i, p, want[i])
			}
		}
	}
	fine := shares(mask, side, 8)
	for i, p := range fine {
		if want := float64(mask[i/8/2*4+i%8/2]); p != want {
			t.Errorf("finer grid, cell %d: %g, expected %g", i, p, want)
		}
	}
}

// A network that knows nothing but its mask prompt: what is asked for reaches it in training, validation and prediction, that of a guess where
// there is one.
func TestMasksReachTheNetwork(t *testing.T) {
	const side = 8
	b := onbackend.Open(t, "go")
	net := func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		w := s.Param("weight", graph.Zeros, 1)
		m := gx.Mul(in.Mask, gx.Reshape(w, 1, 1, 1, 1))
		return graph.Outputs{Masks: gx.Reshape(m, -1, 1, side, side)}
	}
	points := Points{NoBox: true, Mask: Mask{Side: side}}
	for name, c := range map[string]struct {
		src  Source
		want float64
	}{"of the target": {spots{}, 1}, "of a guess": {guessed{}, 0}} {
		res, err := Run(t.Context(), b, net, nil, spots{}, Config{Size: side, Epochs: 20, BatchSize: 3, Rate: 0.1, Points: points, Validation: c.src, Select: SelectFirst})
		if err != nil {
			t.Fatal(err)
		}
		if res.BestDice != c.want {
			t.Errorf("%s: Dice %g, expected %g", name, res.BestDice, c.want)
		}
	}
}

// guessed are the spots with an answer that is wrong everywhere.
type guessed struct{ spots }

func (g guessed) Fill(i int, rng *rand.Rand, into *Example) error {
	if err := g.spots.Fill(i, rng, into); err != nil {
		return err
	}
	into.Guess = make([]uint8, len(into.Target))
	for k, v := range into.Target {
		into.Guess[k] = 1 - v
	}
	return nil
}

// A guess goes where its target goes.
func TestGuessesAreAugmented(t *testing.T) {
	e := Example{Image: make([]float32, 4*4*3), Target: make([]uint8, 16), Guess: make([]uint8, 16)}
	e.Target[1], e.Guess[1] = 1, 1
	Augment{FlipHorizontal: 1, FlipVertical: 1}.apply(rand.New(rand.NewPCG(1, 1)), &e, 4)
	if e.Target[14] != 1 || !slices.Equal(e.Target, e.Guess) {
		t.Errorf("target %v, guess %v", e.Target, e.Guess)
	}
}

func TestMasksThatCannotBe(t *testing.T) {
	for want, m := range map[string]Mask{"-1 cells": {Side: -1}, "grown by 2 to 1": {Grow: [2]int{2, 1}}, "moved by -1": {Shift: [2]int{-1, 0}}, "squares of -2": {Coarse: -2}, "no grid": {Clicks: 1}} {
		if err := (Points{Mask: m}).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

// Clicks lie where the mask that is shown is wrong; where it is right, there is nothing to click at.
func TestClicksAtAShownMask(t *testing.T) {
	target, side := picture(
		"###...",
		"###...",
		"###...",
		"......",
		"......",
		"......")
	e := Example{Target: target, Guess: slices.Clone(target)}
	e.Guess[0], e.Guess[35] = 0, 1
	stream := func(purpose string) *rand.Rand { return graph.Stream(5, purpose) }
	p := Points{Positive: 1, Mask: Mask{Side: 6, Clicks: 4}}
	p.Prompt(&e, side, stream)
	if len(e.Labels) != 5 || len(e.Points) != 10 || p.Count() != 5 || e.Labels[0] != 1 {
		t.Fatalf("%v %v", e.Points, e.Labels)
	}
	for k := 1; k < 5; k++ {
		at := int(e.Points[2*k+1])*side + int(e.Points[2*k])
		if !(at == 0 && e.Labels[k] == 1 || at == 35 && e.Labels[k] == 0) {
			t.Errorf("click %d at %d has the label %d", k, at, e.Labels[k])
		}
	}
	e.Guess = target
	p.Prompt(&e, side, stream)
	if !slices.Equal(e.Labels, []int32{1, -1, -1, -1, -1}) {
		t.Errorf("a right mask has clicks %v", e.Labels)
	}
}
