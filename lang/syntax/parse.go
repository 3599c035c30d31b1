package syntax

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/participle/v2"
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
		if b, ok := stmt.(*Bare); ok && !repl {
			d := diags.Add(diag.BareExpression, b.Where, "an expression alone is no statement")
			d.Help = "bind it: data, prep, split, taxonomy, experts, model, eval, compare or report, then `name = …` (only the REPL displays bare expressions)"
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
		if err != nil {
			diags.Add(diag.UnexpectedToken, where.Where, "%v", err)
			return nil
		}
		g, err := statementParser().ParseFromLexer(lex)
		if err != nil {
			c.syntaxError(seg, err)
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

func isHead(s string) bool {
	for _, h := range Heads {
		if s == h {
			return true
		}
	}
	return false
}

// syntaxError words a parse failure from the token at which it happened and the tokens around it. Participle's own text names grammar
// rules and is often one token early, so none of it is shown.
func (c *converter) syntaxError(seg segment, err error) {
	at := seg.tokens[len(seg.tokens)-1].End
	var perr participle.Error
	if errors.As(err, &perr) {
		at = perr.Position().Offset
	}
	i := 0
	for i < len(seg.tokens) && seg.tokens[i].Start < at {
		i++
	}
	tok := Token{Type: EOF, Start: at, End: at}
	if i < len(seg.tokens) {
		tok = seg.tokens[i]
	}
	prev := Token{}
	if i > 0 {
		prev = seg.tokens[i-1]
	}
	var open []Token
	for _, t := range seg.tokens[:i] {
		switch {
		case t.Type == Punct && partner[t.Text] != "":
			open = append(open, t)
		case t.Type == Punct && (t.Text == ")" || t.Text == "]" || t.Text == "}") && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	span := source.Span{File: c.file, Start: tok.Start, End: max(tok.End, tok.Start)}
	expected := expectedAfter(seg, i, prev, open)
	d := c.diags.Add(diag.UnexpectedToken, span, "found %s, expected %s", describe(tok), expected)
	switch {
	case tok.Text == "=" && len(open) > 0:
		d.Help = "arguments are written name: value"
		d.Fixes = []diag.Fix{{Message: "write :", Span: source.Span{File: c.file, Start: prev.End, End: tok.End}, Replacement: ":", Safe: true}}
	case tok.Text == ":" && len(open) == 0 && i >= 2:
		d.Help = "a binding is written `kind name = expression`"
	case len(open) > 0 && open[len(open)-1].Text == "{" && tok.Type != EOF && prev.Type == Ident:
		d.Help = "write `" + prev.Text + ": …`, or separate two entries by a comma or a line break"
	case tok.Type == Word && tok.Text != "true" && tok.Text != "false":
		d.Help = "`" + tok.Text + "` is a word of the language and cannot be a name"
	}
}

func expectedAfter(seg segment, i int, prev Token, open []Token) string {
	if len(open) == 0 && i == 1 && prev.Type == Ident {
		return "a name"
	}
	if len(open) == 0 && i == 2 && prev.Type == Ident && seg.tokens[0].Type == Ident {
		switch seg.tokens[0].Text {
		case "fn":
			return `"("`
		case "param":
			return `":" or "="`
		case "use":
			return `"(" or the end of the line`
		}
		return `"="`
	}
	if prev.Text == "." {
		return "a field name"
	}
	if !endsExpression(prev) {
		return "a value"
	}
	if len(open) == 0 {
		return "an operator or the end of the statement"
	}
	switch open[len(open)-1].Text {
	case "{":
		return `":", ",", a line break or "}"`
	case "[":
		return `"," or "]"`
	}
	return `"," or ")"`
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
