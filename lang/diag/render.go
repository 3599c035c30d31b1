package diag

import (
	"fmt"
	"io"
	"strings"
)

// Form is how diagnostics are told.
type Form string

const (
	Full  Form = "full"  // with the lines they are about
	Short Form = "short" // a line each
	JSON  Form = "json"  // every fact, for programs
)

// Write writes diagnostics in a form, in the order of the list. Colour is for the full form only, and changes no text.
func Write(w io.Writer, form Form, l List, color bool) error {
	switch form {
	case JSON:
		return WriteJSON(w, l)
	case Short:
		WriteShort(w, l)
	default:
		WriteText(w, l, color)
	}
	return nil
}

// WriteText writes every diagnostic with its source line and a caret, in the order of the list.
// Color adds ANSI colours; the text is the same without them.
func WriteText(w io.Writer, l List, color bool) { writeFull(w, Records(l), color) }

// WriteShort writes one line a diagnostic: path:line:column: severity[code]: summary.
func WriteShort(w io.Writer, l List) { writeShort(w, Records(l)) }

func writeFull(w io.Writer, l []Record, color bool) {
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	for _, d := range l {
		tone := "1;31"
		switch d.Severity {
		case Warning:
			tone = "1;33"
		case Note:
			tone = "1;36"
		}
		fmt.Fprintf(w, "%s %s\n", paint(tone, fmt.Sprintf("%s[%s]:", d.Severity, d.Code)), paint("1", d.Message))
		if d.Span != nil {
			snippet(w, *d.Span, "", paint, tone)
		}
		for _, r := range d.Related {
			snippet(w, r.Span, r.Message, paint, "1;36")
		}
		if d.Help != "" {
			fmt.Fprintf(w, "  help: %s\n", strings.ReplaceAll(d.Help, "\n", "\n        "))
		}
		fmt.Fprintln(w)
	}
}

func writeShort(w io.Writer, l []Record) {
	for _, d := range l {
		where := ""
		if d.Span != nil {
			where = fmt.Sprintf("%s:%d:%d: ", d.Span.File, d.Span.Start.Line, d.Span.Start.Column)
		}
		fmt.Fprintf(w, "%s%s[%s]: %s\n", where, d.Severity, d.Code, oneLine(d.Message))
	}
}

// oneLine keeps a message with a quoted line break from becoming two lines.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}

func snippet(w io.Writer, s Place, note string, paint func(code, s string) string, tone string) {
	from, until := s.Start, s.End
	runes := []rune(strings.ReplaceAll(s.Source, "\t", " "))
	skipped := max(0, s.Column-1)
	first, last := from.Column-1-skipped, len(runes) // of the marked runes
	if until.Line == from.Line {
		last = min(until.Column-1-skipped, len(runes)+1)
	}
	last = max(last, first+1)
	runes, first, last = excerpt(runes, first, last)
	fmt.Fprintf(w, "  --> %s:%d:%d\n", s.File, from.Line, from.Column)
	fmt.Fprintf(w, "%4d | %s\n", from.Line, string(runes))
	pad, marks := 0, 0
	for i := range last {
		n := 1 // a mark behind the end of the line
		if i < len(runes) {
			n = cells(runes[i])
		}
		if i < first {
			pad += n
		} else {
			marks += n
		}
	}
	mark := strings.Repeat("^", max(1, marks))
	if note != "" {
		mark += " " + note
	}
	fmt.Fprintf(w, "     | %s%s\n", strings.Repeat(" ", pad), paint(tone, mark))
}

// longest is how much of a line is shown: a terminal breaks longer ones, and the marks no longer stand under what they mean.
const longest = 140

// excerpt cuts a long line to the part around the marked runes [first, last), with … where something is missing.
func excerpt(line []rune, first, last int) (shown []rune, newFirst, newLast int) {
	if len(line) <= longest {
		return line, first, last
	}
	start := max(0, min(first-longest/3, len(line)-longest))
	end := min(len(line), start+longest)
	shown = append(shown, line[start:end]...)
	if start > 0 {
		shown[0] = '…'
	}
	if end < len(line) {
		shown[len(shown)-1] = '…'
	}
	first = min(max(first-start, 0), len(shown)-1)
	return shown, first, max(first+1, min(last-start, len(shown)))
}

// cells is the width of a rune in a terminal: two for the East Asian wide blocks and emoji, so that carets stand under the text.
func cells(r rune) int {
	switch {
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	case r >= 0x0300 && r <= 0x036f, r == 0x200d, r >= 0xfe00 && r <= 0xfe0f:
		return 0
	}
	return 1
}
