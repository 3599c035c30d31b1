package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// value evaluates an expression. want says what the place expects: it decides what a word means (axial, CT, organ) and which of two
// builtins of one name is meant. Whether the result fits is checked by demand, where the message can name the place.
func (c *checker) value(e syntax.Expr, want types.Type, env *scope) ir.Value {
	if !c.spend(1, e.Span()) {
		return unknown
	}
	v := c.evaluate(e, want, env)
	c.rec.value(e, v)
	return v
}

func (c *checker) evaluate(e syntax.Expr, want types.Type, env *scope) ir.Value {
	if want.Base == "predicate" {
		return c.predicate(e, env)
	}
	switch e := e.(type) {
	case *syntax.NumberLit:
		return ir.Number{V: e.Value, Unit: e.Unit}
	case *syntax.StringLit:
		return ir.Str{S: e.Value}
	case *syntax.BoolLit:
		return ir.Bool{B: e.Value}
	case *syntax.PathLit:
		return c.path(e)
	case *syntax.Ref:
		return c.ref(e, want, env)
	case *syntax.ListLit:
		return c.list(e, want, env)
	case *syntax.Comprehension:
		return c.comprehension(e, want, env)
	case *syntax.MapLit:
		return c.mapping(e, want, env)
	case *syntax.Call:
		return c.call(e, nil, nil, want, env)
	case *syntax.Pipe:
		return c.pipe(e, want, env)
	case *syntax.Field:
		return c.field(e, env)
	case *syntax.Index:
		return c.index(e, env)
	case *syntax.Unary:
		return c.unary(e, want, env)
	case *syntax.Binary:
		return c.binary(e, want, env)
	}
	return unknown
}

// wordSets lists the sets of words a place accepts.
func wordSets(want types.Type) []string {
	var out []string
	for _, t := range want.Alternatives() {
		if t.Base == "word" {
			out = append(out, t.Words)
		}
	}
	return out
}

func (c *checker) ref(e *syntax.Ref, want types.Type, env *scope) ir.Value {
	if s, ok := env.lookup(e.Text); ok {
		c.rec.defined(e.Where, e.Text, s.where)
		if s.maybe {
			return c.needed(s, e)
		}
		return s.value
	}
	sets := wordSets(want)
	for _, set := range sets {
		switch set {
		case "task":
			if _, ok := c.tree.Lookup(e.Text); ok {
				c.rec.word(e.Where, e.Text, set)
				return c.task(e.Text, e.Where)
			}
		case "modality":
			if _, _, ok := c.tree.Modality(e.Text); ok {
				c.rec.word(e.Where, e.Text, set)
				return c.modality(e.Text, e.Where)
			}
		case "placeholder":
			if slices.Contains(c.holes, e.Text) {
				c.rec.word(e.Where, e.Text, set)
				return ir.Word{Set: set, Text: e.Text}
			}
		default:
			if w, ok := builtin.WordSet(set); ok && slices.Contains(w.Items, e.Text) {
				c.rec.word(e.Where, e.Text, set)
				return ir.Word{Set: set, Text: e.Text}
			}
		}
	}
	if sym, ok := c.symbols[e.Text]; ok {
		c.rec.defined(e.Where, e.Text, sym.where)
		if _, fn, r, ok := c.standsFor(e.Text, want); ok {
			call := &syntax.Call{At: e.At, Fn: e}
			if !c.mayCall(fn, call) {
				return unknown
			}
			return c.lift(sym, fn, r, call, nil, env)
		}
		if fn, ok := sym.stmt.(*syntax.Fn); ok {
			d := c.diags.Add(diag.WrongType, e.Where, "%q is a fn; it must be called", e.Text)
			d.Help = fmt.Sprintf("write %s(…)", e.Text)
			d.Related = []diag.Related{{Span: fn.Name.Where, Message: "declared here"}}
			return unknown
		}
		return c.symbol(sym)
	}
	if found := builtin.Lookup(e.Text); len(found) > 0 {
		b := choose(found, want)
		c.rec.builtin(e.Where, b)
		return c.bind(b, e.Where, nil, nil, nil, env)
	}
	c.unknownName(e, want, sets, env)
	return unknown
}

func (c *checker) unknownName(e *syntax.Ref, want types.Type, sets []string, env *scope) {
	for _, set := range sets {
		switch set {
		case "task":
			c.task(e.Text, e.Where)
			return
		case "modality":
			c.modality(e.Text, e.Where)
			return
		}
	}
	if len(sets) > 0 {
		var items []string
		for _, set := range sets {
			if set == "placeholder" {
				items = append(items, c.holes...)
			} else if w, ok := builtin.WordSet(set); ok {
				items = append(items, w.Items...)
			}
		}
		d := c.diags.Add(diag.UnknownWord, e.Where, "%q is no %s", e.Text, strings.ReplaceAll(strings.Join(sets, " or "), "placeholder", "{name} of the pattern"))
		if s := diag.Suggest(e.Text, items); s != "" {
			d.Help = "did you mean " + s + "?"
			d.Fixes = []diag.Fix{{Message: "write " + s, Span: e.Where, Replacement: s, Safe: true}}
		} else if len(items) > 0 {
			d.Help = "expected one of " + strings.Join(items, ", ")
		} else if slices.Contains(sets, "placeholder") {
			d.Help = "the pattern has no {name}; write a string"
		}
		return
	}
	d := c.diags.Add(diag.UnknownName, e.Where, "the name %q is not bound", e.Text)
	names := append(sortedKeys(c.symbols), builtin.Names()...)
	for s := env; s != nil; s = s.outer {
		names = append(names, s.name)
	}
	if s := diag.Suggest(e.Text, names); s != "" {
		d.Help = "did you mean " + s + "?"
		d.Fixes = []diag.Fix{{Message: "write " + s, Span: e.Where, Replacement: s}}
	}
}

// choose takes the entry whose result fits the place; the first when none does.
func choose(found []*builtin.Builtin, want types.Type) *builtin.Builtin {
	if !want.IsAny() {
		for _, b := range found {
			if b.Result.Fits(want) {
				return b
			}
		}
	}
	return found[0]
}

func elemOf(want types.Type) types.Type {
	for _, t := range want.Alternatives() {
		if t.Base == "list" && t.Elem != nil {
			return *t.Elem
		}
	}
	return types.Any
}

func (c *checker) list(e *syntax.ListLit, want types.Type, env *scope) ir.Value {
	elem := elemOf(want)
	out := ir.List{Elem: types.Any}
	for _, x := range e.Items {
		v := c.value(x, elem, env)
		if swept(v, elem) {
			if l, ok := v.(ir.List); ok {
				for _, item := range l.Items {
					out.Items = append(out.Items, item)
					out.Elem = item.Type()
				}
				continue
			}
			v = ir.Unknown{T: elem}
		}
		if !elem.IsAny() {
			v = c.demand(v, elem, x.Span(), "an item of the list")
		} else if len(out.Items) > 0 && !isUnknown(v) && !isUnknown(out.Items[0]) && !v.Type().Fits(out.Elem) && !out.Elem.Fits(v.Type()) {
			d := c.diags.Add(diag.WrongType, x.Span(), "the list begins with %s, but this is %s", article(out.Elem), article(v.Type()))
			d.Help = "all items of a list have one type"
		}
		if len(out.Items) == 0 || out.Elem.IsAny() {
			out.Elem = v.Type()
		}
		out.Items = append(out.Items, v)
	}
	if len(out.Items) == 0 {
		out.Elem = elem
	}
	if !c.weigh(out, e.Where) {
		return unknown
	}
	return out
}

func (c *checker) mapping(e *syntax.MapLit, want types.Type, env *scope) ir.Value {
	elem := types.Any
	for _, t := range want.Alternatives() {
		if t.Base == "map" && t.Elem != nil {
			elem = *t.Elem
		}
	}
	out := ir.Map{Elem: elem}
	seen := map[string]source.Span{}
	lost := false
	for _, a := range e.Entries {
		if a.Key == nil {
			d := c.diags.Add(diag.UnexpectedToken, a.Value.Span(), "found a value without a key, expected key: value")
			d.Help = "a list is written [a, b]"
			lost = true
			continue
		}
		key := keyText(a.Key)
		if old, ok := seen[key]; ok {
			d := c.diags.Add(diag.DuplicateKey, a.Key.Span(), "the key %s stands twice", key)
			d.Related = []diag.Related{{Span: old, Message: "first here"}}
			continue
		}
		seen[key] = a.Key.Span()
		v := c.value(a.Value, elem, env)
		out.Entries = append(out.Entries, ir.Entry{Key: key, Value: c.demand(v, elem, a.Value.Span(), "the entry "+key), Span: a.Key.Span()})
	}
	if lost { // what was meant is not known
		return unknown
	}
	return out
}

func keyText(e syntax.Expr) string {
	switch k := e.(type) {
	case *syntax.Ref:
		return k.Text
	case *syntax.StringLit:
		return k.Value
	case *syntax.NumberLit:
		return types.Fmt(k.Value, k.Unit)
	case *syntax.PathLit:
		return k.Text
	}
	return ""
}
