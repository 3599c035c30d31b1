package metric_test

import (
	"math"
	"testing"

	"github.com/mseg-lang/mseg/ops/metric"
)

func TestWorkspaceAllocatesNothing(t *testing.T) {
	shape, spacing := []int{128, 128}, []float64{1, 0.5}
	a := ball(shape, spacing, []float64{60, 60}, []float64{30, 20})
	b := ball(shape, spacing, []float64{64, 66}, []float64{30, 25})
	specs := []metric.Spec{
		{Name: "dice"}, {Name: "hd95", Unit: "mm"}, {Name: "nsd", Unit: "mm", Tolerance: 2}, {Name: "hd95", Variant: "surfel", Unit: "px"},
		{Name: "boundary_iou", Unit: "px", Tolerance: 3},
	}
	var w metric.Workspace
	results := make([]metric.Result, 0, len(specs))
	n := testing.AllocsPerRun(10, func() {
		if _, err := w.Compute(results[:0], a, b, specs, ""); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a workspace in use allocates %v times a call, expected 0", n)
	}
}

// blob is a wavy ellipsoid that fills about an eighth of the volume.
func blob(shape []int, spacing, shift []float64, phase float64) metric.Mask {
	n := 1
	for _, k := range shape {
		n *= k
	}
	m := metric.Mask{Data: make([]uint8, n), Shape: shape, Spacing: spacing}
	axes := []float64{0.55, 0.5, 0.6}
	p := make([]float64, len(shape))
	for i := range m.Data {
		var s float64
		for a, rest := len(shape)-1, i; a >= 0; a-- {
			p[a] = -1 + 2*float64(rest%shape[a])/float64(shape[a]-1)
			s += (p[a] - shift[a]) / axes[a] * (p[a] - shift[a]) / axes[a]
			rest /= shape[a]
		}
		if s < 1+0.15*math.Sin(7*math.Atan2(p[1], p[0])+phase) {
			m.Data[i] = 1
		}
	}
	return m
}

func BenchmarkDiceHD95NSD(b *testing.B) {
	cases := []struct {
		name    string
		shape   []int
		spacing []float64
	}{
		{"256x256", []int{256, 256}, []float64{1, 1}},
		{"256x256x128", []int{256, 256, 128}, []float64{1, 1, 2}},
	}
	for _, c := range cases {
		d := len(c.shape)
		pred := blob(c.shape, c.spacing, []float64{0.05, -0.1, 0.08}[:d], 0)
		ref := blob(c.shape, c.spacing, []float64{0, 0, 0}[:d], 1)
		for _, variant := range []string{"edge", "surfel"} {
			hd := map[string]string{"edge": "max", "surfel": "surfel"}[variant]
			specs := []metric.Spec{{Name: "dice"}, {Name: "hd95", Variant: hd, Unit: "mm"}, {Name: "nsd", Variant: variant, Unit: "mm", Tolerance: 2}}
			b.Run(c.name+"/"+variant, func(b *testing.B) {
				b.ReportAllocs()
				var w metric.Workspace
				results := make([]metric.Result, 0, len(specs))
				for b.Loop() {
					var err error
					if results, err = w.Compute(results[:0], pred, ref, specs, ""); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(results[1].Value, "hd95")
			})
		}
	}
}
