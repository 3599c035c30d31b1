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
	if _, _, _, err := difference(a.scores, b.scores, "hd95", 0.95); err == nil || !strings.Contains(err.Error(), "one eval measured hd95 (mm), the other hd95 (px)") {
		t.Errorf("millimetres were compared with pixels: %v", err)
	}
	b.scores.Specs[0].Unit = "mm"
	if _, _, _, err := difference(a.scores, b.scores, "hd95", 0.95); err != nil {
		t.Error(err)
	}
}
