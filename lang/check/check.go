// Package check gives a parsed script its meaning, or says everything that is wrong with it.
//
// It is given syntax.Script and promises an ir.Program in which every name is resolved, every argument typed, converted to its unit, within its
// limits and filled with its default, every fn inlined and every comprehension unrolled; and a list of diagnostics in which each mistake
// stands once. Nothing is read from disk.
//
// Checking and evaluating are one recursion (value): the language is pure and every program finite, so the type of an expression and its known part
// are found together. Statements may stand in any order: a name is evaluated when it is first needed. A mistake yields ir.Unknown, which fits
// everywhere, so that one mistake is reported once. The body of a fn is checked once with unknown arguments, and again, silently deduplicated, for
// the actual ones of every call.
package check

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/lang/types"
)

// Options change what a script means from outside.
type Options struct {
	Set    map[string]string // param → expression, as given by --set
	Record *Record           // filled with what is found out about places, for editors; may be nil
}

// Script checks a parsed script. The program is complete only when the list has no errors.
func Script(s *syntax.Script, opt Options) (*ir.Program, diag.List) {
	c := newChecker()
	c.opt, c.rec = opt, opt.Record
	c.declare(s)
	c.collectTaxonomies(s)
	prog := &ir.Program{Name: s.File.Name}
	for _, st := range s.Statements {
		switch st := st.(type) {
		case *syntax.Param:
			if sym := c.symbols[st.Name.Text]; sym != nil && sym.stmt == st {
				_, set := opt.Set[st.Name.Text]
				prog.Params = append(prog.Params, ir.ParamValue{Name: st.Name.Text, Value: c.symbol(sym), Set: set})
			}
		case *syntax.Fn:
			if sym := c.symbols[st.Name.Text]; sym != nil && sym.stmt == st {
				c.checkFn(st)
			}
		case *syntax.Binding:
			if sym := c.symbols[st.Name.Text]; sym != nil && sym.stmt == st {
				prog.Bindings = append(prog.Bindings, ir.Binding{Kind: st.Kind.Text, Name: st.Name.Text, Value: c.symbol(sym), Span: st.Name.Where})
			}
		case *syntax.Expect:
			v := c.value(st.Condition, types.Bool, nil)
			c.demand(v, types.Bool, st.Condition.Span(), "a condition")
			prog.Expects = append(prog.Expects, ir.Expect{Condition: v, Text: st.Condition.Span().Text(), Span: st.Where})
		case *syntax.Bare:
			prog.Bare = append(prog.Bare, ir.Bare{Value: c.value(st.Value, types.Any, nil), Span: st.Where})
		}
	}
	for _, name := range sortedKeys(opt.Set) {
		if sym := c.symbols[name]; sym == nil || !isParam(sym) {
			f := source.New("--set "+name, opt.Set[name])
			d := c.diags.Add(diag.UnknownName, source.Span{File: f, Start: 0, End: len(f.Text)}, "the script has no param %q", name)
			d.Help = suggestion(name, c.paramNames())
		}
	}
	prog.Tree = c.tree
	c.diags.Sort()
	return prog, c.diags
}

type checker struct {
	diags     diag.List
	symbols   map[string]*symbol
	opt       Options
	tree      *taxonomy.Tree
	calls     []*syntax.Fn // fns being inlined
	holes     []string     // {names} of the pattern of the call being bound
	libraries map[string]*checker
	defaults  map[*builtin.Param]ir.Value
	steps     int
	hasher    *ir.Hasher
	rec       *Record
}

// newChecker is one that knows no name yet, and MedSegDB's tree.
func newChecker() *checker { return &checker{symbols: map[string]*symbol{}, tree: defaultTree()} }

// symbol is a name bound at the top level.
type symbol struct {
	name  string
	stmt  syntax.Statement // Param, Fn or Binding; nil for an imported value
	where source.Span
	value ir.Value
	busy  bool
	home  *checker // the library whose names a fn means; nil for one of this script
}

type scope struct {
	name  string
	value ir.Value
	outer *scope
	where source.Span // of the name where it is bound
	maybe bool        // a parameter that may be left out: while the fn is checked, and where it has been left out (value nil)
}

func (s *scope) lookup(name string) (*scope, bool) {
	for ; s != nil; s = s.outer {
		if s.name == name {
			return s, true
		}
	}
	return nil, false
}

var unknown = ir.Unknown{T: types.Any}

func isUnknown(v ir.Value) bool {
	u, ok := v.(ir.Unknown)
	return ok && u.T.IsAny()
}

func isParam(s *symbol) bool { _, ok := s.stmt.(*syntax.Param); return ok }

func (c *checker) paramNames() []string {
	var out []string
	for n, s := range c.symbols {
		if isParam(s) {
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}

// declare enters all top-level names, so that statements may stand in any order.
func (c *checker) declare(s *syntax.Script) {
	enter := func(n syntax.Name, st syntax.Statement) {
		if n.Text == "" {
			return
		}
		if slices.Contains(syntax.Heads, n.Text) || len(builtin.Lookup(n.Text)) > 0 {
			what := "a builtin"
			if slices.Contains(syntax.Heads, n.Text) {
				what = "a word that begins statements"
			}
			d := c.diags.Add(diag.ReservedName, n.Where, "%q is %s and cannot be bound again", n.Text, what)
			d.Help = fmt.Sprintf("choose another name, for example my_%s", n.Text)
			return
		}
		if old, ok := c.symbols[n.Text]; ok {
			d := c.diags.Add(diag.DuplicateName, n.Where, "%q is bound twice", n.Text)
			d.Related = []diag.Related{{Span: old.where, Message: "bound here first"}}
			d.Help = "every name has one value; choose another name"
			return
		}
		c.symbols[n.Text] = &symbol{name: n.Text, stmt: st, where: n.Where}
	}
	for _, st := range s.Statements {
		switch st := st.(type) {
		case *syntax.Param:
			enter(st.Name, st)
		case *syntax.Fn:
			enter(st.Name, st)
		case *syntax.Binding:
			if !syntax.IsKind(st.Kind.Text) && st.Value != nil {
				d := c.diags.Add(diag.UnknownKind, st.Kind.Where, "%q is no kind of value", st.Kind.Text)
				d.Help = suggestion(st.Kind.Text, append(slices.Clone(syntax.Kinds), syntax.Heads...))
				if d.Help == "" {
					d.Help = "kinds are " + strings.Join(syntax.Kinds, ", ")
				}
			}
			enter(st.Name, st)
		case *syntax.Use:
			c.use(st, enter)
		}
	}
}

// symbol evaluates a top-level name once.
func (c *checker) symbol(s *symbol) ir.Value {
	if s.value != nil {
		return s.value
	}
	if s.busy {
		d := c.diags.Add(diag.CyclicName, s.where, "%q depends on itself", s.name)
		d.Help = "a value may use only values that do not use it"
		s.value = unknown
		return s.value
	}
	s.busy = true
	defer func() { s.busy = false }()
	var v ir.Value = unknown
	switch st := s.stmt.(type) {
	case *syntax.Param:
		v = c.param(st)
	case *syntax.Binding:
		v = c.binding(st)
	case *syntax.Fn:
		return unknown // a fn is no value; callers look at stmt
	}
	if s.value == nil { // a cycle has set it
		s.value = v
	}
	return s.value
}

func (c *checker) binding(st *syntax.Binding) ir.Value {
	if st.Value == nil {
		return unknown
	}
	want := types.Any
	if syntax.IsKind(st.Kind.Text) { // one value of the kind, or a sweep of them
		one := types.Of(st.Kind.Text)
		want = types.Type{Or: []types.Type{one, types.ListOf(one)}}
	}
	value := st.Value
	if st.Kind.Text == "compare" || st.Kind.Text == "report" {
		value = c.constructor(st)
	}
	v := c.value(value, want, nil)
	if !want.IsAny() && !isUnknown(v) && !v.Type().Fits(want) {
		d := c.diags.Add(diag.WrongKind, st.Value.Span(), "this is %s, not %s", article(v.Type()), article(types.Of(st.Kind.Text)))
		if slices.Contains(syntax.Kinds, v.Type().Base) {
			d.Help = fmt.Sprintf("write `%s %s = …`", v.Type().Base, st.Name.Text)
			d.Fixes = []diag.Fix{{Message: "change the kind", Span: st.Kind.Where, Replacement: v.Type().Base, Safe: true}}
		}
		return unknown
	}
	if n, ok := v.(*ir.Node); ok && n.Label == "" {
		n.Label = st.Name.Text
	}
	if l, ok := v.(ir.List); ok {
		labelItems(st.Name.Text, l)
	}
	return v
}

// constructor turns `report r = [a, b] { title: "…" }` into report([a, b], title: "…"), and the same for compare: there the kind itself is the function.
func (c *checker) constructor(st *syntax.Binding) syntax.Expr {
	list := func(e syntax.Expr) bool {
		switch e := e.(type) {
		case *syntax.ListLit, *syntax.Comprehension:
			return true
		case *syntax.Ref: // a sweep that has a name
			sym := c.symbols[e.Text]
			return sym != nil && c.symbol(sym).Type().Base == "list"
		}
		return false
	}
	fn := &syntax.Ref{Name: syntax.Name{At: st.Kind.At, Text: st.Kind.Text}}
	if list(st.Value) {
		return &syntax.Pipe{At: syntax.At{Where: st.Value.Span()}, Left: st.Value, Right: fn}
	}
	if call, ok := st.Value.(*syntax.Call); ok && list(call.Fn) {
		return &syntax.Pipe{At: call.At, Left: call.Fn, Right: &syntax.Call{At: call.At, Fn: fn, Args: call.Args, Block: call.Block}}
	}
	return st.Value
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func suggestion(name string, candidates []string) string {
	if s := diag.Suggest(name, candidates); s != "" {
		return "did you mean " + s + "?"
	}
	return ""
}
