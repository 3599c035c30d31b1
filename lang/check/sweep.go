package check

import (
	"fmt"
	"math"
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// withSettings notes on an item of a sweep what its variables were. A variable that goes through another sweep stands for the settings of that: of `for m in trained`, where
// trained is `[… for rate in rates]`, the rate is noted. The item is a copy, since the value may stand elsewhere under other settings, or under none; identities do not see it.
func withSettings(v ir.Value, vars []ir.Setting) ir.Value {
	switch v := v.(type) {
	case *ir.Node:
		item := *v
		item.Swept = merged(vars, item.Swept)
		return &item
	case ir.List: // of a sweep within: these settings are the outer ones
		out := ir.List{Items: make([]ir.Value, len(v.Items)), Elem: v.Elem}
		for i, x := range v.Items {
			out.Items[i] = withSettings(x, vars)
		}
		return out
	}
	return v
}

func merged(outer, inner []ir.Setting) []ir.Setting {
	var out []ir.Setting
	add := func(s ir.Setting) {
		if !slices.ContainsFunc(out, func(o ir.Setting) bool { return o.Name == s.Name }) {
			out = append(out, s)
		}
	}
	for _, s := range outer {
		if n, ok := s.Value.(*ir.Node); ok && len(n.Swept) > 0 {
			for _, x := range n.Swept {
				add(x)
			}
			continue
		}
		add(s)
	}
	for _, s := range inner {
		add(s)
	}
	return out
}

// labelItems names the items of a list as a script would: grid[0], and grid[0][1] of a list of lists.
func labelItems(name string, l ir.List) {
	for i, x := range l.Items {
		own := fmt.Sprintf("%s[%d]", name, i)
		switch x := x.(type) {
		case *ir.Node:
			if x.Label == "" {
				x.Label = own
			}
		case ir.List:
			labelItems(own, x)
		}
	}
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
