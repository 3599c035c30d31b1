package engine

import (
	"context"

	"github.com/mseg-lang/mseg/lang/ir"
)

// selectValue is a field of a value: a side of a split, the history of a model.
func selectValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	of, err := e.Value(ctx, n.Node("of"))
	if err != nil {
		return nil, err
	}
	field := n.Text("field")
	switch v := of.(type) {
	case *Split:
		if p, ok := v.Parts[field]; ok {
			return p, nil
		}
	case *Data:
		switch field {
		case "n":
			return float64(v.Len()), nil
		case "patients":
			return float64(len(v.Patients())), nil
		}
	case *Model:
		switch field {
		case "params":
			return v.Count(false)
		case "trainable":
			return v.Count(true)
		case "history":
			return v.historyFigure(e.label(n.Node("of"))), nil
		}
	case *Scores:
		return v.measure(field, n.Span)
	case *Comparison:
		return v.measure(field, n.Span)
	case *Measure:
		return v.number(field)
	}
	return nil, fault(n.Span, "this value has no field %q", field)
}
