package check

import (
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// checkFn checks a body with unknown arguments of the declared types.
func (c *checker) checkFn(st *syntax.Fn) {
	if st.Body == nil {
		return
	}
	var env *scope
	seen := map[string]bool{}
	for i, p := range st.Params {
		if seen[p.Name.Text] {
			c.diags.Add(diag.DuplicateName, p.Name.Where, "parameter %q is declared twice", p.Name.Text)
		}
		seen[p.Name.Text] = true
		t := types.Any
		if p.Type != nil {
			t = c.typeOf(p.Type)
		} else {
			d := c.diags.Add(diag.UnknownType, p.Name.Where, "parameter %q has no type", p.Name.Text)
			d.Help = fmt.Sprintf("write `%s: model`, `%s: number` …", p.Name.Text, p.Name.Text)
		}
		if p.Default != nil {
			c.demand(c.value(p.Default, t, nil), t, p.Default.Span(), "parameter "+p.Name.Text)
		}
		env = &scope{name: p.Name.Text, value: leaf(i, t), outer: env, where: p.Name.Where, maybe: p.Optional}
	}
	want := returned(st, c.typeOf)
	c.calls = append(c.calls, st)
	v := c.value(st.Body, want, env)
	c.calls = c.calls[:len(c.calls)-1]
	if !isUnknown(v) && !v.Type().Fits(want) {
		d := c.diags.Add(diag.WrongReturn, st.Body.Span(), "fn %s gives %s, but declares %s", st.Name.Text, article(v.Type()), article(want))
		if st.Returns != nil {
			d.Related = []diag.Related{{Span: st.Returns.Where, Message: "declared here"}}
		}
	}
}

// returned is what the body of a fn has to be, by the type that the fn declares, if it does.
func returned(fn *syntax.Fn, read func(*syntax.TypeExpr) types.Type) types.Type {
	switch {
	case fn.Returns != nil:
		return read(fn.Returns)
	case overTensors(fn):
		return types.AnyTensor
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
	want := returned(fn, c.quietType)
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
