package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Picture is a sample of any size: Width×Height pixels, rows first.
type Picture struct {
	Width, Height int
	Channels      int     // 1 or 3
	Image         []uint8 // Width·Height·Channels
	Mask          []uint8 // Width·Height; anything but 0 belongs to the target

	// Mean and Deviation of each colour over the whole picture, grey in all
	// three (see Measured). Networks standardise parts by them.
	Mean, Deviation [3]float32
	// Outside is what there is beyond the edge. nnU-Net fills with the 0 of
	// standardised images, which is their mean.
	Outside [3]float32
}

// Measured sets the numbers that are taken from the pixels: Mean, Deviation (of
// all pixels, not of a sample of them) and Outside, the mean.
func (p Picture) Measured() Picture {
	pixels := float64(p.Width * p.Height)
	for c := range 3 {
		if p.Channels == 1 && c > 0 {
			p.Mean[c], p.Deviation[c] = p.Mean[0], p.Deviation[0]
			continue
		}
		var counts [256]int // whole numbers: the sums do not depend on their order
		for i := c; i < len(p.Image); i += p.Channels {
			counts[p.Image[i]]++
		}
		sum, squares := 0, 0
		for v, n := range counts {
			sum, squares = sum+n*v, squares+n*v*v
		}
		mean := float64(sum) / pixels
		p.Mean[c], p.Deviation[c] = float32(mean), float32(math.Sqrt(max(0, float64(squares)/pixels-mean*mean)))
	}
	p.Outside = p.Mean
	return p
}

// statistics are what a network is told (graph.Inputs.Whole).
func (p *Picture) statistics() []float32 {
	return slices.Concat(p.Mean[:], p.Deviation[:])
}

// Part makes an example what lies at (x,y), of the given width; its height is
// that of the example's target.
func (p *Picture) Part(x, y, width int, into *Example) {
	p.Cut(x, y, width, into.Image, into.Target)
	into.Whole, into.X, into.Y = p, x, y
	into.Box = [4]float32{}
}

// Cut writes what lies at and behind the corner (x,y) into image (height·width·3,
// grey in all three) and target (height·width). What lies outside of the picture
// is Outside, and no target.
func (p *Picture) Cut(x, y, width int, image []float32, target []uint8) {
	for v := range len(target) / width {
		for u := range width {
			to := v*width + u
			copy(image[3*to:3*to+3], p.Outside[:])
			target[to] = 0
			if !p.holds(x+u, y+v) {
				continue
			}
			from := (y+v)*p.Width + x + u
			for c := range 3 {
				image[3*to+c] = float32(p.Image[p.Channels*from+c%p.Channels])
			}
			target[to] = p.Mask[from]
		}
	}
}

func (p *Picture) holds(x, y int) bool { return x >= 0 && y >= 0 && x < p.Width && y < p.Height }

// value of a colour at a place anywhere.
func (p *Picture) value(x, y, c int) float32 {
	if !p.holds(x, y) {
		return p.Outside[c]
	}
	return float32(p.Image[p.Channels*(y*p.Width+x)+c%p.Channels])
}

// Patches draws places of parts: with the given probability around a
// pixel of the mask, else anywhere. A picture that is smaller than a part lies
// somewhere inside of it (nnU-Net, nnUNetDataLoader: there the share is taken of
// each batch, and a part around a pixel may reach over the edge).
type Patches struct {
	Foreground float64 // 0..1
}

// Draw is the corner of a part of the given size.
func (c Patches) Draw(r *rand.Rand, p *Picture, width, height int) (x, y int) {
	// Always the same number of draws, whatever the mask is.
	around, u, v, pick := r.Float64() < c.Foreground, r.Float64(), r.Float64(), r.Float64()
	lowX, highX := span(p.Width, width)
	lowY, highY := span(p.Height, height)
	if around {
		if at := pixel(p.Mask, pick); at >= 0 {
			return min(max(at%p.Width-width/2, lowX), highX), min(max(at/p.Width-height/2, lowY), highY)
		}
	}
	return lowX + int(u*float64(highX-lowX+1)), lowY + int(v*float64(highY-lowY+1))
}

// span is where a part of the given side may begin along an axis.
func span(size, side int) (low, high int) {
	return min(0, size-side), max(0, size-side)
}

// pixel is the place of a pixel of the mask, -1 if it has none: of n pixels the
// one with number u·n.
func pixel(mask []uint8, u float64) int {
	n := 0
	for _, v := range mask {
		if v != 0 {
			n++
		}
	}
	k := int(u * float64(n))
	for i, v := range mask {
		if v != 0 {
			if k == 0 {
				return i
			}
			k--
		}
	}
	return -1
}

// Sliding moves a network over pictures larger than it.
type Sliding struct {
	Overlap  float64 // least share of a window that the next one covers again, 0..0.95
	Gaussian bool    // the middle of a window counts more than its edge
	Mirror   bool    // the mirrored forms of a window are answered too
}

// Check returns an error for numbers that make no sense.
func (s Sliding) Check() error {
	if !(s.Overlap >= 0 && s.Overlap <= 0.95) {
		return fmt.Errorf("windows overlap by %g of their side, expected 0 to 0.95", s.Overlap)
	}
	return nil
}

// Steps are the places along an axis where windows begin: from the first pixel
// to where the last window ends with the axis, as few as the overlap allows and
// evenly, rounded to whole pixels (nnU-Net, compute_steps_for_sliding_window). An axis shorter than a window has it in the
// middle of one.
func (s Sliding) Steps(size, side int) []int {
	if size <= side {
		return []int{-((side - size) / 2)}
	}
	most := max(1, float64(side)*(1-s.Overlap))
	n := int(math.Ceil(float64(size-side)/most)) + 1
	step := float64(size-side) / float64(n-1)
	places := make([]int, n)
	for i := range places {
		places[i] = int(math.RoundToEven(step * float64(i)))
	}
	return places
}

// Weights are those of the pixels of a window along one axis, the largest 1; the
// weight of a pixel is the product of both axes. The Gaussian has a deviation of
// an eighth of the side.
func (s Sliding) Weights(side int) []float64 {
	w := make([]float64, side)
	for i := range w {
		w[i] = 1
		if s.Gaussian {
			d := (float64(i) - float64(side/2)) / (float64(side) / 8)
			w[i] = math.Exp(-d * d / 2)
		}
	}
	return w
}

// Mirrors are the forms in which a window is answered: x, y say which axes are
// turned around.
func (s Sliding) Mirrors() (forms []struct{ X, Y bool }) {
	for k := range 4 {
		if k == 0 || s.Mirror {
			forms = append(forms, struct{ X, Y bool }{k&1 != 0, k&2 != 0})
		}
	}
	return forms
}

// Mirrored turns an image of n values a pixel around in place.
func Mirrored[T any](values []T, width, n int, x, y bool) {
	height := len(values) / n / width
	if x {
		for row := range height {
			for i, j := 0, width-1; i < j; i, j = i+1, j-1 {
				for c := range n {
					a, b := (row*width+i)*n+c, (row*width+j)*n+c
					values[a], values[b] = values[b], values[a]
				}
			}
		}
	}
	if y {
		for i, j := 0, height-1; i < j; i, j = i+1, j-1 {
			for k := range width * n {
				a, b := i*width*n+k, j*width*n+k
				values[a], values[b] = values[b], values[a]
			}
		}
	}
}

// Canvas adds up the answers to the windows of one picture.
type Canvas struct {
	width, height int
	across, down  []float64 // weights along the axes of a window
	sum, weight   []float64
}

// NewCanvas is an empty one for a picture of the given size, and windows of
// across×down pixels.
func (s Sliding) NewCanvas(width, height, across, down int) *Canvas {
	return &Canvas{width, height, s.Weights(across), s.Weights(down), make([]float64, width*height), make([]float64, width*height)}
}

// Add blends in the logits (down·across) of the window at (x,y).
func (c *Canvas) Add(x, y int, logits []float32) {
	for v := max(0, -y); v < len(c.down) && y+v < c.height; v++ {
		for u := max(0, -x); u < len(c.across) && x+u < c.width; u++ {
			w := c.across[u] * c.down[v]
			at := (y+v)*c.width + x + u
			c.sum[at] += w * float64(logits[v*len(c.across)+u])
			c.weight[at] += w
		}
	}
}

// Mask is 1 where the mean of the logits is positive.
func (c *Canvas) Mask() []uint8 { return binary(c.sum, nil) }

// Logit is the blended value of a pixel.
func (c *Canvas) Logit(x, y int) float64 {
	i := y*c.width + x
	return c.sum[i] / c.weight[i]
}
