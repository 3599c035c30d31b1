// Package format gives a script its one canonical layout.
//
// It is given the text of a script that parses and promises the same tokens, comments included, in the same lines: it may only change blanks.
// Line breaks are the author's, except that more than one blank line becomes one and blank lines at the ends of the text and inside brackets' ends vanish.
// Formatting twice is formatting once.
//
//   - indentation is two spaces for each line that leaves brackets open, and two more for a line that goes on with an expression;
//   - one space around operators and behind commas and colons, none inside ( ) and [ ], one inside { }, one between a number and its unit;
//   - a range of plain numbers is written 1..500, any other with spaces;
//   - in neighbouring lines the values of `key: value`, the `=` of bindings and comments behind code stand under each other.
//
// It works on the token stream of syntax.Lex, never on the tree, so nothing can be lost. Lines (line.go) are measured first, then spaces between tokens are chosen (space.go), then
// neighbours are aligned (align.go).
package format

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// Text formats a script. A text that does not parse comes back unchanged, with the reasons.
func Text(name, text string) (string, diag.List) {
	f := source.New(name, text)
	// An expression alone is laid out like any other; that a file should not hold one is the checker's business.
	if _, diags := syntax.Parse(f, true); diags.HasErrors() {
		return text, diags
	}
	return layout(f), nil
}

func layout(f *source.File) string {
	var ignored diag.List
	lines := divide(syntax.Lex(f, &ignored))
	indent(lines)
	b := render(lines, len(f.Text))
	alignCells(b)
	alignComments(b)
	return b.text()
}

// Same says whether two texts have the same tokens in the same lines: whether they differ in blanks and blank lines only.
func Same(a, b string) bool {
	x, y := significant(a), significant(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}

type kindAndText struct {
	kind int
	text string
}

// significant lists the tokens of a text; several line ends in a row count as one, those at the ends as none.
func significant(text string) []kindAndText {
	var ignored diag.List
	var out []kindAndText
	pending := false
	for _, t := range syntax.Lex(source.New("", text), &ignored) {
		if t.Type == syntax.Newline {
			pending = len(out) > 0
			continue
		}
		if pending {
			out = append(out, kindAndText{int(syntax.Newline), "\n"})
			pending = false
		}
		out = append(out, kindAndText{int(t.Type), strings.TrimRight(t.Text, "\r")})
	}
	return out
}
