package check

import (
	"fmt"
	"slices"

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

// inline evaluates the body of a fn with its arguments in place of its parameters.
func (c *checker) inline(sym *symbol, fn *syntax.Fn, e *syntax.Call, piped ir.Value, pipedExpr syntax.Expr, env *scope) ir.Value {
	if piped != nil && len(fn.Params) == 0 {
		c.diags.Add(diag.BadPipe, e.Where, "fn %s takes no argument", fn.Name.Text)
		return unknown
	}
	if !c.mayCall(fn, e) {
		return unknown
	}
	m := c.fnMatcher(fn, e)
	if piped != nil {
		m.take(0, piped, pipedExpr.Span())
		m.next = 1
	}
	return c.body(sym, fn, m.arguments(env), e.Where)
}

// mayCall refuses recursion. A fn without a body has been reported.
func (c *checker) mayCall(fn *syntax.Fn, e *syntax.Call) bool {
	if slices.Contains(c.calls, fn) {
		d := c.diags.Add(diag.CyclicName, e.Where, "fn %s calls itself", fn.Name.Text)
		d.Help = "there is no recursion: every plan is finite; use a comprehension"
		return false
	}
	return fn.Body != nil
}

// fnType is the declared type of a parameter.
func (c *checker) fnType(fn *syntax.Fn, i int) types.Type {
	if fn.Params[i].Type != nil {
		return c.quietType(fn.Params[i].Type)
	}
	return types.Any
}

// fnMatcher fills the parameters of one call of a fn.
type fnMatcher struct {
	c      *checker
	fn     *syntax.Fn
	call   *syntax.Call
	values []ir.Value
	passed map[int]bool          // parameters that an argument was written for
	next   int                   // parameter that the next positional argument fills
	sizes  map[string]types.Size // lengths of the axes of its tensors, by the symbol they have in its types
}

func (c *checker) fnMatcher(fn *syntax.Fn, call *syntax.Call) *fnMatcher {
	return &fnMatcher{c: c, fn: fn, call: call, values: make([]ir.Value, len(fn.Params)), passed: map[int]bool{}, sizes: map[string]types.Size{}}
}

// argument gives a parameter what is written for it, unless that is a parameter of the fn around that was left out.
func (m *fnMatcher) argument(i int, a syntax.Arg, env *scope) {
	p := m.fn.Params[i]
	v, given := m.c.argument(a.Value, m.c.fnType(m.fn, i), p.Optional || p.Default != nil, env)
	switch {
	case given:
		m.take(i, v, a.Value.Span())
	case m.passed[i]:
		m.twice(i, a.Value.Span())
	}
	m.passed[i] = true
}

func (m *fnMatcher) twice(i int, at source.Span) {
	m.c.diags.Add(diag.DuplicateArgument, at, "%s of fn %s is given twice", m.fn.Params[i].Name.Text, m.fn.Name.Text)
}

// take gives a parameter its value.
func (m *fnMatcher) take(i int, v ir.Value, at source.Span) {
	p := m.fn.Params[i]
	if m.values[i] != nil || m.passed[i] {
		m.twice(i, at)
		return
	}
	m.values[i] = m.c.demand(v, m.sized(m.c.fnType(m.fn, i), v.Type()), at, fmt.Sprintf("%s of fn %s", p.Name.Text, m.fn.Name.Text))
}

// sized is the type of a parameter for the call at hand. A fn holds for tensors of every size: that of the first tensor says what its height, width and channels are, and all
// others have the same.
func (m *fnMatcher) sized(want, have types.Type) types.Type {
	if !want.IsTensor() || !have.IsTensor() || !have.Shaped {
		return want
	}
	for _, a := range want.Axes {
		size, ok := have.Size(a.Name)
		if !ok {
			continue
		}
		if known, bound := m.sizes[a.Size.Of]; bound {
			size = known
		} else {
			m.sizes[a.Size.Of] = size
		}
		want = want.With(a.Name, size)
	}
	return want
}

// arguments gives every parameter its value: those of the call, and defaults.
func (m *fnMatcher) arguments(env *scope) []ir.Value {
	c, fn, name := m.c, m.fn, m.fn.Name.Text
	misnamed := false
	for _, a := range m.call.Args {
		if a.Key == nil {
			if m.next >= len(fn.Params) {
				d := c.diags.Add(diag.TooManyArguments, a.Value.Span(), "fn %s takes %s", name, diag.Counted(len(fn.Params), "argument"))
				d.Related = []diag.Related{{Span: fn.Name.Where, Message: "declared here"}}
				continue
			}
			m.argument(m.next, a, env)
			m.next++
			continue
		}
		i := slices.IndexFunc(fn.Params, func(p syntax.FnParam) bool { return p.Name.Text == keyText(a.Key) })
		if i < 0 {
			var names []string
			for _, p := range fn.Params {
				names = append(names, p.Name.Text)
			}
			misnamed = true
			d := c.diags.Add(diag.UnknownArgument, a.Key.Span(), "fn %s has no argument %q", name, keyText(a.Key))
			d.Help = suggestion(keyText(a.Key), names)
			continue
		}
		c.rec.defined(a.Key.Span(), fn.Params[i].Name.Text, fn.Params[i].Name.Where)
		m.argument(i, a, env)
	}
	for i, p := range fn.Params {
		if m.values[i] != nil || p.Optional {
			continue
		}
		switch {
		case p.Default == nil && misnamed: // the one that is missing may be the one with another name
			m.values[i] = unknown
		case p.Default == nil:
			d := c.diags.Add(diag.MissingArgument, m.call.Where, "fn %s needs %s", name, p.Name.Text)
			d.Related = []diag.Related{{Span: p.Name.Where, Message: "declared here"}}
			m.values[i] = unknown
		default:
			m.values[i] = c.value(p.Default, c.fnType(fn, i), nil)
		}
	}
	return m.values
}

// body evaluates the body of a fn for the values of its parameters. What is wrong with them there is told with the place of the call.
func (c *checker) body(sym *symbol, fn *syntax.Fn, values []ir.Value, call source.Span) ir.Value {
	before := len(c.diags)
	defer func() {
		for i := before; i < len(c.diags); i++ {
			c.diags[i].Related = append(c.diags[i].Related, diag.Related{Span: call, Message: "called here"})
		}
	}()
	var inner *scope
	for i, p := range fn.Params {
		inner = &scope{name: p.Name.Text, value: values[i], outer: inner, where: p.Name.Where, maybe: values[i] == nil}
	}
	want := types.Any
	if fn.Returns != nil {
		want = c.quietType(fn.Returns)
	} else if overTensors(fn) {
		want = types.AnyTensor
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
