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
	line := s.File.Line(from.Line)
	gutter := fmt.Sprintf("%4d", from.Line)
	fmt.Fprintf(w, "  --> %s:%d:%d\n", s.File.Name, from.Line, from.Column)
	fmt.Fprintf(w, "%s | %s\n", gutter, strings.ReplaceAll(line, "\t", " "))
	width := 1
	if until.Line == from.Line {
		width = max(1, until.Column-from.Column)
	} else {
		width = max(1, len([]rune(line))-from.Column+1)
	}
	runes := []rune(line)
	pad := 0
	for i := 0; i < from.Column-1 && i < len(runes); i++ {
		pad += cells(runes[i])
	}
	marks := 0
	for i := from.Column - 1; i < from.Column-1+width; i++ {
		if i < len(runes) {
			marks += cells(runes[i])
		} else {
			marks++
		}
	}
	mark := strings.Repeat("^", max(1, marks))
	if note != "" {
		mark += " " + note
	}
	fmt.Fprintf(w, "     | %s%s\n", strings.Repeat(" ", pad), paint(tone, mark))
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
