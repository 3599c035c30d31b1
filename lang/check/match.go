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
	passed    map[int]bool // parameters that are left out because what was written for them was
	failed    bool
	afterName bool
}

func (m *matcher) mean(i int) {
	if m.meant == nil {
		m.meant = map[int]bool{}
	}
	m.meant[i] = true
}

func (m *matcher) pass(i int) {
	if m.passed == nil {
		m.passed = map[int]bool{}
	}
	m.passed[i] = true
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
		v, given := m.c.argument(a.Value, p.Type, !p.Need, m.env)
		if !given {
			*left = (*left)[1:]
			m.pass(i)
			return
		}
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
			if m.passed[i] {
				m.c.diags.Add(diag.DuplicateArgument, a.Key.Span(), "%s of %s is given twice", key, m.b.Name)
				m.failed = true
				return
			}
			if v, given := m.c.argument(a.Value, p.Type, !p.Need && !p.Rest, m.env); given {
				m.set(i, v, a.Value.Span())
			} else {
				m.pass(i)
			}
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

func limitText(p builtin.Param, unit string) string {
	u := ""
	if unit != "" {
		u = " " + unit
	}
	switch {
	case p.Min != nil && p.Max != nil && p.Above:
		return fmt.Sprintf("more than %g, at most %g%s", *p.Min, *p.Max, u)
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
