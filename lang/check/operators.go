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

func (c *checker) unary(e *syntax.Unary, want types.Type, env *scope) ir.Value {
	if want.IsTensor() {
		want = types.AnyTensor
	}
	v := c.value(e.Of, want, env)
	if isUnknown(v) {
		return unknown
	}
	switch x := v.(type) {
	case ir.Number:
		if e.Op == "-" {
			return ir.Number{V: -x.V, Unit: x.Unit}
		}
	case ir.Bool:
		if e.Op == "not" {
			return ir.Bool{B: !x.B}
		}
	}
	base := v.Type().Base
	if e.Op == "-" && base == "tensor" {
		return &ir.Node{Op: "negate", T: v.Type(), Span: e.Where, Args: []ir.Arg{{Name: "of", Value: v}}}
	}
	if e.Op == "-" && base == "number" || e.Op == "not" && base == "bool" {
		if n, ok := v.(*ir.Node); ok {
			return &ir.Node{Op: "negate", T: v.Type(), Span: e.Where, Args: []ir.Arg{{Name: "of", Value: n}}}
		}
		return v
	}
	c.diags.Add(diag.BadOperands, e.Where, "%s cannot be applied to %s", e.Op, article(v.Type()))
	return unknown
}

func (c *checker) binary(e *syntax.Binary, want types.Type, env *scope) ir.Value {
	left := types.Any
	switch e.Op {
	case "and", "or":
		left = types.Bool
	case "+", "*":
		left = want
	}
	if want.IsTensor() { // what stands inside an expression may have another shape than the whole
		left = types.AnyTensor
	}
	a := c.value(e.Left, left, env)
	right := left
	if e.Op == "==" || e.Op == "!=" {
		right = a.Type()
	}
	b := c.value(e.Right, right, env)
	if isUnknown(a) || isUnknown(b) {
		switch e.Op {
		case "==", "!=", "<", "<=", ">", ">=", "in", "and", "or":
			return ir.Unknown{T: types.Bool}
		}
		return unknown
	}
	if e.Op == ".." {
		return c.rangeOf(e, a, b)
	}
	if a.Type().IsTensor() || b.Type().IsTensor() {
		return c.tensorBinary(e, a, b)
	}
	ka, kb := a.Type().Base, b.Type().Base
	switch {
	case ka == "number" && kb == "number":
		return c.arithmetic(e, a, b)
	case ka == "bool" && kb == "bool" && (e.Op == "and" || e.Op == "or" || e.Op == "==" || e.Op == "!="):
		return c.logic(e, a, b)
	case ka == "data" && kb == "data" && e.Op == "+":
		return c.node(e, types.Of("data"), a, b)
	case ka == "loss" && kb == "loss" && e.Op == "+":
		return c.node(e, types.Of("loss"), a, b)
	case ka == "number" && kb == "loss" && e.Op == "*":
		return c.node(e, types.Of("loss"), a, b)
	case ka == "loss" && kb == "number" && e.Op == "*":
		return c.node(e, types.Of("loss"), b, a)
	case ka == "string" && kb == "string":
		x, okA := a.(ir.Str)
		y, okB := b.(ir.Str)
		if okA && okB {
			switch e.Op {
			case "+":
				if len(x.S)+len(y.S) > maxText {
					c.diags.Add(diag.OutOfRange, e.Where, "the text has more than %d bytes", maxText)
					return unknown
				}
				return ir.Str{S: x.S + y.S}
			case "==":
				return ir.Bool{B: x.S == y.S}
			case "!=":
				return ir.Bool{B: x.S != y.S}
			}
		} else if e.Op == "+" {
			return ir.Unknown{T: types.String}
		}
	case e.Op == "in" && kb == "list" && ka != "measure":
		return c.inList(e, a, b)
	case e.Op == "in" && kb == "range" && ka == "number":
		return c.inRange(e, a, b)
	}
	if ka == "measure" && slices.Contains([]string{"number", "range", "list"}, kb) || kb == "measure" && ka == "number" {
		d := c.diags.Add(diag.BadOperands, e.Where, "a measure has many numbers; say which: .mean, .median, .low …")
		if ka == "measure" {
			d.Help = fmt.Sprintf("write %s.mean %s %s", e.Left.Span().Text(), e.Op, e.Right.Span().Text())
		}
		return unknown
	}
	c.diags.Add(diag.BadOperands, e.Where, "%s cannot join %s and %s", e.Op, article(a.Type()), article(b.Type()))
	return unknown
}

func (c *checker) node(e *syntax.Binary, t types.Type, a, b ir.Value) ir.Value {
	return &ir.Node{Op: e.Op, T: t, Span: e.Where, Args: []ir.Arg{{Name: "a", Value: a}, {Name: "b", Value: b}}}
}

func (c *checker) rangeOf(e *syntax.Binary, a, b ir.Value) ir.Value {
	x, okA := a.(ir.Number)
	y, okB := b.(ir.Number)
	if !okA || !okB {
		if a.Type().Base == "number" && b.Type().Base == "number" {
			return ir.Unknown{T: types.Type{Base: "range", Units: []string{"*"}}}
		}
		c.diags.Add(diag.BadOperands, e.Where, "a range joins two numbers, not %s and %s", article(a.Type()), article(b.Type()))
		return unknown
	}
	unit := y.Unit
	lo := x.V
	if x.Unit != "" && x.Unit != y.Unit {
		v, ok := types.Convert(x.V, x.Unit, y.Unit)
		if !ok {
			c.diags.Add(diag.WrongUnit, e.Where, "the ends of a range have one unit, found %s and %s", show(a), show(b))
			return unknown
		}
		lo = v
	}
	if x.Unit == "" && unit != "" && x.V != 0 {
		d := c.diags.Add(diag.WrongUnit, e.Left.Span(), "the ends of a range have one unit, found %s and %s", show(a), show(b))
		d.Help = fmt.Sprintf("write %s .. %s", types.Fmt(x.V, unit), show(b))
		return unknown
	}
	if lo > y.V {
		d := c.diags.Add(diag.EmptyRange, e.Where, "the range %s .. %s is empty", show(a), show(b))
		d.Help = "the smaller end comes first"
		return unknown
	}
	return ir.Range{Lo: lo, Hi: y.V, Unit: unit}
}

// arithmetic on numbers: known ones at once, others as nodes. Units are kept; a product has at most one unit, a quotient of equal units none.
func (c *checker) arithmetic(e *syntax.Binary, a, b ir.Value) ir.Value {
	comparison := false
	switch e.Op {
	case "==", "!=", "<", "<=", ">", ">=":
		comparison = true
	case "+", "-", "*", "/":
	default:
		c.diags.Add(diag.BadOperands, e.Where, "%s cannot join two numbers", e.Op)
		return unknown
	}
	x, okA := a.(ir.Number)
	y, okB := b.(ir.Number)
	if !okA || !okB {
		t := types.Type(types.AnyNumber)
		if comparison {
			t = types.Bool
		} else if n, ok := a.(*ir.Node); ok {
			t = n.T
		}
		_, nodeA := a.(*ir.Node)
		_, nodeB := b.(*ir.Node)
		if nodeA || nodeB {
			c.computedUnits(e, a, b)
			return c.node(e, t, a, b)
		}
		return ir.Unknown{T: t}
	}
	unit := x.Unit
	yv := y.V
	switch e.Op {
	case "*":
		if x.Unit != "" && y.Unit != "" {
			c.diags.Add(diag.WrongUnit, e.Where, "%s times %s has no unit here", show(a), show(b))
			return unknown
		}
		if unit == "" {
			unit = y.Unit
		}
		return c.finite(e, ir.Number{V: x.V * y.V, Unit: unit})
	case "/":
		if y.V == 0 {
			c.diags.Add(diag.DivisionByZero, e.Where, "division by zero")
			return unknown
		}
		if y.Unit == "" {
			return c.finite(e, ir.Number{V: x.V / y.V, Unit: unit})
		}
		if v, ok := types.Convert(y.V, y.Unit, x.Unit); ok {
			return c.finite(e, ir.Number{V: x.V / v})
		}
		c.diags.Add(diag.WrongUnit, e.Where, "%s divided by %s has no unit here", show(a), show(b))
		return unknown
	}
	if x.Unit != y.Unit {
		v, ok := types.Convert(y.V, y.Unit, x.Unit)
		if !ok {
			d := c.diags.Add(diag.WrongUnit, e.Where, "%s and %s have different units", show(a), show(b))
			if x.Unit == "px" && (y.Unit == "mm" || y.Unit == "cm") || y.Unit == "px" && (x.Unit == "mm" || x.Unit == "cm") {
				d.Help = "pixels and millimetres are related only by an image's spacing"
			}
			return unknown
		}
		yv = v
	}
	switch e.Op {
	case "+":
		return c.finite(e, ir.Number{V: x.V + yv, Unit: unit})
	case "-":
		return c.finite(e, ir.Number{V: x.V - yv, Unit: unit})
	case "==":
		return ir.Bool{B: x.V == yv}
	case "!=":
		return ir.Bool{B: x.V != yv}
	case "<":
		return ir.Bool{B: x.V < yv}
	case "<=":
		return ir.Bool{B: x.V <= yv}
	case ">":
		return ir.Bool{B: x.V > yv}
	}
	return ir.Bool{B: x.V >= yv}
}

// finite refuses a number that is too large to be written: nothing in an experiment is.
func (c *checker) finite(e *syntax.Binary, n ir.Number) ir.Value {
	if math.IsInf(n.V, 0) || math.IsNaN(n.V) {
		c.diags.Add(diag.OutOfRange, e.Where, "the result is out of range; numbers reach up to about 1.8e308")
		return unknown
	}
	return n
}

func (c *checker) logic(e *syntax.Binary, a, b ir.Value) ir.Value {
	x, okA := a.(ir.Bool)
	y, okB := b.(ir.Bool)
	if okA && okB {
		switch e.Op {
		case "and":
			return ir.Bool{B: x.B && y.B}
		case "or":
			return ir.Bool{B: x.B || y.B}
		case "==":
			return ir.Bool{B: x.B == y.B}
		default:
			return ir.Bool{B: x.B != y.B}
		}
	}
	_, nodeA := a.(*ir.Node)
	_, nodeB := b.(*ir.Node)
	if nodeA || nodeB {
		return c.node(e, types.Bool, a, b)
	}
	return ir.Unknown{T: types.Bool}
}
