package plot

import (
	"fmt"
	"image/color"
	"math"
)

// series are the colours of data series: mid tones of even lightness, told apart
// by readers with colour-vision deficiency (after Okabe and Ito), with a contrast of about 3:1 or more
// on white and on near-black.
var series = []string{"#2f7fc4", "#d9730d", "#12967a", "#c2559a", "#8a7a12", "#7a6bd0", "#cf4a3f", "#6f7f8c"}

func seriesColour(i int) string { return series[i%len(series)] }

// shapes are the marks of series, in the order of their colours.
const shapes = 4

// mark draws the point of series i at (x, y).
func (c *canvas) mark(i int, x, y, r float64) {
	fill := seriesColour(i)
	switch i % shapes {
	case 0:
		c.element("circle", "cx", x, "cy", y, "r", r, "fill", fill)
	case 1:
		d := r * 0.9
		c.element("rect", "x", x-d, "y", y-d, "width", 2*d, "height", 2*d, "fill", fill)
	case 2:
		d := r * 1.3
		c.element("path", "d", fmt.Sprintf("M%s %sL%s %sL%s %sL%s %sZ", num(x), num(y-d), num(x+d), num(y), num(x), num(y+d), num(x-d), num(y)), "fill", fill)
	default:
		d := r * 1.25
		c.element("path", "d", fmt.Sprintf("M%s %sL%s %sL%s %sZ", num(x), num(y-d), num(x+d), num(y+d*0.8), num(x-d), num(y+d*0.8)), "fill", fill)
	}
}

// Ramp is a perceptually uniform colour map over 0..1: its lightness in OKLab
// (Ottosson 2020) rises linearly from a dark blue to a light yellow while the
// hue turns through green, so that equal steps of value look equal, also in
// greyscale.
func Ramp(t float64) color.NRGBA {
	t = min(1, max(0, t))
	lightness := 0.27 + 0.68*t
	chroma := 0.085 + 0.075*math.Sin(math.Pi*math.Pow(t, 0.85))
	hue := (285 - 180*t) * math.Pi / 180
	r, g, b := oklab(lightness, chroma*math.Cos(hue), chroma*math.Sin(hue))
	for min(r, g, b) < 0 || max(r, g, b) > 1 { // less colour, until sRGB can show it
		chroma *= 0.97
		r, g, b = oklab(lightness, chroma*math.Cos(hue), chroma*math.Sin(hue))
	}
	return color.NRGBA{encode(r), encode(g), encode(b), 255}
}

// oklab converts to linear sRGB.
func oklab(l, a, b float64) (red, green, blue float64) {
	cube := func(v float64) float64 { return v * v * v }
	long := cube(l + 0.3963377774*a + 0.2158037573*b)
	medium := cube(l - 0.1055613458*a - 0.0638541728*b)
	short := cube(l - 0.0894841775*a - 1.2914855480*b)
	return 4.0767416621*long - 3.3077115913*medium + 0.2309699292*short,
		-1.2684380046*long + 2.6097574011*medium - 0.3413193965*short,
		-0.0041960863*long - 0.7034186147*medium + 1.7076147010*short
}

// encode applies the sRGB transfer function.
func encode(v float64) uint8 {
	if v <= 0.0031308 {
		v *= 12.92
	} else {
		v = 1.055*math.Pow(v, 1/2.4) - 0.055
	}
	return uint8(math.Round(255 * v))
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
