package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// blurred is the two-dimensional sum that blur separates, in float64: every
// pixel is the mean of its surroundings up to 4 deviations away in either
// direction, weighted by exp(-(dx²+dy²)/2σ²); beyond the edge stands its last
// pixel.
func blurred(image []float32, sigma float64) []float64 {
	radius := int(4*sigma + 0.5)
	out := make([]float64, len(image))
	for y := range side {
		for x := range side {
			for c := range 3 {
				sum, weights := 0.0, 0.0
				for dy := -radius; dy <= radius; dy++ {
					for dx := -radius; dx <= radius; dx++ {
						w := math.Exp(-float64(dx*dx+dy*dy) / (2 * sigma * sigma))
						px, py := min(max(x+dx, 0), side-1), min(max(y+dy, 0), side-1)
						sum += w * float64(image[(py*side+px)*3+c])
						weights += w
					}
				}
				out[(y*side+x)*3+c] = sum / weights
			}
		}
	}
	return out
}

func TestBlurIsAGaussian(t *testing.T) {
	for _, sigma := range []float64{0.3, 0.8, 1.5, 4} {
		e := sample(t, 2)
		for i := range e.Image { // three different colours
			e.Image[i] = float32(math.Mod(float64(e.Image[i])*float64(1+i%3), 256))
		}
		want := blurred(e.Image, sigma)
		blur(e.Image, side, 3, sigma)
		for i, v := range e.Image {
			if !(math.Abs(float64(v)-want[i]) <= 1e-3) {
				t.Fatalf("deviation %g: value %d is %g, want %g", sigma, i, v, want[i])
			}
		}
	}
}

func TestBlurOfAPointHasItsDeviation(t *testing.T) {
	const wide = 41
	image := make([]float32, wide*wide*3)
	image[(20*wide+20)*3+1] = 1000
	blur(image, wide, 3, 2)
	var sum, second float64
	for y := range wide {
		for x := range wide {
			v := float64(image[(y*wide+x)*3+1])
			sum, second = sum+v, second+v*float64((x-20)*(x-20))
			if image[(y*wide+x)*3] != 0 {
				t.Fatal("one colour ran into another")
			}
		}
	}
	// Cut at 4 deviations the kernel loses a thousandth of its variance.
	if !(math.Abs(sum-1000) <= 1e-2) || !(math.Abs(second/sum-4) <= 0.01) {
		t.Errorf("the sum is %g, the variance %g; want 1000 and 4", sum, second/sum)
	}
}

func TestBlurOfTheAugmentation(t *testing.T) {
	e, before := sample(t, 3), sample(t, 3)
	Augment{Blur: 2}.apply(rand.New(rand.NewPCG(5, 5)), e, side)
	sigma := 2 * rand.New(rand.NewPCG(5, 5)).Float64()
	blur(before.Image, side, 3, sigma)
	if !slices.Equal(e.Image, before.Image) {
		t.Error("the deviation is not drawn from U(0, 2)")
	}
	if !slices.Equal(e.Target, before.Target) || e.Box != before.Box {
		t.Error("blurring moved the target")
	}
}

// Contrast, offset and gamma in the order of their definition, without noise.
func TestIntensityFollowsItsDefinition(t *testing.T) {
	e, before := sample(t, 0), sample(t, 0)
	Augment{Gain: [2]float64{1.2, 1.2}, Bias: [2]float64{7, 7}, Gamma: [2]float64{0.8, 0.8}}.apply(rand.New(rand.NewPCG(1, 1)), e, side)
	mean := 0.0
	for _, v := range before.Image {
		mean += float64(v) / float64(len(before.Image))
	}
	for i, v := range before.Image {
		w := min(max(mean+1.2*(float64(v)-mean)+7, 0), 255)
		if want := 255 * math.Pow(w/255, 0.8); !(math.Abs(float64(e.Image[i])-want) <= 1e-3) {
			t.Fatalf("value %g became %g, want %g", v, e.Image[i], want)
		}
	}
}

func TestNoiseHasTheDrawnDeviation(t *testing.T) {
	const wide = 64
	e := &Example{Image: make([]float32, wide*wide*3), Target: make([]uint8, wide*wide)}
	for i := range e.Image {
		e.Image[i] = 128
	}
	Augment{Noise: 20}.apply(rand.New(rand.NewPCG(9, 1)), e, wide)
	want := 20 * rand.New(rand.NewPCG(9, 1)).Float64()
	var sum, squares float64
	for _, v := range e.Image {
		sum, squares = sum+float64(v)-128, squares+(float64(v)-128)*(float64(v)-128)
	}
	n := float64(len(e.Image))
	if got := math.Sqrt(squares / n); !(math.Abs(got-want) <= 0.03*want) || !(math.Abs(sum/n) <= 4*want/math.Sqrt(n)) {
		t.Errorf("the noise has mean %g and deviation %g, want 0 and %g", sum/n, got, want)
	}
}
