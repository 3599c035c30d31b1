package plot

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mseg-lang/mseg/ops/stat"
)

// Sample is the values of one box.
type Sample struct {
	Name   string
	Values []float64 // NaN is missing
}

// BoxGroup is a row of boxes that belong together, such as the methods on one
// task; samples of equal position share a colour over all groups.
type BoxGroup struct {
	Name    string
	Samples []Sample
}

// BoxChart draws quartiles, whiskers to the farthest value within Whisker times
// the interquartile range, and every value beyond.
type BoxChart struct {
	Title   string // spoken description
	YLabel  string
	Groups  []BoxGroup
	Whisker float64 // 2 when zero, as in the figures of MedSegX
	LogY    bool
	Points  bool // draw every value beside its box
	Width   float64
	Height  float64
}

// SVG draws the chart.
func (b BoxChart) SVG() string {
	k := orDefault(b.Whisker, 2)
	lo, hi := math.Inf(1), math.Inf(-1)
	boxes, most := 0, 0
	for _, g := range b.Groups {
		most = max(most, len(g.Samples))
		for _, s := range g.Samples {
			boxes++
			for _, v := range s.Values {
				if finite(v) && !(b.LogY && v <= 0) {
					lo, hi = min(lo, v), max(hi, v)
				}
			}
		}
	}
	if lo > hi {
		return nothing(b.Title)
	}
	y := newAxis(lo, hi, b.LogY, false, 6)
	left := widest(y.labels, 11) + 12
	if b.YLabel != "" {
		left += 20
	}
	width := orDefault(b.Width, min(max(360, left+float64(boxes)*46+float64(len(b.Groups))*24), 900))
	height := orDefault(b.Height, 320)
	var names []string
	for _, g := range b.Groups {
		if len(g.Samples) == most {
			for _, s := range g.Samples {
				names = append(names, s.Name)
			}
			break
		}
	}
	c := &canvas{}
	top := 10.0
	if most > 1 {
		top += c.legendHeight(names, width)
	}
	slot := (width - left - 8) / float64(len(b.Groups))
	slant := false
	for _, g := range b.Groups {
		slant = slant || textWidth(g.Name, 11.5) > slot-6
	}
	y.from, y.to = height-38, top
	if slant {
		height += 50
	}
	c = begin(width, height, b.Title)
	if most > 1 {
		c.legend(names, left, 12, width)
	}
	c.drawLeft(y, left, width-4, b.YLabel)
	for i, g := range b.Groups {
		x0 := left + slot*float64(i)
		if i > 0 {
			c.line(x0, y.to, x0, y.from, "stroke", "currentColor", "stroke-opacity", "0.13")
		}
		lane := min((slot-14)/float64(max(1, len(g.Samples))), 46)
		start := x0 + slot/2 - lane*float64(len(g.Samples))/2
		for j, s := range g.Samples {
			c.box(j, s, y, start+lane*(float64(j)+0.5), min(lane*0.62, 26), k, b.Points)
		}
		mid, base := x0+slot/2, y.from+18
		if slant {
			c.text(mid+4, base, "end", shorten(g.Name, 110, 11.5), "font-size", "11.5", "transform", "rotate(-30 "+num(mid+4)+" "+num(base)+")")
		} else {
			c.text(mid, base, "middle", g.Name, "font-size", "11.5")
		}
	}
	return c.end()
}

// box draws one sample around x.
func (c *canvas) box(i int, s Sample, y axis, x, width, k float64, points bool) {
	var values []float64
	for _, v := range s.Values {
		if y.shows(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		c.text(x, (y.from+y.to)/2, "middle", "none", "font-size", "10", "opacity", "0.6", "font-style", "italic")
		return
	}
	b := stat.BoxOf(values, k)
	d := decimalsFor(b.Median)
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', d, 64) }
	tip := fmt.Sprintf("%s: median %s, quartiles %s and %s, whiskers %s and %s, n = %d", s.Name, f(b.Median), f(b.Q1), f(b.Q3), f(b.Whiskers.Low), f(b.Whiskers.High), len(values))
	colour := seriesColour(i)
	c.titled(tip, func() {
		stroke := []any{"stroke", colour, "stroke-width", "1.5"}
		q1, q3 := y.at(b.Q1), y.at(b.Q3)
		for _, w := range [2][2]float64{{b.Whiskers.High, q3}, {b.Whiskers.Low, q1}} {
			end := y.at(w[0])
			c.line(x, w[1], x, end, stroke...)
			c.line(x-width/4, end, x+width/4, end, stroke...)
		}
		c.element("rect", append([]any{"x", x - width/2, "y", q3, "width", width, "height", q1 - q3, "fill", colour, "fill-opacity", "0.22"}, stroke...)...)
		if points {
			for n, v := range values {
				// A low-discrepancy sequence spreads the points evenly without chance.
				offset := math.Mod(float64(n+1)*0.6180339887, 1) - 0.5
				c.element("circle", "cx", x+offset*width*0.8, "cy", y.at(v), "r", 1.4, "fill", colour, "fill-opacity", "0.55")
			}
		} else {
			for _, v := range b.Outliers {
				c.element("circle", "cx", x, "cy", y.at(v), "r", 2.2, "fill", "none", "stroke", colour)
			}
		}
		median := y.at(b.Median)
		c.line(x-width/2, median, x+width/2, median, "stroke", "currentColor", "stroke-width", "2")
	})
}
