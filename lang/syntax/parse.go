package syntax

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

// tokenDefinition lets participle parse tokens that were lexed already. Its Lex is never used on text.
type tokenDefinition struct{}

func (tokenDefinition) Symbols() map[string]lexer.TokenType { return tokenNames }
func (tokenDefinition) Lex(string, io.Reader) (lexer.Lexer, error) {
	return nil, errors.New("tokens are lexed by Lex")
}

// tokenStream feeds the tokens of one statement to participle.
type tokenStream struct{ c *cursor }

func (s *tokenStream) Next() (lexer.Token, error) { return *s.c.Next(), nil }

// grammarTokens writes the tokens of a segment as participle's, EOF behind them, over what buf held.
func grammarTokens(seg segment, buf []lexer.Token) []lexer.Token {
	buf = buf[:0]
	for _, t := range seg.tokens {
		buf = append(buf, lexer.Token{Type: t.Type, Value: t.Text, Pos: lexer.Position{Offset: t.Start}})
	}
	return append(buf, lexer.Token{Type: EOF, Pos: lexer.Position{Offset: seg.tokens[len(seg.tokens)-1].End}})
}

// Parse reads a script. The statements that could be read are returned together with a diagnostic for each that could not.
// Bare expressions are allowed when repl is true and reported otherwise.
func Parse(f *source.File, repl bool) (*Script, diag.List) {
	var diags diag.List
	var buf cursor
	script := &Script{File: f}
	for _, seg := range cut(f, Lex(f, &diags), &diags) {
		if seg.broken {
			if s := salvage(f, seg); s != nil {
				script.Statements = append(script.Statements, s)
			}
			continue
		}
		buf.tokens, buf.i = grammarTokens(seg, buf.tokens), 0
		buf.nodes.reset()
		stmt := parseSegment(f, seg, &buf, &diags)
		if stmt == nil {
			if s := salvage(f, seg); s != nil {
				script.Statements = append(script.Statements, s)
			}
			continue
		}
		if t := seg.tokens[0]; len(seg.tokens) == 1 && t.Type == Ident && (isHead(t.Text) || IsKind(t.Text) && !repl) {
			at := source.Span{File: f, Start: t.End, End: t.End}
			diags.Add(diag.UnexpectedToken, at, "found the end of the statement, expected %s", afterHead(t.Text))
			continue
		}
		if b, ok := stmt.(*Bare); ok && !repl {
			d := diags.Add(diag.BareExpression, b.Where, "an expression alone is no statement")
			d.Help = "bind it: its kind (" + strings.Join(Kinds, ", ") + "), then `name = …`; only the REPL displays bare expressions"
			continue
		}
		script.Statements = append(script.Statements, stmt)
	}
	diags.Sort()
	return script, diags
}

// salvage keeps the name that a broken statement binds, with a nil value, so that uses of it are not reported as unknown.
func salvage(f *source.File, seg segment) Statement {
	name := func(i int) Name {
		if i < len(seg.tokens) && seg.tokens[i].Type == Ident {
			t := seg.tokens[i]
			return Name{At{source.Span{File: f, Start: t.Start, End: t.End}}, t.Text}
		}
		return Name{}
	}
	head, bound := name(0), name(1)
	where := At{source.Span{File: f, Start: seg.tokens[0].Start, End: seg.tokens[len(seg.tokens)-1].End}}
	switch {
	case head.Text == "" || bound.Text == "":
		return nil
	case head.Text == "param":
		return &Param{At: where, Name: bound}
	case head.Text == "fn":
		return &Fn{At: where, Name: bound}
	case head.Text == "use" || head.Text == "expect" || head.Text == "mseg":
		return nil
	}
	return &Binding{At: where, Kind: head, Name: bound}
}

func parseSegment(f *source.File, seg segment, tokens *cursor, diags *diag.List) (out Statement) {
	c := &converter{file: f, diags: diags}
	before := len(*diags)
	defer func() {
		if len(*diags) > before {
			out = nil
		}
	}()
	where := At{source.Span{File: f, Start: seg.tokens[0].Start, End: seg.tokens[len(seg.tokens)-1].End}}
	switch formOf(seg.tokens) {
	case bindingForm:
		g, err := parseBinding(tokens)
		if err != nil {
			c.syntaxError(seg, err)
			return nil
		}
		return c.binding(where, g)
	case headForm:
		lex, err := lexer.Upgrade(&tokenStream{tokens})
		if err != nil { // only a lexer's error could be one, and the tokens are lexed
			c.syntaxError(seg, err)
			return nil
		}
		g, err := statementParser().ParseFromLexer(lex)
		if err != nil {
			tokens.i = 0
			c.syntaxError(seg, headFailure(tokens))
			return nil
		}
		return c.statement(where, g)
	}
	g, err := parseBare(tokens)
	if err != nil {
		c.syntaxError(seg, err)
		return nil
	}
	return &Bare{At: where, Value: c.expr(g.Value)}
}

// form is which production a statement belongs to; its first two tokens say.
type form int

const (
	bareForm    form = iota // gBare
	bindingForm             // gBinding
	headForm                // gStatement
)

func formOf(toks []Token) form {
	if len(toks) < 2 || toks[0].Type != Ident {
		return bareForm
	}
	first, second := toks[0], toks[1]
	switch {
	case isHead(first.Text):
		if first.Text == "expect" || second.Text != "|>" && second.Text != "." && second.Text != "(" {
			return headForm
		}
	case second.Type == Ident:
		return bindingForm
	}
	return bareForm
}

func isHead(s string) bool { return slices.Contains(Heads, s) }

// syntaxError words a failure: what stands at the token at which no rule goes on, what was expected there, and what was probably meant.
func (c *converter) syntaxError(seg segment, err error) {
	f := &failure{seg.tokens[len(seg.tokens)-1].End, "another statement"}
	errors.As(err, &f)
	i := 0
	for i < len(seg.tokens) && seg.tokens[i].Start < f.at {
		i++
	}
	tok := Token{Type: EOF, Start: f.at, End: f.at}
	if i < len(seg.tokens) {
		tok = seg.tokens[i]
	}
	prev, open := Token{}, []Token(nil)
	for _, t := range seg.tokens[:i] {
		prev = t
		switch {
		case t.Type == Punct && partner[t.Text] != "":
			open = append(open, t)
		case t.Type == Punct && (t.Text == ")" || t.Text == "]" || t.Text == "}") && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	inner := ""
	if len(open) > 0 {
		inner = open[len(open)-1].Text
	}
	first := seg.tokens[0]
	if i == 1 && first.Type == Ident && formOf(seg.tokens) == bareForm { // a statement was begun
		f.expected = "a name"
	}
	d := c.diags.Add(diag.UnexpectedToken, source.Span{File: c.file, Start: tok.Start, End: tok.End}, "found %s, expected %s", describe(tok), f.expected)
	switch {
	case tok.Text == "=" && inner != "" && prev.Type == Ident && first.Text != "fn":
		d.Help = "arguments are written name: value"
		d.Fixes = []diag.Fix{{Message: "write :", Span: source.Span{File: c.file, Start: prev.End, End: tok.End}, Replacement: ":", Safe: true}}
	case first.Type == Ident && !isHead(first.Text) && !IsKind(first.Text) && (f.expected == `"="` || i == 1):
		d.Help = fmt.Sprintf("%q begins no statement; a binding is written `kind name = expression`", first.Text)
		if s := diag.Suggest(first.Text, append(append([]string(nil), Kinds...), Heads...)); s != "" && s[0] == first.Text[0] {
			d.Help = "did you mean " + s + "?"
		}
	case tok.Type == Word && tok.Text != "true" && tok.Text != "false" && f.expected == "a name":
		d.Help = "`" + tok.Text + "` is a word of the language and cannot be a name"
	case (tok.Text == ":" || tok.Text == "==") && f.expected == `"="`:
		d.Help = "a binding is written `kind name = expression`"
	case tok.Type == Word && (tok.Text == "for" || tok.Text == "if") && prev.Type != 0 && endsExpression(prev):
		d.Help = "a sweep is written [value for name in list]"
	case tok.Text == "," && inner == "(" && f.expected == `")"`, tok.Text == "," && tok.Type == Punct && len(open) == 0:
		d.Help = "a list is written [a, b]"
	case first.Text == "param" && tok.Type == EOF && f.expected == `"="`:
		d.Help = "a param has a default, as in `param n: int = 3`"
	case inner == "(" && first.Text != "use" && prev.Type == Ident && (tok.Type == Number || tok.Type == String || tok.Type == Ident || tok.Type == Path):
		d.Help = "write `" + prev.Text + ": " + tok.Text + "`, or separate two arguments by a comma"
	case tok.Type == Ident && prev.Type == Number:
		d.Help = "units are " + strings.Join(Units, " ")
		if s := diag.Suggest(tok.Text, Units); s != "" {
			d.Help = "did you mean " + s + "?"
		}
	case inner == "{" && tok.Type != EOF && prev.Type == Ident && strings.HasPrefix(f.expected, `":"`):
		d.Help = "write `" + prev.Text + ": …`, or separate two entries by a comma or a line break"
	}
}

// afterHead is what must follow the first word of a statement.
func afterHead(head string) string {
	switch head {
	case "mseg":
		return "an edition, as in `mseg 1`"
	case "use":
		return "the name of a library"
	case "expect":
		return "a condition"
	}
	return "a name"
}

func describe(t Token) string {
	switch t.Type {
	case EOF:
		return "the end of the statement"
	case Term:
		return "the end of the line"
	case String:
		return "the string " + t.Text
	case Number:
		return "the number " + t.Text
	case Unit:
		return "the unit " + t.Text
	case Path:
		return "the path " + t.Text
	}
	return fmt.Sprintf("%q", t.Text)
}

// Incomplete says whether a REPL entry needs another line: an open bracket, an unfinished string is not (it is an error),
// or a last token that asks for more.
func Incomplete(f *source.File) bool {
	var diags diag.List
	depth := 0
	last := Token{Type: EOF}
	for _, t := range Lex(f, &diags) {
		if t.Type == Comment || t.Type == Newline {
			continue
		}
		if t.Type == Punct {
			switch t.Text {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				depth--
			}
		}
		last = t
	}
	if depth > 0 {
		return true
	}
	return last.Type == Punct && !endsExpression(last) || last.Type == Word && !endsExpression(last)
}
