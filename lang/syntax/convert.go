package syntax

import (
	"math"
	"strconv"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

// converter turns the participle tree of one statement into the AST.
type converter struct {
	file  *source.File
	diags *diag.List
	outer map[Expr]source.Span // of an expression in parentheses: with them
}

// extent is the place of an expression with the parentheses around it.
func (c *converter) extent(e Expr) source.Span {
	if s, ok := c.outer[e]; ok {
		return s
	}
	return e.Span()
}

func (c *converter) span(p lexer.Position, length int) source.Span {
	return source.Span{File: c.file, Start: p.Offset, End: p.Offset + length}
}

func (c *converter) name(t gToken) Name {
	n := Name{At{c.span(t.Pos, len(t.Text))}, t.Text}
	if t.Text != "" && (t.Text[0] == '"' || isDigit(t.Text[0])) {
		c.diags.Add(diag.UnexpectedToken, n.Where, "found %s, expected a name", describe(tokenOf(t)))
	}
	return n
}

func (c *converter) statement(where At, g *gStatement) Statement {
	switch {
	case g.Edition != nil:
		t := g.Edition.Number
		n, err := strconv.Atoi(t.Text)
		if err != nil || n != 1 {
			d := c.diags.Add(diag.BadEdition, c.span(t.Pos, len(t.Text)), "edition %s is not known", t.Text)
			d.Help = "this program reads edition 1: write `mseg 1`"
			return nil
		}
		return &Edition{At: where, Number: n}
	case g.Use != nil:
		u := &Use{At: where, Library: c.name(g.Use.Library)}
		for _, n := range g.Use.Names {
			u.Names = append(u.Names, c.name(n))
		}
		return u
	case g.Param != nil:
		p := &Param{At: where, Name: c.name(g.Param.Name), Type: c.typ(g.Param.Type), Default: c.expr(g.Param.Value)}
		// `= 30 in 1..500`: the loosest `in` of the default separates its limits; one in parentheses is a condition.
		if b, ok := p.Default.(*Binary); ok && b.Op == "in" && c.outer[b].IsZero() {
			p.Default, p.Limits = b.Left, b.Right
		}
		return p
	case g.Fn != nil:
		f := &Fn{At: where, Name: c.name(g.Fn.Name), Returns: c.typ(g.Fn.Returns), Body: c.expr(g.Fn.Body)}
		for _, q := range g.Fn.Params {
			p := FnParam{Name: c.name(q.Name), Type: c.typ(q.Type), Optional: q.Optional}
			if q.Default != nil {
				p.Default = c.expr(q.Default)
			}
			f.Params = append(f.Params, p)
		}
		return f
	case g.Expect != nil:
		return &Expect{At: where, Condition: c.expr(g.Expect.Condition)}
	}
	return nil
}

func (c *converter) binding(where At, g *gBinding) Statement {
	return &Binding{At: where, Kind: c.name(g.Kind), Name: c.name(g.Name), Value: c.expr(g.Value)}
}

func (c *converter) typ(g *gType) *TypeExpr {
	if g == nil {
		return nil
	}
	n := c.name(g.Name)
	return &TypeExpr{At: n.At, Name: n, Of: c.typ(g.Of)}
}

// precedence of the binary operators, loosest first; all are left-associative.
var precedence = map[string]int{
	"|>": 1, "or": 2, "and": 3, "in": 5, "==": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5, "..": 6, "+": 7, "-": 7, "*": 8, "/": 8,
}

// notPrecedence: `not a in b` is not (a in b); everything tighter than `not` belongs to it.
const notPrecedence = 4

// operand is one element of a flat operator chain.
type operand struct {
	op    string // operator before it; "" for the first
	opPos lexer.Position
	unary *gUnary
}

// expr re-associates the flat chain that the grammar gives into a tree.
func (c *converter) expr(v gValue) Expr {
	g := v.value()
	if len(g.Rest) == 0 && len(g.First.Ops) == 0 {
		return c.postfix(g.First.Base)
	}
	chain := make([]operand, 0, 1+len(g.Rest))
	chain = append(chain, operand{unary: g.First})
	for _, r := range g.Rest {
		chain = append(chain, operand{r.Op, r.Pos, r.Right})
	}
	p := &chainParser{c: c, chain: chain}
	e := p.parse(0)
	return e
}

type chainParser struct {
	c     *converter
	chain []operand
	i     int
}

func (p *chainParser) parse(least int) Expr {
	left := p.prefixed(p.chain[p.i].unary.Ops)
	for p.i+1 < len(p.chain) {
		next := p.chain[p.i+1]
		level := precedence[next.op]
		if level < least {
			break
		}
		p.i++
		right := p.parse(level + 1)
		where := At{p.c.extent(left).To(p.c.extent(right))}
		if next.op == "|>" {
			left = &Pipe{where, left, right}
			continue
		}
		if level == 5 {
			if b, ok := left.(*Binary); ok && precedence[b.Op] == 5 && p.c.outer[b].IsZero() {
				d := p.c.diags.Add(diag.UnexpectedToken, p.c.span(next.opPos, len(next.op)), "found %q, expected and, or or the end of the value: comparisons cannot be chained", next.op)
				d.Help = "join them with and"
			}
		}
		left = &Binary{where, next.op, left, right}
	}
	return left
}

// prefixed parses the operand at p.i with its remaining prefix operators. `-` binds tighter than any binary operator;
// `not` takes everything down to comparisons.
func (p *chainParser) prefixed(ops []gPrefix) Expr {
	if len(ops) == 0 {
		return p.c.postfix(p.chain[p.i].unary.Base)
	}
	op := ops[0]
	start := p.c.span(op.Pos, len(op.Op))
	var of Expr
	if op.Op == "not" {
		of = p.notOperand(ops[1:])
	} else {
		of = p.prefixed(ops[1:])
	}
	where := At{start.To(p.c.extent(of))}
	if n, ok := of.(*NumberLit); ok && op.Op == "-" {
		return &NumberLit{where, -n.Value, n.Unit}
	}
	return &Unary{where, op.Op, of}
}

func (p *chainParser) notOperand(ops []gPrefix) Expr {
	left := p.prefixed(ops)
	for p.i+1 < len(p.chain) && precedence[p.chain[p.i+1].op] > notPrecedence {
		op := p.chain[p.i+1].op
		p.i++
		right := p.parse(precedence[op] + 1)
		left = &Binary{At{p.c.extent(left).To(p.c.extent(right))}, op, left, right}
	}
	return left
}

func (c *converter) postfix(g *gPostfix) Expr {
	e := c.primary(g.Base)
	for _, t := range g.Tail {
		switch {
		case t.Field != nil:
			n := Name{At{c.span(t.Field.Pos, len(t.Field.Name))}, t.Field.Name}
			e = &Field{At{c.extent(e).To(n.Where)}, e, n}
		case t.Call != nil:
			e = &Call{At: At{c.extent(e).To(c.span(t.Call.Close.Pos, 1))}, Fn: e, Args: c.items(t.Call.Items)}
		case t.Index != nil:
			e = &Index{At{c.extent(e).To(c.span(t.Index.Close.Pos, 1))}, e, c.expr(t.Index.By)}
		case t.Block != nil:
			block := c.span(t.Block.Pos, 1).To(c.span(t.Block.Close.Pos, 1))
			args := c.items(t.Block.Items)
			if call, ok := e.(*Call); ok && call.Block.IsZero() {
				call.Args = append(call.Args, args...)
				call.Where, call.Block = call.Where.To(block), block
			} else {
				e = &Call{At: At{c.extent(e).To(block)}, Fn: e, Args: args, Block: block}
			}
		}
	}
	return e
}

func (c *converter) items(gs []*gItem) []Arg {
	var out []Arg
	for _, g := range gs {
		var a Arg
		if g.Else != nil {
			a.Key = &Ref{Name{At{c.span(g.Else.Pos, 4)}, "else"}}
			if g.Value == nil {
				c.diags.Add(diag.UnexpectedToken, a.Key.Span(), "found else without a value, expected else: value")
				continue
			}
			a.Value = c.expr(g.Value)
			out = append(out, a)
			continue
		}
		first := c.expr(g.Key)
		if g.Value == nil {
			out = append(out, Arg{Value: first})
			continue
		}
		switch first.(type) {
		case *Ref, *StringLit, *NumberLit, *PathLit:
			a.Key = first
		default:
			c.diags.Add(diag.UnexpectedToken, first.Span(), "found an expression before \":\", expected a key: a name, a number, a string or a path")
			continue
		}
		a.Value = c.expr(g.Value)
		out = append(out, a)
	}
	return out
}

func (c *converter) primary(g *gPrimary) Expr {
	switch {
	case g.Number != nil:
		where := c.span(g.Pos, len(g.Number.Text))
		v, err := strconv.ParseFloat(g.Number.Text, 64)
		if err != nil || math.IsInf(v, 0) {
			d := c.diags.Add(diag.BadNumber, where, "the number %s is out of range", g.Number.Text)
			d.Help = "numbers reach up to about 1.8e308"
		}
		unit := ""
		if u := g.Number.Unit; u != nil {
			unit = u.Text
			where = where.To(c.span(u.Pos, len(u.Text)))
		}
		return &NumberLit{At{where}, v, unit}
	case g.String != nil:
		v, _ := unquote(*g.String)
		return &StringLit{At{c.span(g.Pos, len(*g.String))}, v}
	case g.Bool != nil:
		return &BoolLit{At{c.span(g.Pos, len(*g.Bool))}, *g.Bool == "true"}
	case g.Path != nil:
		return &PathLit{At{c.span(g.Pos, len(*g.Path))}, *g.Path}
	case g.Name != nil:
		return &Ref{Name{At{c.span(g.Pos, len(*g.Name))}, *g.Name}}
	case g.Group != nil:
		e := c.expr(g.Group.Value)
		if c.outer == nil {
			c.outer = map[Expr]source.Span{}
		}
		c.outer[e] = c.span(g.Pos, 1).To(c.span(g.Group.Close.Pos, 1))
		return e
	case g.List != nil:
		where := At{c.span(g.Pos, 1).To(c.span(g.List.Close.Pos, 1))}
		if len(g.List.Clauses) > 0 {
			if len(g.List.Rest) > 0 {
				d := c.diags.Add(diag.UnexpectedToken, c.expr(g.List.Rest[0]).Span(), "found a further value, expected one: a comprehension gives one value per step")
				d.Help = "write [value for x in xs]"
			}
			out := &Comprehension{At: where, Value: c.expr(g.List.First)}
			for i, cl := range g.List.Clauses {
				if cl.Var != nil {
					out.Clauses = append(out.Clauses, Clause{Var: c.name(*cl.Var), Over: c.expr(cl.Over)})
					continue
				}
				if i == 0 {
					c.diags.Add(diag.UnexpectedToken, c.expr(cl.If).Span(), "found if, expected for: a comprehension begins with for")
				}
				out.Clauses = append(out.Clauses, Clause{Over: c.expr(cl.If)})
			}
			return out
		}
		l := &ListLit{At: where}
		if g.List.First != nil {
			l.Items = append(l.Items, c.expr(g.List.First))
		}
		for _, r := range g.List.Rest {
			l.Items = append(l.Items, c.expr(r))
		}
		return l
	default:
		m := g.Map
		return &MapLit{At{c.span(m.Pos, 1).To(c.span(m.Close.Pos, 1))}, c.items(m.Items)}
	}
}

// tokenOf is the token that the grammar captured, as far as it can be told from its text.
func tokenOf(t gToken) Token {
	switch {
	case t.Text != "" && t.Text[0] == '"':
		return Token{Type: String, Text: t.Text}
	case t.Text != "" && isDigit(t.Text[0]):
		return Token{Type: Number, Text: t.Text}
	}
	return Token{Type: Ident, Text: t.Text}
}
