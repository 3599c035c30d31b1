package image

import "fmt"

// Array is an n-dimensional numpy array: the last axis of Shape is the fastest (C order), whatever the file's order was.
// A scalar has an empty shape and one value.
type Array struct {
	Shape []int
	DType DType
	data  []byte
}

// NewArray makes an array from values in C order. The number of values must be the product of the shape; anything else is a
// mistake of the program and panics. An empty shape makes a scalar.
func NewArray[T Number](values []T, shape ...int) *Array {
	if n, ok := checkedProduct(shape, 1); !ok || n != int64(len(values)) {
		panic(fmt.Sprintf("image: %d values for shape %v", len(values), shape))
	}
	s := samplesOf(values)
	return &Array{Shape: append([]int{}, shape...), DType: s.dtype, data: s.b}
}

func (a *Array) samples() samples { return samples{a.DType, a.data} }

// Len is the number of values.
func (a *Array) Len() int { return a.samples().len() }

// Float32 gives the values in C order, rounded to float32.
func (a *Array) Float32() []float32 { return convert[float32](a.samples()) }

// Float64 gives the values in C order; integers beyond 2^53 are rounded.
func (a *Array) Float64() []float64 { return convert[float64](a.samples()) }

// Int64 gives the values in C order; floats are cut toward zero, uint64 beyond 2^63 wraps.
func (a *Array) Int64() []int64 { return convert[int64](a.samples()) }

// Uint8 gives the values of a uint8 or bool array in C order, not a copy; nil for any other type.
func (a *Array) Uint8() []uint8 {
	if a.DType != Uint8 && a.DType != Bool {
		return nil
	}
	return a.data
}

// Bytes is the memory of the array in C order, little endian. It is not a copy.
func (a *Array) Bytes() []byte { return a.data }

// toCOrder reorders samples stored first axis fastest (Fortran order).
func toCOrder(b []byte, shape []int, size int) []byte {
	if len(shape) < 2 || len(b) == 0 {
		return b
	}
	out := make([]byte, len(b))
	index := make([]int, len(shape))
	stride := make([]int, len(shape)) // of the C-ordered result, in samples
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= shape[i]
	}
	to := 0
	for from := range n {
		copy(out[to*size:(to+1)*size], b[from*size:])
		for i := range index {
			index[i]++
			to += stride[i]
			if index[i] < shape[i] {
				break
			}
			to -= stride[i] * shape[i]
			index[i] = 0
		}
	}
	return out
}
