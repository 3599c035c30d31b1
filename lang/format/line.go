package format

import "github.com/mseg-lang/mseg/lang/syntax"

// line is one line of the script that is not blank.
type line struct {
	tokens  []syntax.Token // without the comment
	comment string         // "" when there is none
	blank   bool           // a blank line stands before it
	indent  int
	begins  bool   // it begins a statement or an entry
	within  string // the bracket it stands in, "" at the top
}

// divide cuts the token stream into lines.
func divide(tokens []syntax.Token) []line {
	lines := make([]line, 0, len(tokens)/8+1)
	var cur line
	start, ends := 0, 0 // first token of the line; line ends since the last line
	flush := func(end int) {
		if cur.tokens = tokens[start:end:end]; len(cur.tokens) > 0 || cur.comment != "" {
			cur.blank = ends > 1 && len(lines) > 0
			lines = append(lines, cur)
			ends = 0
		}
		cur = line{}
	}
	for i, t := range tokens {
		switch t.Type {
		case syntax.Newline:
			flush(i)
			ends++
			start = i + 1
		case syntax.Comment: // always the last token of its line
			cur.comment = t.Text
			flush(i)
			start = i + 1
		}
	}
	flush(len(tokens))
	return lines
}

// level is an open bracket.
type level struct {
	bracket string
	line    int // the line that opened it
	indent  int // of the entries in it
}

const step = 2

// indent decides where each line begins, and drops blank lines next to brackets.
func indent(lines []line) {
	levels := []level{{line: -1}}
	prev := syntax.Token{Type: syntax.EOF}
	inside := false // the line before opened a bracket at its end
	for i := range lines {
		l := &lines[i]
		first := syntax.Token{Type: syntax.EOF}
		for _, later := range lines[i:] { // a comment belongs to the line it stands above
			if len(later.tokens) > 0 {
				first = later.tokens[0]
				break
			}
		}
		top := levels[len(levels)-1]
		l.within, l.begins = top.bracket, begins(top.bracket, prev, first)
		l.indent = top.indent
		switch {
		case closes(first):
			if len(l.tokens) > 0 && len(levels) > 1 {
				l.indent, l.blank = lines[top.line].indent, false
			}
		case !l.begins && first.Text != ",":
			l.indent += step
		}
		if inside {
			l.blank = false
		}
		for _, t := range l.tokens {
			switch {
			case opens(t):
				levels = append(levels, level{t.Text, i, l.indent + step})
			case closes(t) && len(levels) > 1:
				levels = levels[:len(levels)-1]
			}
		}
		inside = false
		if n := len(l.tokens); n > 0 {
			prev = l.tokens[n-1]
			inside = opens(prev)
		}
	}
}

// begins says whether a line that begins with first, behind a line that ended with prev, begins a statement or an entry: the rule by which the layout pass of
// package syntax separates them.
func begins(bracket string, prev, first syntax.Token) bool {
	switch {
	case prev.Type == syntax.EOF || opens(prev) || prev.Text == "," && prev.Type == syntax.Punct || first.Type == syntax.EOF:
		return true
	case bracket == "(" || bracket == "[":
		return false
	}
	return prev.EndsExpression() && !first.ContinuesLine()
}

func opens(t syntax.Token) bool {
	return t.Type == syntax.Punct && (t.Text == "(" || t.Text == "[" || t.Text == "{")
}

func closes(t syntax.Token) bool {
	return t.Type == syntax.Punct && (t.Text == ")" || t.Text == "]" || t.Text == "}")
}
