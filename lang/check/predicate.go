package check

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// fieldTypes says what each field of a case may be compared with.
var fieldTypes = map[string]types.Type{
	"dataset": types.String, "site": types.String, "patient": types.String, "case": types.String, "sequence": types.String,
	"modality":  types.Parse("word<modality>"),
	"task":      types.Parse("word<task> | path"),
	"organ":     types.Parse("path | string"),
	"subregion": types.Parse("path | string"),
	"body_part": types.Parse("path | string"),
	"slice":     types.Parse("int"),
	"area":      types.Parse("number<px>"),
}

// setsOf says what a field may be in, beside a list of what it may be compared with.
var setsOf = map[string][]types.Type{
	"task": {types.Path}, "organ": {types.Path}, "subregion": {types.Path}, "body_part": {types.Path},
	"slice": {types.Parse("range")}, "area": {types.Parse("range<px>")},
}

// predicate reads a condition over the fields of a case.
func (c *checker) predicate(e syntax.Expr, env *scope) ir.Value {
	if p := c.pred(e, env); p != nil {
		return ir.Predicate{Test: p}
	}
	return unknown
}

func (c *checker) pred(e syntax.Expr, env *scope) *ir.Pred {
	switch e := e.(type) {
	case *syntax.Unary:
		if e.Op == "not" {
			if k := c.pred(e.Of, env); k != nil {
				return &ir.Pred{Op: "not", Kids: []*ir.Pred{k}}
			}
			return nil
		}
	case *syntax.Binary:
		switch e.Op {
		case "and", "or":
			a, b := c.pred(e.Left, env), c.pred(e.Right, env)
			if a == nil || b == nil {
				return nil
			}
			return &ir.Pred{Op: e.Op, Kids: []*ir.Pred{a, b}}
		case "==", "!=", "<", "<=", ">", ">=", "in":
			return c.comparison(e, env)
		}
	}
	d := c.diags.Add(diag.WrongType, e.Span(), "this is no condition over a case")
	d.Help = "compare a field: modality == CT, task in /torso/abdomen, slice >= 3; join with and, or, not"
	return nil
}

var flipped = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func (c *checker) comparison(e *syntax.Binary, env *scope) *ir.Pred {
	field, other, op := e.Left, e.Right, e.Op
	name, ok := caseField(field)
	if !ok && op != "in" {
		if n, right := caseField(other); right {
			name, ok = n, true
			other, op = e.Left, flipped[op]
		}
	}
	if !ok {
		w, _ := builtin.WordSet("case field")
		at := field.Span()
		d := c.diags.Add(diag.UnknownCaseField, at, "%q is no field of a case", at.Text())
		d.Help = suggestion(at.Text(), w.Items)
		if d.Help == "" {
			d.Help = "fields are " + strings.Join(w.Items, ", ")
		}
		return nil
	}
	want := fieldTypes[name]
	for _, side := range []syntax.Expr{e.Left, e.Right} {
		if n, ok := caseField(side); ok && n == name {
			c.rec.word(side.Span(), n, "case field")
			break
		}
	}
	if op == "in" {
		if r, ok := other.(*syntax.Ref); ok && c.singleWord(want, r.Text, env) {
			d := c.diags.Add(diag.WrongType, other.Span(), "what follows `%s in` is a list, found %s alone", name, r.Text)
			d.Help = "write [" + r.Text + "], or " + name + " == " + r.Text
			d.Fixes = []diag.Fix{{Message: "make it a list", Span: other.Span(), Replacement: "[" + r.Text + "]", Safe: true}}
			return nil
		}
		among := types.Type{Or: append([]types.Type{types.ListOf(want)}, setsOf[name]...)}
		v := c.demand(c.value(other, among, env), among, other.Span(), "what follows `"+name+" in`")
		if isUnknown(v) {
			return nil
		}
		return &ir.Pred{Op: op, Field: name, Value: v}
	}
	v := c.demand(c.value(other, want, env), want, other.Span(), "what "+name+" is compared with")
	if isUnknown(v) {
		return nil
	}
	if name != "slice" && name != "area" && op != "==" && op != "!=" {
		c.diags.Add(diag.BadOperands, e.Where, "%s has no order; use ==, != or in", name)
		return nil
	}
	return &ir.Pred{Op: op, Field: name, Value: v}
}

// singleWord says whether a name that the script does not bind is a task or modality that a place takes.
func (c *checker) singleWord(want types.Type, name string, env *scope) bool {
	if _, bound := c.symbols[name]; bound {
		return false
	}
	if _, local := env.lookup(name); local {
		return false
	}
	for _, set := range wordSets(want) {
		_, isTask := c.tree.Lookup(name)
		_, _, isModality := c.tree.Modality(name)
		if set == "task" && isTask || set == "modality" && isModality {
			return true
		}
	}
	return false
}

func caseField(e syntax.Expr) (string, bool) {
	r, ok := e.(*syntax.Ref)
	if !ok {
		return "", false
	}
	_, known := fieldTypes[r.Text]
	return r.Text, known
}
