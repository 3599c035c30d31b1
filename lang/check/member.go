package check

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// inRange means x in lo .. hi as x >= lo and x <= hi, so that units are converted, and numbers that a run computes are compared, as those operators do.
func (c *checker) inRange(e *syntax.Binary, x, r ir.Value) ir.Value {
	v, known := r.(ir.Range)
	if !known {
		return ir.Unknown{T: types.Bool}
	}
	low := c.arithmetic(with(e, ">="), x, ir.Number{V: v.Lo, Unit: v.Unit})
	if isUnknown(low) {
		return unknown
	}
	high := c.arithmetic(with(e, "<="), x, ir.Number{V: v.Hi, Unit: v.Unit})
	if isUnknown(high) {
		return unknown
	}
	return c.logic(with(e, "and"), low, high)
}

// inList means x in [a, b] as x == a or x == b. Values that are not numbers are equal when they are the same value.
func (c *checker) inList(e *syntax.Binary, x, l ir.Value) ir.Value {
	items, known := l.(ir.List)
	if !known {
		return ir.Unknown{T: types.Bool}
	}
	if !c.spend(len(items.Items), e.Where) {
		return unknown
	}
	if len(items.Items) > 0 && !x.Type().Fits(items.Elem) && !items.Elem.Fits(x.Type()) && !(x.Type().Base == "number" && items.Elem.Base == "number") {
		c.diags.Add(diag.WrongType, e.Where, "%s is never in a list of %s", article(x.Type()), items.Elem)
		return unknown
	}
	h := ir.NewHasher(nil)
	var out ir.Value = ir.Bool{B: false}
	for _, item := range items.Items {
		var same ir.Value
		_, undecided := item.(ir.Unknown)
		switch {
		case x.Type().Base == "number" && item.Type().Base == "number":
			same = c.arithmetic(with(e, "=="), x, item)
		case undecided:
			same = ir.Unknown{T: types.Bool}
		default:
			if _, later := x.(ir.Unknown); later {
				return ir.Unknown{T: types.Bool}
			}
			same = ir.Bool{B: h.Hash(item) == h.Hash(x)}
		}
		if isUnknown(same) {
			return unknown
		}
		if b, ok := same.(ir.Bool); ok {
			if b.B {
				return b
			}
			continue
		}
		if b, ok := out.(ir.Bool); ok && !b.B {
			out = same
		} else {
			out = c.logic(with(e, "or"), out, same)
		}
	}
	return out
}

// with is an expression with another operator between its sides.
func with(e *syntax.Binary, op string) *syntax.Binary {
	return &syntax.Binary{At: e.At, Op: op, Left: e.Left, Right: e.Right}
}
