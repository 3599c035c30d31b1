package image

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

func encodeNIfTI(w io.Writer, m *Image) error {
	s := m.samples()
	switch s.dtype {
	case Bool:
		s.dtype = Uint8
	case Float16:
		s = samplesOf(convert[float32](s))
	}
	code, ok := niftiCode(s.dtype, m.Channels)
	if !ok {
		return fmt.Errorf("%d channels of %s; NIfTI has colour only as 3 or 4 channels of uint8", m.Channels, m.DType.Name())
	}
	if len(m.Shape) > 7 {
		return fmt.Errorf("%d axes; NIfTI has at most 7", len(m.Shape))
	}
	data := s.b
	if m.Channels > 1 {
		data = interleave(data, m.Channels, 1)
	}
	var head []byte
	if slices.Max(m.Shape) > math.MaxInt16 {
		head = niftiHeader2(m, code, 8*s.dtype.Size()*m.Channels)
	} else {
		head = niftiHeader1(m, code, 8*s.dtype.Size()*m.Channels)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// forms decides what the header says about space. An image without geometry gets neither form, its spacing alone.
func (m *Image) forms() (qcode, scode int, q qform) {
	if !m.HasGeometry {
		return 0, 0, q
	}
	if scode = m.SFormCode; scode < 1 {
		scode = max(1, m.QFormCode)
	}
	q, err := qformOf(m.Affine)
	if err == nil {
		if qcode = m.QFormCode; qcode < 1 && m.SFormCode < 1 {
			qcode = 1
		}
	}
	return qcode, scode, q
}

func niftiHeader1(m *Image, code, bits int) []byte {
	b := make([]byte, 352)
	f32 := func(at int, v float64) { le.PutUint32(b[at:], math.Float32bits(float32(v))) }
	i16 := func(at, v int) { le.PutUint16(b[at:], uint16(v)) }
	le.PutUint32(b, 348)
	b[38] = 'r'
	i16(40, len(m.Shape))
	for i := range 7 {
		n := 1
		if i < len(m.Shape) {
			n = m.Shape[i]
		}
		i16(42+2*i, n)
		f32(80+4*i, 1)
	}
	i16(70, code)
	i16(72, bits)
	qcode, scode, q := m.forms()
	f32(76, q.fac())
	for i, v := range m.Spacing() {
		f32(80+4*i, v)
	}
	f32(108, 352)
	f32(112, m.Slope)
	f32(116, m.Inter)
	if m.HasSpacing {
		b[123] = 2 // millimetres
	}
	i16(252, qcode)
	i16(254, scode)
	for i := range 3 {
		if qcode > 0 {
			f32(256+4*i, q.quatern[i])
			f32(268+4*i, m.Affine[i][3])
		}
		for j := range 4 {
			if scode > 0 {
				f32(280+16*i+4*j, m.Affine[i][j])
			}
		}
	}
	copy(b[344:], "n+1\x00")
	return b
}

func niftiHeader2(m *Image, code, bits int) []byte {
	b := make([]byte, 544)
	f64 := func(at int, v float64) { le.PutUint64(b[at:], math.Float64bits(v)) }
	le.PutUint32(b, 540)
	copy(b[4:], "n+2\x00\r\n\x1a\n")
	le.PutUint16(b[12:], uint16(code))
	le.PutUint16(b[14:], uint16(bits))
	le.PutUint64(b[16:], uint64(len(m.Shape)))
	for i := range 7 {
		n := 1
		if i < len(m.Shape) {
			n = m.Shape[i]
		}
		le.PutUint64(b[24+8*i:], uint64(n))
		f64(112+8*i, 1)
	}
	qcode, scode, q := m.forms()
	f64(104, q.fac())
	for i, v := range m.Spacing() {
		f64(112+8*i, v)
	}
	le.PutUint64(b[168:], 544)
	f64(176, m.Slope)
	f64(184, m.Inter)
	le.PutUint32(b[344:], uint32(qcode))
	le.PutUint32(b[348:], uint32(scode))
	for i := range 3 {
		if qcode > 0 {
			f64(352+8*i, q.quatern[i])
			f64(376+8*i, m.Affine[i][3])
		}
		for j := range 4 {
			if scode > 0 {
				f64(400+32*i+8*j, m.Affine[i][j])
			}
		}
	}
	if m.HasSpacing {
		le.PutUint32(b[500:], 2)
	}
	return b
}

// qform is a rotation as the vector part of a unit quaternion, with the sign of the third axis.
type qform struct {
	quatern [3]float64
	flip    bool
}

func (q qform) fac() float64 {
	if q.flip {
		return -1
	}
	return 1
}

// qformOf finds the quaternion of an affine whose axes are at right angles (the inverse of qformAffine).
func qformOf(a [4][4]float64) (q qform, err error) {
	if !orthogonal(a) {
		return q, errors.New("the axes are not at right angles")
	}
	var r [3][3]float64
	for j := range 3 {
		for i := range 3 {
			r[i][j] = a[i][j] / columnLength(a, j)
		}
	}
	det := r[0][0]*(r[1][1]*r[2][2]-r[1][2]*r[2][1]) - r[0][1]*(r[1][0]*r[2][2]-r[1][2]*r[2][0]) + r[0][2]*(r[1][0]*r[2][1]-r[1][1]*r[2][0])
	if det < 0 {
		q.flip = true
		for i := range 3 {
			r[i][2] = -r[i][2]
		}
	}
	// The largest of the four components is found first, so that nothing is divided by a small number.
	trace := r[0][0] + r[1][1] + r[2][2]
	sq := [4]float64{1 + trace, 1 + 2*r[0][0] - trace, 1 + 2*r[1][1] - trace, 1 + 2*r[2][2] - trace}
	best := 0
	for i, v := range sq {
		if v > sq[best] {
			best = i
		}
	}
	p := math.Sqrt(sq[best]) / 2
	d := 4 * p
	var w, x, y, z float64
	switch best {
	case 0:
		w, x, y, z = p, (r[2][1]-r[1][2])/d, (r[0][2]-r[2][0])/d, (r[1][0]-r[0][1])/d
	case 1:
		w, x, y, z = (r[2][1]-r[1][2])/d, p, (r[0][1]+r[1][0])/d, (r[0][2]+r[2][0])/d
	case 2:
		w, x, y, z = (r[0][2]-r[2][0])/d, (r[0][1]+r[1][0])/d, p, (r[1][2]+r[2][1])/d
	case 3:
		w, x, y, z = (r[1][0]-r[0][1])/d, (r[0][2]+r[2][0])/d, (r[1][2]+r[2][1])/d, p
	}
	if w < 0 {
		x, y, z = -x, -y, -z
	}
	q.quatern = [3]float64{x, y, z}
	return q, nil
}
