package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Jitter enlarges the box prompt: every side moves outwards by its own whole
// number of pixels from Min..Max, both included, and stops at the edge of the
// image. MedSegX trains with 0..19.
type Jitter struct{ Min, Max int }

func (j Jitter) apply(r *rand.Rand, box *[4]float32, width, height int) {
	for k := range box {
		shift := float32(j.Min + r.IntN(j.Max-j.Min+1))
		if k < 2 {
			box[k] = max(0, box[k]-shift)
		} else {
			box[k] = min(float32([]int{width, height}[k-2]), box[k]+shift)
		}
	}
}

// Augment changes images and targets at random while training. The zero value
// changes nothing. A pair of equal numbers is a fixed value; {0,0} means off.
type Augment struct {
	FlipHorizontal float64    // probability of a left-right flip
	FlipVertical   float64    // probability of an up-down flip
	Rotate         float64    // degrees; angle from U(-Rotate, Rotate)
	Scale          [2]float64 // factor of magnification, from U(lo, hi)
	Gain           [2]float64 // factor of contrast around the image's mean, from U(lo, hi)
	Bias           [2]float64 // grey values added, from U(lo, hi), of 0..255
	Gamma          [2]float64 // exponent on the values scaled to 0..1, from U(lo, hi)
	Noise          float64    // standard deviation of added noise in grey values, from U(0, Noise)
	Blur           float64    `json:",omitzero"` // standard deviation of a Gaussian blur in pixels, from U(0, Blur)

	// Probability with which each change but the flips, which have their own, is
	// made to a sample, each by itself; 0: always. nnU-Net makes most changes
	// to 10 to 25 % of its samples, so that the network sees what it will be
	// asked about as well.
	Probability float64 `json:",omitzero"`
}

// made says whether a change is made. Where all are, nothing is drawn.
func (a Augment) made(r *rand.Rand) bool {
	return a.Probability == 0 || r.Float64() < a.Probability
}

// Check returns an error for parameters that make no sense.
func (a Augment) Check() error {
	for name, p := range map[string]float64{"horizontal flip": a.FlipHorizontal, "vertical flip": a.FlipVertical} {
		if p < 0 || p > 1 {
			return fmt.Errorf("augmentation: the probability of a %s is %g, expected 0 to 1", name, p)
		}
	}
	for _, c := range []struct {
		name  string
		limit [2]float64
		above bool // must be above 0
	}{{"scale", a.Scale, true}, {"gain", a.Gain, true}, {"bias", a.Bias, false}, {"gamma", a.Gamma, true}} {
		if c.limit[0] > c.limit[1] || (c.above && on(c.limit) && c.limit[0] <= 0) {
			return fmt.Errorf("augmentation: %s from %g to %g is not possible", c.name, c.limit[0], c.limit[1])
		}
	}
	if !(a.Probability >= 0 && a.Probability <= 1) {
		return fmt.Errorf("augmentation: the probability of a change is %g, expected 0 to 1", a.Probability)
	}
	if !(a.Rotate >= 0 && a.Noise >= 0 && a.Blur >= 0) {
		return fmt.Errorf("augmentation: rotation by %g degrees, noise of %g or blur of %g pixels is negative", a.Rotate, a.Noise, a.Blur)
	}
	return nil
}

func on(limits [2]float64) bool { return limits != [2]float64{} }

func draw(r *rand.Rand, limits [2]float64) float64 {
	return limits[0] + (limits[1]-limits[0])*r.Float64()
}

// apply augments an example. The box is taken anew from the moved target, first
// to last pixel as everywhere; a movement that would leave nothing of a target
// is not made. A part of a sample is moved within it.
func (a Augment) apply(r *rand.Rand, e *Example, width int) {
	if e.Whole != nil && e.Whole.Channels > 1 {
		// A part may be grey and what is brought into it not.
		a.applyTo(r, e, width, nil)
		return
	}
	a.applyTo(r, e, width, planeOf(e.Image))
}

// planeOf is one channel of an image whose three are the same, as most medical
// ones are: what is computed for one holds for all, to the bit. nil for others.
func planeOf(image []float32) []float32 {
	plane := make([]float32, len(image)/3)
	for i := range plane {
		p := image[3*i : 3*i+3]
		bits := math.Float32bits(p[0])
		if bits != math.Float32bits(p[1]) || bits != math.Float32bits(p[2]) {
			return nil
		}
		plane[i] = p[0]
	}
	return plane
}

// applyTo computes on one channel, if there is a plane, and else on three.
func (a Augment) applyTo(r *rand.Rand, e *Example, width int, plane []float32) {
	image, channels := e.Image, 3
	if plane != nil {
		image, channels = plane, 1
	}
	if m, moves := a.movement(r, width, len(e.Target)/width); moves && e.Whole != nil {
		m.within(e, image, width, channels)
	} else if moves {
		target := make([]uint8, len(e.Target))
		m.nearest(e.Target, target, width)
		if box, ok := boundingBox(target, width); ok || !slices.ContainsFunc(e.Target, func(v uint8) bool { return v != 0 }) {
			moved := make([]float32, len(image))
			m.bilinear(image, moved, width, channels)
			copy(image, moved)
			copy(e.Target, target)
			e.Box = box
			if e.Guess != nil {
				guess := make([]uint8, len(e.Guess))
				m.nearest(e.Guess, guess, width)
				e.Guess = guess
			}
		}
	}
	if a.Blur > 0 && a.made(r) {
		// Before the noise, which an optical system or a reconstruction does not blur.
		blur(image, width, channels, a.Blur*r.Float64())
	}
	a.intensity(r, image, e.Image)
}

// movement is an affine map from places in the new image to places in the old
// one: x' = xx·x + xy·y + x0, y' likewise.
type movement struct{ xx, xy, x0, yx, yy, y0 float64 }

func (a Augment) movement(r *rand.Rand, width, height int) (movement, bool) {
	flipX, flipY := 1.0, 1.0
	if a.FlipHorizontal > 0 && r.Float64() < a.FlipHorizontal {
		flipX = -1
	}
	if a.FlipVertical > 0 && r.Float64() < a.FlipVertical {
		flipY = -1
	}
	angle, scale := 0.0, 1.0
	if a.Rotate > 0 && a.made(r) {
		angle = (2*r.Float64() - 1) * a.Rotate * math.Pi / 180
	}
	if on(a.Scale) && a.made(r) {
		scale = draw(r, a.Scale)
	}
	if flipX == 1 && flipY == 1 && angle == 0 && scale == 1 {
		return movement{}, false
	}
	sin, cos := math.Sincos(angle)
	m := movement{
		xx: flipX * cos / scale, xy: flipX * sin / scale,
		yx: -flipY * sin / scale, yy: flipY * cos / scale,
	}
	// The centre of the image stays where it is.
	cx, cy := float64(width-1)/2, float64(height-1)/2
	m.x0, m.y0 = cx-m.xx*cx-m.xy*cy, cy-m.yx*cx-m.yy*cy
	return m, true
}

func (m movement) at(x, y int) (float64, float64) {
	fx, fy := float64(x), float64(y)
	return m.xx*fx + m.xy*fy + m.x0, m.yx*fx + m.yy*fy + m.y0
}

// nearest moves a mask; what comes from outside is background.
func (m movement) nearest(from, to []uint8, width int) {
	height := len(to) / width
	for y := range height {
		for x := range width {
			fx, fy := m.at(x, y)
			ix, iy := int(math.Floor(fx+0.5)), int(math.Floor(fy+0.5))
			if ix >= 0 && iy >= 0 && ix < width && iy < height {
				to[y*width+x] = from[iy*width+ix]
			}
		}
	}
}

// bilinear moves an image; what comes from outside is black.
func (m movement) bilinear(from, to []float32, width, channels int) {
	height := len(to) / channels / width
	for y := range height {
		for x := range width {
			fx, fy := m.at(x, y)
			ix, iy := int(math.Floor(fx)), int(math.Floor(fy))
			dx, dy := float32(fx-float64(ix)), float32(fy-float64(iy))
			for k, corner := range [4]struct{ x, y int }{{ix, iy}, {ix + 1, iy}, {ix, iy + 1}, {ix + 1, iy + 1}} {
				if corner.x < 0 || corner.y < 0 || corner.x >= width || corner.y >= height {
					continue
				}
				wx, wy := 1-dx, 1-dy
				if k&1 == 1 {
					wx = dx
				}
				if k&2 == 2 {
					wy = dy
				}
				w, pixel, source := wx*wy, (y*width+x)*channels, (corner.y*width+corner.x)*channels
				for c := range channels {
					to[pixel+c] += w * from[source+c]
				}
			}
		}
	}
}

// intensity changes grey values and keeps them within 0..255. from is the image,
// or a channel that stands for all three of it; to is the image. Noise is drawn
// for each channel.
func (a Augment) intensity(r *rand.Rand, from, to []float32) {
	each := len(to) / len(from) // values of the image for one of from
	if !on(a.Gain) && !on(a.Bias) && !on(a.Gamma) && a.Noise == 0 {
		for i := range to {
			to[i] = from[i/each]
		}
		return
	}
	gain, bias, gamma, noise := 1.0, 0.0, 1.0, 0.0
	if on(a.Gain) && a.made(r) {
		gain = draw(r, a.Gain)
	}
	if on(a.Bias) && a.made(r) {
		bias = draw(r, a.Bias)
	}
	if on(a.Gamma) && a.made(r) {
		gamma = draw(r, a.Gamma)
	}
	if a.Noise > 0 && a.made(r) {
		noise = a.Noise * r.Float64()
	}
	mean := 0.0
	for _, v := range from {
		for range each { // added as often as it stands in the image: rounding is the same
			mean += float64(v)
		}
	}
	mean /= float64(len(to))
	for i, v := range from {
		w := mean + gain*(float64(v)-mean) + bias
		if gamma != 1 {
			w = 255 * math.Pow(min(max(w/255, 0), 1), gamma)
		}
		for c := range each {
			noisy := w
			if noise > 0 {
				noisy += noise * r.NormFloat64()
			}
			to[i*each+c] = float32(min(max(noisy, 0), 255))
		}
	}
}

// boundingBox is the box around a mask, from its first to its last row and
// column; ok is false if the mask is empty.
func boundingBox(mask []uint8, width int) (box [4]float32, ok bool) {
	x0, y0, x1, y1 := width, len(mask)/width, -1, -1
	for i, v := range mask {
		if v != 0 {
			x, y := i%width, i/width
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
		}
	}
	return [4]float32{float32(x0), float32(y0), float32(x1), float32(y1)}, x1 >= 0
}

// within moves the part that an example shows within its sample: what comes into
// it is what lies there, not black, as nnU-Net cuts a larger part and then the
// middle of it when it is turned. Of the target it may leave nothing. image is
// that of the example, or a channel that stands for all three.
func (m movement) within(e *Example, image []float32, width, channels int) {
	p := e.Whole
	for y := range len(e.Target) / width {
		for x := range width {
			fx, fy := m.at(x, y)
			ix, iy := int(math.Floor(fx)), int(math.Floor(fy))
			dx, dy := float32(fx-float64(ix)), float32(fy-float64(iy))
			ix, iy = ix+e.X, iy+e.Y
			for c := range channels {
				top := (1-dx)*p.value(ix, iy, c) + dx*p.value(ix+1, iy, c)
				bottom := (1-dx)*p.value(ix, iy+1, c) + dx*p.value(ix+1, iy+1, c)
				image[(y*width+x)*channels+c] = (1-dy)*top + dy*bottom
			}
			e.Target[y*width+x] = 0
			if tx, ty := int(math.Floor(fx+0.5))+e.X, int(math.Floor(fy+0.5))+e.Y; p.holds(tx, ty) {
				e.Target[y*width+x] = p.Mask[ty*p.Width+tx]
			}
		}
	}
}
