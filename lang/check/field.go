package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

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
		} else if takesPiped(e.Name.Text, of.Type()) {
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

// takesPiped says whether a builtin takes a value of a type from |>.
func takesPiped(name string, t types.Type) bool {
	return slices.ContainsFunc(builtin.Lookup(name), func(b *builtin.Builtin) bool {
		return slices.ContainsFunc(b.Params, func(p builtin.Param) bool { return p.Piped && t.Fits(p.Type) })
	})
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
