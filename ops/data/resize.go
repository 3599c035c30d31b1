package data

import "math"

// fit scales w×h so that the longer side becomes size; the shorter keeps at least one pixel.
func fit(w, h, size int) (int, int) {
	scale := float64(size) / float64(max(w, h))
	return max(1, int(math.Round(float64(w)*scale))), max(1, int(math.Round(float64(h)*scale)))
}

// tap is a run of source pixels with the weights they have in one output pixel.
type tap struct {
	from    int
	weights []float32
}

// triangle gives the taps of linear interpolation between pixel centres. When the image shrinks, the triangle is as wide as
// two output pixels, so every source pixel counts (the antialiased bilinear filter of common imaging libraries).
func triangle(in, out int) []tap {
	scale := float64(in) / float64(out)
	radius := max(1, scale)
	taps := make([]tap, out)
	for o := range taps {
		centre := (float64(o)+0.5)*scale - 0.5
		first := max(0, int(math.Ceil(centre-radius)))
		last := min(in-1, int(math.Floor(centre+radius)))
		t := tap{from: first}
		var sum float64
		for i := first; i <= last; i++ {
			sum += max(0, 1-math.Abs(float64(i)-centre)/radius)
		}
		for i := first; i <= last; i++ {
			t.weights = append(t.weights, float32(max(0, 1-math.Abs(float64(i)-centre)/radius)/sum))
		}
		taps[o] = t
	}
	return taps
}

// resizeLinear brings a w×h plane to toW×toH in the upper left of a canvas of canvasW×canvasH, the rest 0.
func resizeLinear(in []float32, w, h, toW, toH, canvasW, canvasH int) []uint8 {
	out := make([]uint8, canvasW*canvasH)
	if w == toW && h == toH {
		for y := range h {
			for x := range w {
				out[y*canvasW+x] = uint8(in[y*w+x])
			}
		}
		return out
	}
	across := make([]float32, toW*h)
	for x, t := range triangle(w, toW) {
		for y := range h {
			var v float32
			for i, weight := range t.weights {
				v += weight * in[y*w+t.from+i]
			}
			across[y*toW+x] = v
		}
	}
	for y, t := range triangle(h, toH) {
		for x := range toW {
			var v float32
			for i, weight := range t.weights {
				v += weight * across[(t.from+i)*toW+x]
			}
			out[y*canvasW+x] = uint8(math.Round(float64(min(255, max(0, v)))))
		}
	}
	return out
}

// nearest gives the source position of an output position: the pixel under its centre.
func nearest(o, in, out int) int { return min(in-1, int((float64(o)+0.5)*float64(in)/float64(out))) }

// resizeNearest does for masks what resizeLinear does for images.
func resizeNearest(in []uint8, w, h, toW, toH, canvasW, canvasH int) []uint8 {
	out := make([]uint8, canvasW*canvasH)
	for y := range toH {
		row := in[nearest(y, h, toH)*w:]
		for x := range toW {
			out[y*canvasW+x] = row[nearest(x, w, toW)]
		}
	}
	return out
}
