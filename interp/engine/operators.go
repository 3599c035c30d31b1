package engine

import (
	"context"
	"fmt"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/types"
)

// constant or computed value of an operand.
func (e *Engine) operand(ctx context.Context, v ir.Value) (any, error) {
	switch v := v.(type) {
	case ir.Number:
		if v.Unit == "%" {
			return v.V / 100, nil
		}
		x, _ := types.Canonical(v.V, v.Unit) // metrics are measured in base units
		return x, nil
	case ir.Bool:
		return v.B, nil
	case *ir.Node:
		return e.Value(ctx, v)
	}
	return nil, fmt.Errorf("this has no value to compute with")
}

// operatorValue computes with numbers that are known only after a run. Comparisons with NaN do not hold.
func operatorValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	if n.Op == "negate" {
		v, err := e.operand(ctx, n.Arg("of"))
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case float64:
			return -v, nil
		case bool:
			return !v, nil
		}
		return nil, fault(n.Span, "this cannot be negated")
	}
	a, err := e.operand(ctx, n.Arg("a"))
	if err != nil {
		return nil, err
	}
	b, err := e.operand(ctx, n.Arg("b"))
	if err != nil {
		return nil, err
	}
	if x, ok := a.(bool); ok {
		y, ok := b.(bool)
		if !ok {
			return nil, fault(n.Span, "%s joins two conditions", n.Op)
		}
		switch n.Op {
		case "and":
			return x && y, nil
		case "or":
			return x || y, nil
		case "==":
			return x == y, nil
		default:
			return x != y, nil
		}
	}
	x, okA := a.(float64)
	y, okB := b.(float64)
	if !okA || !okB {
		return nil, fault(n.Span, "%s joins two numbers", n.Op)
	}
	switch n.Op {
	case "*":
		return x * y, nil
	case "-":
		return x - y, nil
	case "/":
		return x / y, nil
	case "==":
		return x == y, nil
	case "!=":
		return x < y || x > y, nil
	case "<":
		return x < y, nil
	case "<=":
		return x <= y, nil
	case ">":
		return x > y, nil
	default:
		return x >= y, nil
	}
}

// Expect checks one expectation of the program in use.
func (e *Engine) Expect(ctx context.Context, x ir.Expect) (ExpectResult, error) {
	v, err := e.operand(ctx, x.Condition)
	if err != nil {
		return ExpectResult{}, at(x.Span, err)
	}
	holds, ok := v.(bool)
	if !ok {
		return ExpectResult{}, fault(x.Span, "this is no condition")
	}
	r := ExpectResult{Expect: x, Holds: holds}
	r.Found = e.foundIn(ctx, x.Condition)
	return r, nil
}

// foundIn shows a condition with the numbers that it came to; "" where it has no two sides.
func (e *Engine) foundIn(ctx context.Context, v ir.Value) string {
	n, ok := v.(*ir.Node)
	if !ok || n.Arg("a") == nil {
		return ""
	}
	side := func(v ir.Value) string {
		x, err := e.operand(ctx, v)
		if err != nil {
			return ""
		}
		if number, ok := x.(float64); ok {
			return fmt.Sprintf("%.6g", number)
		}
		if inner := e.foundIn(ctx, v); inner != "" {
			return inner
		}
		return fmt.Sprint(x)
	}
	a, b := side(n.Arg("a")), side(n.Arg("b"))
	if a == "" || b == "" {
		return ""
	}
	return a + " " + n.Op + " " + b
}

// Diagnostic words an expectation that does not hold.
func (r ExpectResult) Diagnostic() diag.Diagnostic {
	d := diag.Diagnostic{Code: diag.ExpectFails, Severity: diag.Error, Span: r.Expect.Span, Summary: "expectation does not hold: " + r.Expect.Text}
	if r.Found != "" {
		d.Help = "found " + r.Found
	}
	return d
}
