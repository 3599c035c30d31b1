package check

import (
	"fmt"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// pipe evaluates x |> f(a) as f(x, a).
func (c *checker) pipe(e *syntax.Pipe, want types.Type, env *scope) ir.Value {
	var call *syntax.Call
	switch r := e.Right.(type) {
	case *syntax.Call:
		call = r
	case *syntax.Ref:
		call = &syntax.Call{At: r.At, Fn: r}
	default:
		d := c.diags.Add(diag.BadPipe, e.Right.Span(), "a value can only be passed to a function")
		d.Help = "write x |> name(…)"
		c.value(e.Left, types.Any, env)
		return unknown
	}
	left := c.pipedType(call, want)
	v := c.value(e.Left, left, env)
	return c.call(call, v, e.Left, want, env)
}

// pipedType is what the function on the right of |> expects on its left.
func (c *checker) pipedType(call *syntax.Call, want types.Type) types.Type {
	r, ok := call.Fn.(*syntax.Ref)
	if !ok {
		return types.Any
	}
	if _, _, r, ok := c.standsFor(r.Text, want); ok && r.kind == "prep" {
		return types.Of("prep")
	}
	if sym, ok := c.symbols[r.Text]; ok {
		if fn, ok := sym.stmt.(*syntax.Fn); ok && len(fn.Params) > 0 && fn.Params[0].Type != nil {
			return c.quietType(fn.Params[0].Type)
		}
		return types.Any
	}
	if found := builtin.Lookup(r.Text); len(found) > 0 {
		for _, p := range choose(found, want).Params {
			if p.Piped {
				return p.Type
			}
		}
	}
	return types.Any
}

// call evaluates f(…); piped is the value from the left of |>, or nil.
func (c *checker) call(e *syntax.Call, piped ir.Value, pipedExpr syntax.Expr, want types.Type, env *scope) ir.Value {
	r, ok := e.Fn.(*syntax.Ref)
	if !ok {
		switch e.Fn.(type) {
		case *syntax.Field:
			f := e.Fn.(*syntax.Field)
			d := c.diags.Add(diag.NotCallable, e.Fn.Span(), "values have fields, not methods")
			d.Help = fmt.Sprintf("write %s |> %s(…)", f.Of.Span().Text(), f.Name.Text)
		default:
			c.diags.Add(diag.NotCallable, e.Fn.Span(), "only a function can be applied to arguments")
		}
		return unknown
	}
	if _, local := env.lookup(r.Text); local {
		c.diags.Add(diag.NotCallable, r.Where, "%q is a value, not a function", r.Text)
		return unknown
	}
	if sym, ok := c.symbols[r.Text]; ok {
		c.rec.defined(r.Where, r.Text, sym.where)
		if _, fn, r, ok := c.standsFor(r.Text, want); ok && (piped == nil || r.kind == "prep") {
			if !c.mayCall(fn, e) {
				return unknown
			}
			return c.lift(sym, fn, r, e, piped, env)
		}
		if fn, ok := sym.stmt.(*syntax.Fn); ok {
			return c.inline(sym, fn, e, piped, pipedExpr, env)
		}
		if v := c.symbol(sym); !isUnknown(v) {
			d := c.diags.Add(diag.NotCallable, r.Where, "%q is %s, not a function", r.Text, article(v.Type()))
			d.Related = []diag.Related{{Span: sym.where, Message: "bound here"}}
			if v.Type().Base == "prep" {
				d.Help = fmt.Sprintf("write prep(%s)", r.Text)
			}
		}
		return unknown
	}
	found := builtin.Lookup(r.Text)
	if len(found) == 0 {
		d := c.diags.Add(diag.UnknownName, r.Where, "there is no function %q", r.Text)
		names := builtin.Names()
		for n, s := range c.symbols {
			if _, ok := s.stmt.(*syntax.Fn); ok {
				names = append(names, n)
			}
		}
		if s := diag.Suggest(r.Text, names); s != "" {
			d.Help = "did you mean " + s + "?"
			d.Fixes = []diag.Fix{{Message: "write " + s, Span: r.Where, Replacement: s}}
		}
		for _, a := range e.Args { // mistakes inside are independent
			c.inspect(a.Value, env)
		}
		return unknown
	}
	b := choose(found, want)
	c.rec.builtin(r.Where, b)
	switch b.Name {
	case "hierarchy", "extend":
		return c.treeCall(b, e, piped, env)
	}
	return c.bind(b, e.Where, e.Args, piped, pipedExpr, env)
}

// inspect checks names inside an argument whose meaning is unknown because its function is.
func (c *checker) inspect(e syntax.Expr, env *scope) {
	switch e := e.(type) {
	case *syntax.Call, *syntax.Pipe:
		c.value(e, types.Any, env)
	}
}

func (c *checker) treeCall(b *builtin.Builtin, e *syntax.Call, piped ir.Value, env *scope) ir.Value {
	args := e.Args
	if b.Name == "extend" {
		base := piped
		if base == nil && len(args) > 0 && args[0].Key == nil {
			base, args = c.value(args[0].Value, types.Of("taxonomy"), env), args[1:]
		}
		if base == nil {
			d := c.diags.Add(diag.MissingArgument, e.Where, "extend needs a taxonomy")
			d.Help = "write tree |> extend { … }"
			return unknown
		}
		t, ok := c.demand(base, types.Of("taxonomy"), e.Where, "what is extended").(ir.Taxonomy)
		if !ok {
			return unknown
		}
		return c.hierarchy(b.Name, t.Tree, args)
	}
	if piped != nil {
		c.diags.Add(diag.BadPipe, e.Where, "hierarchy takes nothing from |>; use extend")
		return unknown
	}
	return c.hierarchy(b.Name, nil, args)
}

// bind matches arguments to the parameters of a builtin and makes the node.
func (c *checker) bind(b *builtin.Builtin, where source.Span, args []syntax.Arg, piped ir.Value, pipedExpr syntax.Expr, env *scope) ir.Value {
	m := &matcher{c: c, b: b, where: where, env: env, values: make([]ir.Value, len(b.Params)), spans: make([]source.Span, len(b.Params))}
	if b.Name == "volumes" {
		saved := c.holes
		c.holes = placeholders(args)
		defer func() { c.holes = saved }()
	}
	if piped != nil {
		m.pipedIn(piped, pipedExpr)
	}
	positional := m.positions(piped != nil)
	for _, a := range args {
		if a.Key == nil {
			m.positional(a, &positional)
		} else {
			m.named(a)
		}
	}
	if !m.finish() {
		return ir.Unknown{T: b.Result}
	}
	switch b.Name {
	case "unplaced":
		return c.unplaced(m.values[0], where)
	case "lower_is_better", "higher_is_better":
		return c.sided(b.Name, m.values[0], where, m.spans[0])
	}
	n := &ir.Node{Op: b.Name, T: b.Result, Builtin: b, Span: where}
	for i, p := range b.Params {
		if m.values[i] != nil {
			n.Args = append(n.Args, ir.Arg{Name: p.Name, Value: m.values[i], Cosmetic: p.Cosmetic, Span: m.spans[i]})
		}
	}
	if len(m.keys) > 0 {
		n.Args = append(n.Args, ir.Arg{Name: "entries", Value: ir.Map{Entries: m.keys, Elem: b.KeyType}})
	}
	if b.Result.IsTensor() {
		return c.tensorCall(n)
	}
	c.domain(n)
	return n
}

func (c *checker) unplaced(v ir.Value, where source.Span) ir.Value {
	s, ok := v.(ir.Str)
	if !ok {
		return unknown
	}
	p, ok := c.tree.Unplaced(s.S)
	if !ok {
		c.diags.Add(diag.UnknownModality, where, "%q has no known modality before its first _", s.S)
		return unknown
	}
	return ir.Word{Set: "task", Text: s.S, Place: &p}
}
