package metric_test

import (
	"errors"
	"testing"

	"github.com/mseg-lang/mseg/ops/metric"
)

func TestSpecErrors(t *testing.T) {
	m := metric.Mask{Data: []uint8{1, 0}, Shape: []int{1, 2}}
	spaced := metric.Mask{Data: []uint8{1, 0}, Shape: []int{1, 2}, Spacing: []float64{1, 1}}
	tests := []struct {
		name      string
		pred, ref metric.Mask
		spec      metric.Spec
		empty     metric.Empty
		is        error
		want      string
	}{
		{"unknown metric", m, m, metric.Spec{Name: "dise"}, "", metric.ErrSpec, `unknown metric "dise"`},
		{"unknown variant", m, m, metric.Spec{Name: "hd95", Variant: "mean", Unit: "px"}, "", metric.ErrSpec, `expected one of max, pooled, surfel, medsegx`},
		{"no variants", m, m, metric.Spec{Name: "dice", Variant: "edge"}, "", metric.ErrSpec, `dice has no variant "edge"`},
		{"no unit", m, m, metric.Spec{Name: "hd95"}, "", metric.ErrSpec, "hd95 needs a unit"},
		{"unit of a ratio", m, m, metric.Spec{Name: "dice", Unit: "mm"}, "", metric.ErrSpec, "dice has no unit"},
		{"unknown unit", m, m, metric.Spec{Name: "hd", Unit: "cm"}, "", metric.ErrSpec, "expected px or mm"},
		{"negative tolerance", m, m, metric.Spec{Name: "nsd", Unit: "px", Tolerance: -1}, "", metric.ErrSpec, "expected a positive number"},
		{"superfluous tolerance", m, m, metric.Spec{Name: "hd", Unit: "px", Tolerance: 1}, "", metric.ErrSpec, "hd has no tolerance"},
		{"mm without spacing", m, m, metric.Spec{Name: "hd", Unit: "mm"}, "", metric.ErrSpec, "the masks have no spacing"},
		{"medsegx in mm", spaced, spaced, metric.Spec{Name: "hd95", Variant: "medsegx", Unit: "mm"}, "", metric.ErrSpec, "expected px"},
		{"unknown rule", m, m, metric.Spec{Name: "dice"}, "zero", metric.ErrEmpty, "expected one of worst, nan, inf, medsegx"},
		{"other shape", m, metric.Mask{Data: []uint8{1, 0}, Shape: []int{2, 1}}, metric.Spec{Name: "dice"}, "", metric.ErrShape, "[1 2] and reference mask [2 1]"},
		{"four axes", metric.Mask{Data: []uint8{1}, Shape: []int{1, 1, 1, 1}}, m, metric.Spec{Name: "dice"}, "", metric.ErrShape, "4 axes"},
		{"missing pixels", metric.Mask{Data: []uint8{1}, Shape: []int{1, 2}}, m, metric.Spec{Name: "dice"}, "", metric.ErrShape, "needs 2 pixels, found 1"},
		{"zero spacing", metric.Mask{Data: []uint8{1, 0}, Shape: []int{1, 2}, Spacing: []float64{1, 0}}, m, metric.Spec{Name: "dice"}, "", metric.ErrShape, "positive numbers"},
		{"other spacing", metric.Mask{Data: []uint8{1, 0}, Shape: []int{1, 2}, Spacing: []float64{1, 2}}, spaced, metric.Spec{Name: "dice"}, "", metric.ErrShape, "expected the same"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			_, err := metric.Compute(c.pred, c.ref, []metric.Spec{c.spec}, c.empty)
			if !errors.Is(err, c.is) || !contains(err, c.want) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
		})
	}
}

func contains(err error, part string) bool {
	if err == nil {
		return false
	}
	s := err.Error()
	for i := range s {
		if len(s)-i >= len(part) && s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

func TestSpecString(t *testing.T) {
	tests := map[string]metric.Spec{
		"dice":                  {Name: "dice"},
		"hd95 (mm)":             {Name: "hd95", Variant: "max", Unit: "mm"},
		"hd95.pooled (px)":      {Name: "hd95", Variant: "pooled", Unit: "px"},
		"nsd (2 mm)":            {Name: "nsd", Unit: "mm", Tolerance: 2},
		"nsd.surfel (0.5 mm)":   {Name: "nsd", Variant: "surfel", Unit: "mm", Tolerance: 0.5},
		"boundary_iou (1.5 px)": {Name: "boundary_iou", Unit: "px", Tolerance: 1.5},
	}
	for want, s := range tests {
		if s.String() != want {
			t.Errorf("%+v is written %q, expected %q", s, s, want)
		}
	}
}

func TestToleranceRounding(t *testing.T) {
	m := metric.Mask{Data: []uint8{1, 0, 0, 0}, Shape: []int{1, 4}, Spacing: []float64{1, 0.1}}
	n := metric.Mask{Data: []uint8{0, 0, 0, 1}, Shape: []int{1, 4}, Spacing: []float64{1, 0.1}}
	if v := compute(t, m, n, "", metric.Spec{Name: "nsd", Unit: "mm", Tolerance: 0.3})[0]; v != 1 {
		t.Errorf("three pixels of 0.1 mm at tolerance 0.3 mm give NSD %v, expected 1", v)
	}
}
