package metric_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mseg-lang/mseg/ops/metric"
)

// all asks for every metric in every variant and unit.
func all() (specs []metric.Spec) {
	for _, d := range metric.Definitions() {
		variants := d.Variants
		if variants == nil {
			variants = []string{""}
		}
		for _, v := range variants {
			units := []metric.Unit{""}
			if d.HasUnit {
				units = []metric.Unit{metric.Pixels, metric.Millimetres}
			}
			for _, u := range units {
				if v == metric.VariantMedSegX && u == metric.Millimetres {
					continue
				}
				s := metric.Spec{Name: d.Name, Variant: v, Unit: u}
				if d.Scaled == "tolerance" {
					s.Tolerance = 2
				}
				specs = append(specs, s)
			}
		}
	}
	return specs
}

// ball is a filled ellipsoid with the given centre and radii in pixels.
func ball(shape []int, spacing, centre, radius []float64) metric.Mask {
	n := 1
	for _, k := range shape {
		n *= k
	}
	m := metric.Mask{Data: make([]uint8, n), Shape: shape, Spacing: spacing}
	for i := range m.Data {
		var s float64
		for a, rest := len(shape)-1, i; a >= 0; a-- {
			d := (float64(rest%shape[a]) - centre[a]) / radius[a]
			s += d * d
			rest /= shape[a]
		}
		if s <= 1 {
			m.Data[i] = 1
		}
	}
	return m
}

func TestPerfectPrediction(t *testing.T) {
	m := ball([]int{20, 24, 30}, []float64{2, 1, 1}, []float64{9, 11, 14}, []float64{5, 6, 7})
	for i, v := range compute(t, m, m, "", all()...) {
		s := all()[i]
		d, _ := metric.Define(s.Name)
		switch {
		case d.Better == metric.Higher && !(math.Abs(v-1) <= 1e-12):
			t.Errorf("%s = %v, expected 1", s, v)
		case d.Better == metric.Lower && v != 0:
			t.Errorf("%s = %v, expected 0", s, v)
		}
	}
}

// TestSymmetry swaps the masks: symmetric metrics keep their value, directed
// ones change places.
func TestSymmetry(t *testing.T) {
	swapped := map[string]string{
		"sensitivity": "precision", "precision": "sensitivity", "asd_pred": "asd_ref", "asd_ref": "asd_pred",
		"fp": "fn", "fn": "fp", "volume_pred": "volume_ref", "volume_ref": "volume_pred",
	}
	asymmetric := []string{"specificity", "balanced_accuracy", "rvd", "avd"}
	r := rand.New(rand.NewPCG(1, 2))
	a := random(r, []int{9, 12, 14}, []float64{3, 1, 0.5}, 0.4, 0, 0.8)
	b := random(r, []int{9, 12, 14}, []float64{3, 1, 0.5}, 0.6, 0.3, 1)
	for _, s := range all() {
		if slices.Contains(asymmetric, s.Name) {
			continue
		}
		back := s
		if name, ok := swapped[s.Name]; ok {
			back.Name = name
		}
		v, w := compute(t, a, b, "", s)[0], compute(t, b, a, "", back)[0]
		if !close(v, w, 1e-12) {
			t.Errorf("%s = %v, with the masks swapped %s = %v", s, v, back, w)
		}
	}
}

// TestSurroundings: more background around both masks changes nothing that is
// not defined by the image's extent.
func TestSurroundings(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	spacing := []float64{3, 1, 0.5}
	small := []int{6, 7, 40}
	a, b := random(r, small, spacing, 0.4, 0, 0.8), random(r, small, spacing, 0.6, 0.3, 1)
	embed := func(m metric.Mask) metric.Mask {
		big := []int{11, 13, 140}
		out := metric.Mask{Data: make([]uint8, 11*13*140), Shape: big, Spacing: spacing}
		for i, v := range m.Data {
			z, y, x := i/40/7, i/40%7, i%40
			out.Data[((z+3)*13+y+4)*140+x+61] = v
		}
		return out
	}
	extent := []string{"tn", "specificity", "accuracy", "balanced_accuracy", "mcc", "kappa"}
	for _, s := range all() {
		if slices.Contains(extent, s.Name) {
			continue
		}
		v, w := compute(t, a, b, "", s)[0], compute(t, embed(a), embed(b), "", s)[0]
		if !close(v, w, 1e-12) {
			t.Errorf("%s = %v, embedded in a larger image %v", s, v, w)
		}
	}
}

// TestSharedWork: a metric has the same value alone and among all others, and in
// a workspace used before.
func TestSharedWork(t *testing.T) {
	var w metric.Workspace
	r := rand.New(rand.NewPCG(5, 6))
	for _, shape := range [][]int{{30, 70}, {12, 30}, {5, 9, 66}, {3, 80}} {
		spacing := []float64{1.5, 1.5, 1.5}[:len(shape)]
		a, b := random(r, shape, spacing, 0.5, 0, 0.7), random(r, shape, spacing, 0.5, 0.4, 1)
		together, err := w.Compute(nil, a, b, all(), "")
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range all() {
			if alone := compute(t, a, b, "", s)[0]; !close(alone, together[i].Value, 1e-12) {
				t.Errorf("%v: %s = %v alone, %v among others", shape, s, alone, together[i].Value)
			}
		}
	}
}

// TestLargeVolume runs the passes on several cores and compares with concentric
// balls, whose distances are known up to half a pixel diagonal.
func TestLargeVolume(t *testing.T) {
	shape, spacing := []int{90, 90, 90}, []float64{1, 1, 1}
	centre := []float64{44, 45, 46}
	a := ball(shape, spacing, centre, []float64{40, 40, 40})
	b := ball(shape, spacing, centre, []float64{30, 30, 30})
	v := compute(t, a, b, "",
		metric.Spec{Name: "hd", Unit: "px"}, metric.Spec{Name: "assd", Unit: "mm"},
		metric.Spec{Name: "hd", Variant: "surfel", Unit: "px"}, metric.Spec{Name: "assd", Variant: "surfel", Unit: "mm"})
	for _, d := range v {
		if !(math.Abs(d-10) <= 0.9) {
			t.Errorf("distances of concentric balls are %v, expected about 10", v)
		}
	}
}

func TestEmptyMasks(t *testing.T) {
	none := metric.Mask{Data: make([]uint8, 12), Shape: []int{3, 4}, Spacing: []float64{3, 1}}
	some := metric.Mask{Data: []uint8{0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0}, Shape: []int{3, 4}, Spacing: []float64{3, 1}}
	nan, inf := math.NaN(), math.Inf(1)
	specs := []metric.Spec{
		{Name: "dice"}, {Name: "nsd", Unit: "px", Tolerance: 1}, {Name: "hd95", Unit: "px"}, {Name: "hd95", Unit: "mm"},
		{Name: "assd", Variant: "surfel", Unit: "mm"}, {Name: "precision"}, {Name: "sensitivity"},
	}
	diagPx, diagMM := 5.0, math.Sqrt(81+16)
	tests := []struct {
		rule      metric.Empty
		pred, ref metric.Mask
		state     metric.State
		want      []float64
	}{
		{"", none, none, metric.BothEmpty, []float64{1, 1, 0, 0, 0, nan, nan}},
		{"", none, some, metric.PredictionEmpty, []float64{0, 0, diagPx, diagMM, diagMM, 0, 0}},
		{"", some, none, metric.ReferenceEmpty, []float64{0, 0, diagPx, diagMM, diagMM, 0, nan}},
		{metric.NaN, none, none, metric.BothEmpty, []float64{nan, nan, nan, nan, nan, nan, nan}},
		{metric.NaN, none, some, metric.PredictionEmpty, []float64{0, 0, nan, nan, nan, nan, 0}},
		{metric.NaN, some, none, metric.ReferenceEmpty, []float64{0, 0, nan, nan, nan, 0, nan}},
		{metric.Inf, none, some, metric.PredictionEmpty, []float64{0, 0, inf, inf, inf, nan, 0}},
		{metric.MedSegX, none, some, metric.PredictionEmpty, []float64{0, 0, nan, nan, nan, nan, 0}},
		{metric.MedSegX, some, none, metric.ReferenceEmpty, []float64{nan, 0, nan, nan, nan, 0, nan}},
		{metric.Worst, some, some, metric.Measured, []float64{1, 1, 0, 0, 0, 1, 1}},
	}
	for _, c := range tests {
		t.Run(fmt.Sprintf("%s %s", c.rule, c.state), func(t *testing.T) {
			got, err := metric.Compute(c.pred, c.ref, specs, c.rule)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range got {
				state := c.state
				if s := specs[i].Name; math.IsNaN(c.want[i]) && (s == "precision" || s == "sensitivity") {
					state = metric.Undefined
				}
				if !close(r.Value, c.want[i], 1e-12) || r.State != state {
					t.Errorf("%s = %v (%s), expected %v (%s)", specs[i], r.Value, r.State, c.want[i], state)
				}
			}
		})
	}
}

// TestSurfaceArea: the surfels of a ball add up to its surface, whatever the
// spacing; those of a disk to its circumference.
func TestSurfaceArea(t *testing.T) {
	// NSD at tolerance t of a ball and one whose surface is far away is the share
	// of the near surfels, so a ball and two balls give the ratio of areas.
	shape, spacing := []int{60, 60, 100}, []float64{2, 1, 1}
	one := ball(shape, spacing, []float64{30, 30, 25}, []float64{10, 20, 20})
	two := ball(shape, spacing, []float64{30, 30, 80}, []float64{5, 10, 10})
	for i, v := range one.Data {
		two.Data[i] |= v
	}
	got := compute(t, one, two, "", metric.Spec{Name: "nsd", Variant: "surfel", Unit: "mm", Tolerance: 0})[0]
	if want := 2 * 400.0 / (400 + 400 + 100); !(math.Abs(got-want) <= 0.002) {
		t.Errorf("share of the surfaces %v, expected %v", got, want)
	}
}
