package plot

import (
	"math"
	"strconv"
)

// HeatChart draws a matrix, such as the gate activation of every expert for
// every task, with its values written into the cells.
type HeatChart struct {
	Title            string // spoken description
	RowLabel         string
	ColumnLabel      string
	Rows, Columns    []string
	Values           [][]float64 // by row and column; NaN is missing
	Min, Max         float64     // of the colour scale; both zero: of the values
	Decimals         int         // of the written values
	Width            float64     // 0: follows from the number of columns
	WithoutCellTexts bool
}

// SVG draws the chart with a colour scale beside it.
func (h HeatChart) SVG() string {
	lo, hi := h.Min, h.Max
	if lo == 0 && hi == 0 {
		lo, hi = math.Inf(1), math.Inf(-1)
		for _, row := range h.Values {
			for _, v := range row {
				if finite(v) {
					lo, hi = min(lo, v), max(hi, v)
				}
			}
		}
	}
	if len(h.Rows) == 0 || len(h.Columns) == 0 || lo > hi {
		return nothing(h.Title)
	}
	const cellHeight, scale = 24.0, 62.0
	left := min(widest(h.Rows, fontSize)+12, 260)
	if h.RowLabel != "" {
		left += 20
	}
	cell := 52.0
	if len(h.Columns) > 12 {
		cell = max(30, 620/float64(len(h.Columns)))
	}
	if h.Width > 0 {
		cell = (h.Width - left - scale) / float64(len(h.Columns))
	}
	slant := widest(h.Columns, 11) > cell-4
	top := 24.0
	if slant {
		top = min(widest(h.Columns, 11)*0.64, 100) + 18
	}
	if h.ColumnLabel != "" {
		top += 18
	}
	width := left + cell*float64(len(h.Columns)) + scale
	height := top + cellHeight*float64(len(h.Rows)) + 6
	c := begin(width, height, h.Title)
	if h.ColumnLabel != "" {
		c.text(left+cell*float64(len(h.Columns))/2, 12, "middle", h.ColumnLabel, "opacity", "0.85")
	}
	if h.RowLabel != "" {
		y := top + cellHeight*float64(len(h.Rows))/2
		c.text(13, y, "middle", h.RowLabel, "transform", "rotate(-90 13 "+num(y)+")", "opacity", "0.85")
	}
	for j, name := range h.Columns {
		x := left + cell*(float64(j)+0.5)
		if slant {
			c.text(x, top-7, "start", shorten(name, 150, 11), "font-size", "11", "transform", "rotate(-40 "+num(x)+" "+num(top-7)+")")
		} else {
			c.text(x, top-7, "middle", name, "font-size", "11")
		}
	}
	for i, name := range h.Rows {
		y := top + cellHeight*float64(i)
		c.text(left-8, y+cellHeight/2+4, "end", shorten(name, left-12, fontSize))
		for j := range h.Columns {
			v := math.NaN()
			if i < len(h.Values) && j < len(h.Values[i]) {
				v = h.Values[i][j]
			}
			c.cell(h, v, share(v, lo, hi), name, h.Columns[j], left+cell*float64(j), y, cell, cellHeight)
		}
	}
	c.colourScale(width-scale+14, top, cellHeight*float64(len(h.Rows)), lo, hi, h.Decimals)
	return c.end()
}

func share(v, lo, hi float64) float64 {
	if hi == lo {
		return 0.5
	}
	return (v - lo) / (hi - lo)
}

func (c *canvas) cell(h HeatChart, v, t float64, row, column string, x, y, width, height float64) {
	if !finite(v) {
		c.titled(row+", "+column+": no value", func() {
			c.element("rect", "x", x+0.5, "y", y+0.5, "width", width-1, "height", height-1, "fill", "none", "stroke", "currentColor", "stroke-opacity", "0.2")
			c.text(x+width/2, y+height/2+4, "middle", "–", "font-size", "10.5", "opacity", "0.5")
		})
		return
	}
	label := minus(strconv.FormatFloat(v, 'f', h.Decimals, 64))
	c.titled(row+", "+column+": "+label, func() {
		c.element("rect", "x", x+0.5, "y", y+0.5, "width", width-1, "height", height-1, "fill", hex(Ramp(t)))
		size := min(10.5, 10.5*(width-4)/max(1, textWidth(label, 10.5)))
		if h.WithoutCellTexts || size < 6.5 {
			return
		}
		ink := "#ffffff"
		if t > 0.5 {
			ink = "#10141a"
		}
		c.text(x+width/2, y+height/2+3.8, "middle", label, "font-size", num(size), "fill", ink)
	})
}

// colourScale draws the ramp from bottom to top with its ends and middle.
func (c *canvas) colourScale(x, y, height, lo, hi float64, decimals int) {
	height = max(height-1, 20)
	const steps = 32
	for i := range steps {
		t := float64(i) / (steps - 1)
		h := height / steps
		c.element("rect", "x", x, "y", y+height-h*float64(i+1), "width", 9, "height", h+0.4, "fill", hex(Ramp(t)))
	}
	marks := []float64{lo, hi}
	if height > 60 {
		marks = append(marks, (lo+hi)/2)
	}
	for _, v := range marks {
		p := y + height*(1-share(v, lo, hi))
		if lo == hi {
			p = y + height/2
		}
		c.text(x+13, min(max(p+4, y+8), y+height), "start", minus(strconv.FormatFloat(v, 'f', decimals, 64)), "font-size", "10", "opacity", "0.75")
		if lo == hi {
			break
		}
	}
}
