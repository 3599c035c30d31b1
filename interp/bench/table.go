package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteTable lays measured cases and the peers' lines for each out as a Markdown table. The ratio is that of our time to theirs: below 1 this
// program is faster.
//
// Times are estimates for a quiet machine (Line.Estimate). The wall time stands beside them where the machine was quiet, and in brackets with
// the cores that others used where it was not.
func WriteTable(w io.Writer, ours, peers []Line) error {
	var b strings.Builder
	b.WriteString("| what | program | s | wall, s | CPU, s | peak MB | ours / theirs |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	row := func(what string, l Line, ratio string) {
		wall, quiet := l.Wall()
		text := number(wall)
		if !quiet {
			text = "(" + text + ")"
			if l.Others >= 0 {
				text = fmt.Sprintf("(%s beside %.1f)", number(wall), l.Others)
			}
		}
		name := l.Name
		for _, o := range l.Options {
			name += " " + o
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %d | %s |\n", what, name, number(l.Estimate()), text, number(l.CPU), l.PeakMB, ratio)
	}
	for _, l := range ours {
		c, err := Find(strings.TrimPrefix(l.Name, "mseg/"))
		if err != nil {
			return err
		}
		what := c.Doc
		if c.Batch > 1 {
			what += fmt.Sprintf(", B=%d", c.Batch)
		}
		row(what, l, "")
		for _, p := range c.Rivals(l, peers) {
			row("", p, fmt.Sprintf("%.2f", l.Estimate()/p.Estimate()))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// number writes three digits.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.1:
		return fmt.Sprintf("%.4f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
