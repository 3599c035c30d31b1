//go:build cgo && linux

package graph

import (
	"reflect"
	"runtime"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	"github.com/gomlx/gomlx/core/tensors"
)

// view makes a tensor of numbers that stay where they are, in the memory of the
// host, if the device's memory is that: nothing is copied, and weights are there
// once. ok is false where that cannot be: on another device, or where the
// numbers do not begin at a place that the backend's instructions can read. They
// must not be changed from then on; the backend does not change them either,
// what is to be updated in place it copies first.
//
// PJRT has views, and go-xla has them for memory that it has asked for itself.
// For memory of Go's it lacks the last step, from a buffer of PJRT to one of
// GoMLX, whose fields are set here.
func (b *Backend) view(data []float32, dims []int) (t *tensors.Tensor, ok bool, err error) {
	const least = 4 << 10 // values; what is small is copied
	if b.kind != "xla" || !b.onHost() || len(data) < least {
		return nil, false, nil
	}
	at := unsafe.Pointer(&data[0])
	if uintptr(at)%pjrt.BufferAlignment != 0 {
		return nil, false, nil
	}
	pin := new(runtime.Pinner)
	pin.Pin(&data[0])
	if t, ok, err = b.show(at, dims); !ok || err != nil {
		pin.Unpin()
		return nil, false, err
	}
	runtime.AddCleanup(t, func(pin *runtime.Pinner) { pin.Unpin() }, pin)
	return t, true, nil
}

// show makes a tensor of float32 at a place of memory, which has to stay until the tensor is gone.
func (b *Backend) show(at unsafe.Pointer, dims []int) (t *tensors.Tensor, ok bool, err error) {
	clients, isXLA := field[*pjrt.Client](b.engine, "client")
	buffer := new(xla.Buffer)
	backend, hasBackend := field[*xla.Backend](buffer, "backend")
	of, hasBuffer := field[*pjrt.Buffer](buffer, "pjrtBuffer")
	if !isXLA || !hasBackend || !hasBuffer {
		return nil, false, nil
	}
	*backend = b.engine.(*xla.Backend)
	if *of, err = (*clients).CreateViewOfDeviceBuffer(at, dtypes.Float32, dims); err != nil {
		return nil, false, firstLine(err)
	}
	if t, err = tensors.FromBuffer(compute.Buffer(buffer)); err != nil {
		return nil, false, firstLine(err)
	}
	return t, true, nil
}

// field is the place of an unexported field of what a pointer points to; ok is false if there is none of this type.
func field[T any](of any, name string) (at *T, ok bool) {
	v := reflect.ValueOf(of)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, false
	}
	f := v.Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil, false
	}
	return (*T)(f.Addr().UnsafePointer()), true
}
