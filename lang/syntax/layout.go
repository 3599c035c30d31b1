package syntax

import (
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

// MaxDepth is the deepest nesting of brackets; MaxOperators the longest chain of operators, calls and indexes in one value, counted together with those of
// the brackets around it. Both keep a hostile script from exhausting the stack: they bound the depth of the tree.
const (
	MaxDepth     = 200
	MaxOperators = 10_000
)

// segment is the tokens of one statement, with Term tokens where line ends separate entries, and whether it may be parsed.
type segment struct {
	tokens []Token
	broken bool // reported already: brackets do not match, or a Bad token
}

// cut divides the tokens of a file into statements.
func cut(f *source.File, tokens []Token, diags *diag.List) []segment {
	var out []segment
	all := make([]Token, 0, len(tokens)) // the tokens of every segment, one behind the other
	cur := segment{tokens: all}
	var open []Token  // brackets
	var outside []int // operators before each open bracket
	operators := 0    // since the last separator, and outside
	tooDeep := false
	flush := func() {
		for len(cur.tokens) > 0 && cur.tokens[len(cur.tokens)-1].Type == Term {
			cur.tokens = cur.tokens[:len(cur.tokens)-1]
		}
		if n := len(cur.tokens); n > 0 {
			all = cur.tokens[n:]
			cur.tokens = cur.tokens[:n:n]
			out = append(out, cur)
		}
		cur, open, outside, operators, tooDeep = segment{tokens: all[:0]}, open[:0], outside[:0], 0, false
	}
	separator := func() {
		operators = 0
		if n := len(outside); n > 0 {
			operators = outside[n-1]
		}
	}
	span := func(t Token) source.Span { return source.Span{File: f, Start: t.Start, End: t.End} }
	unclosed := func() {
		if len(open) > 0 && !cur.broken {
			b := open[len(open)-1]
			d := diags.Add(diag.UnclosedBracket, span(b), "%q is not closed", b.Text)
			d.Help = "add " + partner[b.Text]
			cur.broken = true
		}
	}
	for i, t := range tokens {
		switch t.Type {
		case Comment:
			continue
		case Newline:
			last := Token{Type: EOF}
			if n := len(cur.tokens); n > 0 {
				last = cur.tokens[n-1]
			}
			next := following(tokens, i)
			if (len(open) > 0 || last.Type != EOF && !endsExpression(last)) && startsStatement(f, tokens, next) {
				unclosed()
				flush()
				continue
			}
			if !endsExpression(last) || next.Type == EOF || continues(next) {
				continue
			}
			if len(open) == 0 {
				flush()
			} else if open[len(open)-1].Text == "{" {
				cur.tokens = append(cur.tokens, Token{Term, "\n", t.Start, t.End})
				separator()
			}
			continue
		case Bad:
			cur.broken = true
		case Punct:
			switch t.Text {
			case "(", "[", "{":
				operators++
				open, outside = append(open, t), append(outside, operators)
				if len(open) > MaxDepth && !tooDeep {
					diags.Add(diag.TooDeep, span(t), "brackets are nested more than %d deep", MaxDepth)
					tooDeep, cur.broken = true, true
				}
			case ")", "]", "}":
				if len(open) == 0 || partner[open[len(open)-1].Text] != t.Text {
					if !cur.broken {
						d := diags.Add(diag.StrayBracket, span(t), "%q closes nothing", t.Text)
						if len(open) > 0 {
							b := open[len(open)-1]
							d.Summary += ": " + partner[b.Text] + " is expected first"
							d.Related = append(d.Related, diag.Related{Span: span(b), Message: "opened here"})
						}
					}
					cur.broken = true
					if len(open) == 0 {
						cur.tokens = append(cur.tokens, t)
						continue
					}
				}
				operators = outside[len(outside)-1]
				open, outside = open[:len(open)-1], outside[:len(outside)-1]
			case ",", ":", "=":
				separator()
			default:
				operators++
			}
		case Word:
			operators++
		}
		if operators > MaxOperators && !tooDeep {
			diags.Add(diag.TooDeep, span(t), "more than %d operators in one value", MaxOperators)
			tooDeep, cur.broken = true, true
		}
		cur.tokens = append(cur.tokens, t)
	}
	unclosed()
	flush()
	return out
}

var partner = map[string]string{"(": ")", "[": "]", "{": "}"}

// following is the first token after i that is neither a comment nor a line end.
func following(tokens []Token, i int) Token {
	for _, t := range tokens[i+1:] {
		if t.Type != Comment && t.Type != Newline {
			return t
		}
	}
	return Token{Type: EOF}
}

// continues says whether a line that begins with t goes on with the expression of the line before.
func continues(t Token) bool {
	switch t.Type {
	case Punct:
		switch t.Text {
		case "|>", "+", "*", "==", "!=", "<", "<=", ">", ">=", "..", ".", "=", "->", ")", "]", "}", ",", ":":
			return true
		}
	case Word:
		return t.Text == "and" || t.Text == "or" || t.Text == "in" || t.Text == "for" || t.Text == "if"
	}
	return false
}

// startsStatement says whether t stands at the left margin and is the head of a statement: `kind name =`, `param name :`, `fn name (`, `use`, `expect`.
// It is asked inside open brackets and behind a line that asks for more, to find where a statement that never ends must have ended.
func startsStatement(f *source.File, tokens []Token, t Token) bool {
	if t.Type != Ident || (t.Start > 0 && f.Text[t.Start-1] != '\n') {
		return false
	}
	i, _ := slices.BinarySearchFunc(tokens, t.Start, func(t Token, at int) int { return t.Start - at })
	at := func(k int) Token {
		if i+k < len(tokens) {
			return tokens[i+k]
		}
		return Token{Type: EOF}
	}
	next, after := at(1), at(2)
	switch {
	case IsKind(t.Text) && next.Type == Ident:
		return after.Text == "="
	case t.Text == "param" && next.Type == Ident:
		return after.Text == ":" || after.Text == "="
	case t.Text == "fn" && next.Type == Ident:
		return after.Text == "("
	case t.Text == "use" && next.Type == Ident:
		return true
	case t.Text == "expect":
		return next.Type == Ident || next.Type == Word || next.Type == Number
	}
	return false
}
