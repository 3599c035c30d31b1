package syntax

import (
	"fmt"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// parseValue reads the production gExpr of grammar.go and everything below it by recursive descent. One function a production, in the same order;
// what an error carries is the token at which no rule goes on, and what would have gone on there.
func parseValue(lex *lexer.PeekingLexer) (gValue, error) {
	r := reader{lex, &arena{}}
	if !r.beginsOperand() {
		return nil, participle.NextMatch
	}
	return r.expr()
}

// parseBinding and parseBare read gBinding and gBare: nearly all statements of a script are bindings, and need nothing of participle.
func parseBinding(c *cursor) (*gBinding, error) {
	r := reader{c, &c.nodes}
	kind, name := c.Next(), c.Next()
	g := &gBinding{Kind: gToken{kind.Pos, kind.Value}, Name: gToken{name.Pos, name.Value}}
	if !r.is("=") {
		return nil, r.fail(`"="`)
	}
	c.Next()
	e, err := r.whole()
	g.Value = e
	return g, err
}

func parseBare(c *cursor) (*gBare, error) {
	e, err := reader{c, &c.nodes}.whole()
	return &gBare{e}, err
}

// cursor walks the tokens of one statement; behind the last stands EOF.
type cursor struct {
	tokens []lexer.Token
	i      int
	nodes  arena
}

// arena makes the nodes that every value needs, many at a time. It is emptied for the next statement: by then its trees have become AST.
type arena struct {
	exprs     pool[gExpr]
	unaries   pool[gUnary]
	postfixes pool[gPostfix]
	primaries pool[gPrimary]
	items     pool[gItem]
	tails     pool[gTail]
}

func (a *arena) reset() {
	a.exprs.used, a.unaries.used, a.postfixes.used, a.primaries.used, a.items.used, a.tails.used = 0, 0, 0, 0, 0, 0
}

// pool gives out zeroed values. Its blocks never move, so pointers into them stay good until the next reset.
type pool[T any] struct {
	blocks [][]T
	used   int
}

const block = 64

func (p *pool[T]) new() *T {
	if p.used == len(p.blocks)*block {
		p.blocks = append(p.blocks, make([]T, block))
	}
	v := &p.blocks[p.used/block][p.used%block]
	p.used++
	var zero T
	*v = zero
	return v
}

func (c *cursor) Peek() *lexer.Token { return &c.tokens[c.i] }

func (c *cursor) Next() *lexer.Token {
	t := &c.tokens[c.i]
	if !t.EOF() {
		c.i++
	}
	return t
}

// reader reads from a cursor, or from within a statement that participle is reading.
type reader struct {
	lex interface {
		Peek() *lexer.Token
		Next() *lexer.Token
	}
	nodes *arena
}

// whole is an expression up to the end of the statement.
func (r reader) whole() (*gExpr, error) {
	e, err := r.expr()
	if err == nil && !r.lex.Peek().EOF() {
		err = r.fail("an operator or the end of the statement")
	}
	return e, err
}

// is says whether the next token reads text. Strings keep their quotes, so only names, words and punctuation can.
func (r reader) is(text string) bool { return r.lex.Peek().Value == text && !r.lex.Peek().EOF() }

// failure is the token at which no rule goes on, and what the rules would have gone on with, in the words of messages. Participle's own text names
// productions, often means the token before, and never reaches a user.
type failure struct {
	at       int // offset
	expected string
}

func (f *failure) Error() string { return fmt.Sprintf("at %d: expected %s", f.at, f.expected) }

func (r reader) fail(expected string) error { return &failure{r.lex.Peek().Pos.Offset, expected} }

func (r reader) expr() (*gExpr, error) {
	first, err := r.unary()
	if err != nil {
		return nil, err
	}
	e := r.nodes.exprs.new()
	e.First = first
	for isOperator(r.lex.Peek()) {
		op := r.lex.Next()
		right, err := r.unary()
		if err != nil {
			return nil, err
		}
		e.Rest = append(e.Rest, &gOpArm{Pos: op.Pos, Op: op.Value, Right: right})
	}
	return e, nil
}

func isOperator(t *lexer.Token) bool { return precedence[t.Value] > 0 && !t.EOF() }

// beginsOperand says whether the next token can begin an expression.
func (r reader) beginsOperand() bool {
	t := r.lex.Peek()
	switch t.Type {
	case Ident, Number, String, Path:
		return true
	case EOF:
		return false
	}
	switch t.Value {
	case "-", "not", "true", "false", "(", "[", "{":
		return true
	}
	return false
}

func (r reader) unary() (*gUnary, error) {
	u := r.nodes.unaries.new()
	for r.is("-") || r.is("not") {
		op := r.lex.Next()
		u.Ops = append(u.Ops, gPrefix{Pos: op.Pos, Op: op.Value})
	}
	var err error
	u.Base, err = r.postfix()
	return u, err
}

func (r reader) postfix() (*gPostfix, error) {
	base, err := r.primary()
	if err != nil {
		return nil, err
	}
	p := r.nodes.postfixes.new()
	p.Base = base
	for err == nil {
		if !r.is(".") && !r.is("(") && !r.is("[") && !r.is("{") {
			return p, nil
		}
		t := r.nodes.tails.new()
		switch {
		case r.is("."):
			r.lex.Next()
			if r.lex.Peek().Type != Ident {
				return nil, r.fail("a field name")
			}
			name := r.lex.Next()
			t.Field = &gField{Pos: name.Pos, Name: name.Value}
		case r.is("("):
			t.Call, err = r.args()
		case r.is("["):
			t.Index, err = r.index()
		default:
			t.Block, err = r.block()
		}
		p.Tail = append(p.Tail, t)
	}
	return nil, err
}

func (r reader) args() (*gArgs, error) {
	a := &gArgs{Open: r.lex.Next().Value}
	expected := `a value or ")"`
	for r.beginsItem() {
		item, err := r.item()
		if err != nil {
			return nil, err
		}
		a.Items = append(a.Items, item)
		expected = `"," or ")"`
		if !r.is(",") {
			break
		}
		r.lex.Next()
		expected = `a value or ")"`
	}
	var err error
	a.Close, err = r.closing(expected)
	return a, err
}

func (r reader) index() (*gIndex, error) {
	x := &gIndex{Open: r.lex.Next().Value}
	var err error
	if x.By, err = r.expr(); err != nil {
		return nil, err
	}
	x.Close, err = r.closing(`"]"`)
	return x, err
}

func (r reader) block() (*gBlock, error) {
	open := r.lex.Next()
	b := &gBlock{Pos: open.Pos, Open: open.Value}
	expected := `an entry or "}"`
	for r.beginsItem() {
		item, err := r.item()
		if err != nil {
			return nil, err
		}
		b.Items = append(b.Items, item)
		if !r.is(",") && r.lex.Peek().Type != Term {
			expected = `":", ",", a line break or "}"`
			if item.Value != nil {
				expected = `",", a line break or "}"`
			}
			break
		}
		expected = `an entry or "}"`
		if sep := r.lex.Next(); sep.Type == Term && !r.beginsItem() {
			return nil, r.fail(expected)
		}
	}
	var err error
	b.Close, err = r.closing(expected)
	return b, err
}

func (r reader) beginsItem() bool { return r.beginsOperand() || r.is("else") }

func (r reader) item() (*gItem, error) {
	i := r.nodes.items.new()
	var err error
	if r.is("else") {
		word := r.lex.Next()
		i.Else = &gElse{Pos: word.Pos, Text: word.Value}
	} else if i.Key, err = r.expr(); err != nil {
		return nil, err
	}
	if r.is(":") {
		r.lex.Next()
		i.Value, err = r.expr()
	}
	return i, err
}

// closing takes any closing bracket: the layout pass has matched them.
func (r reader) closing(expected string) (gClose, error) {
	if !r.is(")") && !r.is("]") && !r.is("}") {
		return gClose{}, r.fail(expected)
	}
	t := r.lex.Next()
	return gClose{Pos: t.Pos, Text: t.Value}, nil
}

func (r reader) primary() (*gPrimary, error) {
	t := r.lex.Peek()
	p := r.nodes.primaries.new()
	p.Pos = t.Pos
	var err error
	switch {
	case t.EOF():
		return nil, r.fail("a value")
	case t.Type == Number:
		p.Number = &gNumber{Text: r.lex.Next().Value}
		if u := r.lex.Peek(); u.Type == Unit {
			r.lex.Next()
			p.Number.Unit = &gUnit{Pos: u.Pos, Text: u.Value}
		}
	case t.Type == String:
		p.String = text(r.lex.Next())
	case t.Value == "true" || t.Value == "false":
		p.Bool = text(r.lex.Next())
	case t.Type == Path:
		p.Path = text(r.lex.Next())
	case t.Type == Ident:
		p.Name = text(r.lex.Next())
	case t.Value == "(":
		p.Group, err = r.group()
	case t.Value == "[":
		p.List, err = r.list()
	case t.Value == "{":
		p.Map, err = r.block()
	default:
		return nil, r.fail("a value")
	}
	return p, err
}

// text copies what a token reads: the tokens of a statement are overwritten by those of the next.
func text(t *lexer.Token) *string { s := t.Value; return &s }

func (r reader) group() (*gGroup, error) {
	g := &gGroup{Open: r.lex.Next().Value}
	var err error
	if g.Value, err = r.expr(); err != nil {
		return nil, err
	}
	g.Close, err = r.closing(`")"`)
	return g, err
}

func (r reader) list() (*gList, error) {
	l := &gList{Open: r.lex.Next().Value}
	var err error
	expected := `a value or "]"`
	if r.beginsOperand() {
		if l.First, err = r.expr(); err != nil {
			return nil, err
		}
		for r.is("for") || r.is("if") {
			c, err := r.clause()
			if err != nil {
				return nil, err
			}
			l.Clauses = append(l.Clauses, c)
		}
		expected = `"," or "]"`
		if len(l.Clauses) > 0 {
			expected = `for, if or "]"`
		}
		for r.is(",") {
			r.lex.Next()
			if !r.beginsOperand() {
				expected = `a value or "]"`
				break
			}
			x, err := r.expr()
			if err != nil {
				return nil, err
			}
			l.Rest = append(l.Rest, x)
		}
	}
	l.Close, err = r.closing(expected)
	return l, err
}

func (r reader) clause() (*gClause, error) {
	c := &gClause{}
	var err error
	if r.lex.Next().Value == "if" {
		c.If, err = r.expr()
		return c, err
	}
	t := r.lex.Peek()
	if t.Type != Ident && t.Type != Number && t.Type != String {
		return nil, r.fail("a name")
	}
	r.lex.Next()
	c.Var = &gToken{Pos: t.Pos, Text: t.Value}
	if !r.is("in") {
		return nil, r.fail("in")
	}
	r.lex.Next()
	c.Over, err = r.expr()
	return c, err
}
