package format

import (
	"strings"
	"unicode/utf8"

	"github.com/mseg-lang/mseg/lang/syntax"
)

// rendered is the text of every line with the places where it may be stretched.
type rendered struct {
	lines []line
	rows  []row
	size  int
}

// row is one line as text. It is the parts of text between cuts, and pad[i] more blanks at cuts[i].
type row struct {
	text  string // without indentation and comment
	shape string // what the cuts are: ":", "=", ":="; rows of one shape can be aligned
	cuts  [2]int
	pad   [2]int
	gap   int // blanks before the comment
}

// width is the length of the row in characters, with its indentation and stretched.
func (b *rendered) width(i int) int {
	r := &b.rows[i]
	return b.lines[i].indent + utf8.RuneCountInString(r.text) + r.pad[0] + r.pad[1]
}

func render(lines []line, size int) *rendered {
	b := &rendered{lines: lines, rows: make([]row, len(lines)), size: size}
	var w strings.Builder
	var statement []syntax.Token // the tokens of the current statement so far on its first line
	for i := range lines {
		l := &lines[i]
		r := &b.rows[i]
		r.gap = 2
		if len(l.tokens) == 0 {
			r.gap = 0
			continue
		}
		top := l.within == "" && l.begins
		statement = nil
		if top {
			statement = l.tokens
		}
		r.shape = shapeOf(l)
		colon, equals := marks(l, r.shape)
		w.Reset()
		w.Grow(l.tokens[len(l.tokens)-1].End - l.tokens[0].Start + 16)
		for k, t := range l.tokens {
			if k > 0 && space(l.tokens, k, statement) {
				w.WriteByte(' ')
			}
			if k == equals {
				r.cuts[len(r.shape)-1] = w.Len() - 1
			}
			w.WriteString(t.Text)
			if k == colon {
				r.cuts[0] = w.Len()
			}
		}
		r.text = w.String()
	}
	return b
}

// space says whether a blank stands before token k of a line.
func space(tokens []syntax.Token, k int, statement []syntax.Token) bool {
	prev, t := tokens[k-1], tokens[k]
	if t.Type == syntax.Punct {
		switch t.Text {
		case ",", ":", ".", "?", ")", "]":
			return false
		case "(", "[":
			switch {
			case len(statement) > 1 && k == 2 && t.Text == "(" && statement[0].Text == "use", len(statement) > 0 && k == 1 && statement[0].Text == "expect":
				return true // use library (names), expect (condition)
			case prev.Type == syntax.Word:
				return true
			case prev.EndsExpression():
				return false // a call or an index
			}
		case "}":
			return prev.Text != "{"
		case "..":
			return !plainRange(tokens, k)
		}
	}
	if prev.Type == syntax.Punct {
		switch prev.Text {
		case "(", "[", ".":
			return false
		case "-":
			return !prefix(tokens, k-1)
		case "..":
			return !plainRange(tokens, k-1)
		}
	}
	return true
}

// prefix says whether the minus at k is a sign, not a difference.
func prefix(tokens []syntax.Token, k int) bool { return k == 0 || !tokens[k-1].EndsExpression() }

// plainRange says whether the .. at k stands between two numbers without unit.
func plainRange(tokens []syntax.Token, k int) bool {
	if k < 1 || k+1 >= len(tokens) || tokens[k-1].Type != syntax.Number || tokens[k+1].Type != syntax.Number || tokens[k+1].Text[0] == '.' {
		return false
	}
	return k+2 >= len(tokens) || tokens[k+2].Type != syntax.Unit
}

// shapeOf says which alignment a line takes part in: ":" for an entry of a block that fills its line, "=" for a binding, ":=" for a param with type.
func shapeOf(l *line) string {
	t := l.tokens
	switch {
	case !l.begins || len(t) < 3:
		return ""
	case l.within == "{" && t[1].Text == ":" && t[1].Type == syntax.Punct && !severalOrOpen(t):
		return ":"
	case l.within != "" || t[0].Type != syntax.Ident || t[1].Type != syntax.Ident:
		return ""
	case t[2].Text == "=":
		return "="
	case t[0].Text == "param" && t[2].Text == ":" && equalsAt(t) > 0:
		return ":="
	}
	return ""
}

// marks are the indexes of the tokens at which a line of a shape may be stretched; -1 for none.
func marks(l *line, shape string) (colon, equals int) {
	colon, equals = -1, -1
	switch shape {
	case ":":
		colon = 1
	case "=":
		equals = 2
	case ":=":
		colon, equals = 2, equalsAt(l.tokens)
	}
	return colon, equals
}

func equalsAt(tokens []syntax.Token) int {
	for k, t := range tokens {
		if t.Type == syntax.Punct && t.Text == "=" {
			return k
		}
	}
	return -1
}

// severalOrOpen says whether a line holds more than one entry, or one that goes on in the next line.
func severalOrOpen(tokens []syntax.Token) bool {
	depth := 0
	for k, t := range tokens {
		switch {
		case opens(t):
			depth++
		case closes(t):
			depth--
		case t.Text == "," && t.Type == syntax.Punct && depth == 0 && k+1 < len(tokens):
			return true
		}
	}
	return depth > 0
}

func (b *rendered) text() string {
	var w strings.Builder
	w.Grow(b.size + b.size/8)
	blanks := func(n int) {
		for ; n > len(spaces); n -= len(spaces) {
			w.WriteString(spaces)
		}
		w.WriteString(spaces[:max(n, 0)])
	}
	for i := range b.rows {
		l, r := &b.lines[i], &b.rows[i]
		if l.blank {
			w.WriteByte('\n')
		}
		blanks(l.indent)
		at := 0
		for c := range len(r.shape) {
			w.WriteString(r.text[at:r.cuts[c]])
			blanks(r.pad[c])
			at = r.cuts[c]
		}
		w.WriteString(r.text[at:])
		if l.comment != "" {
			blanks(r.gap)
			w.WriteString(l.comment)
		}
		w.WriteByte('\n')
	}
	return w.String()
}

const spaces = "                                                                "
