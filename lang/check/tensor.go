package check

import (
	"fmt"
	"math"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// tensorBinary types an operator of which one side is a tensor.
func (c *checker) tensorBinary(e *syntax.Binary, a, b ir.Value) ir.Value {
	switch e.Op {
	case "+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=":
	default:
		d := c.diags.Add(diag.BadOperands, e.Where, "%s cannot join tensors", e.Op)
		switch e.Op {
		case "and":
			d.Help = "write a * b"
		case "or":
			d.Help = "write maximum(a, b)"
		}
		return unknown
	}
	joined, ok := c.join(e.Where, e.Op, a, b)
	if !ok {
		return unknown
	}
	return c.node(e, joined, a, b)
}

// join is the shape of tensors and numbers taken together, element by element.
func (c *checker) join(at source.Span, what string, parts ...ir.Value) (types.Type, bool) {
	out := types.Scalar
	for _, v := range parts {
		t := v.Type()
		if n, ok := v.(ir.Number); ok && n.Unit != "" {
			d := c.diags.Add(diag.WrongUnit, at, "tensors have no unit, found %s", show(n))
			d.Help = fmt.Sprintf("write %g", n.V)
			return out, false
		}
		if t.Base == "number" {
			continue
		}
		if !t.IsTensor() {
			c.diags.Add(diag.BadOperands, at, "%s cannot join %s and %s", what, article(parts[0].Type()), article(parts[len(parts)-1].Type()))
			return out, false
		}
		joined, differ := types.Join(out, t)
		if differ != "" {
			mine, _ := out.Size(differ)
			theirs, _ := t.Size(differ)
			d := c.diags.Add(diag.ShapesDiffer, at, "%s: the %s is %s on one side and %s on the other", what, differ, mine, theirs)
			switch {
			case differ == types.Channel:
				d.Help = "linear(x, channels) changes the number of channels; mean(x, over: channel) leaves none"
			default:
				d.Help = "resize(x, factor) changes height and width"
			}
			return out, false
		}
		if out = joined; !out.Shaped {
			return types.AnyTensor, true
		}
	}
	return out, true
}

// tensorCall finds the shape of a call of a tensor builtin; numbers alone are worked out at once.
func (c *checker) tensorCall(n *ir.Node) ir.Value {
	if v, ok := fold(n); ok {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.diags.Add(diag.OutOfRange, n.Span, "%s has no value here", n.Op)
			return unknown
		}
		return ir.Number{V: v}
	}
	var tensors []ir.Value
	for _, a := range n.Args {
		if p, ok := n.Builtin.Param(a.Name); ok && p.Type.IsTensor() {
			tensors = append(tensors, a.Value)
		}
	}
	t, ok := types.AnyTensor, true
	if n.Op != "concat" { // whose sides have other channels
		t, ok = c.join(n.Span, n.Op, tensors...)
	}
	if !ok {
		return unknown
	}
	shape, known := shapes[n.Op]
	if !known {
		panic("check: no shape rule for " + n.Op)
	}
	if n.T, ok = shape(c, n, t); !ok {
		return unknown
	}
	return n
}

// fold works out a tensor builtin of numbers alone.
func fold(n *ir.Node) (float64, bool) {
	var x []float64
	for _, a := range n.Args {
		if p, ok := n.Builtin.Param(a.Name); !ok || !p.Type.IsTensor() {
			continue
		}
		v, ok := a.Value.(ir.Number)
		if !ok || v.Unit != "" {
			return 0, false
		}
		x = append(x, v.V)
	}
	one := map[string]func(float64) float64{"abs": math.Abs, "exp": math.Exp, "log": math.Log, "sqrt": math.Sqrt, "tanh": math.Tanh,
		"sigmoid": func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }, "relu": func(v float64) float64 { return max(v, 0) }}
	two := map[string]func(a, b float64) float64{"pow": math.Pow, "maximum": math.Max, "minimum": math.Min}
	if f, ok := one[n.Op]; ok && len(x) == 1 {
		return f(x[0]), true
	}
	if f, ok := two[n.Op]; ok && len(x) == 2 {
		return f(x[0], x[1]), true
	}
	return 0, false
}
