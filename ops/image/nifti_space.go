package image

import (
	"fmt"
	"math"
)

// place sets the affine: sform before qform before pixdim alone, as the standard and nibabel order them.
func (h *niftiHeader) place(m *Image) error {
	var err error
	switch {
	case h.sform > 0:
		m.Affine, m.HasGeometry, m.HasSpacing = identity(), true, true
		copy(m.Affine[:3], h.srow[:])
		if err = checkAffine(m.Affine, "the sform matrix"); err == nil && h.qform > 0 {
			if q, qerr := h.qformAffine(); qerr == nil && farApart(q, m.Affine, m) {
				m.warn("sform and qform place the image differently; the sform was followed")
			}
		}
	case h.qform > 0:
		m.HasGeometry, m.HasSpacing = true, true
		if m.Affine, err = h.qformAffine(); err == nil {
			err = checkAffine(m.Affine, "the qform")
		}
	default:
		h.placeByPixdim(m)
	}
	if err != nil {
		return err
	}
	scale := 1.0
	switch h.units & 7 {
	case 1:
		scale = 1000
	case 3:
		scale = 1e-3
	}
	if scale != 1 {
		m.warn("the header counts in %s; the geometry was converted to mm", map[bool]string{true: "metres", false: "micrometres"}[scale == 1000])
		for i := range 3 {
			for j := range 4 {
				m.Affine[i][j] *= scale
			}
		}
	}
	return nil
}

// placeByPixdim is for a header without orientation: like nibabel, the origin is put in the middle and x is flipped, the
// convention of Analyze; nothing that depends on left and right may rely on it.
func (h *niftiHeader) placeByPixdim(m *Image) {
	m.HasSpacing = true
	size := [3]int{1, 1, 1}
	copy(size[:], m.Shape)
	m.Affine = identity()
	for i := range 3 {
		p := math.Abs(h.pixdim[i+1])
		if (p == 0 || math.IsNaN(p) || math.IsInf(p, 0)) && i < len(m.Shape) {
			m.HasSpacing = false
		}
	}
	for i := range 3 {
		p := math.Abs(h.pixdim[i+1])
		if !m.HasSpacing || p == 0 || math.IsNaN(p) || math.IsInf(p, 0) {
			p = 1
		}
		if i == 0 {
			p = -p
		}
		m.Affine[i][i] = p
		m.Affine[i][3] = -p * float64(size[i]-1) / 2
	}
	if m.HasSpacing {
		m.warn("the header gives no orientation (qform and sform codes are 0): which side is left is unknown")
	} else {
		m.warn("the header gives neither orientation nor voxel size")
	}
}

// qformAffine is method 2 of nifti1.h: a quaternion, the voxel sizes, and the sign of the third axis in pixdim[0].
func (h *niftiHeader) qformAffine() (a [4][4]float64, err error) {
	b, c, d := h.quatern[0], h.quatern[1], h.quatern[2]
	w2 := 1 - (b*b + c*c + d*d)
	var w float64
	if w2 < 1e-7 {
		if w2 < -1e-3 || math.IsNaN(w2) {
			return a, fmt.Errorf("the qform quaternion (%g, %g, %g) is longer than 1", b, c, d)
		}
		n := math.Sqrt(b*b + c*c + d*d) // rounded half turn
		b, c, d = b/n, c/n, d/n
	} else {
		w = math.Sqrt(w2)
	}
	rot := [3][3]float64{
		{w*w + b*b - c*c - d*d, 2 * (b*c - w*d), 2 * (b*d + w*c)},
		{2 * (b*c + w*d), w*w + c*c - b*b - d*d, 2 * (c*d - w*b)},
		{2 * (b*d - w*c), 2 * (c*d + w*b), w*w + d*d - b*b - c*c},
	}
	a = identity()
	for j := range 3 {
		p := math.Abs(h.pixdim[j+1])
		if p == 0 && int64(j) >= h.dim[0] {
			p = 1 // an axis the image does not have
		}
		if j == 2 && h.pixdim[0] < 0 {
			p = -p
		}
		for i := range 3 {
			a[i][j] = rot[i][j] * p
		}
	}
	for i := range 3 {
		a[i][3] = h.qoffset[i]
	}
	return a, nil
}

func farApart(a, b [4][4]float64, m *Image) bool {
	x, y := *m, *m
	x.Affine, y.Affine = a, b
	return checkAffine(a, "") == nil && SameGrid(&x, &y, 0.01) != nil
}
