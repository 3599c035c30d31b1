package diag

import (
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/mseg-lang/mseg/lang/source"
)

// Record is a diagnostic with all its facts and no pointer to a file. The forms for people are written from it too, so no form knows more than another.
type Record struct {
	Code     Code           `json:"code"`
	Severity Severity       `json:"severity"`
	Message  string         `json:"message"`
	Help     string         `json:"help,omitempty"`
	Span     *Place         `json:"span,omitempty"` // absent for what has no place in a script
	Related  []RelatedPlace `json:"related,omitempty"`
	Fixes    []FixRecord    `json:"fixes,omitempty"`
}

// Place is a span: where it is, its text, and the line it begins in.
type Place struct {
	File   string          `json:"file"`
	Start  source.Position `json:"start"` // line and column from 1, in characters; offset from 0, in bytes
	End    source.Position `json:"end"`   // just behind the last character
	Text   string          `json:"text"`
	Source string          `json:"source"`                  // the line in which it begins, or what is around its beginning if the line is very long
	Column int             `json:"source_column,omitempty"` // of the first character of Source, where that is not the first of its line
}

// around is how much of a very long line is kept on either side of a place, in bytes.
const around = 600

// RelatedPlace is a second place that explains the first.
type RelatedPlace struct {
	Span    Place  `json:"span"`
	Message string `json:"message"`
}

// FixRecord is a change that mends the mistake.
type FixRecord struct {
	Message     string `json:"message"`
	Span        Place  `json:"span"`
	Replacement string `json:"replacement"`
	Safe        bool   `json:"safe"`
}

func place(s source.Span) Place {
	from := s.From()
	p := Place{File: s.File.Name, Start: from, End: s.Until(), Text: s.Text(), Source: s.File.Line(from.Line)}
	if len(p.Source) <= 2*around {
		return p
	}
	first := from.Offset - (s.File.Offset(from.Line, 1)) // of the place in the line
	head, tail := max(0, first-around), min(len(p.Source), first+around)
	for head > 0 && !utf8.RuneStart(p.Source[head]) {
		head--
	}
	for tail < len(p.Source) && !utf8.RuneStart(p.Source[tail]) {
		tail++
	}
	if head > 0 {
		p.Column = from.Column - utf8.RuneCountInString(p.Source[head:max(head, min(first, len(p.Source)))])
	}
	p.Source = p.Source[head:tail]
	return p
}

// Records are the diagnostics of a list; empty, never nil.
func Records(l List) []Record {
	out := []Record{}
	for _, d := range l {
		r := Record{Code: d.Code, Severity: d.Severity, Message: d.Summary, Help: d.Help}
		if !d.Span.IsZero() {
			p := place(d.Span)
			r.Span = &p
		}
		for _, x := range d.Related {
			if !x.Span.IsZero() {
				r.Related = append(r.Related, RelatedPlace{place(x.Span), x.Message})
			}
		}
		for _, x := range d.Fixes {
			if !x.Span.IsZero() {
				r.Fixes = append(r.Fixes, FixRecord{x.Message, place(x.Span), x.Replacement, x.Safe})
			}
		}
		out = append(out, r)
	}
	return out
}

type document struct {
	Diagnostics []Record `json:"diagnostics"`
}

// WriteJSON writes one document {"diagnostics": [...]}; the list is empty, never null, when there is nothing to say.
func WriteJSON(w io.Writer, l List) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(document{Records(l)})
}

// WriteJSONLine writes the same document on one line, for a program that tells mistakes again and again.
func WriteJSONLine(w io.Writer, l List) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(document{Records(l)})
}
