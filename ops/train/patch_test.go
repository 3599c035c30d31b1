package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestStepsCoverAnAxis(t *testing.T) {
	for _, c := range []struct {
		size, side int
		overlap    float64
		want       []int
	}{
		{100, 64, 0.5, []int{0, 18, 36}},
		{96, 64, 0.5, []int{0, 32}},
		{64, 64, 0.5, []int{0}},
		{40, 64, 0.5, []int{-12}},
		{41, 64, 0.5, []int{-11}},
		{130, 64, 0, []int{0, 33, 66}},
		{128, 64, 0, []int{0, 64}},
		{67, 64, 0.95, []int{0, 3}},
	} {
		if got := (Sliding{Overlap: c.overlap}).Steps(c.size, c.side); !slices.Equal(got, c.want) {
			t.Errorf("%d px in windows of %d with %g: %v, want %v", c.size, c.side, c.overlap, got, c.want)
		}
	}
	for side := 1; side < 20; side++ {
		for size := 1; size < 70; size++ {
			for _, overlap := range []float64{0, 0.25, 0.5, 0.9} {
				at := (Sliding{Overlap: overlap}).Steps(size, side)
				if at[0] > 0 || at[len(at)-1]+side < size {
					t.Fatalf("%v does not cover %d px with windows of %d", at, size, side)
				}
				for i := 1; i < len(at); i++ {
					if step := at[i] - at[i-1]; step < 1 || float64(step) > max(1, float64(side)*(1-overlap))+1 {
						t.Fatalf("%d px, windows of %d, overlap %g: %v", size, side, overlap, at)
					}
				}
			}
		}
	}
}

func TestWeightsOfAWindow(t *testing.T) {
	w := Sliding{Gaussian: true}.Weights(64)
	if w[32] != 1 || !(math.Abs(w[40]-math.Exp(-0.5)) <= 1e-12) || w[31] != w[33] || w[0] <= 0 {
		t.Errorf("weights %v", w)
	}
	for _, v := range (Sliding{}).Weights(5) {
		if v != 1 {
			t.Errorf("a constant weight is %g", v)
		}
	}
}

// The canvas against the weighted mean, pixel by pixel, with the full Gaussian.
func TestCanvasIsTheWeightedMean(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []Sliding{{Overlap: 0.5, Gaussian: true}, {Overlap: 0.3}} {
		for _, size := range [][2]int{{13, 9}, {8, 8}, {5, 20}} {
			const side = 8
			c := s.NewCanvas(size[0], size[1], side, side)
			sum, weight := map[[2]int]float64{}, map[[2]int]float64{}
			for _, y := range s.Steps(size[1], side) {
				for _, x := range s.Steps(size[0], side) {
					logits := make([]float32, side*side)
					for i := range logits {
						logits[i] = r.Float32() - 0.5
						w := 1.0
						if s.Gaussian {
							dx, dy := float64(i%side-side/2), float64(i/side-side/2)
							w = math.Exp(-(dx*dx + dy*dy) / 2) // an eighth of 8 px
						}
						at := [2]int{x + i%side, y + i/side}
						sum[at] += w * float64(logits[i])
						weight[at] += w
					}
					c.Add(x, y, logits)
				}
			}
			mask := c.Mask()
			for y := range size[1] {
				for x := range size[0] {
					at := [2]int{x, y}
					want := sum[at] / weight[at]
					if got := c.Logit(x, y); weight[at] == 0 || !(math.Abs(got-want) <= 1e-9) {
						t.Fatalf("%v, pixel %v: %g, want %g", s, at, got, want)
					}
					if (mask[y*size[0]+x] == 1) != (want > 0) {
						t.Fatalf("pixel %v of the mask is %d, its logit %g", at, mask[y*size[0]+x], want)
					}
				}
			}
		}
	}
}

func TestMirrored(t *testing.T) {
	v := []int{1, 2, 3, 4, 5, 6, 7, 8} // 2×2 of two values
	for _, c := range []struct {
		x, y bool
		want []int
	}{
		{false, false, []int{1, 2, 3, 4, 5, 6, 7, 8}},
		{true, false, []int{3, 4, 1, 2, 7, 8, 5, 6}},
		{false, true, []int{5, 6, 7, 8, 1, 2, 3, 4}},
		{true, true, []int{7, 8, 5, 6, 3, 4, 1, 2}},
	} {
		got := slices.Clone(v)
		Mirrored(got, 2, 2, c.x, c.y)
		if !slices.Equal(got, c.want) {
			t.Errorf("x %v y %v: %v, want %v", c.x, c.y, got, c.want)
		}
		Mirrored(got, 2, 2, c.x, c.y)
		if !slices.Equal(got, v) {
			t.Errorf("x %v y %v: twice gives %v", c.x, c.y, got)
		}
	}
	if n := len(Sliding{Mirror: true}.Mirrors()); n != 4 {
		t.Errorf("%d mirrored forms", n)
	}
	if f := (Sliding{}).Mirrors(); len(f) != 1 || f[0].X || f[0].Y {
		t.Errorf("without mirroring: %v", f)
	}
}

func TestPatchesAreDrawn(t *testing.T) {
	picture := Picture{Width: 40, Height: 30, Channels: 1, Image: make([]uint8, 1200), Mask: make([]uint8, 1200)}
	for i := range picture.Image {
		picture.Image[i] = uint8(1 + i%250)
	}
	picture.Mask[25*40+3] = 1 // near a corner
	const side = 16
	image, target := make([]float32, side*side*3), make([]uint8, side*side)
	hits := func(p Patches) (share float64) {
		for i := range 4000 {
			x, y := p.Draw(rand.New(rand.NewPCG(7, uint64(i))), &picture, side, side)
			if x < 0 || y < 0 || x > 40-side || y > 30-side {
				t.Fatalf("a part begins at %d,%d", x, y)
			}
			picture.Cut(x, y, side, image, target)
			if slices.Contains(target, 1) {
				share++
			}
		}
		return share / 4000
	}
	// Anywhere: x of 25 places is 0..3 in 4, y of 15 is 10..14 in 5.
	if got, want := hits(Patches{}), 4.0/25*5/15; !(math.Abs(got-want) <= 0.015) {
		t.Errorf("the mask is in %.3f of the parts anywhere, want %.3f", got, want)
	}
	if got := hits(Patches{Foreground: 1}); got != 1 {
		t.Errorf("the mask is in %.3f of the parts around it", got)
	}
	if got, want := hits(Patches{Foreground: 0.5}), 0.5+0.5*4.0/25*5/15; !(math.Abs(got-want) <= 0.03) {
		t.Errorf("the mask is in %.3f of the parts, want %.3f", got, want)
	}
	x, y := Patches{Foreground: 0.5}.Draw(rand.New(rand.NewPCG(7, 3)), &picture, side, side)
	if x2, y2 := (Patches{Foreground: 0.5}).Draw(rand.New(rand.NewPCG(7, 3)), &picture, side, side); x != x2 || y != y2 {
		t.Error("the same numbers give another part")
	}
}

// A picture that is smaller than a part lies in it whole, with what is outside around.
func TestCutReachesOverTheEdge(t *testing.T) {
	p := Picture{Outside: [3]float32{1000, 2000, 3000}, Width: 3, Height: 2, Channels: 3, Image: make([]uint8, 18), Mask: []uint8{1, 1, 1, 1, 1, 1}}
	for i := range p.Image {
		p.Image[i] = uint8(i + 1)
	}
	for seed := range uint64(50) {
		x, y := Patches{Foreground: 0.5}.Draw(rand.New(rand.NewPCG(seed, 0)), &p, 5, 5)
		image, target := make([]float32, 75), make([]uint8, 25)
		for i := range image {
			image[i] = -1 // what was there before must go
		}
		p.Cut(x, y, 5, image, target)
		sum, inside := float32(0), 0
		for _, v := range image {
			sum += v
		}
		for _, v := range target {
			inside += int(v)
		}
		if sum != 171+19*6000 || inside != 6 {
			t.Fatalf("at %d,%d a part of 5 px holds %d pixels of 6, values that sum up to %g instead of 171 and 19 times 6000", x, y, inside, sum)
		}
		if at := (-y)*5 - x; image[3*at] != 1 || image[3*at+2] != 3 {
			t.Fatalf("at %d,%d the first pixel is elsewhere", x, y)
		}
	}
}

// Image and target of a part are of one place: each pixel says where it was, in the image by its colours and in the target by its value. A network still learns something
// from targets that are a few pixels off, so no training would tell.
func TestImageAndTargetOfAPartAreOfOnePlace(t *testing.T) {
	const width, height = 37, 29
	mark := func(x, y int) uint8 { return uint8(1 + (5*x+31*y)%251) }
	for _, channels := range []int{1, 3} {
		p := Picture{Width: width, Height: height, Channels: channels, Image: make([]uint8, width*height*channels), Mask: make([]uint8, width*height)}
		colours := func(x, y int) (c [3]float32) {
			c = [3]float32{float32(x), float32(y), 200}
			if channels == 1 {
				v := float32((7*x + 3*y) % 256)
				c = [3]float32{v, v, v}
			}
			return c
		}
		for i := range p.Mask {
			x, y := i%width, i/width
			p.Mask[i] = mark(x, y)
			for k, v := range colours(x, y) {
				if k < channels {
					p.Image[i*channels+k] = uint8(v)
				}
			}
		}
		p = p.Measured()
		p.Outside = [3]float32{-1, -2, -3}
		for _, size := range [][2]int{{16, 16}, {24, 8}, {8, 24}, {width, height}, {48, 40}} {
			for seed := range uint64(40) {
				x, y := Patches{Foreground: 0.5}.Draw(rand.New(rand.NewPCG(seed, 3)), &p, size[0], size[1])
				if seed%4 == 0 { // places that are not drawn: over every edge
					x, y = x+int(seed)-20, y+17-int(seed)
				}
				e := &Example{Image: make([]float32, 3*size[0]*size[1]), Target: make([]uint8, size[0]*size[1])}
				p.Part(x, y, size[0], e)
				for i, got := range e.Target {
					at, want, value := [2]int{x + i%size[0], y + i/size[0]}, uint8(0), p.Outside
					if p.holds(at[0], at[1]) {
						want, value = mark(at[0], at[1]), colours(at[0], at[1])
					}
					if got != want || [3]float32(e.Image[3*i:]) != value {
						t.Fatalf("%d channels, a part of %v at %d,%d, pixel %v: target %d and colours %v, expected %d and %v", channels, size, x, y, at, got, e.Image[3*i:3*i+3], want, value)
					}
				}
			}
		}
	}
}

func TestPicturesAreMeasured(t *testing.T) {
	grey := Picture{Width: 2, Height: 2, Channels: 1, Image: []uint8{0, 10, 20, 30}}.Measured()
	for c := range 3 {
		if grey.Mean[c] != 15 || math.Abs(float64(grey.Deviation[c])-math.Sqrt(125)) > 1e-5 || grey.Outside[c] != 15 {
			t.Errorf("channel %d of 0, 10, 20, 30: mean %g, deviation %g, outside %g", c, grey.Mean[c], grey.Deviation[c], grey.Outside[c])
		}
	}
	colour := Picture{Width: 2, Height: 1, Channels: 3, Image: []uint8{0, 100, 7, 10, 200, 7}}.Measured()
	if colour.Mean != [3]float32{5, 150, 7} || colour.Deviation != [3]float32{5, 50, 0} {
		t.Errorf("colours: mean %v, deviation %v", colour.Mean, colour.Deviation)
	}
}

// A part that is turned shows what lies beside it in its sample: at every place
// what the sample would show there if all of it were moved around the part's
// middle. Only what lies beyond the sample is filled.
func TestPartsAreMovedWithinTheirSample(t *testing.T) {
	const side, width, height = 8, 40, 30
	for _, channels := range []int{1, 3} {
		p := Picture{Width: width, Height: height, Channels: channels, Image: make([]uint8, width*height*channels), Mask: make([]uint8, width*height)}
		for i := range p.Mask {
			x, y := i%width, i/width
			for c := range channels {
				p.Image[i*channels+c] = uint8(3*x + 4*y + 5*c) // linear: interpolation is exact
			}
			if (x > 20) != (y > 14) {
				p.Mask[i] = 1
			}
		}
		p = p.Measured()
		p.Outside = [3]float32{250, 250, 250}
		outside, filled := 0, 0
		for _, at := range [][2]int{{15, 10}, {width - side, height - side}, {-3, 2}} {
			for seed := range uint64(20) {
				a := Augment{FlipHorizontal: 0.5, FlipVertical: 0.5, Rotate: 180, Scale: [2]float64{0.7, 1.4}}
				e := &Example{Image: make([]float32, side*side*3), Target: make([]uint8, side*side)}
				p.Part(at[0], at[1], side, e)
				m, _ := a.movement(rand.New(rand.NewPCG(seed, 1)), side, side)
				a.apply(rand.New(rand.NewPCG(seed, 1)), e, side)
				for i := range side * side {
					fx, fy := m.at(i%side, i/side)
					fx, fy = fx+float64(at[0]), fy+float64(at[1])
					for c := range 3 {
						got := float64(e.Image[3*i+c])
						switch {
						case fx >= 0 && fy >= 0 && fx <= width-1 && fy <= height-1:
							if want := 3*fx + 4*fy + 5*float64(c%channels); math.Abs(got-want) > 1e-3 {
								t.Fatalf("part at %v, turned, pixel %d: %g, expected %g", at, i, got, want)
							}
						case fx < -1 || fy < -1 || fx > width || fy > height:
							outside++
							if math.Abs(got-250) < 1e-3 {
								filled++
							}
						}
					}
					tx, ty := math.Floor(fx+0.5), math.Floor(fy+0.5)
					if want := ((tx > 20) != (ty > 14)) && tx >= 0 && tx < width && ty >= 0 && ty < height; (e.Target[i] != 0) != want {
						t.Fatalf("part at %v, turned, pixel %d (%g,%g): target %d", at, i, fx, fy, e.Target[i])
					}
				}
			}
		}
		if outside == 0 || filled != outside {
			t.Errorf("%d values beyond the sample, %d of them filled", outside, filled)
		}
	}
}
