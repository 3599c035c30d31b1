package lsp

import (
	"cmp"
	"slices"
	"sync"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// document is one version of an open text. It never changes; an edit makes a new one.
type document struct {
	uri     string
	version int
	file    *source.File
	read    func() *analysis
}

// analysis is what checking a document has found out.
type analysis struct {
	script  *syntax.Script
	program *ir.Program
	diags   diag.List
	record  *check.Record
	tokens  []syntax.Token
	names   []name // every place of a name that the script binds, in order
}

// name is a place where a name of the script stands, and the place where it is bound.
type name struct {
	at, def source.Span
}

func newDocument(uri string, version int, text string) *document {
	d := &document{uri: uri, version: version, file: source.New(uri, text)}
	d.read = sync.OnceValue(func() *analysis { return analyse(d.file) })
	return d
}

func analyse(f *source.File) *analysis {
	a := &analysis{record: check.NewRecord()}
	var ignored diag.List
	a.tokens = syntax.Lex(f, &ignored)
	a.script, a.diags = syntax.Parse(f, false)
	var more diag.List
	a.program, more = check.Script(a.script, check.Options{Record: a.record})
	a.diags = append(a.diags, more...)
	a.diags.Sort()
	a.collectNames(f)
	return a
}

func (a *analysis) collectNames(f *source.File) {
	add := func(n syntax.Name) {
		if n.Text != "" {
			a.names = append(a.names, name{at: n.Where, def: n.Where})
		}
	}
	for _, st := range a.script.Statements {
		switch st := st.(type) {
		case *syntax.Param:
			add(st.Name)
		case *syntax.Binding:
			add(st.Name)
			clauses(st.Value, add)
		case *syntax.Fn:
			add(st.Name)
			for _, p := range st.Params {
				add(p.Name)
			}
			clauses(st.Body, add)
		case *syntax.Use:
			for _, n := range st.Names {
				add(n)
			}
		}
	}
	for at, u := range a.record.Uses {
		if at.File == f && u.Def.File == f && !u.Def.IsZero() && at != u.Def {
			a.names = append(a.names, name{at: at, def: u.Def})
		}
	}
	slices.SortFunc(a.names, func(x, y name) int { return cmp.Compare(x.at.Start, y.at.Start) })
}

// clauses calls f for the variables of comprehensions in an expression.
func clauses(e syntax.Expr, f func(syntax.Name)) {
	if e == nil {
		return
	}
	syntax.Walk(e, func(x syntax.Expr) bool {
		if c, ok := x.(*syntax.Comprehension); ok {
			for _, cl := range c.Clauses {
				f(cl.Var)
			}
		}
		return true
	})
}

// nameAt is the name at an offset, or directly before it.
func (a *analysis) nameAt(offset int) (name, bool) {
	for _, n := range a.names {
		if n.at.Start <= offset && offset <= n.at.End {
			return n, true
		}
	}
	return name{}, false
}

// sharing lists all places of the name bound at def.
func (a *analysis) sharing(def source.Span) []name {
	var out []name
	for _, n := range a.names {
		if n.def == def {
			out = append(out, n)
		}
	}
	return out
}

// tokenAt is the index of the token at an offset: the one that holds it, else the one that ends there; -1 for none.
func (a *analysis) tokenAt(offset int) int {
	found := -1
	for i, t := range a.tokens {
		switch {
		case t.Start <= offset && offset < t.End:
			return i
		case t.End == offset && t.Type != syntax.Newline:
			found = i
		case t.Start > offset:
			return found
		}
	}
	return found
}
