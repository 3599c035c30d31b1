package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func sample(t *testing.T, i int) *Example {
	t.Helper()
	e := &Example{Image: make([]float32, side*side*3), Target: make([]uint8, side*side)}
	if err := sound(8).Fill(i, nil, e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFlipIsItsOwnInverse(t *testing.T) {
	e, want := sample(t, 1), sample(t, 1)
	flip := Augment{FlipHorizontal: 1, FlipVertical: 1}
	r := rand.New(rand.NewPCG(1, 2))
	flip.apply(r, e, side)
	if slices.Equal(e.Image, want.Image) || slices.Equal(e.Target, want.Target) {
		t.Error("a flip changed nothing")
	}
	if got, want := e.Box, [4]float32{side - 1 - want.Box[2], side - 1 - want.Box[3], side - 1 - want.Box[0], side - 1 - want.Box[1]}; got != want {
		t.Errorf("flipped box is %v, want %v", got, want)
	}
	flip.apply(r, e, side)
	if !slices.Equal(e.Image, want.Image) || !slices.Equal(e.Target, want.Target) || e.Box != want.Box {
		t.Error("two flips do not give the example back")
	}
}

func TestRotationKeepsImageAndTargetTogether(t *testing.T) {
	for seed := range uint64(20) {
		e, before := sample(t, int(seed%8)), sample(t, int(seed%8))
		r := rand.New(rand.NewPCG(seed, 2))
		Augment{Rotate: 30, Scale: [2]float64{0.8, 1.2}, FlipHorizontal: 0.5}.apply(r, e, side)
		// The spot is 80 grey values brighter than the ground, on average.
		var in, out, nIn, nOut float64
		for p, v := range e.Target {
			if x := e.Image[p*3]; v != 0 {
				in, nIn = in+float64(x), nIn+1
			} else if x > 0 {
				out, nOut = out+float64(x), nOut+1
			}
		}
		if in/nIn-out/nOut < 60 {
			t.Errorf("seed %d: mean %.1f within the target, %.1f outside", seed, in/nIn, out/nOut)
		}
		if box, ok := boundingBox(e.Target, side); !ok || box != e.Box {
			t.Errorf("seed %d: box %v, target lies in %v", seed, e.Box, box)
		}
		if slices.Equal(e.Image, before.Image) {
			t.Errorf("seed %d: nothing moved", seed)
		}
	}
}

func TestRotationKeepsTheArea(t *testing.T) {
	for seed := range uint64(10) {
		e := &Example{Image: make([]float32, side*side*3), Target: make([]uint8, side*side)}
		for p := range e.Target {
			if x, y := p%side, p/side; x >= 8 && x < 16 && y >= 9 && y < 15 {
				e.Target[p] = 1
			}
		}
		Augment{Rotate: 80}.apply(rand.New(rand.NewPCG(seed, 1)), e, side)
		area := 0
		for _, v := range e.Target {
			area += int(v)
		}
		if area < 43 || area > 53 {
			t.Errorf("seed %d: a rectangle of 48 pixels has %d after a rotation", seed, area)
		}
	}
}

func TestScaleMagnifies(t *testing.T) {
	e := &Example{Image: make([]float32, side*side*3), Target: make([]uint8, side*side)}
	for p := range e.Target {
		x, y := p%side, p/side
		if x >= 9 && x < 15 && y >= 9 && y < 15 {
			e.Target[p] = 1
		}
	}
	Augment{Scale: [2]float64{2, 2}}.apply(rand.New(rand.NewPCG(1, 1)), e, side)
	if want := [4]float32{6, 6, 17, 17}; e.Box != want {
		t.Errorf("a 6×6 square magnified twice lies in %v, want %v", e.Box, want)
	}
}

func TestTargetIsNeverMovedOut(t *testing.T) {
	e := &Example{Image: make([]float32, side*side*3), Target: make([]uint8, side*side), Box: [4]float32{0, 0, 1, 1}}
	e.Target[0] = 1
	Augment{Scale: [2]float64{3, 3}}.apply(rand.New(rand.NewPCG(1, 1)), e, side)
	if e.Target[0] != 1 || e.Box != [4]float32{0, 0, 1, 1} {
		t.Errorf("a corner pixel magnified out of the image left box %v", e.Box)
	}
}

func TestIntensityStaysWithinRange(t *testing.T) {
	e, before := sample(t, 0), sample(t, 0)
	Augment{Gain: [2]float64{2, 3}, Bias: [2]float64{-50, 50}, Gamma: [2]float64{0.5, 2}, Noise: 40}.apply(rand.New(rand.NewPCG(3, 1)), e, side)
	if slices.Equal(e.Image, before.Image) {
		t.Error("nothing changed")
	}
	if !slices.Equal(e.Target, before.Target) || e.Box != before.Box {
		t.Error("grey values moved the target")
	}
	if slices.Min(e.Image) < 0 || slices.Max(e.Image) > 255 {
		t.Errorf("values from %g to %g", slices.Min(e.Image), slices.Max(e.Image))
	}
}

func TestJitterGrowsTheBoxOutwards(t *testing.T) {
	seen := map[float32]bool{}
	for seed := range uint64(200) {
		box := [4]float32{10, 11, 12, 13}
		Jitter{2, 4}.apply(rand.New(rand.NewPCG(seed, 1)), &box, 100, 100)
		for k, v := range [4]float32{10 - box[0], 11 - box[1], box[2] - 12, box[3] - 13} {
			if v < 2 || v > 4 {
				t.Fatalf("side %d moved by %g, want 2 to 4 outwards", k, v)
			}
			seen[v] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("200 boxes moved by %v only", seen)
	}
	box := [4]float32{1, 1, 99, 99}
	Jitter{19, 19}.apply(rand.New(rand.NewPCG(1, 1)), &box, 100, 100)
	if want := [4]float32{0, 0, 100, 100}; box != want {
		t.Errorf("box at the edge became %v, want %v", box, want)
	}
}

func TestSchedules(t *testing.T) {
	cosine := Schedule{Kind: "warmup_cosine", Warmup: 5, Floor: 1e-6}
	for _, c := range []struct {
		name string
		s    Schedule
		step int
		want float64
	}{
		{"constant", Schedule{}, 123, 1e-3},
		{"warm-up begins at 0", cosine, 0, 0},
		{"half-way up", cosine, 25, 5e-4},
		{"top", cosine, 50, 1e-3},
		{"half-way down", cosine, 175, (1e-3 + 1e-6) / 2},
		{"bottom", cosine, 300, 1e-6},
		{"poly begins", Schedule{Kind: "poly"}, 0, 1e-3},
		{"poly half-way", Schedule{Kind: "poly"}, 150, 1e-3 * math.Pow(0.5, 0.9)},
		{"poly ends", Schedule{Kind: "poly", Power: 2}, 300, 0},
	} {
		if got := c.s.Rate(1e-3, c.step, 10, 30); !(math.Abs(got-c.want) <= 1e-12) {
			t.Errorf("%s: rate %g, want %g", c.name, got, c.want)
		}
	}
}

// What is computed on one channel of a grey image is what three would give, to the bit; a coloured one has no such channel.
func TestGreyImagesAreAugmentedOnOneChannel(t *testing.T) {
	for name, a := range map[string]Augment{
		"everything": {FlipHorizontal: 0.5, FlipVertical: 0.5, Rotate: 20, Scale: [2]float64{0.8, 1.2}, Gain: [2]float64{0.8, 1.2}, Bias: [2]float64{-20, 20},
			Gamma: [2]float64{0.8, 1.2}, Noise: 20, Blur: 2},
		"movement alone": {Rotate: 20},
		"blur alone":     {Blur: 2},
		"noise alone":    {Noise: 30},
		"no noise":       {Gain: [2]float64{0.5, 2}, Gamma: [2]float64{0.5, 2}},
	} {
		for seed := range uint64(5) {
			one, three := sample(t, int(seed)), sample(t, int(seed))
			plane := planeOf(one.Image)
			if plane == nil {
				t.Fatal("the sample is not grey")
			}
			a.applyTo(rand.New(rand.NewPCG(seed, 1)), one, side, plane)
			a.applyTo(rand.New(rand.NewPCG(seed, 1)), three, side, nil)
			if !slices.Equal(one.Image, three.Image) || !slices.Equal(one.Target, three.Target) || one.Box != three.Box {
				t.Errorf("%s, seed %d: one channel gives another image than three", name, seed)
			}
			if fresh := sample(t, int(seed)); name != "movement alone" && slices.Equal(one.Image, fresh.Image) {
				t.Errorf("%s, seed %d: nothing changed", name, seed)
			}
		}
	}
	for i := range 3 {
		coloured := sample(t, 0)
		coloured.Image[60+i]++
		if planeOf(coloured.Image) != nil {
			t.Errorf("an image whose channel %d differs is taken for grey", i)
		}
	}
}

// Each change is made to its share of the samples, by itself; without a probability to all, with the numbers that were drawn before there was one.
func TestChangesHaveAProbability(t *testing.T) {
	const side, tries = 6, 3000
	changed := func(a Augment) (share float64) {
		for seed := range uint64(tries) {
			e := &Example{Image: make([]float32, side*side*3), Target: make([]uint8, side*side)}
			for i := range e.Image {
				e.Image[i] = float32(100 + i/3)
			}
			before := slices.Clone(e.Image)
			a.apply(rand.New(rand.NewPCG(seed, 1)), e, side)
			for i, v := range e.Image {
				if math.Abs(float64(v-before[i])) > 1e-3 {
					share += 1.0 / tries
					break
				}
			}
		}
		return share
	}
	for name, c := range map[string]struct {
		a    Augment
		want float64
	}{
		"always":        {Augment{Rotate: 90}, 1},
		"rotation":      {Augment{Rotate: 90, Probability: 0.2}, 0.2},
		"gain":          {Augment{Gain: [2]float64{0.5, 0.9}, Probability: 0.2}, 0.2},
		"noise":         {Augment{Noise: 10, Probability: 0.2}, 0.2},
		"blur":          {Augment{Blur: 3, Probability: 0.2}, 0.2},
		"two by itself": {Augment{Rotate: 90, Noise: 10, Probability: 0.2}, 1 - 0.8*0.8},
	} {
		if got := changed(c.a); math.Abs(got-c.want) > 0.04 {
			t.Errorf("%s: %.3f of the samples are changed, expected %.3f", name, got, c.want)
		}
	}
	for _, p := range []float64{-0.1, 1.1, math.NaN()} {
		if (Augment{Probability: p}).Check() == nil {
			t.Errorf("a probability of %g is accepted", p)
		}
	}
}
