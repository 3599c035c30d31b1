package train

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Mask says how a mask prompt is made of a sample: of the target, or of the
// answer that the sample brings along (Example.Guess). Changes come in the order
// of the fields; each is drawn for the sample. The zero value is no mask prompt.
type Mask struct {
	// Side of the grid of the prompt; 0: there is none.
	Side int
	// Grow moves the edge outwards by a whole number of pixels from Grow[0]..Grow[1],
	// below 0 inwards, by a square window as dilate and erode of the language do;
	// from outside the image nothing grows, and towards it a mask shrinks too.
	Grow [2]int `json:",omitzero"`
	// Shift moves the mask by a distance of Shift[0]..Shift[1] pixels in any
	// direction; what comes in is background.
	Shift [2]int `json:",omitzero"`
	// Coarse gives each square of so many pixels, counted from the top left
	// corner, to what at least half of it belongs to; 0: as it is.
	Coarse int `json:",omitzero"`
	// Clicks are points where the mask that is shown is wrong, as those of a
	// Refinement; Centre is theirs.
	Clicks int  `json:",omitzero"`
	Centre bool `json:",omitzero"`
}

// Check returns an error for a mask prompt that is not possible.
func (m Mask) Check() error {
	switch {
	case m.Side < 0 || m.Coarse < 0 || m.Clicks < 0:
		return fmt.Errorf("a mask prompt of %d cells a side, in squares of %d pixels, with %d clicks, is not possible", m.Side, m.Coarse, m.Clicks)
	case m.Grow[0] > m.Grow[1] || m.Shift[0] > m.Shift[1] || m.Shift[0] < 0:
		return fmt.Errorf("a mask prompt grown by %d to %d and moved by %d to %d pixels is not possible", m.Grow[0], m.Grow[1], m.Shift[0], m.Shift[1])
	case m.Side == 0 && m != (Mask{}):
		return fmt.Errorf("a mask prompt has no grid; expected its side, or nothing else of a mask")
	}
	return nil
}

// sure is the logit of a cell that lies in a mask as a whole, -sure of one that
// lies outside; about as large as a network's own sure answers.
const sure = 8

// Draw makes the prompt of a mask of side·side pixels: Side·Side logits,
// sure·(2p-1) where the share p of a cell lies in the mask; and the mask as it
// is shown, of zeros and ones. A mask that the changes would leave nothing of
// keeps the pixel that was farthest inside.
func (m Mask) Draw(rng *rand.Rand, mask []uint8, side int) (logits []float32, changed []uint8) {
	changed = make([]uint8, len(mask))
	inside := false
	for i, v := range mask {
		if v != 0 {
			changed[i], inside = 1, true
		}
	}
	if m.Grow != [2]int{} {
		if by := m.Grow[0] + rng.IntN(m.Grow[1]-m.Grow[0]+1); by > 0 {
			changed = spread(changed, side, by)
		} else if by < 0 {
			changed = shrink(changed, side, -by)
		}
	}
	if m.Shift != [2]int{} {
		by := float64(m.Shift[0] + rng.IntN(m.Shift[1]-m.Shift[0]+1))
		sin, cos := math.Sincos(2 * math.Pi * rng.Float64())
		changed = moved(changed, side, int(math.Round(by*cos)), int(math.Round(by*sin)))
	}
	if m.Coarse > 1 {
		coarsen(changed, side, m.Coarse)
	}
	left := false
	for _, v := range changed {
		left = left || v != 0
	}
	if inside && !left {
		changed[innermost(mask, side)] = 1
	}
	for _, p := range shares(changed, side, m.Side) {
		logits = append(logits, float32(sure*(2*p-1)))
	}
	return logits, changed
}

// spread is 1 where a pixel of the mask lies within by rows and columns.
func spread(mask []uint8, side, by int) []uint8 {
	along := func(from []uint8, step, next int) []uint8 {
		out := make([]uint8, len(from))
		for line := range len(from) / side {
			last := -by - 1 // place of the last pixel met
			for k := range side + by {
				if k < side && from[line*next+k*step] != 0 {
					last = k
				}
				if at := k - by; at >= 0 && last >= at-by {
					out[line*next+at*step] = 1
				}
			}
		}
		return out
	}
	rows := along(mask, 1, side)
	return along(rows, side, 1)
}

// shrink is 1 where all pixels within by rows and columns are of the mask.
func shrink(mask []uint8, side, by int) []uint8 {
	rows, wide := len(mask)/side, side+2 // a frame of background
	framed := make([]uint8, (rows+2)*wide)
	for i := range framed {
		y, x := i/wide-1, i%wide-1
		if y < 0 || y >= rows || x < 0 || x >= side || mask[y*side+x] == 0 {
			framed[i] = 1
		}
	}
	framed = spread(framed, wide, by)
	out := make([]uint8, len(mask))
	for i := range out {
		out[i] = 1 - framed[(i/side+1)*wide+i%side+1]
	}
	return out
}

func moved(mask []uint8, side, right, down int) []uint8 {
	out := make([]uint8, len(mask))
	for i := range out {
		x, y := i%side-right, i/side-down
		if x >= 0 && x < side && y >= 0 && y < len(mask)/side {
			out[i] = mask[y*side+x]
		}
	}
	return out
}

func coarsen(mask []uint8, side, square int) {
	rows := len(mask) / side
	for y0 := 0; y0 < rows; y0 += square {
		for x0 := 0; x0 < side; x0 += square {
			y1, x1, inside := min(y0+square, rows), min(x0+square, side), 0
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					inside += int(mask[y*side+x])
				}
			}
			value := uint8(0)
			if 2*inside >= (y1-y0)*(x1-x0) {
				value = 1
			}
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					mask[y*side+x] = value
				}
			}
		}
	}
}

// shares is what part of each cell of a grid a mask covers, exactly, whatever
// the sizes of mask and grid.
func shares(mask []uint8, side, grid int) []float64 {
	size := float64(side) / float64(grid) // of a cell, in pixels
	// weights of the pixels that a cell covers along an axis
	weights := func(cell int) (first int, w []float64) {
		lo, hi := float64(cell)*size, float64(cell+1)*size
		first = int(lo)
		for p := first; float64(p) < hi && p < side; p++ {
			if part := min(hi, float64(p+1)) - max(lo, float64(p)); part > 0 {
				w = append(w, part/size)
			} else if len(w) == 0 {
				first++
			}
		}
		return first, w
	}
	out := make([]float64, 0, grid*grid)
	for row := range grid {
		y0, wy := weights(row)
		for column := range grid {
			x0, wx := weights(column)
			sum := 0.0
			for dy, a := range wy {
				for dx, b := range wx {
					sum += a * b * float64(mask[(y0+dy)*side+x0+dx])
				}
			}
			out = append(out, sum)
		}
	}
	return out
}
