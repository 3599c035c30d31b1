package check

import (
	"fmt"
	"math"
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

// swept says whether a list of evals, figures or other values of a kind stands where one of them is expected: the results of a sweep among others. Its items are taken one by one.
func swept(v ir.Value, elem types.Type) bool {
	t := v.Type()
	if t.Base != "list" || t.Elem == nil || elem.IsAny() || t.Fits(elem) {
		return false
	}
	return slices.Contains(types.Kinds, t.Elem.Base) && t.Elem.Fits(elem)
}

func (c *checker) comprehension(e *syntax.Comprehension, want types.Type, env *scope) ir.Value {
	elem := elemOf(want)
	out := ir.List{Elem: types.Any}
	incomplete, failed := false, false
	var swept []ir.Setting // of the item in work
	step := func(name string, v ir.Value, f func()) {
		swept = append(swept, ir.Setting{Name: name, Value: v})
		f()
		swept = swept[:len(swept)-1]
	}
	var unroll func(clauses []syntax.Clause, env *scope)
	unroll = func(clauses []syntax.Clause, env *scope) {
		if failed || len(out.Items) > maxItems || !c.spend(1, e.Where) {
			return
		}
		before := len(c.diags)
		defer func() { failed = failed || len(c.diags) > before }() // a mistake in one step is one in a hundred thousand
		if len(clauses) == 0 {
			v := c.value(e.Value, elem, env)
			if !elem.IsAny() {
				v = c.demand(v, elem, e.Value.Span(), "an item of the list")
			}
			if out.Elem.IsAny() {
				out.Elem = v.Type()
			}
			out.Items = append(out.Items, withSettings(v, swept))
			return
		}
		cl := clauses[0]
		if cl.Var.Text == "" {
			v := c.value(cl.Over, types.Bool, env)
			switch b := c.demand(v, types.Bool, cl.Over.Span(), "the condition").(type) {
			case ir.Bool:
				if b.B {
					unroll(clauses[1:], env)
				}
			case ir.Unknown:
				incomplete = true
				unroll(clauses[1:], env)
			default:
				d := c.diags.Add(diag.NotConstant, cl.Over.Span(), "this condition is known only after a run")
				d.Help = "a sweep must be known before it runs: filter by params and constants"
				failed = true
			}
			return
		}
		switch xs := c.value(cl.Over, types.Any, env).(type) {
		case ir.List:
			for _, x := range xs.Items {
				if failed || len(out.Items) > maxItems || c.steps > maxSteps {
					return
				}
				step(cl.Var.Text, x, func() { unroll(clauses[1:], &scope{name: cl.Var.Text, value: x, outer: env, where: cl.Var.Where}) })
			}
		case ir.Range:
			if xs.Lo != math.Trunc(xs.Lo) || xs.Hi != math.Trunc(xs.Hi) || xs.Hi-xs.Lo > maxItems {
				c.diags.Add(diag.WrongType, cl.Over.Span(), "only a range of at most %d whole numbers can be swept", maxItems)
				failed = true
				return
			}
			for x := xs.Lo; x <= xs.Hi; x++ {
				if failed || len(out.Items) > maxItems || c.steps > maxSteps {
					return
				}
				n := ir.Number{V: x, Unit: xs.Unit}
				step(cl.Var.Text, n, func() { unroll(clauses[1:], &scope{name: cl.Var.Text, value: n, outer: env, where: cl.Var.Where}) })
			}
		case ir.Unknown:
			incomplete = true
			t := types.Any
			if xs.T.Base == "list" && xs.T.Elem != nil {
				t = *xs.T.Elem
			}
			unroll(clauses[1:], &scope{name: cl.Var.Text, value: ir.Unknown{T: t}, outer: env, where: cl.Var.Where})
		default:
			c.diags.Add(diag.WrongType, cl.Over.Span(), "for goes through a list or a range, this is %s", article(xs.Type()))
			failed = true
		}
	}
	unroll(e.Clauses, env)
	if len(out.Items) > maxItems {
		c.diags.Add(diag.OutOfRange, e.Where, "the sweep has more than %d items", maxItems)
		return unknown
	}
	if failed {
		return unknown
	}
	if incomplete {
		return ir.Unknown{T: types.ListOf(out.Elem)}
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

func (c *checker) field(e *syntax.Field, env *scope) ir.Value {
	of := c.value(e.Of, types.Any, env)
	if isUnknown(of) {
		return unknown
	}
	if t, ok := of.(ir.Taxonomy); ok {
		switch e.Name.Text {
		case "tasks":
			return ir.Number{V: float64(len(t.Tree.Tasks))}
		case "organs":
			return ir.Number{V: float64(len(t.Tree.Organs))}
		}
	}
	base := of.Type().Base
	f, ok := builtin.FieldOf(base, e.Name.Text)
	if !ok && (base == "eval" || base == "compare") {
		if v := c.ownMetric(e, of); v != nil {
			return v
		}
	}
	if !ok {
		var names []string
		for _, f := range builtin.FieldsOf(base) {
			names = append(names, f.Name)
		}
		d := c.diags.Add(diag.UnknownField, e.Name.Where, "%s has no field %q", article(of.Type()), e.Name.Text)
		if s := diag.Suggest(e.Name.Text, names); s != "" {
			d.Help = "did you mean " + s + "?"
			d.Fixes = []diag.Fix{{Message: "write " + s, Span: e.Name.Where, Replacement: s, Safe: true}}
		} else if len(builtin.Lookup(e.Name.Text)) > 0 {
			d.Help = fmt.Sprintf("to apply a function write %s |> %s(…)", e.Of.Span().Text(), e.Name.Text)
		} else if len(names) > 0 {
			d.Help = "its fields are " + strings.Join(names, ", ")
		}
		return unknown
	}
	if n, ok := of.(*ir.Node); ok {
		if f.Name == "history" && base == "model" && n.Op != "train" && n.Op != "finetune" {
			c.diags.Add(diag.UnknownField, e.Name.Where, "only a trained model has a history")
			return unknown
		}
		if f.Type.Base == "measure" && !c.measured(n, f.Name, e.Name.Where) {
			return unknown
		}
		if base == "split" && n.Op == "by" && n.Arg(f.Name) == nil {
			d := c.diags.Add(diag.UnknownField, e.Name.Where, "the split has no side %q", f.Name)
			d.Help = fmt.Sprintf("give it a share: by(patient, …, %s: 20 %%)", f.Name)
			return unknown
		}
		return &ir.Node{Op: "select", T: f.Type, Span: e.Where, Args: []ir.Arg{{Name: "of", Value: n}, {Name: "field", Value: ir.Str{S: f.Name}}}}
	}
	return ir.Unknown{T: f.Type}
}

func (c *checker) index(e *syntax.Index, env *scope) ir.Value {
	of := c.value(e.Of, types.Any, env)
	if isUnknown(of) {
		return unknown
	}
	switch of.Type().Base {
	case "measure":
		by := c.value(e.By, types.Parse("word<task> | path | string"), env)
		by = c.demand(by, types.Parse("word<task> | path | string"), e.By.Span(), "what a measure is narrowed to")
		if n, ok := of.(*ir.Node); ok && !isUnknown(by) {
			return &ir.Node{Op: "index", T: of.Type(), Span: e.Where, Args: []ir.Arg{{Name: "of", Value: n}, {Name: "by", Value: by}}}
		}
		return ir.Unknown{T: of.Type()}
	case "list":
		by := c.demand(c.value(e.By, types.Number, env), types.Parse("int"), e.By.Span(), "the index")
		l, isList := of.(ir.List)
		n, isNumber := by.(ir.Number)
		if isList && isNumber {
			if n.V < 0 || int(n.V) >= len(l.Items) {
				c.diags.Add(diag.OutOfRange, e.By.Span(), "index %g is outside a list of %d (the first is 0)", n.V, len(l.Items))
				return unknown
			}
			return l.Items[int(n.V)]
		}
		if of.Type().Elem != nil {
			return ir.Unknown{T: *of.Type().Elem}
		}
		return unknown
	}
	c.diags.Add(diag.WrongType, e.Span(), "%s cannot be indexed; lists and measures (id.dice[CT_Liver]) can", article(of.Type()))
	return unknown
}
