package image

import (
	"errors"
	"fmt"
	"math"
)

func identity() (a [4][4]float64) {
	for i := range a {
		a[i][i] = 1
	}
	return a
}

// Spacing is the distance in mm between neighbours along the first three axes: the lengths of the affine's columns.
// Without HasSpacing the unit is a pixel.
func (m *Image) Spacing() [3]float64 {
	var s [3]float64
	for j := range s {
		s[j] = columnLength(m.Affine, j)
	}
	return s
}

func columnLength(a [4][4]float64, j int) float64 {
	return math.Hypot(math.Hypot(a[0][j], a[1][j]), a[2][j])
}

// Axcodes names where each axis points: "RAS" grows toward the right, the front and the head; "LPS" to the left, the back
// and the head. An oblique axis gets the direction it is closest to, and no direction is given twice.
func (m *Image) Axcodes() string {
	letters := [3][2]byte{{'L', 'R'}, {'P', 'A'}, {'I', 'S'}}
	axes, signs := m.Orientation()
	var out [3]byte
	for j := range out {
		out[j] = letters[axes[j]][(signs[j]+1)/2]
	}
	return string(out[:])
}

// Orientation gives for each voxel axis the patient axis it runs along (0 right-left, 1 front-back, 2 head-foot) and
// whether it grows toward right, front and head (+1) or away (-1).
func (m *Image) Orientation() (axes, signs [3]int) {
	var usedRow, usedCol [3]bool
	for range 3 {
		bestRow, bestCol, best := -1, -1, -1.0
		for j := range 3 {
			length := columnLength(m.Affine, j)
			for i := range 3 {
				if v := math.Abs(m.Affine[i][j]) / length; !usedRow[i] && !usedCol[j] && v > best {
					bestRow, bestCol, best = i, j, v
				}
			}
		}
		usedRow[bestRow], usedCol[bestCol] = true, true
		axes[bestCol], signs[bestCol] = bestRow, 1
		if m.Affine[bestRow][bestCol] < 0 {
			signs[bestCol] = -1
		}
	}
	return axes, signs
}

// checkAffine refuses a map that does not span space: NaN, an axis of length zero, axes in one plane.
func checkAffine(a [4][4]float64, source string) error {
	for i := range 3 {
		for j := range 4 {
			if math.IsNaN(a[i][j]) || math.IsInf(a[i][j], 0) {
				return fmt.Errorf("%s holds %v; the voxels cannot be placed in space", source, a[i][j])
			}
		}
	}
	volume := 1.0
	for j := range 3 {
		volume *= columnLength(a, j)
	}
	det := a[0][0]*(a[1][1]*a[2][2]-a[1][2]*a[2][1]) - a[0][1]*(a[1][0]*a[2][2]-a[1][2]*a[2][0]) + a[0][2]*(a[1][0]*a[2][1]-a[1][1]*a[2][0])
	if volume == 0 || math.Abs(det) < 1e-6*volume {
		return fmt.Errorf("%s is singular (its axes do not span space); correct the header", source)
	}
	return nil
}

// orthogonal tells whether the axes stand at right angles within 1e-4 (cosine).
func orthogonal(a [4][4]float64) bool {
	for j := range 3 {
		for k := range j {
			dot := a[0][j]*a[0][k] + a[1][j]*a[1][k] + a[2][j]*a[2][k]
			if math.Abs(dot) > 1e-4*columnLength(a, j)*columnLength(a, k) {
				return false
			}
		}
	}
	return true
}

// SameGrid compares the geometry of two images: shape in voxels, and where both are placed in the patient, the position of
// every corner of the grid. tolerance is a fraction of the smallest spacing: 0.01 lets pass what headers round, and moves no
// voxel by an amount that any measure could see. The error says what differs and by how much.
func SameGrid(a, b *Image, tolerance float64) error {
	ax, ay, az := a.Size()
	bx, by, bz := b.Size()
	if ax != bx || ay != by || az != bz {
		return fmt.Errorf("shape %d×%d×%d against %d×%d×%d", ax, ay, az, bx, by, bz)
	}
	if a.HasGeometry != b.HasGeometry {
		return errors.New("one has an orientation in its header, the other has none")
	}
	if !a.HasGeometry && !a.HasSpacing && !b.HasSpacing {
		return nil
	}
	spacing := a.Spacing()
	limit := tolerance * min(spacing[0], spacing[1], spacing[2])
	worst := 0.0
	for corner := range 8 {
		p := [4]float64{0, 0, 0, 1}
		for axis, n := range []int{ax, ay, az} {
			if corner>>axis&1 == 1 {
				p[axis] = float64(n - 1)
			}
		}
		var d float64
		for i := range 3 {
			var u float64
			for j := range 4 {
				u += (a.Affine[i][j] - b.Affine[i][j]) * p[j]
			}
			d = math.Hypot(d, u)
		}
		worst = max(worst, d)
	}
	if worst > limit {
		return fmt.Errorf("the grids lie up to %.4g mm apart (%s, spacing %s against %s, spacing %s)", worst, a.Axcodes(), spacingText(a), b.Axcodes(), spacingText(b))
	}
	return nil
}

func spacingText(m *Image) string {
	s := m.Spacing()
	return fmt.Sprintf("%.5g×%.5g×%.5g mm", s[0], s[1], s[2])
}
