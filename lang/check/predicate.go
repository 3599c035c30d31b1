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
		one := want
		alternatives := append([]types.Type{types.ListOf(one), types.Path}, types.Type{Base: "range", Units: []string{"*"}})
		v := c.value(other, types.Type{Or: alternatives}, env)
		if isUnknown(v) {
			return nil
		}
		switch v.Type().Base {
		case "list":
			return &ir.Pred{Op: op, Field: name, Value: v}
		case "path":
			if name == "task" || name == "organ" || name == "subregion" || name == "body_part" {
				return &ir.Pred{Op: op, Field: name, Value: v}
			}
		case "range":
			if name == "slice" || name == "area" {
				return &ir.Pred{Op: op, Field: name, Value: v}
			}
		}
		c.diags.Add(diag.WrongType, other.Span(), "%s in … expects a list%s, found %s", name, map[bool]string{true: ", a path", false: ""}[name == "task" || name == "organ"], article(v.Type()))
		return nil
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

func caseField(e syntax.Expr) (string, bool) {
	r, ok := e.(*syntax.Ref)
	if !ok {
		return "", false
	}
	_, known := fieldTypes[r.Text]
	return r.Text, known
}
