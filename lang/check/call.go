package check

import (
	"fmt"
	"slices"
	"strings"
	"sync"

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

// quietType reads a type without reporting: checkFn has done so.
func (c *checker) quietType(t *syntax.TypeExpr) types.Type {
	n := len(c.diags)
	out := c.typeOf(t)
	c.diags = c.diags[:n]
	return out
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

// inline evaluates the body of a fn with its arguments in place of its parameters.
func (c *checker) inline(sym *symbol, fn *syntax.Fn, e *syntax.Call, piped ir.Value, pipedExpr syntax.Expr, env *scope) ir.Value {
	name := fn.Name.Text
	if slices.Contains(c.calls, fn) {
		d := c.diags.Add(diag.CyclicName, e.Where, "fn %s calls itself", name)
		d.Help = "there is no recursion: every plan is finite; use a comprehension"
		return unknown
	}
	if fn.Body == nil {
		return unknown
	}
	values := make([]ir.Value, len(fn.Params))
	next := 0
	take := func(i int, v ir.Value, at source.Span) {
		if values[i] != nil {
			c.diags.Add(diag.DuplicateArgument, at, "%s of fn %s is given twice", fn.Params[i].Name.Text, name)
			return
		}
		t := types.Any
		if fn.Params[i].Type != nil {
			t = c.quietType(fn.Params[i].Type)
		}
		values[i] = c.demand(v, t, at, fmt.Sprintf("%s of fn %s", fn.Params[i].Name.Text, name))
	}
	expected := func(i int) types.Type {
		if fn.Params[i].Type != nil {
			return c.quietType(fn.Params[i].Type)
		}
		return types.Any
	}
	if piped != nil {
		if len(fn.Params) == 0 {
			c.diags.Add(diag.BadPipe, e.Where, "fn %s takes no argument", name)
			return unknown
		}
		take(0, piped, pipedExpr.Span())
		next = 1
	}
	for _, a := range e.Args {
		if a.Key == nil {
			if next >= len(fn.Params) {
				d := c.diags.Add(diag.TooManyArguments, a.Value.Span(), "fn %s takes %s", name, counted(len(fn.Params), "argument"))
				d.Related = []diag.Related{{Span: fn.Name.Where, Message: "declared here"}}
				continue
			}
			take(next, c.value(a.Value, expected(next), env), a.Value.Span())
			next++
			continue
		}
		i := slices.IndexFunc(fn.Params, func(p syntax.FnParam) bool { return p.Name.Text == keyText(a.Key) })
		if i < 0 {
			var names []string
			for _, p := range fn.Params {
				names = append(names, p.Name.Text)
			}
			d := c.diags.Add(diag.UnknownArgument, a.Key.Span(), "fn %s has no argument %q", name, keyText(a.Key))
			d.Help = suggestion(keyText(a.Key), names)
			continue
		}
		c.rec.defined(a.Key.Span(), fn.Params[i].Name.Text, fn.Params[i].Name.Where)
		take(i, c.value(a.Value, expected(i), env), a.Value.Span())
	}
	var inner *scope
	for i, p := range fn.Params {
		if values[i] == nil {
			if p.Default == nil {
				d := c.diags.Add(diag.MissingArgument, e.Where, "fn %s needs %s", name, p.Name.Text)
				d.Related = []diag.Related{{Span: p.Name.Where, Message: "declared here"}}
				values[i] = unknown
			} else {
				values[i] = c.value(p.Default, expected(i), nil)
			}
		}
		inner = &scope{p.Name.Text, values[i], inner, p.Name.Where}
	}
	want := types.Any
	if fn.Returns != nil {
		want = c.quietType(fn.Returns)
	}
	c.calls = append(c.calls, fn)
	defer func() { c.calls = c.calls[:len(c.calls)-1] }()
	if sym.home == nil {
		rec := c.rec // bodies are recorded by checkFn
		c.rec = nil
		defer func() { c.rec = rec }()
		return c.value(fn.Body, want, inner)
	}
	// The body of a library's fn means the library's names, in this script's tree and within this script's budget.
	body := &checker{symbols: sym.home.symbols, libraries: sym.home.libraries, tree: c.tree, calls: c.calls, defaults: c.defaults, steps: c.steps}
	v := body.value(fn.Body, want, inner)
	c.steps = body.steps
	c.diags = append(c.diags, body.diags...)
	return v
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
	if b.Name == "unplaced" {
		return c.unplaced(m.values[0], where)
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

// matcher fills the parameters of one call.
type matcher struct {
	c         *checker
	b         *builtin.Builtin
	where     source.Span
	env       *scope
	values    []ir.Value
	spans     []source.Span
	keys      []ir.Entry
	keySpan   map[string]source.Span
	meant     map[int]bool // parameters that a reported argument was meant for
	failed    bool
	afterName bool
}

func (m *matcher) mean(i int) {
	if m.meant == nil {
		m.meant = map[int]bool{}
	}
	m.meant[i] = true
}

func (m *matcher) pipedIn(v ir.Value, e syntax.Expr) {
	for i, p := range m.b.Params {
		if !p.Piped {
			continue
		}
		m.set(i, v, e.Span())
		return
	}
	d := m.c.diags.Add(diag.BadPipe, m.where, "%s takes nothing from |>", m.b.Name)
	d.Help = fmt.Sprintf("call it by itself: %s(…)", m.b.Name)
	m.failed = true
}

// positions lists the parameters that positional arguments fill, in order.
func (m *matcher) positions(havePiped bool) []int {
	var out []int
	for i, p := range m.b.Params {
		if p.Piped && havePiped {
			continue
		}
		out = append(out, i)
	}
	return out
}

func (m *matcher) positional(a syntax.Arg, left *[]int) {
	if m.afterName {
		d := m.c.diags.Add(diag.MisplacedArgument, a.Value.Span(), "an argument without name stands after named ones")
		d.Help = "put it first, or name it"
		m.failed = true
		for _, i := range *left {
			if m.values[i] == nil && !m.b.Params[i].Piped {
				m.mean(i)
				break
			}
		}
		return
	}
	for len(*left) > 0 {
		i := (*left)[0]
		p := m.b.Params[i]
		if p.Rest {
			v := m.c.value(a.Value, *p.Type.Elem, m.env)
			v = m.c.demand(v, *p.Type.Elem, a.Value.Span(), m.place(p))
			l, _ := m.values[i].(ir.List)
			l.Elem = *p.Type.Elem
			l.Items = append(l.Items, v)
			m.values[i] = l
			m.spans[i] = m.spans[i].To(a.Value.Span())
			return
		}
		v := m.c.value(a.Value, p.Type, m.env)
		if p.Piped && !p.Need && len(*left) > 1 && (isUnknown(v) || !v.Type().Fits(p.Type)) {
			// window(lo .. hi) without steps before it: the range is meant for the next parameter.
			*left = (*left)[1:]
			continue
		}
		*left = (*left)[1:]
		m.set(i, v, a.Value.Span())
		return
	}
	d := m.c.diags.Add(diag.TooManyArguments, a.Value.Span(), "%s takes no further argument", m.b.Name)
	d.Help = "its arguments are " + strings.Join(m.names(), ", ")
	m.failed = true
}

func (m *matcher) names() []string {
	var out []string
	for _, p := range m.b.Params {
		if !p.Piped {
			out = append(out, p.Name)
		}
	}
	return out
}

func (m *matcher) named(a syntax.Arg) {
	m.afterName = true
	key := keyText(a.Key)
	_, isName := a.Key.(*syntax.Ref)
	if isName {
		for i, p := range m.b.Params {
			if p.Name != key {
				continue
			}
			m.c.rec.key(a.Key.Span(), &m.b.Params[i])
			if m.values[i] != nil {
				d := m.c.diags.Add(diag.DuplicateArgument, a.Key.Span(), "%s of %s is given twice", key, m.b.Name)
				if !m.spans[i].IsZero() {
					d.Related = []diag.Related{{Span: m.spans[i], Message: "first here"}}
				}
				m.failed = true
				return
			}
			m.set(i, m.c.value(a.Value, p.Type, m.env), a.Value.Span())
			return
		}
	}
	if m.b.KeyBase == "path" && !isName {
		m.entry(a, key)
		return
	}
	names := m.names()
	d := m.c.diags.Add(diag.UnknownArgument, a.Key.Span(), "%s has no argument %q", m.b.Name, key)
	if s := diag.Suggest(key, names); s != "" {
		d.Help = "did you mean " + s + "?"
		d.Fixes = []diag.Fix{{Message: "write " + s, Span: a.Key.Span(), Replacement: s, Safe: true}}
		m.mean(slices.IndexFunc(m.b.Params, func(p builtin.Param) bool { return p.Name == s }))
	} else if len(names) > 0 {
		d.Help = "its arguments are " + strings.Join(names, ", ")
	} else {
		d.Help = m.b.Name + " takes no arguments"
	}
	m.c.inspect(a.Value, m.env)
	m.failed = true
}

func (m *matcher) entry(a syntax.Arg, key string) {
	p, ok := a.Key.(*syntax.PathLit)
	if !ok {
		m.c.diags.Add(diag.WrongType, a.Key.Span(), "the keys of %s are paths of the taxonomy", m.b.Name)
		m.failed = true
		return
	}
	node := m.c.path(p)
	if old, dup := m.keySpan[key]; dup {
		d := m.c.diags.Add(diag.DuplicateKey, a.Key.Span(), "the path %s stands twice", key)
		d.Related = []diag.Related{{Span: old, Message: "first here"}}
		m.failed = true
		return
	}
	if m.keySpan == nil {
		m.keySpan = map[string]source.Span{}
	}
	m.keySpan[key] = a.Key.Span()
	v := m.c.value(a.Value, m.b.KeyType, m.env)
	v = m.c.demand(v, m.b.KeyType, a.Value.Span(), "the entry "+key)
	if path, ok := node.(ir.Path); ok && !isUnknown(v) {
		m.keys = append(m.keys, ir.Entry{Key: path.P, Value: v, Span: a.Key.Span()})
	} else {
		m.failed = true
	}
}

func (m *matcher) place(p builtin.Param) string { return fmt.Sprintf("%s of %s", p.Name, m.b.Name) }

func (m *matcher) set(i int, v ir.Value, at source.Span) {
	p := m.b.Params[i]
	if m.values[i] != nil {
		m.c.diags.Add(diag.DuplicateArgument, at, "%s of %s is given twice", p.Name, m.b.Name)
		m.failed = true
		return
	}
	v = m.c.demand(v, p.Type, at, m.place(p))
	m.values[i], m.spans[i] = v, at
	if isUnknown(v) {
		m.failed = true
		return
	}
	check := func(x float64, unit string) bool {
		if p.Min != nil && (x < *p.Min || p.Above && x == *p.Min) || p.Max != nil && x > *p.Max {
			m.c.diags.Add(diag.OutOfRange, at, "%s is %s, expected %s", m.place(p), types.Fmt(x, unit), limitText(p, unit))
			m.failed = true
			return false
		}
		return true
	}
	switch v := v.(type) {
	case ir.Number:
		check(v.V, v.Unit)
	case ir.Range:
		if check(v.Lo, v.Unit) {
			check(v.Hi, v.Unit)
		}
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func limitText(p builtin.Param, unit string) string {
	u := ""
	if unit != "" {
		u = " " + unit
	}
	switch {
	case p.Min != nil && p.Max != nil:
		return fmt.Sprintf("%g .. %g%s", *p.Min, *p.Max, u)
	case p.Min != nil && p.Above:
		return fmt.Sprintf("more than %g%s", *p.Min, u)
	case p.Min != nil:
		return fmt.Sprintf("at least %g%s", *p.Min, u)
	case p.Max != nil:
		return fmt.Sprintf("at most %g%s", *p.Max, u)
	}
	return ""
}

// finish fills defaults and reports what is missing; false when the call cannot be made.
func (m *matcher) finish() bool {
	for i, p := range m.b.Params {
		if m.values[i] != nil {
			continue
		}
		switch {
		case m.meant[i]:
		case p.Need:
			d := m.c.diags.Add(diag.MissingArgument, m.where, "%s needs %s: %s", m.b.Name, p.Name, p.Doc)
			if p.Piped {
				d.Help = fmt.Sprintf("pass it on with |>: x |> %s(…)", m.b.Name)
			} else {
				d.Help = fmt.Sprintf("%s is %s", p.Name, article(p.Type))
			}
			m.failed = true
		case p.Default != "":
			m.values[i] = m.c.defaultOf(m.b, &m.b.Params[i])
		case p.Rest:
			m.values[i] = ir.List{Elem: *p.Type.Elem}
		}
	}
	return !m.failed
}

// defaultOf evaluates a default of the registry; builtins and words only. A placeholder that the pattern does not have falls back to the file.
// One value serves all calls of a script: nothing in it depends on the call.
func (c *checker) defaultOf(b *builtin.Builtin, p *builtin.Param) ir.Value {
	if slices.Contains(wordSets(p.Type), "placeholder") {
		if slices.Contains(c.holes, p.Default) {
			return ir.Word{Set: "placeholder", Text: p.Default}
		}
		return ir.Word{Set: "placeholder", Text: ""}
	}
	if v, ok := c.defaults[p]; ok {
		return v
	}
	d := &checker{symbols: map[string]*symbol{}, tree: c.tree}
	e, known := defaultExprs.Load(p)
	if !known {
		e = d.expression("default of "+b.Name+"."+p.Name, p.Default)
		defaultExprs.Store(p, e)
	}
	v := ir.Value(unknown)
	if e, ok := e.(syntax.Expr); ok {
		v = d.demand(d.value(e, p.Type, nil), p.Type, e.Span(), p.Name)
	}
	if d.diags.HasErrors() {
		panic(fmt.Sprintf("registry: default of %s.%s: %v", b.Name, p.Name, d.diags[0]))
	}
	if c.defaults == nil {
		c.defaults = map[*builtin.Param]ir.Value{}
	}
	c.defaults[p] = v
	return v
}

// defaultExprs holds the parsed default of every *builtin.Param that was needed so far.
var defaultExprs sync.Map

// placeholders finds the {names} of a volumes pattern.
func placeholders(args []syntax.Arg) []string {
	for _, a := range args {
		if a.Key == nil || keyText(a.Key) == "images" {
			if s, ok := a.Value.(*syntax.StringLit); ok {
				return Placeholders(s.Value)
			}
			return nil
		}
	}
	return nil
}

// Placeholders lists the {names} of a file pattern.
func Placeholders(pattern string) []string {
	var out []string
	for {
		i := strings.IndexByte(pattern, '{')
		if i < 0 {
			return out
		}
		j := strings.IndexByte(pattern[i:], '}')
		if j < 0 {
			return out
		}
		out = append(out, pattern[i+1:i+j])
		pattern = pattern[i+j+1:]
	}
}

// domain checks what concerns several arguments of one call.
func (c *checker) domain(n *ir.Node) {
	switch n.Op {
	case "volumes":
		mod := n.Text("modality")
		m, _ := n.Arg("tasks").(ir.Map)
		if len(m.Entries) == 0 {
			c.diags.Add(diag.MissingArgument, n.ArgSpan("tasks"), "tasks of volumes is empty: no label has a meaning")
		}
		for _, e := range m.Entries {
			var v int
			if _, err := fmt.Sscanf(e.Key, "%d", &v); err != nil || fmt.Sprint(v) != e.Key || v == 0 {
				d := c.diags.Add(diag.WrongType, e.Span, "the keys of tasks are label values, whole numbers other than 0 (background)")
				d.Help = "write tasks: { 1: MRI_BrainWholeTumor }"
			}
			w, _ := e.Value.(ir.Word)
			if w.Place != nil && mod != "" && w.Place.Modality != mod {
				d := c.diags.Add(diag.ModalityMismatch, e.Span, "the data are %s, but the task %s is %s", mod, w.Text, w.Place.Modality)
				d.Related = []diag.Related{{Span: n.ArgSpan("modality"), Message: "modality is given here"}}
			}
		}
	case "by":
		sum, given := 0.0, 0
		for _, s := range []string{"train", "val", "test"} {
			if v := n.Arg(s); v != nil {
				sum += n.Num(s)
				given++
			}
		}
		if given > 0 && (sum < 100-1e-9 || sum > 100+1e-9) {
			c.diags.Add(diag.SplitShares, n.Span, "the shares of the split add up to %g %%, expected 100 %%", sum)
		} else if given < 2 {
			c.diags.Add(diag.SplitShares, n.Span, "a split needs at least two of train, val and test")
		}
	case "mixture":
		if g := n.Node("gate"); g != nil && g.Op == "top" && g.Int("k") > n.Int("count") {
			c.diags.Add(diag.OutOfRange, n.ArgSpan("gate"), "top(%d) of %d experts", g.Int("k"), n.Int("count"))
		}
	case "compare":
		if l, ok := n.Arg("evals").(ir.List); ok && len(l.Items) < 2 {
			c.diags.Add(diag.MissingArgument, n.ArgSpan("evals"), "compare needs two or more evals, found %d", len(l.Items))
		}
	case "train", "finetune":
		c.sharedPatients(n)
	}
}

// sharedPatients reports validation data that are certain to hold patients of the training data: the same data, or one a part of the other.
func (c *checker) sharedPatients(n *ir.Node) {
	data, validate := n.Node("data"), n.Node("validate")
	if data == nil || validate == nil {
		return
	}
	if c.hasher == nil {
		c.hasher = ir.NewHasher(nil)
	}
	train, val := c.hasher.Hash(data), c.hasher.Hash(validate)
	what := ""
	switch {
	case train == val:
		what = "the same as the training data"
	case c.partOf(validate, train):
		what = "part of the training data"
	case c.partOf(data, val):
		what = "data of which the training data are a part"
	default:
		return
	}
	d := c.diags.Add(diag.SharedPatient, n.ArgSpan("validate"), "%s validates with %s", n.Op, what)
	d.Help = "validate with another side of a split: validate: parts.val"
	d.Related = []diag.Related{{Span: n.ArgSpan("data"), Message: "trained on these"}}
}

// partOf says whether data are chosen out of the data of an identity, by where or take.
func (c *checker) partOf(n *ir.Node, whole string) bool {
	for n != nil && (n.Op == "where" || n.Op == "take") {
		if n = n.Node("data"); n != nil && c.hasher.Hash(n) == whole {
			return true
		}
	}
	return false
}
