package check

import (
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// A number that a run computes has a unit as well: a mean of hd95(mm) is in millimetres. It is read from the metrics of the eval, so that a
// comparison with pixels is found before anything is run, and with centimetres is one of centimetres.

// quantity is what is known of the unit of a number before it is computed.
type quantity struct {
	unit  string // "" for a number without one
	known bool   // false: nothing is known, say of a metric that the script has written
	plain bool   // it is written without a unit, and joins any
}

// quantityOf is the unit of a number, known or computed.
func quantityOf(v ir.Value) quantity {
	switch v := v.(type) {
	case ir.Number:
		if v.Unit == "%" {
			return quantity{known: true}
		}
		return quantity{unit: v.Unit, known: true, plain: v.Unit == ""}
	case *ir.Node:
		switch v.Op {
		case "negate":
			return quantityOf(v.Arg("of"))
		case "+", "-", "*", "/":
			q, _ := joined(v.Op, quantityOf(v.Arg("a")), quantityOf(v.Arg("b")))
			return q
		case "select":
			if v.T.Base != "number" {
				return quantity{}
			}
			if field := v.Text("field"); field != "n" && v.Node("of") != nil && v.Node("of").T.Base == "measure" {
				return measuredIn(v.Node("of"))
			}
			return quantity{known: true} // a count
		}
	}
	return quantity{}
}

// measuredIn is the unit of a measure: that which the metric of its eval, or of the evals of a comparison, was asked in.
func measuredIn(measure *ir.Node) quantity {
	for measure.Op == "index" && measure.Node("of") != nil {
		measure = measure.Node("of")
	}
	of := measure.Node("of")
	if measure.Op != "select" || of == nil {
		return quantity{}
	}
	var metric ir.Value = ir.Word{Text: measure.Text("field")}
	if of.Op == "compare" {
		evals := ir.Outermost(of.Arg("evals"))
		if len(evals) == 0 {
			return quantity{}
		}
		of, metric = evals[0], of.Arg("metric")
	}
	found := Meant(of, metric)
	if len(found) != 1 {
		return quantity{}
	}
	m := of.Items("metrics")[found[0]].(*ir.Node)
	if m.Op == "fn" { // the unit of a formula is not known
		return quantity{}
	}
	unit, _ := m.Arg("unit").(ir.Word)
	return quantity{unit: unit.Text, known: true}
}

// joined is the unit of two numbers joined by an operator; ok is false where they cannot be.
func joined(op string, a, b quantity) (q quantity, ok bool) {
	switch {
	case !a.known || !b.known:
		return quantity{}, true
	case op == "*":
		if a.unit != "" && b.unit != "" {
			return quantity{}, false
		}
		return quantity{unit: a.unit + b.unit, known: true, plain: a.plain && b.plain}, true
	case op == "/":
		switch {
		case b.unit == "":
			return quantity{unit: a.unit, known: true, plain: a.plain && b.plain}, true
		case convertible(a.unit, b.unit):
			return quantity{known: true}, true
		}
		return quantity{}, false
	case a.plain:
		return b, true
	case b.plain:
		return a, true
	}
	return a, convertible(a.unit, b.unit)
}

func convertible(a, b string) bool {
	_, ok := types.Convert(1, a, b)
	return ok
}

// computedUnits tells numbers that cannot be joined, of which at least one is computed by a run.
func (c *checker) computedUnits(e *syntax.Binary, a, b ir.Value) {
	x, y := quantityOf(a), quantityOf(b)
	if _, ok := joined(e.Op, x, y); ok {
		return
	}
	says := func(v ir.Value, q quantity, text string) string {
		switch _, literal := v.(ir.Number); {
		case literal:
			return text
		case q.unit == "":
			return text + ", without a unit,"
		}
		return text + ", in " + q.unit + ","
	}
	left, right := says(a, x, e.Left.Span().Text()), says(b, y, e.Right.Span().Text())
	wrong := map[string]string{"*": "%s times %s has no unit here", "/": "%s divided by %s has no unit here"}[e.Op]
	if wrong == "" {
		wrong = "%s and %s have different units"
	}
	d := c.diags.Add(diag.WrongUnit, e.Where, wrong, left, right)
	if pixels := []string{x.unit, y.unit}; slices.Contains(pixels, "px") && (slices.Contains(pixels, "mm") || slices.Contains(pixels, "cm")) {
		d.Help = "pixels and millimetres are related only by an image's spacing; ask for the metric in the unit that you compare with"
	}
}
