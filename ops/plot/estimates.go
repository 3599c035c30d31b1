package plot

import (
	"fmt"
	"math"
	"strconv"
)

// Estimate is a value with its confidence interval. Low and High are NaN when
// there is none.
type Estimate struct {
	Value, Low, High float64
	N                int
}

// Method is one series of an estimate chart: one estimate a group.
type Method struct {
	Name      string
	Estimates []Estimate
}

// EstimateChart compares methods within groups: one row a group, one mark with
// its interval a method.
type EstimateChart struct {
	Title   string // spoken description
	XLabel  string
	Groups  []string
	Methods []Method
	Bars    bool // bars from zero instead of points
	Leader  bool // dashed line at the first method's value in every group
	Width   float64
}

// SVG draws the chart; its height follows from the number of rows.
func (e EstimateChart) SVG() string {
	width := orDefault(e.Width, 640)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, m := range e.Methods {
		for _, v := range m.Estimates[:min(len(m.Estimates), len(e.Groups))] {
			for _, x := range []float64{v.Value, v.Low, v.High} {
				if finite(x) {
					lo, hi = min(lo, x), max(hi, x)
				}
			}
		}
	}
	if lo > hi {
		return nothing(e.Title)
	}
	const lane, pad = 17.0, 9.0
	rowHeight := lane*float64(len(e.Methods)) + 2*pad
	top := 8.0
	names := make([]string, len(e.Methods))
	for i, m := range e.Methods {
		names[i] = m.Name
	}
	c := &canvas{}
	legend := len(e.Methods) > 1
	legendHeight := 0.0
	if legend {
		legendHeight = c.legendHeight(names, width)
	}
	bottom := top + legendHeight + rowHeight*float64(len(e.Groups))
	height := bottom + 26
	if e.XLabel != "" {
		height += 20
	}
	x := newAxis(lo, hi, false, e.Bars, 6)
	left := min(widest(e.Groups, fontSize)+14, width*0.4)
	const right = 58.0
	x.from, x.to = left, width-right
	c = begin(width, height, e.Title)
	if legend {
		c.legend(names, left, top+8, width)
	}
	top += legendHeight
	c.drawBottom(x, top, bottom, e.XLabel, true)
	for g, name := range e.Groups {
		y := top + rowHeight*float64(g)
		if g > 0 {
			c.line(0, y, width, y, "stroke", "currentColor", "stroke-opacity", "0.22")
		}
		c.text(left-10, y+rowHeight/2+4, "end", shorten(name, left-12, fontSize))
		if e.Leader && len(e.Methods) > 1 && g < len(e.Methods[0].Estimates) && finite(e.Methods[0].Estimates[g].Value) {
			p := x.at(e.Methods[0].Estimates[g].Value)
			c.line(p, y+3, p, y+rowHeight-3, "stroke", seriesColour(0), "stroke-opacity", "0.7", "stroke-dasharray", "3 3")
		}
		for i, m := range e.Methods {
			if g < len(m.Estimates) {
				c.estimate(i, m.Name, m.Estimates[g], x, y+pad+lane*(float64(i)+0.5), e.Bars, width)
			}
		}
	}
	return c.end()
}

func (c *canvas) estimate(i int, name string, e Estimate, x axis, y float64, bar bool, width float64) {
	if !finite(e.Value) {
		c.text(x.from+4, y+4, "start", name+": no value", "font-size", "10.5", "opacity", "0.6", "font-style", "italic")
		return
	}
	label := minus(strconv.FormatFloat(e.Value, 'f', decimalsFor(e.Value), 64))
	tip := name + ": " + label
	interval := finite(e.Low) && finite(e.High)
	if interval {
		d := decimalsFor(e.Value)
		tip += fmt.Sprintf(" [%s, %s]", strconv.FormatFloat(e.Low, 'f', d, 64), strconv.FormatFloat(e.High, 'f', d, 64))
	}
	if e.N > 0 {
		tip += ", n = " + strconv.Itoa(e.N)
	}
	c.titled(tip, func() {
		colour := seriesColour(i)
		if bar {
			a, b := x.at(0), x.at(e.Value)
			c.element("rect", "x", min(a, b), "y", y-5.5, "width", math.Abs(b-a), "height", 11, "fill", colour, "fill-opacity", "0.75")
		}
		if interval {
			stroke := colour
			if bar {
				stroke = "currentColor"
			}
			a, b := x.at(e.Low), x.at(e.High)
			c.line(a, y, b, y, "stroke", stroke, "stroke-width", "1.6")
			for _, p := range []float64{a, b} {
				c.line(p, y-3.5, p, y+3.5, "stroke", stroke, "stroke-width", "1.6")
			}
		}
		if !bar {
			c.mark(i, x.at(e.Value), y, 4)
		}
		c.text(width-4, y+4, "end", label, "font-size", "11", "fill", colour, "font-weight", "600")
	})
}

// decimalsFor gives shares three decimals and larger numbers fewer.
func decimalsFor(v float64) int {
	switch a := math.Abs(v); {
	case a < 2:
		return 3
	case a < 100:
		return 2
	}
	return 1
}

const legendLine = 20.0

// place calls at with the position of every legend entry and returns the height
// of the legend.
func place(names []string, left, width float64, at func(i int, x, y float64)) float64 {
	x, y := left, 0.0
	for i, n := range names {
		w := textWidth(n, fontSize) + 32
		if x+w > width && x > left {
			x, y = left, y+legendLine
		}
		if at != nil {
			at(i, x, y)
		}
		x += w
	}
	return y + legendLine + 4
}

func (c *canvas) legendHeight(names []string, width float64) float64 {
	return place(names, 0, width*0.6, nil)
}

func (c *canvas) legend(names []string, left, top, width float64) {
	left = min(left, width*0.4)
	place(names, left, left+width*0.6, func(i int, x, y float64) {
		c.mark(i, x+5, top+y, 4)
		c.text(x+15, top+y+4, "start", names[i])
	})
}
