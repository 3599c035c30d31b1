package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/ops/plot"
)

const hostile = "<b>\"&'\u202e\x00\xff</svg>"

// charts returns every kind of chart, with labels built from name and values
// scaled by k.
func charts(name string, k float64) map[string]string {
	nan := math.NaN()
	x := []float64{1, 2, 3, 4}
	y := []float64{4 * k, nan, 2 * k, 1 * k}
	return map[string]string{
		"lines":     plot.LineChart{Title: name, XLabel: name, YLabel: name, BestLabel: name, Best: 3, Lines: []plot.Line{{Name: name, X: x, Y: y, Low: y, High: y}, {Name: name, X: x, Y: x, Marks: true}}}.SVG(),
		"log lines": plot.LineChart{LogX: true, LogY: true, Lines: []plot.Line{{Name: name, X: x, Y: y}, {Name: name, X: []float64{0, 1}, Y: []float64{1, -1}}}}.SVG(),
		"estimates": plot.EstimateChart{Title: name, XLabel: name, Leader: true, Groups: []string{name, name}, Methods: []plot.Method{
			{Name: name, Estimates: []plot.Estimate{{0.5 * k, 0.4 * k, 0.6 * k, 9}, {nan, nan, nan, 0}}}, {Name: name, Estimates: []plot.Estimate{{0.3 * k, nan, nan, 0}}}}}.SVG(),
		"bars":  plot.EstimateChart{Bars: true, Groups: []string{name}, Methods: []plot.Method{{Name: name, Estimates: []plot.Estimate{{-0.5 * k, -0.6 * k, 0.1 * k, 9}}}}}.SVG(),
		"boxes": plot.BoxChart{Title: name, YLabel: name, Points: true, Groups: []plot.BoxGroup{{Name: name, Samples: []plot.Sample{{name, y}, {name, nil}}}, {Name: strings.Repeat(name, 9), Samples: []plot.Sample{{name, x}}}}}.SVG(),
		"heat":  plot.HeatChart{Title: name, RowLabel: name, ColumnLabel: name, Rows: []string{name, name}, Columns: []string{name, name, name}, Values: [][]float64{{k, 2 * k, nan}, {3 * k}}}.SVG(),
	}
}

// shapes counts the elements of a drawing and fails when it is no XML.
func shapes(t *testing.T, svg string) map[string]int {
	t.Helper()
	n := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("the drawing is no XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestChartsAreWellFormed(t *testing.T) {
	for kind, svg := range charts("name", 1) {
		want := shapes(t, svg)
		if want["text"] < 3 {
			t.Errorf("%s: %d labels, expected some", kind, want["text"])
		}
		for _, k := range []float64{1e-9, 1, 1e9} {
			for _, name := range []string{"", "name", hostile, strings.Repeat("很长的名字", 40)} {
				t.Run(fmt.Sprintf("%s %g %.6q", kind, k, name), func(t *testing.T) {
					svg := charts(name, k)[kind]
					if got := shapes(t, svg); got["svg"] != 1 || got["b"] != 0 {
						t.Errorf("elements %v", got)
					}
					if charts(name, k)[kind] != svg {
						t.Error("a second drawing differs")
					}
				})
			}
		}
	}
}

func TestNothingToDraw(t *testing.T) {
	nan := math.NaN()
	for kind, svg := range map[string]string{
		"no lines":     plot.LineChart{}.SVG(),
		"missing line": plot.LineChart{Lines: []plot.Line{{X: []float64{1}, Y: []float64{nan}}}}.SVG(),
		"log of zero":  plot.LineChart{LogY: true, Lines: []plot.Line{{X: []float64{1}, Y: []float64{0}}}}.SVG(),
		"no estimates": plot.EstimateChart{Groups: []string{"a"}}.SVG(),
		"no boxes":     plot.BoxChart{}.SVG(),
		"no cells":     plot.HeatChart{Rows: []string{"a"}, Columns: []string{"b"}}.SVG(),
	} {
		if shapes(t, svg); !strings.Contains(svg, "no values to draw") {
			t.Errorf("%s: the drawing does not say that it is empty", kind)
		}
	}
}

var label = regexp.MustCompile(`<text[^>]*text-anchor="([a-z]+)"[^>]*>([^<]*)</text>`)

func labels(svg, anchor string) (out []string) {
	for _, m := range label.FindAllStringSubmatch(svg, -1) {
		if m[1] == anchor {
			out = append(out, m[2])
		}
	}
	return out
}

func TestTicksAreRound(t *testing.T) {
	tests := []struct {
		lo, hi float64
		log    bool
		want   string
	}{
		{0.61, 0.93, false, "0.6 0.7 0.8 0.9 1.0"},
		{0, 100, false, "0 20 40 60 80 100"},
		{-3, 7, false, "−4 −2 0 2 4 6 8"},
		{0.0021, 0.0034, false, "0.0020 0.0025 0.0030 0.0035"},
		{5, 5, false, "4.7 4.8 4.9 5.0 5.1 5.2 5.3"},
		{0.02, 3, true, "0.02 0.05 0.1 0.2 0.5 1 2"},
		{1e-6, 1, true, "1e−06 1e−05 1e−04 0.001 0.01 0.1 1"},
	}
	for _, c := range tests {
		svg := plot.LineChart{LogY: c.log, Lines: []plot.Line{{Name: "x", X: []float64{1, 2}, Y: []float64{c.lo, c.hi}}}}.SVG()
		if got := strings.Join(labels(svg, "end"), " "); got != c.want {
			t.Errorf("%v..%v: ticks %q, expected %q", c.lo, c.hi, got, c.want)
		}
	}
}

func TestLineEndsAreLabelled(t *testing.T) {
	x := []float64{1, 2, 3}
	svg := plot.LineChart{Lines: []plot.Line{
		{Name: "train", X: x, Y: []float64{3, 2, 0.12345}}, {Name: "val", X: x, Y: []float64{3, 0.1235, math.NaN()}}}}.SVG()
	got := labels(svg, "start")
	if strings.Join(got, "|") != "val 0.123|train 0.123" {
		t.Errorf("labels %q, expected the last value of both lines", got)
	}
	var at []float64
	for _, m := range regexp.MustCompile(`y="([0-9.]+)" text-anchor="start"`).FindAllStringSubmatch(svg, -1) {
		v, _ := strconv.ParseFloat(m[1], 64)
		at = append(at, v)
	}
	if len(at) != 2 || math.Abs(at[0]-at[1]) < 12 {
		t.Errorf("labels at %v overlap", at)
	}
}

// TestRamp: the colour map's perceived lightness rises in even steps.
func TestRamp(t *testing.T) {
	lightness := func(v float64) float64 {
		c := plot.Ramp(v)
		linear := func(u uint8) float64 {
			x := float64(u) / 255
			if x <= 0.04045 {
				return x / 12.92
			}
			return math.Pow((x+0.055)/1.055, 2.4)
		}
		r, g, b := linear(c.R), linear(c.G), linear(c.B)
		l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
		m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
		s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
		return 0.2104542553*l + 0.7936177850*m - 0.0040720468*s
	}
	const steps = 50
	total := lightness(1) - lightness(0)
	for i := range steps {
		step := lightness(float64(i+1)/steps) - lightness(float64(i)/steps)
		if step < 0.6*total/steps || step > 1.4*total/steps {
			t.Errorf("from %.2f to %.2f lightness rises by %.4f, expected about %.4f", float64(i)/steps, float64(i+1)/steps, step, total/steps)
		}
	}
	if plot.Ramp(-1) != plot.Ramp(0) || plot.Ramp(2) != plot.Ramp(1) {
		t.Error("values outside the scale have other colours than its ends")
	}
}

// grey is a slice of w x h pixels of value zero and one of one, so that masks
// show on black.
func grey(w, h int) plot.Slice {
	return plot.Slice{Width: w, Height: h, Channels: 1, Pixels: make([]float32, w*h), Low: 0, High: 1}
}

// TestContoursFollowPixels draws masks of few pixels and compares the picture
// with one drawn by hand: t reference, p prediction, # box.
func TestContoursFollowPixels(t *testing.T) {
	mask := func(s string) (m []uint8) {
		for _, c := range strings.ReplaceAll(s, "/", "") {
			m = append(m, map[rune]uint8{'x': 1}[c])
		}
		return m
	}
	tests := []struct {
		name        string
		truth, pred string
		box         *plot.Rectangle
		want        string
	}{
		{name: "one pixel, both", truth: "..../.x../..../....", pred: "..../.x../..../....", want: `
			................
			................
			................
			...pppppp.......
			...pttttp.......
			...pt..tp.......
			...pt..tp.......
			...pttttp.......
			...pppppp.......
			................
			................
			................
			................
			................
			................
			................`},
		{name: "corner and rim", truth: "xx../x.../..../....", pred: "..../..../..../...x", want: `
			tttttttt........
			t......t........
			t......t........
			t..ttttt........
			t..t............
			t..t............
			t..t............
			tttt............
			................
			................
			................
			...........ppppp
			...........p...p
			...........p...p
			...........p...p
			...........ppppp`},
		{name: "box of two pixels", box: &plot.Rectangle{Left: 1, Top: 1, Right: 3, Bottom: 2}, want: `
			................
			................
			................
			...####....##...
			...#........#...
			...#........#...
			...#........#...
			................
			...####....##...
			................
			................
			................
			................
			................
			................
			................`},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			o := plot.Overlay{Slice: grey(4, 4), Box: c.box, Side: 16}
			if c.truth != "" {
				o.Truth, o.Prediction = mask(c.truth), mask(c.pred)
			}
			img, err := o.Draw()
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for y := range 16 {
				for x := range 16 {
					switch img.NRGBAAt(x, y) {
					case plot.TruthColour:
						got.WriteByte('t')
					case plot.PredictionColour:
						got.WriteByte('p')
					case plot.BoxColour:
						got.WriteByte('#')
					default:
						got.WriteByte('.')
					}
				}
				got.WriteByte('\n')
			}
			want := strings.TrimSpace(strings.ReplaceAll(c.want, "\t", "")) + "\n"
			if got.String() != want {
				t.Errorf("got\n%s\nexpected\n%s", got.String(), want)
			}
		})
	}
}

func TestOverlayPNG(t *testing.T) {
	s := plot.Slice{Width: 3, Height: 2, Channels: 3, Pixels: make([]float32, 18)}
	for i := range s.Pixels {
		s.Pixels[i] = float32(i)
	}
	o := plot.Overlay{Slice: s, Truth: []uint8{1, 1, 0, 0, 0, 0}, Prediction: []uint8{0, 1, 1, 0, 0, 0}, Errors: true, Fill: true, Side: 300}
	b, err := o.PNG()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if r := img.Bounds(); r.Dx() != 300 || r.Dy() != 200 {
		t.Errorf("picture of %v, expected 300 x 200", r)
	}
	again, err := o.PNG()
	if err != nil || !bytes.Equal(b, again) {
		t.Error("a second picture differs")
	}
	// Missed pixels are tinted blue, added ones red.
	_, _, missed, _ := img.At(50, 50).RGBA()
	added, _, _, _ := img.At(250, 50).RGBA()
	if missed>>8 < 120 || added>>8 < 120 {
		t.Errorf("missed %d, added %d, expected clear tints", missed>>8, added>>8)
	}
}

func TestOverlayErrors(t *testing.T) {
	tests := []struct {
		name string
		o    plot.Overlay
		want string
	}{
		{"no pixels", plot.Overlay{}, "0 x 0 pixels"},
		{"two channels", plot.Overlay{Slice: plot.Slice{Width: 1, Height: 1, Channels: 2}}, "2 channels"},
		{"too few values", plot.Overlay{Slice: plot.Slice{Width: 2, Height: 2, Channels: 1, Pixels: make([]float32, 3)}}, "needs 4 values, found 3"},
		{"mask of another size", plot.Overlay{Slice: grey(2, 2), Truth: make([]uint8, 3)}, "reference mask has 3 pixels"},
		{"errors without reference", plot.Overlay{Slice: grey(2, 2), Prediction: make([]uint8, 4), Errors: true}, "drawn from both masks"},
		{"huge", plot.Overlay{Slice: plot.Slice{Width: 1 << 20, Height: 1, Channels: 1}}, "expected sides from 1 to"},
	}
	for _, c := range tests {
		if _, err := c.o.PNG(); !errors.Is(err, plot.ErrOverlay) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected %q", c.name, err, c.want)
		}
	}
	nan := float32(math.NaN())
	o := plot.Overlay{Slice: plot.Slice{Width: 2, Height: 1, Channels: 1, Pixels: []float32{nan, nan}}, Box: &plot.Rectangle{Left: math.NaN(), Right: math.Inf(1)}}
	if _, err := o.PNG(); err != nil {
		t.Errorf("a slice without values: %v", err)
	}
}
