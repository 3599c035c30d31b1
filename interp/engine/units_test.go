package engine

import (
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
)

// What is measured is in a base unit; numbers beside it are brought to that.
func TestExpectationsConvertUnits(t *testing.T) {
	e := newEngine(t, Config{})
	three := &ir.Node{Op: "negate", Args: []ir.Arg{{Name: "of", Value: ir.Number{V: -3}}}} // of 3 mm, say
	for text, x := range map[string]struct {
		op   string
		b    ir.Number
		want bool
	}{
		"3 mm are less than 1 cm":      {"<", ir.Number{V: 1, Unit: "cm"}, true},
		"3 mm are 0.3 cm":              {"==", ir.Number{V: 0.3, Unit: "cm"}, true},
		"3 mm are not less than 2 mm":  {"<", ir.Number{V: 2, Unit: "mm"}, false},
		"3 are more than 50 %":         {">", ir.Number{V: 50, Unit: "%"}, true},
		"3 are not equal to no number": {"!=", ir.Number{V: nan()}, false},
	} {
		n := &ir.Node{Op: x.op, Args: []ir.Arg{{Name: "a", Value: three}, {Name: "b", Value: x.b}}}
		e.Use(&ir.Program{}, "")
		if got, err := operatorValue(t.Context(), e, n); err != nil || got != x.want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
}

func nan() float64 { var zero float64; return zero / zero }

// The same name does not make the same quantity.
func TestComparedEvalsMeasureAlike(t *testing.T) {
	a, b := shown("a", "hd95", 1, 2), shown("b", "hd95", 1, 2)
	a.scores.Metrics, b.scores.Metrics = []string{"hd95 (mm)"}, []string{"hd95 (px)"}
	a.scores.Specs[0].Unit, b.scores.Specs[0].Unit = "mm", "px"
	if _, _, _, err := difference(a.scores, b.scores, 0, 0, 0.95); err == nil || !strings.Contains(err.Error(), "one eval measured hd95 (mm), the other hd95 (px)") {
		t.Errorf("millimetres were compared with pixels: %v", err)
	}
	b.scores.Specs[0].Unit = "mm"
	if _, _, _, err := difference(a.scores, b.scores, 0, 0, 0.95); err != nil {
		t.Error(err)
	}
}

// Which of two ways of a metric is compared is said by its arguments, not by the order of a list.
func TestComparisonOfOneOfTwoWays(t *testing.T) {
	const text = `mseg 1
fn lost(p: mask, t: mask, weight: number = 1) -> scalar = weight * sum((1 - p) * t) / sum(t)
data all = phantom(patients: 6, slices: 1, size: 64 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> resize(32 px))
eval a = box_ellipse |> evaluate(all, metrics: [hd95(mm), hd95(px), lost, lost(weight: 3)])
eval b = box_fill |> evaluate(all, metrics: [hd95(px), lost(weight: 3), lost, hd95(mm)])
compare mm = [a, b] { metric: hd95(mm) }
compare px = [a, b] { metric: hd95(px) }
compare once = [a, b] { metric: lost }
compare thrice = [a, b] { metric: lost(weight: 3) }
`
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	p, _ := runAll(t, e, &events, text)
	a, b := valueOf[*Scores](t, e, p, "a"), valueOf[*Scores](t, e, p, "b")
	for name, columns := range map[string][2]int{"mm": {0, 3}, "px": {1, 0}, "once": {2, 2}, "thrice": {3, 1}} {
		c := valueOf[*Comparison](t, e, p, name)
		if c.Metric != a.Metrics[columns[0]] {
			t.Errorf("%s is of %s, expected %s", name, c.Metric, a.Metrics[columns[0]])
		}
		for i, r := range a.Rows {
			if want := r.Value(columns[0]) - b.Rows[i].Value(columns[1]); c.Pairs[0].Values[i] == nil || *c.Pairs[0].Values[i] != want {
				t.Fatalf("%s, sample %d: %v, expected %v", name, i, c.Pairs[0].Values[i], want)
			}
		}
	}
	if x, y := valueOf[*Comparison](t, e, p, "mm").Pairs[0].Mean, valueOf[*Comparison](t, e, p, "px").Pairs[0].Mean; x == y {
		t.Error("millimetres and pixels are the same here, so the test shows nothing")
	}
}
