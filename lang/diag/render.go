package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mseg-lang/mseg/lang/source"
)

// WriteText writes every diagnostic with its source line and a caret, in the order of the list.
// Color adds ANSI colours; the text is the same without them.
func WriteText(w io.Writer, l List, color bool) {
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
		fmt.Fprintf(w, "%s %s\n", paint(tone, fmt.Sprintf("%s[%s]:", d.Severity, d.Code)), paint("1", d.Summary))
		if !d.Span.IsZero() {
			snippet(w, d.Span, "", paint, tone)
		}
		for _, r := range d.Related {
			snippet(w, r.Span, r.Message, paint, "1;36")
		}
		if d.Help != "" {
			fmt.Fprintf(w, "  help: %s\n", d.Help)
		}
		fmt.Fprintln(w)
	}
}

func snippet(w io.Writer, s source.Span, note string, paint func(code, s string) string, tone string) {
	if s.IsZero() {
		return
	}
	from, until := s.From(), s.Until()
	runes := []rune(strings.ReplaceAll(s.File.Line(from.Line), "\t", " "))
	first, last := from.Column-1, len(runes) // of the marked runes
	if until.Line == from.Line {
		last = until.Column - 1
	}
	last = max(last, first+1)
	runes, first, last = excerpt(runes, first, last)
	fmt.Fprintf(w, "  --> %s:%d:%d\n", s.File.Name, from.Line, from.Column)
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

// WriteShort writes one line a diagnostic: path:line:column: severity[code]: summary.
func WriteShort(w io.Writer, l List) {
	for _, d := range l {
		where := ""
		if !d.Span.IsZero() {
			p := d.Span.From()
			where = fmt.Sprintf("%s:%d:%d: ", d.Span.File.Name, p.Line, p.Column)
		}
		fmt.Fprintf(w, "%s%s[%s]: %s\n", where, d.Severity, d.Code, d.Summary)
	}
}

type jsonSpan struct {
	File  string          `json:"file"`
	Start source.Position `json:"start"`
	End   source.Position `json:"end"`
}

type jsonRelated struct {
	Span    jsonSpan `json:"span"`
	Message string   `json:"message"`
}

type jsonFix struct {
	Message     string   `json:"message"`
	Span        jsonSpan `json:"span"`
	Replacement string   `json:"replacement"`
	Safe        bool     `json:"safe"`
}

type jsonDiagnostic struct {
	Code     Code          `json:"code"`
	Severity Severity      `json:"severity"`
	Message  string        `json:"message"`
	Help     string        `json:"help,omitempty"`
	Span     *jsonSpan     `json:"span,omitempty"`
	Related  []jsonRelated `json:"related,omitempty"`
	Fixes    []jsonFix     `json:"fixes,omitempty"`
}

func toJSONSpan(s source.Span) jsonSpan {
	return jsonSpan{File: s.File.Name, Start: s.From(), End: s.Until()}
}

// WriteJSON writes {"diagnostics": [...]}; the list is empty, never null, when there is nothing to say.
func WriteJSON(w io.Writer, l List) error {
	out := struct {
		Diagnostics []jsonDiagnostic `json:"diagnostics"`
	}{Diagnostics: []jsonDiagnostic{}}
	for _, d := range l {
		j := jsonDiagnostic{Code: d.Code, Severity: d.Severity, Message: d.Summary, Help: d.Help}
		if !d.Span.IsZero() {
			s := toJSONSpan(d.Span)
			j.Span = &s
		}
		for _, r := range d.Related {
			if !r.Span.IsZero() {
				j.Related = append(j.Related, jsonRelated{toJSONSpan(r.Span), r.Message})
			}
		}
		for _, f := range d.Fixes {
			if !f.Span.IsZero() {
				j.Fixes = append(j.Fixes, jsonFix{f.Message, toJSONSpan(f.Span), f.Replacement, f.Safe})
			}
		}
		out.Diagnostics = append(out.Diagnostics, j)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
