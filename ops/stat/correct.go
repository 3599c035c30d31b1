package stat

import (
	"cmp"
	"math"
	"slices"
)

// Correction adjusts the p-values of several tests, so that an adjusted value
// can be compared with the level directly. The number of tests is that of the
// values that are not NaN; NaN stays NaN.
type Correction string

const (
	NoCorrection       Correction = "none"
	Bonferroni         Correction = "bonferroni" // family-wise error
	Holm               Correction = "holm"       // family-wise error, step down
	BenjaminiHochberg  Correction = "bh"         // false discovery rate
	BenjaminiYekutieli Correction = "by"         // false discovery rate under any dependence
)

// Corrections lists the corrections by name.
func Corrections() []Correction {
	return []Correction{NoCorrection, Bonferroni, Holm, BenjaminiHochberg, BenjaminiYekutieli}
}

// Adjust returns the adjusted p-values in the order of p; ok is false for an
// unknown correction.
func (c Correction) Adjust(p []float64) (adjusted []float64, ok bool) {
	var order []int // of the values that are there, increasing
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	m := float64(len(order))
	adjusted = slices.Clone(p)
	switch c {
	case NoCorrection, "":
	case Bonferroni:
		for _, i := range order {
			adjusted[i] = min(1, p[i]*m)
		}
	case Holm:
		running := 0.0
		for k, i := range order {
			running = max(running, min(1, p[i]*(m-float64(k))))
			adjusted[i] = running
		}
	case BenjaminiHochberg, BenjaminiYekutieli:
		scale := m
		if c == BenjaminiYekutieli {
			var harmonic float64
			for k := range order {
				harmonic += 1 / float64(k+1)
			}
			scale *= harmonic
		}
		running := 1.0
		for k, i := range slices.Backward(order) {
			running = min(running, p[i]*scale/float64(k+1))
			adjusted[i] = running
		}
	default:
		return nil, false
	}
	return adjusted, true
}
