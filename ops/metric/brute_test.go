package metric_test

import (
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
