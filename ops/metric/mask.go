package metric

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Mask is a binary image in C order (the last axis is contiguous). Pixels other
// than zero are foreground.
type Mask struct {
	Data    []uint8
	Shape   []int     // (rows, columns) or (slices, rows, columns)
	Spacing []float64 // mm along each axis of Shape; nil when it is not known
}

// ErrShape is wrapped by the errors about masks that do not fit together or
// whose description contradicts their data.
var ErrShape = errors.New("mask shapes do not fit")

func (m Mask) check(role string) error {
	if d := len(m.Shape); d != 2 && d != 3 {
		return fmt.Errorf("%s mask has %d axes, expected 2 or 3: %w", role, d, ErrShape)
	}
	n := 1
	for _, k := range m.Shape {
		if k <= 0 || k > math.MaxInt32/2 || n > math.MaxInt/k {
			return fmt.Errorf("%s mask has shape %v, expected positive sizes: %w", role, m.Shape, ErrShape)
		}
		n *= k
	}
	if n != len(m.Data) {
		return fmt.Errorf("%s mask of shape %v needs %d pixels, found %d: %w", role, m.Shape, n, len(m.Data), ErrShape)
	}
	if m.Spacing == nil {
		return nil
	}
	if len(m.Spacing) != len(m.Shape) {
		return fmt.Errorf("%s mask has %d axes and %d spacings, expected one spacing an axis: %w", role, len(m.Shape), len(m.Spacing), ErrShape)
	}
	for _, s := range m.Spacing {
		if !(s > 0) || math.IsInf(s, 0) {
			return fmt.Errorf("%s mask has spacing %v, expected positive numbers in mm: %w", role, m.Spacing, ErrShape)
		}
	}
	return nil
}

func checkPair(pred, ref Mask) error {
	if err := pred.check("predicted"); err != nil {
		return err
	}
	if err := ref.check("reference"); err != nil {
		return err
	}
	if !slices.Equal(pred.Shape, ref.Shape) {
		return fmt.Errorf("predicted mask has shape %v and reference mask %v, expected the same: resample one onto the other's grid: %w", pred.Shape, ref.Shape, ErrShape)
	}
	if pred.Spacing != nil && ref.Spacing != nil {
		for i, s := range ref.Spacing {
			// Headers store spacing as float32: equal grids may differ in the seventh digit.
			if math.Abs(s-pred.Spacing[i]) > 1e-4*s {
				return fmt.Errorf("predicted mask has spacing %v mm and reference mask %v mm, expected the same: %w", pred.Spacing, ref.Spacing, ErrShape)
			}
		}
	}
	return nil
}

// diagonal is the length of the image's diagonal measured over full pixels
// (n·spacing along each axis). No pair of pixels is that far apart, so that a
// missed structure is always worse than a found one.
func diagonal(n [3]int, dims int, spacing [3]float64) float64 {
	var sum float64
	for a := range 3 {
		if dims == 2 && a == 1 {
			continue
		}
		d := float64(n[a]) * spacing[a]
		sum += d * d
	}
	return math.Sqrt(sum)
}
