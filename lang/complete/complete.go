// Package complete says what may be typed at a place of a script.
//
// It is given a text that is usually broken, since someone is typing it, and an offset. It promises items that fit the place: behind a dot the
// fields of the value, behind |> the functions that take it, behind `name:` only what that argument accepts, behind a number the units
// of its place, in a map of tasks the tasks of the taxonomy. Where nothing can be said it says nothing: no item is better than a wrong one.
//
// The place is found on the tokens before the cursor (place.go), because the statement around it has no tree yet; what names mean is asked of the other
// statements, which have (check.Scope).
package complete

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/doc"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/stdlib"
)

// Kind is what an item is.
type Kind string

const (
	Keyword  Kind = "keyword"
	Function Kind = "function"
	Value    Kind = "value" // a name that the script binds
	Argument Kind = "argument"
	Word     Kind = "word"
	Task     Kind = "task"
	Field    Kind = "field"
	Unit     Kind = "unit"
	Path     Kind = "path"
	Type     Kind = "type"
	Library  Kind = "library"
)

// Item is one thing that may stand at the place.
type Item struct {
	Label  string
	Kind   Kind
	Detail string // its type, short
	Doc    string // Markdown
	Insert string // what to write; Label when empty
}

// Result is what may replace the text of Replace. Incomplete says that more typing gives further items.
type Result struct {
	Replace    source.Span
	Items      []Item
	Incomplete bool
}

// At lists the items for an offset of a file. The script is the parsed file and the program its meaning as far as it has one.
func At(f *source.File, offset int, script *syntax.Script, program *ir.Program) Result {
	return (&completer{file: f, script: script, program: program}).at(offset)
}

// AtPrompt is At for an entry of an interactive session: a statement may be an expression alone, so a value may begin it. The file is the entry; the script
// holds the statements of the session too.
func AtPrompt(f *source.File, offset int, script *syntax.Script, program *ir.Program) Result {
	return (&completer{file: f, script: script, program: program, bare: true}).at(offset)
}

func (c *completer) at(offset int) Result {
	f := c.file
	c.out.Replace = source.Span{File: f, Start: offset, End: offset}
	c.own = c.parameter
	if c.place.find(f, offset) {
		c.out.Replace = source.Span{File: f, Start: c.start, End: c.end}
		c.collect()
	}
	slices.SortStableFunc(c.out.Items, func(a, b Item) int { return strings.Compare(a.Label, b.Label) })
	c.out.Items = slices.CompactFunc(c.out.Items, func(a, b Item) bool { return a.Label == b.Label && a.Kind == b.Kind })
	return c.out
}

type completer struct {
	place
	file    *source.File
	script  *syntax.Script
	program *ir.Program
	bare    bool // an expression alone is a statement
	names   *check.Scope
	out     Result
}

func (c *completer) scope() *check.Scope {
	if c.names == nil {
		c.names = check.NewScope(c.script)
	}
	return c.names
}

func (c *completer) add(items ...Item) { c.out.Items = append(c.out.Items, items...) }

func (c *completer) collect() {
	stmt := c.statement()
	prev := c.last()
	switch {
	case c.behindNumber:
		c.units()
		return
	case len(stmt) == 0:
		for _, k := range syntax.Kinds {
			c.add(Item{Label: k, Kind: Keyword, Detail: "kind of value", Doc: doc.Kind(k), Insert: k + " "})
		}
		for _, k := range syntax.Heads {
			c.add(Item{Label: k, Kind: Keyword, Detail: "statement", Insert: k + " "})
		}
		if c.bare {
			c.values(types.Any)
		}
		return
	case len(stmt) == 1 && len(c.frames) == 0 && syntax.IsKind(stmt[0].Text), len(stmt) == 1 && slices.Contains([]string{"param", "fn", "mseg"}, stmt[0].Text):
		return // a new name
	case prev.Text == ".":
		c.fields()
		return
	case stmt[0].Text == "use":
		if len(c.frames) > 0 && len(stmt) > 1 {
			for _, n := range check.LibraryNames(stmt[1].Text) {
				c.add(Item{Label: n, Kind: Value, Detail: "of " + stmt[1].Text})
			}
		} else if len(stmt) == 1 {
			for _, n := range stdlib.Names() {
				c.add(Item{Label: n, Kind: Library})
			}
		}
		return
	case prev.Text == "|>":
		c.functions()
		return
	case prev.Text == "->" || prev.Text == ":" && c.declares(stmt):
		for _, n := range check.TypeNames() {
			c.add(Item{Label: n, Kind: Type})
		}
		return
	}
	if n := len(c.frames); n > 0 {
		fr := c.frames[n-1]
		if fr.index {
			c.values(types.Parse("word<task> | path"))
			return
		}
		from, named := c.argument(fr, len(c.tokens))
		if len(c.without(from)) == 0 && fr.bracket != "[" {
			want := c.want(n-1, len(c.tokens))
			c.values(want)
			if fr.fn != "" && !named && want.Base != "predicate" {
				c.arguments(fr)
			}
			return
		}
	}
	if prev.EndsExpression() && (len(c.frames) == 0 || c.tokens[len(c.tokens)-1].Type != syntax.Newline) {
		return // a value is complete: an operator is next
	}
	if t, ok := c.compared(); ok {
		c.values(t)
		return
	}
	c.values(c.want(len(c.frames)-1, len(c.tokens)))
}

// units that the place accepts, or all.
func (c *completer) units() {
	var fit []string
	for _, t := range c.want(len(c.frames)-1, len(c.tokens)-1).Alternatives() {
		if t.Base == "number" || t.Base == "range" {
			fit = append(fit, t.Units...)
		}
	}
	for _, u := range syntax.Units {
		if len(fit) == 0 || slices.Contains(fit, "*") || slices.ContainsFunc(fit, func(w string) bool { _, ok := types.Convert(1, u, w); return ok }) {
			c.add(Item{Label: u, Kind: Unit, Insert: c.blank + u})
		}
	}
}

// fields of the value before the dot.
func (c *completer) fields() {
	end := len(c.tokens) - 1 // the dot
	from := c.operand(end - 1)
	if from < 0 {
		return
	}
	text := c.file.Text[c.tokens[from].Start:c.tokens[end].Start]
	t := c.scope().Type(text, c.locals())
	for _, f := range builtin.FieldsOf(t.Base) {
		if n := c.scope().Node(text); n != nil && t.Base == "split" && n.Op == "by" && n.Arg(f.Name) == nil {
			continue // a side without a share
		}
		c.add(Item{Label: f.Name, Kind: Field, Detail: doc.TypeName(f.Type), Doc: f.Doc})
	}
}

// functions that take the value before |>.
func (c *completer) functions() {
	left := types.Any
	if from := c.valueStart(); from < len(c.tokens)-1 {
		left = c.scope().Type(c.file.Text[c.tokens[from].Start:c.tokens[len(c.tokens)-1].Start], c.locals())
	}
	for _, b := range builtin.All() {
		for _, p := range b.Params {
			if p.Piped && left.Fits(p.Type) {
				c.add(functionItem(b))
			}
		}
	}
	fns, libraries := c.scope().Fns()
	for i, fn := range fns {
		if len(fn.Params) == 0 {
			continue
		}
		detail := "fn of this script"
		if libraries[i] != "" {
			detail = "fn of library " + libraries[i]
		}
		step := left.Base == "prep" && c.scope().StandsFor(fn.Name.Text, left)
		if t := fn.Params[0].Type; step || t == nil || left.Fits(c.scope().ReadType(t.Name.Text)) {
			c.add(Item{Label: fn.Name.Text, Kind: Function, Detail: detail})
		}
	}
}

func functionItem(b *builtin.Builtin) Item {
	return Item{Label: b.Name, Kind: Function, Detail: doc.TypeName(b.Result), Doc: doc.Builtin(b)}
}

// arguments of the call that are not given yet.
func (c *completer) arguments(fr frame) {
	given := map[string]bool{}
	depth := 0
	for i := fr.at; i+1 < len(c.tokens); i++ {
		switch t := c.tokens[i]; {
		case t.Text == "(" || t.Text == "[" || t.Text == "{":
			depth++
		case t.Text == ")" || t.Text == "]" || t.Text == "}":
			depth--
		case depth == 0 && t.Type == syntax.Ident && c.tokens[i+1].Text == ":":
			given[t.Text] = true
		}
	}
	if b := c.callee(len(c.frames) - 1); b != nil {
		for i := range b.Params {
			p := &b.Params[i]
			if !p.Piped && !p.Rest && !given[p.Name] {
				c.add(Item{Label: p.Name, Kind: Argument, Detail: doc.TypeName(p.Type), Doc: doc.Param(p), Insert: p.Name + ": "})
			}
		}
	}
	fns, _ := c.scope().Fns()
	for _, fn := range fns {
		if fn.Name.Text != fr.fn {
			continue
		}
		for i, p := range fn.Params {
			if !given[p.Name.Text] && !(i == 0 && fr.piped) {
				detail := "of fn " + fr.fn
				if p.Type != nil {
					detail = p.Type.Where.Text() + ", " + detail
				}
				if p.Optional || p.Default != nil {
					detail += ", may be left out"
				}
				c.add(Item{Label: p.Name.Text, Kind: Argument, Detail: detail, Insert: p.Name.Text + ": "})
			}
		}
	}
}

// parameter is the type of one of a fn of the script or a library.
func (c *completer) parameter(name, key string, position int) types.Type {
	fns, _ := c.scope().Fns()
	for _, fn := range fns {
		for i, p := range fn.Params {
			if fn.Name.Text == name && p.Type != nil && (key == p.Name.Text || key == "" && i == position) {
				return declared(p.Type.Name.Text)
			}
		}
	}
	return types.Any
}

// values are names, functions and words that may stand where a type is expected.
func (c *completer) values(want types.Type) {
	if strings.HasPrefix(c.word, "/") {
		c.paths()
		return
	}
	for _, t := range want.Alternatives() {
		switch t.Base {
		case "word":
			c.words(t.Words)
		case "predicate":
			c.wordSet("case field")
			c.add(Item{Label: "not", Kind: Keyword})
			return
		case "bool":
			c.add(Item{Label: "true", Kind: Word}, Item{Label: "false", Kind: Word})
		case "path":
			c.paths()
		}
	}
	c.bound(want)
	if want.IsAny() {
		c.paths()
	}
	for _, b := range builtin.All() {
		if b.Result.Fits(want) {
			c.add(functionItem(b))
		}
	}
}

// bound adds the names of the script whose values fit.
func (c *completer) bound(want types.Type) {
	offer := func(name string, t types.Type) {
		if fits(t, want) {
			c.add(Item{Label: name, Kind: Value, Detail: doc.TypeName(t)})
		}
	}
	for name, t := range c.locals() {
		offer(name, t)
	}
	for _, st := range c.script.Statements {
		switch st := st.(type) {
		case *syntax.Use:
			names := st.Names
			if len(names) == 0 {
				for _, n := range check.LibraryNames(st.Library.Text) {
					names = append(names, syntax.Name{Text: n})
				}
			}
			for _, n := range names {
				if c.scope().StandsFor(n.Text, want) {
					c.add(Item{Label: n.Text, Kind: Function, Detail: "fn of library " + st.Library.Text})
				} else {
					offer(n.Text, c.scope().Type(n.Text, nil))
				}
			}
		case *syntax.Fn:
			t := types.Any
			if st.Returns != nil {
				t = c.scope().ReadType(st.Returns.Name.Text)
			}
			if fits(t, want) || c.scope().StandsFor(st.Name.Text, want) {
				c.add(Item{Label: st.Name.Text, Kind: Function, Detail: "fn of this script"})
			}
		}
	}
	if c.program == nil {
		return
	}
	for _, p := range c.program.Params {
		offer(p.Name, p.Value.Type())
	}
	for _, b := range c.program.Bindings {
		offer(b.Name, b.Value.Type())
	}
}

// fits says whether a value is offered where a type is wanted. One of an unknown type may be anything, so it is offered only where anything goes.
func fits(t, want types.Type) bool { return want.IsAny() || !t.IsAny() && t.Fits(want) }
