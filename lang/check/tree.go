package check

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/lang/types"
)

// collectTaxonomies makes the tree that tasks are looked up in: of the taxonomies that the script binds, the last declared one that is
// built on all the others; with none, MedSegDB's. Two that are not built on each other are joined.
func (c *checker) collectTaxonomies(s *syntax.Script) {
	var bound []*taxonomy.Tree
	var places []source.Span
	for _, st := range s.Statements {
		b, ok := st.(*syntax.Binding)
		if !ok || b.Kind.Text != "taxonomy" || b.Value == nil {
			continue
		}
		if sym := c.symbols[b.Name.Text]; sym != nil && sym.stmt == st {
			if t, ok := c.symbol(sym).(ir.Taxonomy); ok {
				bound, places = append(bound, t.Tree), append(places, b.Name.Where)
			}
		}
	}
	if len(bound) == 0 {
		return
	}
	largest := bound[0]
	for _, t := range bound[1:] {
		if len(t.Tasks) > len(largest.Tasks) {
			largest = t
		}
	}
	joined := largest.Clone()
	for i, t := range bound {
		for _, k := range t.Tasks {
			if err := joined.Add(k.Path, []string{k.Name}, true); err != nil {
				c.diags.Add(diag.DuplicateTask, places[i], "taxonomies disagree: %v", err)
			}
		}
	}
	if len(joined.Modalities) == 0 {
		joined.Modalities = c.tree.Modalities
	}
	for i, t := range bound {
		if err := joined.TakeNames(t); err != nil {
			c.diags.Add(diag.DuplicateTask, places[i], "taxonomies disagree: %v", err)
		}
	}
	c.tree = joined
}

// hierarchy evaluates hierarchy {…} and extend {…}; both give a tree at once. Nodes are added first, whatever stands first, so that synonyms may name any of them.
func (c *checker) hierarchy(name string, base *taxonomy.Tree, args []syntax.Arg) ir.Value {
	tree := &taxonomy.Tree{}
	if base != nil {
		tree = base.Clone()
	}
	var tables []syntax.Arg
	for _, a := range args {
		switch key := a.Key.(type) {
		case *syntax.PathLit:
			tasks, ok := c.names(a.Value)
			if !ok {
				continue
			}
			if err := tree.Add(key.Text, tasks, name == "extend"); err != nil {
				c.diags.Add(codeOf(err), key.Where, "%v", err)
			}
		case *syntax.Ref:
			if key.Text != "modalities" && key.Text != "synonyms" && key.Text != "radlex" {
				d := c.diags.Add(diag.UnknownArgument, key.Where, "%s has no argument %q; its keys are paths, modalities, synonyms and radlex", name, key.Text)
				d.Help = suggestion(key.Text, []string{"modalities", "synonyms", "radlex"})
				continue
			}
			tables = append(tables, a)
		default:
			c.diags.Add(diag.WrongType, a.Value.Span(), "entries of %s are written `/body_part/subregion/organ: [Task, …]`", name)
		}
	}
	for _, a := range tables {
		c.taxonomyTable(tree, a.Key.(*syntax.Ref).Text, base == nil, a.Value)
	}
	return ir.Taxonomy{Tree: tree}
}

// taxonomyTable reads what things of a taxonomy are called: `modalities: { CT: [CAT] }`, `synonyms: { Hepar: Liver }`, `radlex: { Liver: RID58 }`.
func (c *checker) taxonomyTable(tree *taxonomy.Tree, table string, fresh bool, value syntax.Expr) {
	m, ok := value.(*syntax.MapLit)
	if !ok {
		forms := map[string]string{"modalities": "{ CT: [], MRI: [MR] }", "synonyms": "{ Hepar: Liver }", "radlex": "{ Liver: RID58 }"}
		c.diags.Add(diag.WrongType, value.Span(), "%s are written %s", table, forms[table])
		return
	}
	for _, e := range m.Entries {
		key, named := "", false
		if e.Key != nil {
			key, named = nameOrPath(e.Key)
		}
		if _, plain := e.Key.(*syntax.Ref); !named || table == "modalities" && !plain {
			what := map[string]string{"modalities": "a modality is written `Name: [other spellings]`", "synonyms": "a synonym is written `Other: Task` or `/other/path: /path`", "radlex": "an id is written `Task: RID58` or `/path: RID58`"}
			c.diags.Add(diag.WrongType, e.Value.Span(), "%s", what[table])
			continue
		}
		var err error
		at := e.Key.Span()
		if table == "modalities" {
			others, ok := c.names(e.Value)
			switch {
			case !ok:
				continue
			case fresh: // as published: the spellings are part of what the tree is
				tree.Modalities = append(tree.Modalities, taxonomy.Modality{Name: key, Aliases: others})
			default:
				err = tree.Spell(key, others)
			}
		} else {
			target, ok := nameOrPath(e.Value)
			if !ok {
				c.diags.Add(diag.WrongType, e.Value.Span(), "expected a name or a path")
				continue
			}
			if table == "radlex" {
				err = tree.SetRadLex(key, target)
			} else {
				at, err = e.Value.Span(), tree.AddSynonym(key, target)
			}
		}
		if err == nil {
			continue
		}
		d := c.diags.Add(codeOf(err), at, "%v", err)
		var known []string
		switch d.Code {
		case diag.UnknownOrgan:
			known = tree.Paths()
		case diag.UnknownTask:
			for _, k := range tree.Tasks {
				known = append(known, k.Name)
			}
		}
		d.Help = suggestion(at.Text(), known)
	}
}

// codeOf is the code of a mistake that the tree itself has found.
func codeOf(err error) diag.Code {
	var m *taxonomy.Mistake
	if errors.As(err, &m) {
		switch m.Kind {
		case taxonomy.NoOrgan, taxonomy.NoNode:
			return diag.UnknownOrgan
		case taxonomy.NoTask:
			return diag.UnknownTask
		case taxonomy.Spelling:
			return diag.UnknownModality
		case taxonomy.Form:
			return diag.WrongType
		}
	}
	return diag.DuplicateTask
}

// nameOrPath reads a name as it is written, a string, or a path.
func nameOrPath(e syntax.Expr) (string, bool) {
	switch e := e.(type) {
	case *syntax.Ref:
		return e.Text, true
	case *syntax.StringLit:
		return e.Value, e.Value != "" && e.Value[0] != '/'
	case *syntax.PathLit:
		return e.Text, true
	}
	return "", false
}

// names reads [A, B, C] as names, not as values.
func (c *checker) names(e syntax.Expr) ([]string, bool) {
	l, ok := e.(*syntax.ListLit)
	if !ok {
		c.diags.Add(diag.WrongType, e.Span(), "expected a list of names, [A, B]")
		return nil, false
	}
	var out []string
	for _, x := range l.Items {
		switch x := x.(type) {
		case *syntax.Ref:
			out = append(out, x.Text)
		case *syntax.StringLit:
			out = append(out, x.Value)
		default:
			c.diags.Add(diag.WrongType, x.Span(), "expected a name")
		}
	}
	return out, true
}

// task resolves Modality_Task in the tree.
func (c *checker) task(name string, at source.Span) ir.Value {
	if p, ok := c.tree.Lookup(name); ok {
		return ir.Word{Set: "task", Text: p.Task, Place: &p}
	}
	modality, task := taxonomy.SplitTask(name)
	_, m, known := c.tree.Modality(modality)
	if !known {
		var mods, full []string
		for _, m := range c.tree.Modalities {
			mods = append(mods, m.Name)
		}
		for _, t := range c.tree.Tasks {
			if t.Name == name {
				full = append(full, t.Name)
			}
		}
		d := c.diags.Add(diag.UnknownTask, at, "%q is no task: a task is written Modality_Task", name)
		if len(full) > 0 {
			d.Help = fmt.Sprintf("put a modality before it: MRI_%s, CT_%s …", name, name)
		} else if s := diag.Suggest(modality, mods); s != "" {
			d.Help = fmt.Sprintf("did you mean %s_%s?", s, task)
		} else {
			d.Help = fmt.Sprintf("modalities are %s", strings.Join(mods, ", "))
		}
		return unknown
	}
	names := c.tree.Synonyms()
	for _, t := range c.tree.Tasks {
		names = append(names, t.Name)
	}
	d := c.diags.Add(diag.UnknownTask, at, "the taxonomy has no task %q", task)
	if near := nearTask(task, names); near != "" {
		s := c.tree.Standing(near)
		d.Help = fmt.Sprintf("did you mean %s_%s?", modality, s)
		if s != near {
			d.Help = fmt.Sprintf("did you mean %s_%s, of which %s is a synonym?", modality, s, near)
		}
		d.Fixes = []diag.Fix{{Message: "write " + modality + "_" + s, Span: at, Replacement: modality + "_" + s}}
	} else {
		d.Help = fmt.Sprintf(`add it with extend { /…: [%s] }, or say that it has no place: unplaced("%s_%s")`, task, m.Name, task)
	}
	return unknown
}

// nearTask suggests by spelling, then by a task that contains the name's beginning (BrainTumor: BrainWholeTumor).
func nearTask(name string, tasks []string) string {
	if s := diag.Suggest(name, tasks); s != "" {
		return s
	}
	for n := len(name) - 1; n >= 5; n-- {
		for _, t := range tasks {
			if strings.HasPrefix(t, name[:n]) {
				return t
			}
		}
	}
	return ""
}

// path checks that a path names a node or, for a pattern, that it matches one.
func (c *checker) path(p *syntax.PathLit) ir.Value {
	canonical := c.tree.Canon(p.Text)
	ok := c.tree.Has(canonical)
	if strings.Contains(canonical, "*") {
		for _, n := range c.tree.Organs {
			ok = ok || taxonomy.Within(n, canonical)
		}
	}
	if !ok {
		d := c.diags.Add(diag.UnknownOrgan, p.Where, "the taxonomy has no node %s", p.Text)
		last := canonical[strings.LastIndex(canonical, "/")+1:]
		var ends []string
		for _, n := range c.tree.Paths() {
			ends = append(ends, n[strings.LastIndex(n, "/")+1:])
		}
		if near := diag.Suggest(canonical, append(c.tree.Paths(), c.tree.PathSynonyms()...)); near != "" {
			s := c.tree.Canon(near)
			d.Help = "did you mean " + s + "?"
			d.Fixes = []diag.Fix{{Message: "write " + s, Span: p.Where, Replacement: s}}
		} else if s := diag.Suggest(last, ends); s != "" {
			for i, e := range ends {
				if e == s {
					d.Help = "did you mean " + c.tree.Paths()[i] + "?"
					break
				}
			}
		}
		return unknown
	}
	return ir.Path{P: canonical}
}

// modality resolves a modality under any of its spellings.
func (c *checker) modality(name string, at source.Span) ir.Value {
	if _, m, ok := c.tree.Modality(name); ok {
		return ir.Word{Set: "modality", Text: m.Name}
	}
	var names []string
	for _, m := range c.tree.Modalities {
		names = append(append(names, m.Name), c.tree.Spellings(m.Name)...)
	}
	d := c.diags.Add(diag.UnknownModality, at, "%q is no modality", name)
	d.Help = suggestion(name, names)
	if d.Help == "" {
		d.Help = "modalities are " + strings.Join(names, ", ")
	}
	return ir.Unknown{T: types.Any}
}
