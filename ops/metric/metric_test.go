package metric_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mseg-lang/mseg/ops/metric"
)

// random makes a mask of given density inside the sub-range lo..hi (as shares of
// each axis), so that the two masks of a pair may lie far apart.
func random(r *rand.Rand, shape []int, spacing []float64, density, lo, hi float64) metric.Mask {
	n := 1
	for _, k := range shape {
		n *= k
	}
	m := metric.Mask{Data: make([]uint8, n), Shape: shape, Spacing: spacing}
	last := shape[len(shape)-1]
	for i := range m.Data {
		at := float64(i%last) / float64(last)
		if at >= lo && at < hi && r.Float64() < density {
			m.Data[i] = uint8(1 + r.IntN(255))
		}
	}
	return m
}

// edgePoints lists the coordinates of the mask pixels with a background
// neighbour, straight from the definition.
func edgePoints(m metric.Mask) (points [][]int) {
	at := func(p []int) bool {
		i := 0
		for a, k := range p {
			if k < 0 || k >= m.Shape[a] {
				return false
			}
			i = i*m.Shape[a] + k
		}
		return m.Data[i] != 0
	}
	p := make([]int, len(m.Shape))
	for i := range m.Data {
		for a, rest := len(p)-1, i; a >= 0; a-- {
			p[a], rest = rest%m.Shape[a], rest/m.Shape[a]
		}
		if !at(p) {
			continue
		}
		edge := false
		for a := range p {
			for _, step := range []int{-1, 1} {
				p[a] += step
				edge = edge || !at(p)
				p[a] -= step
			}
		}
		if edge {
			points = append(points, slices.Clone(p))
		}
	}
	return points
}

func bruteDistances(from, to [][]int, spacing []float64) (out []float64) {
	for _, p := range from {
		best := math.Inf(1)
		for _, q := range to {
			var s float64
			for a := range p {
				d := spacing[a] * float64(p[a]-q[a])
				s += d * d
			}
			best = min(best, s)
		}
		out = append(out, math.Sqrt(best))
	}
	return out
}

func brutePercentile(v []float64, p float64) float64 {
	v = slices.Sorted(slices.Values(v))
	at := p / 100 * float64(len(v)-1)
	k := int(at)
	if k+1 == len(v) {
		return v[k]
	}
	return v[k] + (v[k+1]-v[k])*(at-float64(k))
}

func compute(t testing.TB, pred, ref metric.Mask, empty metric.Empty, specs ...metric.Spec) []float64 {
	t.Helper()
	results, err := metric.Compute(pred, ref, specs, empty)
	if err != nil {
		t.Fatal(err)
	}
	var out []float64
	for _, r := range results {
		out = append(out, r.Value)
	}
	return out
}

func TestEdgeDistancesAreExact(t *testing.T) {
	shapes := []struct {
		shape   []int
		spacing []float64
	}{
		{[]int{9, 70}, []float64{1, 1}},
		{[]int{33, 65}, []float64{2.5, 0.3}},
		{[]int{1, 40}, []float64{1, 0.7}},
		{[]int{40, 1}, []float64{3, 0.7}},
		{[]int{6, 9, 67}, []float64{1, 1, 1}},
		{[]int{7, 8, 10}, []float64{5, 0.5, 0.8}},
		{[]int{12, 3, 64}, []float64{0.2, 9, 1}},
		{[]int{1, 6, 7}, []float64{1, 2, 3}},
	}
	layouts := []struct {
		name         string
		dp, lop, hip float64
		dr, lor, hir float64
	}{
		{name: "mixed", dp: 0.3, hip: 1, dr: 0.3, hir: 1},
		{name: "sparse", dp: 0.02, hip: 1, dr: 0.02, hir: 1},
		{name: "solid", dp: 0.97, hip: 1, dr: 0.97, hir: 1},
		{name: "apart", dp: 0.9, hip: 0.3, dr: 0.1, lor: 0.8, hir: 1},
		{name: "dense and far", dp: 0.5, hip: 0.9, dr: 1, lor: 0.95, hir: 1},
	}
	for _, s := range shapes {
		for _, l := range layouts {
			t.Run(fmt.Sprintf("%v %s", s.shape, l.name), func(t *testing.T) {
				r := rand.New(rand.NewPCG(7, uint64(len(s.shape))))
				for range 4 {
					pred := random(r, s.shape, s.spacing, l.dp, l.lop, l.hip)
					ref := random(r, s.shape, s.spacing, l.dr, l.lor, l.hir)
					ep, er := edgePoints(pred), edgePoints(ref)
					if len(ep) == 0 || len(er) == 0 {
						continue
					}
					for _, unit := range []metric.Unit{metric.Pixels, metric.Millimetres} {
						spacing := s.spacing
						if unit == metric.Pixels {
							spacing = []float64{1, 1, 1}[:len(s.shape)]
						}
						a, b := bruteDistances(ep, er, spacing), bruteDistances(er, ep, spacing)
						both := append(slices.Clone(a), b...)
						tolerance := 1.5
						near := 0
						for _, d := range both {
							if d <= tolerance {
								near++
							}
						}
						mean := func(v []float64) float64 {
							var s float64
							for _, x := range v {
								s += x
							}
							return s / float64(len(v))
						}
						want := []float64{
							slices.Max(both),
							max(brutePercentile(a, 95), brutePercentile(b, 95)),
							brutePercentile(both, 95),
							float64(near) / float64(len(both)),
							mean(both),
							(mean(a) + mean(b)) / 2,
							mean(a),
							mean(b),
						}
						specs := []metric.Spec{
							{Name: "hd", Unit: unit}, {Name: "hd95", Unit: unit}, {Name: "hd95", Variant: "pooled", Unit: unit},
							{Name: "nsd", Unit: unit, Tolerance: tolerance}, {Name: "assd", Unit: unit}, {Name: "masd", Unit: unit},
							{Name: "asd_pred", Unit: unit}, {Name: "asd_ref", Unit: unit},
						}
						for i, got := range compute(t, pred, ref, "", specs...) {
							if !close(got, want[i], 1e-12) {
								t.Errorf("%s = %v, expected %v", specs[i], got, want[i])
							}
						}
					}
				}
			})
		}
	}
}

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

func TestSkeletonKeepsTopology(t *testing.T) {
	// A ring with a bar through it and a separate blob: two parts, two holes.
	const n = 40
	m := metric.Mask{Data: make([]uint8, n*n), Shape: []int{n, n}}
	for y := range n {
		for x := range n {
			d := math.Hypot(float64(y-15), float64(x-15))
			if d < 13 && d > 7 || d < 13 && x > 12 && x < 18 || y > 32 && x > 30 {
				m.Data[y*n+x] = 1
			}
		}
	}
	s, err := metric.Skeleton(m)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"parts": 2, "holes": 2} {
		if got := regions(s, name == "holes"); got != want {
			t.Errorf("skeleton has %d %s, expected %d", got, name, want)
		}
	}
	for i, v := range s.Data {
		if v != 0 && m.Data[i] == 0 {
			t.Fatal("the skeleton leaves the mask")
		}
	}
	if area := regionsArea(s); area > 130 {
		t.Errorf("skeleton has %d pixels, expected a thin line", area)
	}
}

func regionsArea(m metric.Mask) (n int) {
	for _, v := range m.Data {
		n += int(v)
	}
	return n
}

// regions counts 8-connected parts, or 4-connected regions of background without
// the outer one.
func regions(m metric.Mask, background bool) int {
	h, w := m.Shape[0], m.Shape[1]
	seen := make([]bool, len(m.Data))
	count := 0
	for start := range m.Data {
		if seen[start] || (m.Data[start] == 0) != background {
			continue
		}
		count++
		stack := []int{start}
		seen[start] = true
		for len(stack) > 0 {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					y, x := p/w+dy, p%w+dx
					if background && dy != 0 && dx != 0 || y < 0 || y >= h || x < 0 || x >= w {
						continue
					}
					if q := y*w + x; !seen[q] && (m.Data[q] == 0) == background {
						seen[q] = true
						stack = append(stack, q)
					}
				}
			}
		}
	}
	if background {
		count--
	}
	return count
}

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
