package plot

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// Slice is the grey or colour image under an overlay, in C order.
type Slice struct {
	Width, Height int
	Channels      int       // 1 (grey) or 3 (red, green, blue interleaved)
	Pixels        []float32 // Low is black, High is white
	Low, High     float32   // both zero: the smallest and largest finite pixel
}

// Rectangle is a box prompt in pixel sides: the pixels Left..Right-1 of the rows
// Top..Bottom-1 lie in it. Fractions are allowed.
type Rectangle struct{ Left, Top, Right, Bottom float64 }

// Overlay draws masks and a box over an image slice.
type Overlay struct {
	Slice      Slice
	Truth      []uint8    // reference mask of Width*Height pixels, or nil
	Prediction []uint8    // predicted mask, or nil
	Box        *Rectangle // prompt, or nil
	Fill       bool       // tint the pixels inside the prediction
	Errors     bool       // tint missed and wrongly added pixels; needs both masks
	Side       int        // smaller images are enlarged by a whole factor to at least this side; 256 when zero
}

// Colours of overlays, told apart by readers with colour-vision deficiency and
// visible on light and dark tissue. Pages use them for their legends.
var (
	TruthColour      = color.NRGBA{0x3d, 0xd6, 0xff, 255} // cyan
	PredictionColour = color.NRGBA{0xff, 0x9f, 0x1c, 255} // orange
	BoxColour        = color.NRGBA{0xff, 0xff, 0xff, 255}
	MissedColour     = color.NRGBA{0x3d, 0x7e, 0xff, 255} // false negative
	AddedColour      = color.NRGBA{0xff, 0x4d, 0x4d, 255} // false positive
)

// ErrOverlay is wrapped by the errors about overlays whose parts do not fit.
var ErrOverlay = errors.New("overlay does not fit")

const largestSide = 1 << 14

func (o Overlay) check() error {
	s := o.Slice
	switch {
	case s.Width <= 0 || s.Height <= 0 || s.Width > largestSide || s.Height > largestSide:
		return fmt.Errorf("slice of %d x %d pixels, expected sides from 1 to %d: %w", s.Width, s.Height, largestSide, ErrOverlay)
	case s.Channels != 1 && s.Channels != 3:
		return fmt.Errorf("slice with %d channels, expected 1 or 3: %w", s.Channels, ErrOverlay)
	case len(s.Pixels) != s.Width*s.Height*s.Channels:
		return fmt.Errorf("slice of %d x %d x %d needs %d values, found %d: %w", s.Width, s.Height, s.Channels, s.Width*s.Height*s.Channels, len(s.Pixels), ErrOverlay)
	}
	for name, m := range map[string][]uint8{"reference": o.Truth, "predicted": o.Prediction} {
		if m != nil && len(m) != s.Width*s.Height {
			return fmt.Errorf("%s mask has %d pixels, expected %d as the slice: %w", name, len(m), s.Width*s.Height, ErrOverlay)
		}
	}
	if o.Errors && (o.Truth == nil || o.Prediction == nil) {
		return fmt.Errorf("errors are drawn from both masks, found one at most: %w", ErrOverlay)
	}
	return nil
}

// Draw renders the overlay. The picture is the slice enlarged by a whole number,
// each pixel a square of one colour.
func (o Overlay) Draw() (*image.NRGBA, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	side := o.Side
	if side <= 0 {
		side = 256
	}
	w, h := o.Slice.Width, o.Slice.Height
	scale := max(1, (side+max(w, h)-1)/max(w, h))
	img := image.NewNRGBA(image.Rect(0, 0, w*scale, h*scale))
	lo, hi := o.Slice.window()
	for y := range h {
		for x := range w {
			c := o.tint(o.Slice.at(x, y, lo, hi), y*w+x)
			fillRect(img, x*scale, y*scale, (x+1)*scale, (y+1)*scale, c)
		}
	}
	// About a quarter of a pixel of the slice, and enough to be seen when the page shows a
	// large picture small.
	thick := max(1, (scale+2)/4, (max(w, h)*scale+128)/256)
	outline(img, o.Prediction, w, h, scale, thick, PredictionColour, true)
	outline(img, o.Truth, w, h, scale, thick, TruthColour, false)
	if o.Box != nil {
		o.Box.draw(img, scale, thick)
	}
	return img, nil
}

// window is the range of values shown from black to white.
func (s Slice) window() (lo, hi float32) {
	if s.Low != 0 || s.High != 0 {
		return s.Low, s.High
	}
	lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range s.Pixels {
		if finite(float64(v)) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

func (s Slice) at(x, y int, lo, hi float32) color.NRGBA {
	level := func(v float32) uint8 {
		if !(hi > lo) || v != v {
			return 0
		}
		return uint8(math.Round(255 * float64(min(1, max(0, (v-lo)/(hi-lo))))))
	}
	i := (y*s.Width + x) * s.Channels
	if s.Channels == 1 {
		g := level(s.Pixels[i])
		return color.NRGBA{g, g, g, 255}
	}
	return color.NRGBA{level(s.Pixels[i]), level(s.Pixels[i+1]), level(s.Pixels[i+2]), 255}
}

// tint mixes the colour of what pixel i is into c.
func (o Overlay) tint(c color.NRGBA, i int) color.NRGBA {
	switch {
	case o.Errors && o.Truth[i] != 0 && o.Prediction[i] == 0:
		return mix(c, MissedColour, 0.5)
	case o.Errors && o.Truth[i] == 0 && o.Prediction[i] != 0:
		return mix(c, AddedColour, 0.5)
	case o.Fill && o.Prediction != nil && o.Prediction[i] != 0:
		return mix(c, PredictionColour, 0.3)
	}
	return c
}

func mix(a, b color.NRGBA, t float64) color.NRGBA {
	m := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-t) + float64(y)*t)) }
	return color.NRGBA{m(a.R, b.R), m(a.G, b.G), m(a.B, b.B), 255}
}

func fillRect(img *image.NRGBA, x0, y0, x1, y1 int, c color.NRGBA) {
	r := image.Rect(x0, y0, x1, y1).Intersect(img.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			img.SetNRGBA(x, y, c)
		}
	}
}

// outline draws the boundary of a mask, thick image pixels wide, along the sides
// of its pixels: just inside, or just outside. Where the mask meets the rim of
// the picture it is drawn inside, where it can be seen.
func outline(img *image.NRGBA, mask []uint8, w, h, scale, thick int, c color.NRGBA, outside bool) {
	if mask == nil {
		return
	}
	in := func(x, y int) bool { return x >= 0 && x < w && y >= 0 && y < h && mask[y*w+x] != 0 }
	// The inner line is what lies in the mask and near a pixel beside it; the
	// outer line what lies beside the mask and near one of its pixels.
	for y := -1; y <= h; y++ {
		for x := -1; x <= w; x++ {
			rim := x < 0 || x >= w || y < 0 || y >= h
			inside := !outside || rim
			if in(x, y) == inside || !touches(in, x, y, inside) {
				continue
			}
			r := image.Rect(x*scale-thick, y*scale-thick, (x+1)*scale+thick, (y+1)*scale+thick).Intersect(img.Rect)
			for py := r.Min.Y; py < r.Max.Y; py++ {
				for px := r.Min.X; px < r.Max.X; px++ {
					if in(px/scale, py/scale) == inside {
						img.SetNRGBA(px, py, c)
					}
				}
			}
		}
	}
}

// touches reports whether one of the eight neighbours is in the mask, or out of
// it.
func touches(in func(x, y int) bool, x, y int, inside bool) bool {
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			if in(x+dx, y+dy) == inside {
				return true
			}
		}
	}
	return false
}

// draw draws the box as a dashed line just outside its pixels.
func (b Rectangle) draw(img *image.NRGBA, scale, thick int) {
	at := func(v float64, size int) int {
		if !finite(v) {
			return 0
		}
		return int(math.Round(min(max(v, 0)*float64(scale), float64(size))))
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	x0, y0, x1, y1 := at(b.Left, w)-thick, at(b.Top, h)-thick, at(b.Right, w), at(b.Bottom, h)
	x0, y0 = max(x0, 0), max(y0, 0)
	x1, y1 = min(x1, w-thick), min(y1, h-thick)
	dash := max(4, 3*thick)
	for x := x0; x < x1+thick; x += 2 * dash {
		end := min(x+dash, x1+thick)
		fillRect(img, x, y0, end, y0+thick, BoxColour)
		fillRect(img, x, y1, end, y1+thick, BoxColour)
	}
	for y := y0; y < y1+thick; y += 2 * dash {
		end := min(y+dash, y1+thick)
		fillRect(img, x0, y, x0+thick, end, BoxColour)
		fillRect(img, x1, y, x1+thick, end, BoxColour)
	}
}

// PNG renders the overlay as the bytes of a PNG file.
func (o Overlay) PNG() ([]byte, error) {
	img, err := o.Draw()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("encode overlay: %w", err)
	}
	return b.Bytes(), nil
}
