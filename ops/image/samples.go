package image

import (
	"encoding/binary"
	"math"
)

// samples is a run of values in their stored type, always little endian in memory.
type samples struct {
	dtype DType
	b     []byte
}

func (s samples) len() int {
	if n := s.dtype.Size(); n > 0 {
		return len(s.b) / n
	}
	return 0
}

var le = binary.LittleEndian

// convertRange writes the values from index `from` on into out, as Go converts numbers: floats to integers toward zero.
func convertRange[T float32 | float64 | int64](s samples, from int, out []T) {
	switch b := s.b; s.dtype {
	case Bool, Uint8:
		for i := range out {
			out[i] = T(b[from+i])
		}
	case Int8:
		for i := range out {
			out[i] = T(int8(b[from+i]))
		}
	case Uint16:
		for i := range out {
			out[i] = T(le.Uint16(b[2*(from+i):]))
		}
	case Int16:
		for i := range out {
			out[i] = T(int16(le.Uint16(b[2*(from+i):])))
		}
	case Uint32:
		for i := range out {
			out[i] = T(le.Uint32(b[4*(from+i):]))
		}
	case Int32:
		for i := range out {
			out[i] = T(int32(le.Uint32(b[4*(from+i):])))
		}
	case Uint64:
		for i := range out {
			out[i] = T(le.Uint64(b[8*(from+i):]))
		}
	case Int64:
		for i := range out {
			out[i] = T(int64(le.Uint64(b[8*(from+i):])))
		}
	case Float16:
		for i := range out {
			out[i] = T(halfToFloat(le.Uint16(b[2*(from+i):])))
		}
	case Float32:
		for i := range out {
			out[i] = T(math.Float32frombits(le.Uint32(b[4*(from+i):])))
		}
	case Float64:
		for i := range out {
			out[i] = T(math.Float64frombits(le.Uint64(b[8*(from+i):])))
		}
	}
}

func convert[T float32 | float64 | int64](s samples) []T {
	out := make([]T, s.len())
	convertRange(s, 0, out)
	return out
}

func (s samples) at(i int) float64 {
	var v [1]float64
	convertRange(s, i, v[:])
	return v[0]
}

// samplesOf encodes values in their own type.
func samplesOf[T Number](values []T) samples {
	d := dtypeOf[T]()
	b := make([]byte, 0, len(values)*d.Size())
	switch vs := any(values).(type) {
	case []uint8:
		b = append(b, vs...)
	case []int8:
		for _, v := range vs {
			b = append(b, byte(v))
		}
	case []uint16:
		for _, v := range vs {
			b = le.AppendUint16(b, v)
		}
	case []int16:
		for _, v := range vs {
			b = le.AppendUint16(b, uint16(v))
		}
	case []uint32:
		for _, v := range vs {
			b = le.AppendUint32(b, v)
		}
	case []int32:
		for _, v := range vs {
			b = le.AppendUint32(b, uint32(v))
		}
	case []uint64:
		for _, v := range vs {
			b = le.AppendUint64(b, v)
		}
	case []int64:
		for _, v := range vs {
			b = le.AppendUint64(b, uint64(v))
		}
	case []float32:
		for _, v := range vs {
			b = le.AppendUint32(b, math.Float32bits(v))
		}
	case []float64:
		for _, v := range vs {
			b = le.AppendUint64(b, math.Float64bits(v))
		}
	}
	return samples{d, b}
}

// swapBytes turns big-endian samples of the given size into little-endian ones, in place.
func swapBytes(b []byte, size int) {
	switch size {
	case 2:
		for i := 0; i+1 < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	case 4:
		for i := 0; i+3 < len(b); i += 4 {
			le.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
		}
	case 8:
		for i := 0; i+7 < len(b); i += 8 {
			le.PutUint64(b[i:], binary.BigEndian.Uint64(b[i:]))
		}
	}
}

// deinterleave turns samples stored channel by channel within a voxel into whole planes.
func deinterleave(b []byte, channels, size int) []byte {
	n := len(b) / (channels * size)
	out := make([]byte, len(b))
	for v := range n {
		for c := range channels {
			copy(out[(c*n+v)*size:(c*n+v+1)*size], b[(v*channels+c)*size:])
		}
	}
	return out
}

// interleave is the inverse of deinterleave.
func interleave(b []byte, channels, size int) []byte {
	n := len(b) / (channels * size)
	out := make([]byte, len(b))
	for v := range n {
		for c := range channels {
			copy(out[(v*channels+c)*size:(v*channels+c+1)*size], b[(c*n+v)*size:])
		}
	}
	return out
}

// halfToFloat widens an IEEE 754 binary16 number; every one is exact in float32.
func halfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h) & 0x3ff
	switch {
	case exp == 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
	}
	v := float32(frac) / (1 << 24)
	if sign != 0 {
		v = float32(math.Copysign(float64(v), -1))
	}
	return v
}

// checkedProduct multiplies the sizes of the axes and the bytes per element; false if the product leaves 63 bits.
func checkedProduct(shape []int, size int) (int64, bool) {
	n := int64(size)
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d == 0 {
			return 0, true
		}
		if n > math.MaxInt64/int64(d) {
			return 0, false
		}
		n *= int64(d)
	}
	return n, true
}
