package repl

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/stdlib"
)

// complete lists what may stand at the end of a text: items replace text[start:]. It knows the place: after a dot the fields of the value, after
// |> the functions that take it, inside a call its arguments and what the current one may be, after `use` the libraries.
// Every item begins with text[start:]; the list is sorted and empty where nothing can be said.
func (s session) complete(text string) (start int, items []string) {
	c := completer{session: s, text: text, program: s.program("session")}
	if strings.HasPrefix(text, ":") {
		return c.finish(0, c.commands())
	}
	if rest, ok := strings.CutPrefix(text, "?"); ok {
		at := len(text) - len(strings.TrimLeft(rest, " "))
		return c.finish(at, append(builtin.Names(), c.names(types.Any)...))
	}
	if !c.lex() {
		return len(text), nil
	}
	return c.finish(c.start, c.items())
}

type completer struct {
	session
	text    string
	program *ir.Program

	tokens []syntax.Token // before the word that is being typed
	start  int            // of that word
	word   string
	frames []frame
	first  int // index of the first token of the statement
}

// frame is an open bracket before the cursor.
type frame struct {
	bracket string
	fn      string // function whose arguments it holds; "" for groups, lists and maps
	piped   bool   // the function stands behind |>
	index   bool   // [ behind a value
	at      int    // index of the token behind the bracket
}

func (c *completer) finish(start int, items []string) (int, []string) {
	prefix := c.text[start:]
	var out []string
	for _, x := range items {
		if strings.HasPrefix(x, prefix) && x != prefix {
			out = append(out, x)
		}
	}
	slices.Sort(out)
	return start, slices.Compact(out)
}

func ends(t syntax.Token) bool {
	switch t.Type {
	case syntax.Ident, syntax.Number, syntax.Unit, syntax.String, syntax.Path:
		return true
	}
	return t.Text == ")" || t.Text == "]" || t.Text == "}" || t.Text == "true" || t.Text == "false"
}

// lex finds the word under the cursor and the open brackets; false inside comments, strings and numbers.
func (c *completer) lex() bool {
	var ignored diag.List
	f := source.New("", c.text)
	toks := syntax.Lex(f, &ignored)
	c.start = len(f.Text)
	if n := len(toks); n > 0 {
		last := toks[n-1]
		touches := last.End == len(f.Text)
		switch {
		case last.Type == syntax.Comment, last.Type == syntax.Bad:
			return false
		case !touches:
		case last.Type == syntax.Number || last.Type == syntax.Unit || last.Type == syntax.String:
			return false
		case last.Text == "/" && n > 1 && toks[n-2].Type == syntax.Path && toks[n-2].End == last.Start: // a path that goes on
			c.start, toks = toks[n-2].Start, toks[:n-2]
		case last.Type == syntax.Ident || last.Type == syntax.Word || last.Type == syntax.Path:
			c.start, toks = last.Start, toks[:n-1]
		}
	}
	c.word = f.Text[c.start:]
	c.tokens = slices.DeleteFunc(toks, func(t syntax.Token) bool { return t.Type == syntax.Comment })
	closed := "" // function of the call closed last
	var before syntax.Token
	for i, t := range c.tokens {
		if t.Type == syntax.Newline {
			if len(c.frames) == 0 && (i+1 >= len(c.tokens) || !continues(c.tokens[i+1])) && (i == 0 || ends(before)) {
				c.first = i + 1
			}
			continue
		}
		switch t.Text {
		case "(", "[", "{":
			fr := frame{bracket: t.Text, at: i + 1}
			switch {
			case t.Text == "[":
				fr.index = ends(before)
			case before.Type == syntax.Ident && !(t.Text == "(" && i >= 2 && c.tokens[i-2].Text == "fn"):
				fr.fn = before.Text
				fr.piped = i >= 2 && c.tokens[i-2].Text == "|>"
			case t.Text == "{" && before.Text == ")":
				fr.fn = closed
			case t.Text == "{" && ends(before) && c.first < len(c.tokens): // report r = [a] { … }
				fr.fn, fr.piped = c.tokens[c.first].Text, true
			}
			c.frames = append(c.frames, fr)
		case ")", "]", "}":
			if n := len(c.frames); n > 0 {
				closed = c.frames[n-1].fn
				c.frames = c.frames[:n-1]
			}
		}
		before = t
	}
	return true
}

// continues says whether a line that begins with t goes on with the one before.
func continues(t syntax.Token) bool {
	return t.Type == syntax.Punct && t.Text != "(" && t.Text != "[" && t.Text != "{" && t.Text != "-" ||
		t.Type == syntax.Word && (t.Text == "and" || t.Text == "or" || t.Text == "in")
}

// last is the last token that is no line end; a zero token at the beginning.
func (c *completer) last() syntax.Token {
	for i := len(c.tokens) - 1; i >= 0; i-- {
		if c.tokens[i].Type != syntax.Newline {
			return c.tokens[i]
		}
	}
	return syntax.Token{}
}

func (c *completer) items() []string {
	stmt := c.tokens[min(c.first, len(c.tokens)):]
	prev := c.last()
	switch {
	case len(stmt) == 0:
		return slices.Concat(syntax.Kinds, syntax.Heads, c.values(types.Any))
	case prev.Text == ".":
		return c.fieldNames()
	case stmt[0].Text == "use":
		if len(c.frames) > 0 && len(stmt) > 1 {
			return libraryNames(stmt[1].Text)
		}
		return stdlib.Names()
	case prev.Text == "|>":
		return c.functions()
	case prev.Text == "->" || prev.Text == ":" && c.declaration(stmt):
		return append(slices.Clone(types.Kinds), "number", "int", "string", "bool", "path", "list", "loss", "metric", "prompt", "optimizer")
	}
	if len(c.frames) > 0 {
		fr := c.frames[len(c.frames)-1]
		if fr.index {
			return c.values(types.Parse("word<task> | path"))
		}
		from, named := c.argument(fr, len(c.tokens))
		if len(c.rest(from)) == 0 && fr.bracket != "[" {
			out := c.values(c.want(len(c.frames)-1, len(c.tokens)))
			if fr.fn != "" && !named {
				out = append(out, c.argumentNames(fr)...)
			}
			return out
		}
	}
	if ends(prev) && (len(c.frames) == 0 || c.tokens[len(c.tokens)-1].Type != syntax.Newline) {
		return nil // a value is complete: an operator is next
	}
	if field, ok := c.compared(); ok {
		return c.values(field)
	}
	return c.values(c.want(len(c.frames)-1, len(c.tokens)))
}

// rest is the tokens from an index on without line ends.
func (c *completer) rest(from int) []syntax.Token {
	return slices.DeleteFunc(slices.Clone(c.tokens[min(from, len(c.tokens)):]), func(t syntax.Token) bool { return t.Type == syntax.Newline })
}

// declaration says whether a colon stands in a param, or between the parentheses of a fn, where a type is expected.
func (c *completer) declaration(stmt []syntax.Token) bool {
	switch stmt[0].Text {
	case "param":
		return len(c.frames) == 0
	case "fn":
		return len(c.frames) == 1 && c.frames[0].at == c.first+3
	}
	return false
}

// argument finds where the current argument of a bracket begins: behind its last comma (or line end in a block), and behind `name:`.
func (c *completer) argument(fr frame, to int) (from int, named bool) {
	from, depth := fr.at, 0
	for i := fr.at; i < to; i++ {
		switch t := c.tokens[i]; {
		case t.Text == "(" || t.Text == "[" || t.Text == "{":
			depth++
		case t.Text == ")" || t.Text == "]" || t.Text == "}":
			depth--
		case depth == 0 && (t.Text == "," || t.Type == syntax.Newline && fr.bracket == "{" && i > fr.at && ends(c.tokens[i-1])):
			from, named = i+1, false
		case depth == 0 && t.Text == ":":
			from, named = i+1, true
		}
	}
	return from, named
}

// key is the name before the colon of the current argument.
func (c *completer) key(from int) string {
	if from >= 2 && c.tokens[from-1].Text == ":" {
		return c.tokens[from-2].Text
	}
	return ""
}

// want is the type expected at a token inside frame i; -1 is the top level.
func (c *completer) want(i, to int) types.Type {
	if i < 0 {
		if st := c.rest(c.first); len(st) >= 3 && syntax.IsKind(st[0].Text) && st[2].Text == "=" {
			return types.Of(st[0].Text)
		}
		return types.Any
	}
	fr := c.frames[i]
	from, named := c.argument(fr, to)
	outer := func() types.Type { return c.want(i-1, fr.at-1) }
	switch {
	case fr.bracket == "[":
		for _, t := range outer().Alternatives() {
			if t.Base == "list" && t.Elem != nil {
				return *t.Elem
			}
		}
		return types.Any
	case fr.fn == "" && fr.bracket == "{":
		for _, t := range outer().Alternatives() {
			if t.Base == "map" && t.Elem != nil && named {
				return *t.Elem
			}
		}
		return types.Any
	case fr.fn == "":
		return outer()
	}
	b := c.callee(fr)
	if b == nil {
		return types.Any
	}
	if named {
		if p, ok := b.Param(c.key(from)); ok {
			return p.Type
		}
		return b.KeyType
	}
	n := 0 // commas of this call before the argument
	depth := 0
	for _, t := range c.tokens[fr.at:min(from, to)] {
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
	for _, p := range b.Params {
		if p.Piped && (fr.piped || !p.Need) {
			continue
		}
		if p.Rest && p.Type.Elem != nil {
			return *p.Type.Elem
		}
		if n == 0 {
			return p.Type
		}
		n--
	}
	return types.Any
}

// callee is the builtin whose arguments a frame holds.
func (c *completer) callee(fr frame) *builtin.Builtin {
	if found := builtin.Lookup(fr.fn); len(found) > 0 {
		return found[0]
	}
	return nil
}

func (c *completer) argumentNames(fr frame) []string {
	var out []string
	given := map[string]bool{}
	for i := fr.at; i+1 < len(c.tokens); i++ {
		if c.tokens[i].Type == syntax.Ident && c.tokens[i+1].Text == ":" {
			given[c.tokens[i].Text] = true
		}
	}
	add := func(name string) {
		if !given[name] {
			out = append(out, name+":")
		}
	}
	if b := c.callee(fr); b != nil {
		for _, p := range b.Params {
			if !p.Piped && !p.Rest {
				add(p.Name)
			}
		}
	}
	for _, st := range c.statements {
		if fn, ok := st.node.(*syntax.Fn); ok && fn.Name.Text == fr.fn {
			for _, p := range fn.Params {
				add(p.Name.Text)
			}
		}
	}
	return out
}

// compared recognises `modality ==` and `task in` inside a condition: the words that the field may equal.
func (c *completer) compared() (types.Type, bool) {
	toks := c.rest(c.first)
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
