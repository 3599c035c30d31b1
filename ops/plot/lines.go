package plot

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Line is one series of a line chart. X and Y have equal length.
type Line struct {
	Name      string
	X, Y      []float64
	Low, High []float64 // confidence band, or nil
	Marks     bool      // draw the points, for series of few
}

// LineChart draws values over steps: losses and scores over epochs, scores over
// the share of training data.
type LineChart struct {
	Title          string // spoken description; captions belong to the page
	XLabel, YLabel string
	Lines          []Line
	LogY, LogX     bool
	Best           float64 // a step to mark with BestLabel, drawn when BestLabel is set
	BestLabel      string
	Width, Height  float64 // 640 x 320 when zero
}

// SVG draws the chart. Each line ends in its name and last value.
func (l LineChart) SVG() string {
	width, height := orDefault(l.Width, 640), orDefault(l.Height, 320)
	xlo, xhi, ylo, yhi := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, s := range l.Lines {
		for i := range min(len(s.X), len(s.Y)) {
			if !finite(s.X[i]) || !finite(s.Y[i]) || l.LogY && s.Y[i] <= 0 || l.LogX && s.X[i] <= 0 {
				continue
			}
			xlo, xhi = min(xlo, s.X[i]), max(xhi, s.X[i])
			ylo, yhi = min(ylo, s.Y[i]), max(yhi, s.Y[i])
			for _, band := range [][]float64{s.Low, s.High} {
				if i < len(band) && finite(band[i]) && !(l.LogY && band[i] <= 0) {
					ylo, yhi = min(ylo, band[i]), max(yhi, band[i])
				}
			}
		}
	}
	if xlo > xhi {
		return nothing(l.Title)
	}
	y := newAxis(ylo, yhi, l.LogY, false, 5)
	x := newAxis(xlo, xhi, l.LogX, false, 8)
	// Epochs and steps are counted: there is no epoch 1.5.
	for count := 7; count > 0 && !l.LogX && l.countsWhole() && !allWhole(x.ticks); count-- {
		x = newAxis(xlo, xhi, false, false, count)
	}
	if !l.LogX && xhi > xlo {
		x.min, x.max = xlo, xhi // time has no round margin
		x.trim()
	}
	ends := l.ends()
	left := widest(y.labels, 11) + 12
	if l.YLabel != "" {
		left += 20
	}
	right := 12.0
	for _, e := range ends {
		right = max(right, textWidth(e.label, fontSize)*boldWidth+16)
	}
	right = min(right, width/2)
	x.from, x.to = left, width-right
	y.from, y.to = height-46, 12
	if l.XLabel == "" {
		y.from = height - 26
	}
	c := begin(width, height, l.Title)
	c.drawLeft(y, left, x.to, l.YLabel)
	c.drawBottom(x, y.to, y.from, l.XLabel, false)
	c.line(left, y.from, x.to, y.from, "stroke", "currentColor", "stroke-opacity", "0.5")
	if l.BestLabel != "" && x.shows(l.Best) && l.Best >= xlo && l.Best <= xhi {
		p := x.at(l.Best)
		c.line(p, y.to, p, y.from, "stroke", "currentColor", "stroke-opacity", "0.55", "stroke-dasharray", "2 3")
		anchor, dx := "start", 4.0
		if p+textWidth(l.BestLabel, 11) > x.to {
			anchor, dx = "end", -4
		}
		c.text(p+dx, y.to+8, anchor, l.BestLabel, "font-size", "11", "opacity", "0.75")
	}
	for i, s := range l.Lines {
		c.band(s, x, y, seriesColour(i))
	}
	for i, s := range l.Lines {
		c.stroke(i, s, x, y)
	}
	c.endLabels(ends, x, y, right-14)
	return c.end()
}

func orDefault(v, def float64) float64 {
	if v > 0 {
		return v
	}
	return def
}

// trim drops the ticks outside the axis.
func (a *axis) trim() {
	var ticks []float64
	var labels []string
	for i, v := range a.ticks {
		if v >= a.min-1e-9 && v <= a.max+1e-9 {
			ticks, labels = append(ticks, v), append(labels, a.labels[i])
		}
	}
	a.ticks, a.labels = ticks, labels
}

// stroke draws a line, broken where values are missing.
func (c *canvas) stroke(i int, s Line, x, y axis) {
	var d strings.Builder
	pen := "M"
	type point struct{ x, y float64 }
	var points []point
	for k := range min(len(s.X), len(s.Y)) {
		if !x.shows(s.X[k]) || !y.shows(s.Y[k]) {
			pen = "M"
			continue
		}
		p := point{x.at(s.X[k]), y.at(s.Y[k])}
		points = append(points, p)
		d.WriteString(pen + num(p.x) + " " + num(p.y))
		pen = "L"
	}
	if len(points) == 0 {
		return
	}
	c.titled(s.Name, func() {
		c.element("path", "d", d.String(), "fill", "none", "stroke", seriesColour(i), "stroke-width", "1.8", "stroke-linejoin", "round", "stroke-linecap", "round")
		for k, p := range points {
			if s.Marks || len(points) == 1 || k == len(points)-1 {
				c.mark(i, p.x, p.y, 3.2)
			}
		}
	})
}

// band shades the confidence band of a line.
func (c *canvas) band(s Line, x, y axis, colour string) {
	var upper, lower []string
	for k := range min(len(s.X), len(s.Low), len(s.High)) {
		if x.shows(s.X[k]) && y.shows(s.Low[k]) && y.shows(s.High[k]) {
			upper = append(upper, num(x.at(s.X[k]))+" "+num(y.at(s.High[k])))
			lower = append(lower, num(x.at(s.X[k]))+" "+num(y.at(s.Low[k])))
		}
	}
	if len(upper) < 2 {
		return
	}
	slices.Reverse(lower)
	c.element("path", "d", "M"+strings.Join(append(upper, lower...), "L")+"Z", "fill", colour, "fill-opacity", "0.16")
}

// lineEnd is the label at the end of a line.
type lineEnd struct {
	series int
	x, y   float64 // values
	label  string
}

func (l LineChart) ends() (ends []lineEnd) {
	for i, s := range l.Lines {
		for k := min(len(s.X), len(s.Y)) - 1; k >= 0; k-- {
			if finite(s.X[k]) && finite(s.Y[k]) && !(l.LogY && s.Y[k] <= 0) && !(l.LogX && s.X[k] <= 0) {
				ends = append(ends, lineEnd{i, s.X[k], s.Y[k], s.Name + " " + minus(strconv.FormatFloat(s.Y[k], 'g', 3, 64))})
				break
			}
		}
	}
	return ends
}

// endLabels writes the labels beside the ends of the lines, moved apart where
// they would overlap.
func (c *canvas) endLabels(ends []lineEnd, x, y axis, width float64) {
	const gap = fontSize + 3
	slices.SortStableFunc(ends, func(a, b lineEnd) int { return cmp.Compare(y.at(a.y), y.at(b.y)) })
	at := make([]float64, len(ends))
	for i, e := range ends {
		at[i] = y.at(e.y)
		if i > 0 {
			at[i] = max(at[i], at[i-1]+gap)
		}
	}
	for i := len(at) - 1; i >= 0; i-- {
		limit := y.from
		if i+1 < len(at) {
			limit = at[i+1] - gap
		}
		at[i] = min(at[i], limit)
	}
	for i, e := range ends {
		c.text(x.to+9, at[i]+4, "start", shorten(e.label, width, fontSize*boldWidth), "fill", seriesColour(e.series), "font-weight", "600")
	}
}

// countsWhole says whether every X is a whole number.
func (l LineChart) countsWhole() bool {
	for _, line := range l.Lines {
		if !allWhole(line.X) {
			return false
		}
	}
	return true
}

func allWhole(values []float64) bool {
	for _, v := range values {
		if v != math.Trunc(v) {
			return false
		}
	}
	return true
}
