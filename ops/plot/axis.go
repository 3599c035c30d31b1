package plot

import (
	"math"
	"strconv"
	"strings"
)

// axis maps values to positions along one side of a chart.
type axis struct {
	min, max float64 // of the values, log10 of them on a logarithmic axis
	from, to float64 // positions
	log      bool
	ticks    []float64
	labels   []string
}

// newAxis spans the given values with round ticks, about count of them. zero
// makes a linear axis start at zero.
func newAxis(lo, hi float64, log, zero bool, count int) axis {
	a := axis{log: log}
	if log {
		a.min, a.max = math.Floor(math.Log10(lo)*4)/4, math.Ceil(math.Log10(hi)*4)/4
		if a.max-a.min < 0.5 {
			a.min, a.max = a.min-0.25, a.max+0.25
		}
		a.logTicks()
		return a
	}
	if zero {
		lo, hi = min(lo, 0), max(hi, 0)
	}
	if hi-lo < 1e-12*max(math.Abs(hi), math.Abs(lo), 1e-300) {
		spread := max(math.Abs(hi)*0.05, 1e-6)
		lo, hi = lo-spread, hi+spread
	}
	step := niceStep((hi - lo) / float64(count))
	a.min, a.max = math.Floor(lo/step+1e-9)*step, math.Ceil(hi/step-1e-9)*step
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	if decimals > 0 && math.Abs(step*math.Pow10(decimals-1)-math.Round(step*math.Pow10(decimals-1))) < 1e-9 {
		decimals--
	}
	for k := 0; ; k++ {
		v := a.min + float64(k)*step
		if v > a.max+step/2 {
			break
		}
		if math.Abs(v) < step/1e6 {
			v = 0
		}
		a.ticks = append(a.ticks, v)
		a.labels = append(a.labels, tickLabel(v, decimals))
	}
	return a
}

// niceStep is the smallest of 1, 2, 2.5, 5 times a power of ten that is not less
// than raw.
func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func tickLabel(v float64, decimals int) string {
	if math.Abs(v) >= 1e6 || decimals > 6 {
		return minus(strconv.FormatFloat(v, 'g', 4, 64))
	}
	return minus(strconv.FormatFloat(v, 'f', decimals, 64))
}

// minus writes a real minus sign.
func minus(s string) string { return strings.Replace(s, "-", "−", 1) }

func (a *axis) logTicks() {
	steps := []float64{1}
	if a.max-a.min < 3 {
		steps = []float64{1, 2, 5}
	}
	for e := math.Floor(a.min); e <= a.max; e++ {
		for _, m := range steps {
			v := m * math.Pow(10, e)
			if p := math.Log10(v); p < a.min-1e-9 || p > a.max+1e-9 {
				continue
			}
			a.ticks = append(a.ticks, v)
			label := strconv.FormatFloat(v, 'f', -1, 64)
			if v < 1e-3 || v >= 1e5 {
				label = strconv.FormatFloat(v, 'e', 0, 64)
			}
			a.labels = append(a.labels, minus(label))
		}
	}
}

// at is the position of a value.
func (a axis) at(v float64) float64 {
	if a.log {
		v = math.Log10(v)
	}
	return a.from + (v-a.min)/(a.max-a.min)*(a.to-a.from)
}

// shows reports whether a value has a position.
func (a axis) shows(v float64) bool { return finite(v) && !(a.log && v <= 0) }

// drawLeft draws the axis on the left side of a plot area up to x2, with grid lines.
func (c *canvas) drawLeft(a axis, x1, x2 float64, label string) {
	for i, v := range a.ticks {
		y := a.at(v)
		c.line(x1, y, x2, y, "stroke", "currentColor", "stroke-opacity", "0.13")
		c.text(x1-6, y+4, "end", a.labels[i], "opacity", "0.75", "font-size", "11")
	}
	if label != "" {
		x, y := 13.0, (a.from+a.to)/2
		c.text(x, y, "middle", label, "transform", "rotate(-90 "+num(x)+" "+num(y)+")", "opacity", "0.85")
	}
}

// drawBottom draws the axis below a plot area that reaches from y1 down to y2.
func (c *canvas) drawBottom(a axis, y1, y2 float64, label string, grid bool) {
	last := math.Inf(-1)
	for i, v := range a.ticks {
		x := a.at(v)
		if grid {
			c.line(x, y1, x, y2, "stroke", "currentColor", "stroke-opacity", "0.13")
		} else {
			c.line(x, y2, x, y2+4, "stroke", "currentColor", "stroke-opacity", "0.5")
		}
		// Labels that would touch the one before are left out.
		w := textWidth(a.labels[i], 11)
		if x-w/2 < last+6 {
			continue
		}
		last = x + w/2
		c.text(x, y2+17, "middle", a.labels[i], "opacity", "0.75", "font-size", "11")
	}
	if label != "" {
		c.text((a.from+a.to)/2, y2+36, "middle", label, "opacity", "0.85")
	}
}
