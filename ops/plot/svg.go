package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// canvas collects SVG elements.
type canvas struct {
	b             strings.Builder
	width, height float64
}

const fontSize = 12

// begin opens a drawing; label is its description for readers who cannot see it.
func begin(width, height float64, label string) *canvas {
	c := &canvas{width: width, height: height}
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-label="%s" font-family="system-ui,'Helvetica Neue',Arial,sans-serif" font-size="%d" fill="currentColor">`,
		num(width), num(height), num(width), num(height), escape(label), fontSize)
	c.b.WriteByte('\n')
	return c
}

func (c *canvas) end() string {
	c.b.WriteString("</svg>\n")
	return c.b.String()
}

// escape makes a string safe as XML text or attribute value; characters that XML
// cannot hold become the replacement character.
func escape(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return html.EscapeString(s)
}

// num writes a coordinate with at most two decimals.
func num(v float64) string {
	s := strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// element writes a tag with attributes given as name, value pairs; numbers are
// coordinates.
func (c *canvas) element(tag string, attributes ...any) {
	c.open(tag, attributes)
	c.b.WriteString("/>\n")
}

func (c *canvas) open(tag string, attributes []any) {
	c.b.WriteString("<" + tag)
	for i := 0; i < len(attributes); i += 2 {
		value := ""
		switch v := attributes[i+1].(type) {
		case float64:
			value = num(v)
		case int:
			value = strconv.Itoa(v)
		case string:
			value = escape(v)
		}
		if value != "" {
			fmt.Fprintf(&c.b, ` %s="%s"`, attributes[i], value)
		}
	}
}

// text writes a label at its baseline. anchor is start, middle or end.
func (c *canvas) text(x, y float64, anchor, s string, attributes ...any) {
	c.open("text", append([]any{"x", x, "y", y, "text-anchor", anchor}, attributes...))
	c.b.WriteString(">" + escape(s) + "</text>\n")
}

// titled wraps what draw emits in a group that shows tip when pointed at.
func (c *canvas) titled(tip string, draw func()) {
	c.b.WriteString("<g><title>" + escape(tip) + "</title>\n")
	draw()
	c.b.WriteString("</g>\n")
}

func (c *canvas) line(x1, y1, x2, y2 float64, attributes ...any) {
	c.element("line", append([]any{"x1", x1, "y1", y1, "x2", x2, "y2", y2}, attributes...)...)
}

// boldWidth is how much wider bold labels are.
const boldWidth = 1.12

// textWidth estimates the width of a label from above: the page chooses the
// font, and the widest of the common sans-serif faces must still fit.
func textWidth(s string, size float64) float64 {
	var w float64
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljtfrI.,:;'|!()[] ", r):
			w += 0.36
		case strings.ContainsRune("mwMW@%—", r):
			w += 0.95
		case r >= 'A' && r <= 'Z':
			w += 0.72
		case r > 0x2e80:
			w += 1
		default:
			w += 0.63
		}
	}
	return w * size
}

func widest(labels []string, size float64) float64 {
	var w float64
	for _, s := range labels {
		w = max(w, textWidth(s, size))
	}
	return w
}

// shorten cuts a label to a width, with an ellipsis.
func shorten(s string, width, size float64) string {
	if textWidth(s, size) <= width {
		return s
	}
	r := []rune(s)
	for len(r) > 1 && textWidth(string(r)+"…", size) > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// nothing is the drawing of a chart without values.
func nothing(title string) string {
	c := begin(420, 60, title+": no values")
	c.text(10, 35, "start", "no values to draw", "opacity", "0.6", "font-style", "italic")
	return c.end()
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
