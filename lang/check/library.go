package check

import (
	"strings"
	"sync"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/stdlib"
)

const defaultLibrary = "medsegdb"

var (
	medsegdbOnce sync.Once
	medsegdbRead *checker
)

// medsegdb is the library of MedSegDB's tree, read once in a process. Everything in it is evaluated here, so that checkers only read it.
func medsegdb() *checker {
	medsegdbOnce.Do(func() {
		text, _ := stdlib.Text(defaultLibrary)
		s, diags := syntax.Parse(source.New(defaultLibrary+".mseg", text), false)
		lib := &checker{symbols: map[string]*symbol{}, tree: &taxonomy.Tree{}, diags: diags}
		lib.declare(s)
		for _, sym := range lib.symbols {
			lib.symbol(sym)
		}
		medsegdbRead = lib
	})
	return medsegdbRead
}

// defaultTree is MedSegDB's tree: tasks are looked up in it unless the script declares a hierarchy of its own.
func defaultTree() *taxonomy.Tree {
	if sym := medsegdb().symbols["tree"]; sym != nil {
		if t, ok := sym.value.(ir.Taxonomy); ok {
			return t.Tree
		}
	}
	return &taxonomy.Tree{}
}

// use enters the names of a library. Libraries are scripts; their bindings are evaluated in their own checker.
func (c *checker) use(st *syntax.Use, enter func(syntax.Name, syntax.Statement)) {
	lib := c.library(st.Library.Text)
	if lib == nil {
		d := c.diags.Add(diag.UnknownLibrary, st.Library.Where, "there is no library %q", st.Library.Text)
		d.Help = suggestion(st.Library.Text, stdlib.Names())
		if d.Help == "" {
			d.Help = "libraries are " + strings.Join(stdlib.Names(), ", ")
		}
		for _, n := range st.Names { // so that uses are not reported as well
			enter(n, nil)
			if s := c.symbols[n.Text]; s != nil && s.where == n.Where {
				s.value = unknown
			}
		}
		return
	}
	names := st.Names
	if len(names) == 0 {
		for _, n := range sortedKeys(lib.symbols) {
			names = append(names, syntax.Name{At: st.Library.At, Text: n})
		}
	}
	for _, n := range names {
		sym, ok := lib.symbols[n.Text]
		if !ok {
			d := c.diags.Add(diag.UnknownName, n.Where, "library %s has no %q", st.Library.Text, n.Text)
			d.Help = suggestion(n.Text, sortedKeys(lib.symbols))
			if d.Help == "" {
				d.Help = "it has " + strings.Join(sortedKeys(lib.symbols), ", ")
			}
			enter(n, nil)
			if s := c.symbols[n.Text]; s != nil && s.where == n.Where {
				s.value = unknown
			}
			continue
		}
		enter(n, sym.stmt)
		if n.Where != st.Library.Where {
			c.rec.defined(n.Where, n.Text, sym.where)
		}
		if s := c.symbols[n.Text]; s != nil && s.where == n.Where {
			if fn, ok := sym.stmt.(*syntax.Fn); ok {
				s.stmt, s.home = fn, lib
			} else {
				s.value, s.stmt = lib.symbol(sym), nil
			}
		}
	}
}

func (c *checker) library(name string) *checker {
	if l, ok := c.libraries[name]; ok {
		return l
	}
	if name == defaultLibrary {
		return medsegdb()
	}
	text, ok := stdlib.Text(name)
	if !ok {
		return nil
	}
	s, diags := syntax.Parse(source.New(name+".mseg", text), false)
	lib := &checker{symbols: map[string]*symbol{}, tree: c.tree, diags: diags}
	if lib.tree == nil {
		lib.tree = &taxonomy.Tree{}
	}
	lib.declare(s)
	if c.libraries == nil {
		c.libraries = map[string]*checker{}
	}
	c.libraries[name] = lib
	return lib
}
