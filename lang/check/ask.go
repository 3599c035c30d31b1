package check

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// Scope answers questions about expressions that are not, or not yet, part of a script, in the names of that script: what completion needs while a statement is being
// typed. Only what an expression depends on is worked out. It is not safe for concurrent use.
type Scope struct{ c *checker }

// NewScope makes the scope of a script, which may have mistakes.
func NewScope(s *syntax.Script) *Scope {
	c := newChecker()
	c.declare(s)
	c.collectTaxonomies(s)
	return &Scope{c}
}

// Type is the type of an expression given as text; any when it has mistakes. Locals are further names, of a fn's parameters, with their types.
func (s *Scope) Type(expression string, locals map[string]types.Type) types.Type {
	v := s.evaluate(expression, locals)
	if v == nil {
		return types.Any
	}
	return v.Type()
}

// Node is the value of an expression if it is a node, or nil.
func (s *Scope) Node(expression string) *ir.Node {
	n, _ := s.evaluate(expression, nil).(*ir.Node)
	return n
}

// Value is the value of an expression given as text where a type is expected; nil when it has mistakes.
func (s *Scope) Value(expression string, want types.Type) ir.Value {
	before := len(s.c.diags)
	v := s.evaluateAs(expression, want, nil)
	if v == nil || isUnknown(v) || len(s.c.diags) > before {
		return nil
	}
	return v
}

func (s *Scope) evaluate(expression string, locals map[string]types.Type) ir.Value {
	return s.evaluateAs(expression, types.Any, locals)
}

func (s *Scope) evaluateAs(expression string, want types.Type, locals map[string]types.Type) ir.Value {
	parsed, diags := syntax.Parse(source.New("", expression), true)
	if diags.HasErrors() || len(parsed.Statements) != 1 {
		return nil
	}
	b, ok := parsed.Statements[0].(*syntax.Bare)
	if !ok {
		return nil
	}
	var env *scope
	for name, t := range locals {
		env = &scope{name: name, value: ir.Unknown{T: t}, outer: env}
	}
	s.c.steps = 0
	return s.c.value(b.Value, want, env)
}

// ReadType is a type as written in a fn or param; any when there is none of that name.
func (s *Scope) ReadType(name string) types.Type {
	return s.c.quietType(&syntax.TypeExpr{Name: syntax.Name{Text: name}})
}

// LibraryNames lists what a library of the standard library offers, sorted; nil when there is no such library.
func LibraryNames(name string) []string {
	c := newChecker()
	if lib := c.library(name); lib != nil {
		return sortedKeys(lib.symbols)
	}
	return nil
}

// Fns lists the fns that a script can call, sorted by name: its own and those of libraries it uses, with the library, or "".
func (s *Scope) Fns() (fns []*syntax.Fn, libraries []string) {
	for _, name := range sortedKeys(s.c.symbols) {
		sym := s.c.symbols[name]
		fn, ok := sym.stmt.(*syntax.Fn)
		if !ok || fn.Body == nil {
			continue
		}
		library := ""
		if sym.home != nil {
			library = strings.TrimSuffix(fn.Where.File.Name, ".mseg")
		}
		fns, libraries = append(fns, fn), append(libraries, library)
	}
	return fns, libraries
}

// TypeNames lists the types that a fn or param may declare.
func TypeNames() []string { return append([]string{"list"}, typeNames...) }

// Fn is the body of a fn over tensors, for tensors of symbolic shape; ok is false when there is none of that name or its body has mistakes.
func (s *Scope) Fn(name string) (f ir.Fn, shape types.Type, ok bool) {
	sym, found := s.c.symbols[name]
	if !found {
		return f, shape, false
	}
	fn, isFn := sym.stmt.(*syntax.Fn)
	if !isFn || fn.Body == nil || !overTensors(fn) {
		return f, shape, false
	}
	s.c.steps = 0
	before := len(s.c.diags)
	values := make([]ir.Value, len(fn.Params))
	for i, p := range fn.Params {
		switch {
		case p.Optional: // left out
		case p.Default != nil:
			values[i] = s.c.value(p.Default, s.c.fnType(fn, i), nil)
		default:
			values[i] = leaf(i, s.c.fnType(fn, i))
		}
		if p.Type != nil {
			f.Params = append(f.Params, p.Type.Name.Text)
		}
	}
	f.Body = s.c.body(sym, fn, values, fn.Name.Where)
	failed := len(s.c.diags) > before
	s.c.diags = s.c.diags[:before]
	if failed || isUnknown(f.Body) {
		return f, shape, false
	}
	return f, f.Body.Type(), true
}

// StandsFor says whether a name is a fn over tensors that a place of this type takes as it is: a loss, metric, step of preparation or block.
func (s *Scope) StandsFor(name string, want types.Type) bool {
	_, fn, r, ok := s.c.standsFor(name, want)
	return ok && r.fits(fn)
}
