package check

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

var typeNames = append([]string{"number", "int", "string", "bool", "path", "loss", "metric", "prompt", "optimizer", "gate", "expert", "augment", "block", "schedule", "keep", "stop", "sampling", "inference"}, append(tensorNames(), types.Kinds...)...)

func tensorNames() []string {
	var out []string
	for _, t := range types.TensorNames {
		out = append(out, t.Name)
	}
	return out
}

// typeOf reads a type as written in a param or fn.
func (c *checker) typeOf(t *syntax.TypeExpr) types.Type {
	if t.Name.Text == "list" {
		if t.Of == nil {
			return types.ListOf(types.Any)
		}
		return types.ListOf(c.typeOf(t.Of))
	}
	if t.Of != nil {
		c.diags.Add(diag.UnknownType, t.Of.Where, "%s takes no type in parentheses; only list does", t.Name.Text)
	}
	switch t.Name.Text {
	case "number": // any unit: the place of use decides
		return types.AnyNumber
	case "int":
		return types.Type{Base: "number", Int: true}
	}
	if tensor, ok := types.TensorNamed(t.Name.Text); ok {
		return tensor
	}
	if slices.Contains(typeNames, t.Name.Text) {
		return types.Of(t.Name.Text)
	}
	d := c.diags.Add(diag.UnknownType, t.Where, "there is no type %q", t.Name.Text)
	d.Help = suggestion(t.Name.Text, append(slices.Clone(typeNames), "list"))
	if d.Help == "" {
		d.Help = "types are " + strings.Join(typeNames, ", ") + " and list(type)"
	}
	return types.Any
}
