package complete

import (
	"slices"
	"unicode/utf8"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// place is where the cursor stands: the tokens before the word that is being typed, and the brackets open there.
type place struct {
	tokens       []syntax.Token
	start, end   int    // of that word
	word         string // up to the cursor
	first        int    // index of the first token of the statement
	frames       []frame
	behindNumber bool   // the word stands behind a number on its line
	blank        string // " " where a unit needs one before it

	// own is the type of a parameter of a fn of the script, by its name or, where that is "", by its position; any where that cannot be said.
	own func(fn, key string, position int) types.Type
}

// frame is an open bracket before the cursor.
type frame struct {
	bracket string
	fn      string // function whose arguments it holds; "" for groups, lists and maps
	piped   bool   // the function stands behind |>
	index   bool   // [ behind a value
	at      int    // index of the token behind the bracket
}

// find is false inside comments, strings and numbers, where nothing can be completed.
func (p *place) find(f *source.File, offset int) bool {
	offset = max(0, min(offset, len(f.Text)))
	var ignored diag.List
	toks := syntax.Lex(source.New("", f.Text[:offset]), &ignored)
	p.start, p.end = offset, offset
	if n := len(toks); n > 0 {
		last := toks[n-1]
		touches := last.End == offset
		switch {
		case last.Type == syntax.Comment:
			return false
		case !touches:
		case last.Type == syntax.String:
			return false
		case last.Type == syntax.Number:
			p.blank = " "
		case last.Type == syntax.Bad || last.Type == syntax.Unit:
			if n < 2 || toks[n-2].Type != syntax.Number {
				return false
			}
			p.start, toks = last.Start, toks[:n-1]
			if toks[n-2].End == p.start {
				p.blank = " "
			}
		case last.Text == "/" && n > 1 && toks[n-2].Type == syntax.Path && toks[n-2].End == last.Start: // a path that goes on
			p.start, toks = toks[n-2].Start, toks[:n-2]
		case last.Type == syntax.Ident || last.Type == syntax.Word || last.Type == syntax.Path:
			p.start, toks = last.Start, toks[:n-1]
		}
	}
	p.word = f.Text[p.start:offset]
	for p.end < len(f.Text) { // the rest of the word behind the cursor is replaced too
		r, w := utf8.DecodeRuneInString(f.Text[p.end:])
		if !isWordRune(r) {
			break
		}
		p.end += w
	}
	for _, t := range toks {
		if t.Type != syntax.Comment {
			p.tokens = append(p.tokens, t)
		}
	}
	p.behindNumber = len(p.tokens) > 0 && p.tokens[len(p.tokens)-1].Type == syntax.Number
	p.open()
	return true
}

func isWordRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f && r != 0xfffd
}

// open walks the tokens and keeps the brackets that are open at the end, and where the statement begins.
func (p *place) open() {
	closed := "" // function of the call closed last
	var before syntax.Token
	for i, t := range p.tokens {
		if t.Type == syntax.Newline {
			goesOn := i+1 < len(p.tokens) && p.tokens[i+1].ContinuesLine()
			if len(p.frames) == 0 && !goesOn && (before.Text == "" || before.EndsExpression()) {
				p.first = i + 1
			}
			continue
		}
		switch t.Text {
		case "(", "[", "{":
			fr := frame{bracket: t.Text, at: i + 1}
			switch {
			case t.Text == "[":
				fr.index = before.EndsExpression() && before.Type != syntax.Newline
			case before.Type == syntax.Ident && !(t.Text == "(" && i >= 2 && p.tokens[i-2].Text == "fn"):
				fr.fn = before.Text
				fr.piped = i >= 2 && p.tokens[i-2].Text == "|>"
			case t.Text == "{" && before.Text == ")":
				fr.fn = closed
			case t.Text == "{" && before.EndsExpression() && p.first < len(p.tokens): // report r = [a] { … }
				fr.fn, fr.piped = p.tokens[p.first].Text, true
			}
			p.frames = append(p.frames, fr)
		case ")", "]", "}":
			if n := len(p.frames); n > 0 {
				closed = p.frames[n-1].fn
				p.frames = p.frames[:n-1]
			}
		}
		before = t
	}
}

// last is the last token that is no line end; a zero token at the beginning.
func (p *place) last() syntax.Token {
	for i := len(p.tokens) - 1; i >= 0; i-- {
		if p.tokens[i].Type != syntax.Newline {
			return p.tokens[i]
		}
	}
	return syntax.Token{}
}

// without is the tokens from an index on, without line ends.
func (p *place) without(from int) []syntax.Token {
	var out []syntax.Token
	for _, t := range p.tokens[min(from, len(p.tokens)):] {
		if t.Type != syntax.Newline {
			out = append(out, t)
		}
	}
	return out
}

func (p *place) statement() []syntax.Token { return p.without(p.first) }

// declares says whether a colon stands in a param, or between the parentheses of a fn, where a type is expected.
func (p *place) declares(stmt []syntax.Token) bool {
	switch stmt[0].Text {
	case "param":
		return len(p.frames) == 0
	case "fn":
		return len(p.frames) == 1 && p.frames[0].at == p.first+3
	}
	return false
}

// argument finds where the current argument of a bracket begins: behind its last comma (or line end in a block), and behind `name:`.
func (p *place) argument(fr frame, to int) (from int, named bool) {
	from, depth := fr.at, 0
	for i := fr.at; i < to; i++ {
		switch t := p.tokens[i]; {
		case t.Text == "(" || t.Text == "[" || t.Text == "{":
			depth++
		case t.Text == ")" || t.Text == "]" || t.Text == "}":
			depth--
		case depth == 0 && (t.Text == "," || t.Type == syntax.Newline && fr.bracket == "{" && i > fr.at && p.tokens[i-1].EndsExpression()):
			from, named = i+1, false
		case depth == 0 && t.Text == ":":
			from, named = i+1, true
		}
	}
	return from, named
}

// want is the type expected at token to, inside frame i; -1 is the top level.
func (p *place) want(i, to int) types.Type {
	if i < 0 {
		if st := p.statement(); len(st) >= 3 && syntax.IsKind(st[0].Text) && st[2].Text == "=" {
			return types.Of(st[0].Text)
		} else if len(st) >= 5 && st[0].Text == "param" && st[2].Text == ":" {
			return declared(st[3].Text)
		} else if len(st) > 0 && st[0].Text == "fn" {
			for k := 1; k+1 < len(st); k++ {
				if st[k].Text == "->" {
					return declared(st[k+1].Text)
				}
			}
		}
		return types.Any
	}
	fr := p.frames[i]
	from, named := p.argument(fr, to)
	outer := func() types.Type { return p.want(i-1, fr.at-1) }
	switch {
	case fr.bracket == "[":
		return element(outer(), "list")
	case fr.fn == "" && fr.bracket == "{":
		if !named {
			return types.Any
		}
		return element(outer(), "map")
	case fr.fn == "":
		return outer()
	}
	key := ""
	if named && from >= 2 {
		key = p.tokens[from-2].Text
	}
	b := p.callee(i)
	if b == nil && p.own != nil {
		n := p.commas(fr.at, min(from, to))
		if fr.piped {
			n++
		}
		return p.own(fr.fn, key, n)
	}
	if b == nil {
		return types.Any
	}
	if named {
		if q, ok := b.Param(key); ok {
			return q.Type
		}
		return b.KeyType
	}
	n := p.commas(fr.at, min(from, to))
	for _, q := range b.Params {
		if q.Piped && (fr.piped || !q.Need) {
			continue
		}
		if q.Rest && q.Type.Elem != nil {
			return *q.Type.Elem
		}
		if n == 0 {
			return q.Type
		}
		n--
	}
	return types.Any
}

// declared is the type that a param or fn names.
func declared(name string) types.Type {
	switch _, tensor := types.TensorNamed(name); {
	case tensor:
		return types.AnyTensor // parts of an expression have other shapes than the whole
	case name == "number" || name == "int":
		return types.AnyNumber
	case slices.Contains(check.TypeNames(), name) && name != "list":
		return types.Of(name)
	}
	return types.Any
}

// element is what a list or map of the type holds.
func element(t types.Type, base string) types.Type {
	for _, a := range t.Alternatives() {
		if a.Base == base && a.Elem != nil {
			return *a.Elem
		}
	}
	return types.Any
}

// commas counts those of a call between two tokens.
func (p *place) commas(from, to int) int {
	n, depth := 0, 0
	for _, t := range p.tokens[from:to] {
		switch t.Text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case ",":
			if depth == 0 {
				n++
			}
		}
	}
	return n
}

// callee is the builtin whose arguments frame i holds, of two of one name the one that fits its place.
func (p *place) callee(i int) *builtin.Builtin {
	fr := p.frames[i]
	found := builtin.Lookup(fr.fn)
	if len(found) == 0 {
		return nil
	}
	if len(found) > 1 {
		want := p.want(i-1, fr.at-2)
		for _, b := range found {
			if b.Result.Fits(want) {
				return b
			}
		}
	}
	return found[0]
}

// compared recognises `modality ==` and `task in` inside a condition: what the field may equal.
func (p *place) compared() (types.Type, bool) {
	toks := p.statement()
	for len(toks) > 0 && (toks[len(toks)-1].Text == "[" || toks[len(toks)-1].Text == ",") { // task in [
		toks = toks[:len(toks)-1]
	}
	if len(toks) < 2 {
		return types.Type{}, false
	}
	op, field := toks[len(toks)-1].Text, toks[len(toks)-2].Text
	if op != "==" && op != "!=" && op != "in" {
		return types.Type{}, false
	}
	switch field {
	case "modality":
		return types.Parse("word<modality>"), true
	case "task":
		return types.Parse("word<task> | path"), true
	case "organ", "subregion", "body_part":
		return types.Path, true
	}
	return types.Type{}, false
}

// operand goes back over a postfix expression that ends at token i and gives the index of its first token, -1 when there is none.
func (p *place) operand(i int) int {
	for i >= 0 {
		switch t := p.tokens[i]; {
		case t.Type == syntax.Newline:
			i--
		case t.Text == ")" || t.Text == "]" || t.Text == "}":
			depth := 0
			for ; i >= 0; i-- {
				switch p.tokens[i].Text {
				case ")", "]", "}":
					depth++
				case "(", "[", "{":
					depth--
				}
				if depth == 0 {
					break
				}
			}
			if i <= 0 || !p.tokens[i-1].EndsExpression() {
				return i
			}
			i--
		case t.Type == syntax.Ident:
			if i > 1 && p.tokens[i-1].Text == "." {
				i -= 2
				continue
			}
			return i
		default:
			return -1
		}
	}
	return -1
}

// valueStart is the index of the first token of the value that is being written: behind the equals sign of the statement, or of the current argument.
func (p *place) valueStart() int {
	if n := len(p.frames); n > 0 {
		from, _ := p.argument(p.frames[n-1], len(p.tokens))
		return from
	}
	depth, from := 0, p.first
	for i := p.first; i < len(p.tokens); i++ {
		switch p.tokens[i].Text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case "=":
			if depth == 0 {
				return i + 1
			}
		}
	}
	return from
}

// locals are the parameters of the fn that is being written, with their types.
func (c *completer) locals() map[string]types.Type {
	st := c.statement()
	if len(st) < 4 || st[0].Text != "fn" {
		return nil
	}
	out := map[string]types.Type{}
	for i := 3; i+2 < len(st) && st[i].Text != "->"; i++ {
		if st[i].Type == syntax.Ident && st[i+1].Text == ":" && (st[i-1].Text == "(" || st[i-1].Text == ",") {
			out[st[i].Text] = c.scope().ReadType(st[i+2].Text)
		}
		if st[i].Text == "=" && i+1 < len(st) && st[i-1].Text == ")" {
			break
		}
	}
	return out
}
