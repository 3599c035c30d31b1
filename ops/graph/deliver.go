package graph

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
)

// delivered is an input that lies on a device already.
type delivered struct {
	b *Backend
	t *tensors.Tensor // nil once it has been released
}

// Deliver copies inputs to the device ahead of the call that reads them, so that the device computes something else meanwhile. What it returns
// stands for the inputs in calls of programs and steps of this backend, any number of times, until [Release]; the slices given may be
// overwritten at once. Real numbers are delivered as float32, which a program in float64 refuses.
func (b *Backend) Deliver(inputs []Value) ([]Value, error) {
	out := make([]Value, 0, len(inputs))
	for i, v := range inputs {
		t, err := b.send(v, dtypes.Float32)
		if err != nil {
			Release(out)
			return nil, fmt.Errorf("input %d: %w", i, b.shortage(err))
		}
		out = append(out, Value{Dims: slices.Clone(v.Dims), on: &delivered{b: b, t: t}})
	}
	return out, nil
}

// send copies an input to the device, real numbers as the given type.
func (b *Backend) send(v Value, float dtypes.DType) (*tensors.Tensor, error) {
	if v.Ints == nil {
		return b.upload(v.Floats, float, v.Dims)
	}
	if size(v.Dims) != len(v.Ints) {
		return nil, fmt.Errorf("shape %v needs %d values, got %d", v.Dims, size(v.Dims), len(v.Ints))
	}
	return place(b, v.Ints, dtypes.Int32, v.Dims)
}

// Release gives the room of delivered inputs back; others are left alone. A call that reads them must have returned.
func Release(inputs []Value) {
	for _, v := range inputs {
		if v.on != nil && v.on.t != nil {
			_ = v.on.t.FinalizeAll()
			v.on.t = nil
		}
	}
}

// shape is that of the value, and how many numbers it holds.
func (v Value) shape() (s Shape, n int) {
	switch {
	case v.on != nil && v.on.t != nil:
		return Shape{Dims: v.Dims, Integer: v.on.t.DType() == dtypes.Int32}, v.on.t.Size()
	case v.Ints != nil:
		return Shape{Dims: v.Dims, Integer: true}, len(v.Ints)
	}
	return Shape{Dims: v.Dims}, len(v.Floats)
}
