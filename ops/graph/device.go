package graph

import (
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// DeviceParams is a set of parameters as one backend sees it. Tensors are
// copied to the device when a program first needs them and stay there; one that
// has since been Set in the host's Params is copied again. A Step that trains
// these parameters replaces them on the device only, so programs that share the
// DeviceParams see the trained values without a copy; Host fetches them.
//
// Several goroutines may use it, but not while a Step trains it.
type DeviceParams struct {
	b    *Backend
	host *Params

	mu       sync.Mutex
	resident map[residentKey]resident

	// base and over, if set, make this a view of other parameters in which
	// some float32 tensors are replaced; the view owns nothing.
	base *DeviceParams
	over map[string]*tensors.Tensor
}

type residentKey struct {
	name  string
	dtype dtypes.DType
}

type resident struct {
	t       *tensors.Tensor
	version uint64 // of the host's tensor it was copied from
	trained bool   // newer than the host's tensor
}

// Place makes a set of parameters available to programs of this backend.
func (b *Backend) Place(p *Params) *DeviceParams {
	return &DeviceParams{b: b, host: p, resident: map[residentKey]resident{}}
}

// tensor returns the parameter on the device.
func (d *DeviceParams) tensor(name string, dtype dtypes.DType, dims []int) (*tensors.Tensor, error) {
	if d.base != nil {
		if t, ok := d.over[name]; ok && dtype == dtypes.Float32 {
			return t, nil
		}
		return d.base.tensor(name, dtype, dims)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.host.entries[name]
	if !ok {
		return nil, fmt.Errorf("parameter %q is missing; the model needs it with shape %v", name, dims)
	}
	if !slices.Equal(e.tensor.Dims, dims) {
		return nil, fmt.Errorf("parameter %q has shape %v, the model needs %v", name, e.tensor.Dims, dims)
	}
	key := residentKey{name, dtype}
	if r, ok := d.resident[key]; ok {
		if r.version == e.version {
			return r.t, nil
		}
		if err := r.t.FinalizeAll(); err != nil {
			return nil, err
		}
		delete(d.resident, key)
	}
	t, err := d.b.upload(e.tensor.Data, dtype, dims)
	if err != nil {
		return nil, fmt.Errorf("parameter %q: %w", name, err)
	}
	d.resident[key] = resident{t: t, version: e.version}
	return t, nil
}

// replace makes t the float32 value of a parameter on the device. It returns what
// was there, which is the caller's to free; nil if nothing was.
func (d *DeviceParams) replace(name string, t *tensors.Tensor) *tensors.Tensor {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := residentKey{name, dtypes.Float32}
	old := d.resident[key].t
	d.resident[key] = resident{t: t, version: d.host.entries[name].version, trained: true}
	return old
}

// Host returns the parameters with the values they have on the device, in the
// order of the host's set. Tensors that were not trained are shared with it.
func (d *DeviceParams) Host() (*Params, error) {
	if d.base != nil {
		return d.viewed()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := NewParams()
	for _, name := range d.host.names {
		e := d.host.entries[name]
		t := e.tensor
		if r, ok := d.resident[residentKey{name, dtypes.Float32}]; ok && r.trained && r.version == e.version {
			data, err := download(r.t)
			if err != nil {
				return nil, fmt.Errorf("parameter %q: %w", name, err)
			}
			t = &Tensor{Dims: t.Dims, Data: data}
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// viewed is Host for a view.
func (d *DeviceParams) viewed() (*Params, error) {
	out := NewParams()
	for _, name := range d.host.names {
		t := d.host.entries[name].tensor
		if on, ok := d.over[name]; ok {
			data, err := download(on)
			if err != nil {
				return nil, fmt.Errorf("parameter %q: %w", name, err)
			}
			t = &Tensor{Dims: t.Dims, Data: data}
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Free releases the copies on the device. Values that only a Step has changed
// are lost unless Host was called before.
func (d *DeviceParams) Free() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, r := range d.resident {
		_ = r.t.FinalizeAll()
		delete(d.resident, key)
	}
}

// upload copies host values to the device as float32 or float64.
func (b *Backend) upload(data []float32, dtype dtypes.DType, dims []int) (t *tensors.Tensor, err error) {
	if size(dims) != len(data) {
		return nil, fmt.Errorf("shape %v needs %d values, got %d", dims, size(dims), len(data))
	}
	if dtype == dtypes.Float64 {
		wide := make([]float64, len(data))
		for i, v := range data {
			wide[i] = float64(v)
		}
		return place(b, wide, dtype, dims)
	}
	return place(b, data, dtype, dims)
}

func place[T float32 | float64 | int32](b *Backend, data []T, dtype dtypes.DType, dims []int) (t *tensors.Tensor, err error) {
	fault := caught(func() {
		t, err = tensors.FromRaw(b.engine, 0, shapes.Make(dtype, dims...), bytesOf(data))
	})
	if fault != nil {
		err = fault
	}
	return t, firstLine(err)
}

// download copies a device tensor of real numbers to the host as float32.
func download(t *tensors.Tensor) (data []float32, err error) {
	fault := caught(func() {
		switch t.DType() {
		case dtypes.Float64:
			var wide []float64
			if wide, err = tensors.CopyFlatData[float64](t); err != nil {
				return
			}
			data = make([]float32, len(wide))
			for i, v := range wide {
				data[i] = float32(v)
			}
		default:
			data, err = tensors.CopyFlatData[float32](t)
		}
	})
	if fault != nil {
		err = fault
	}
	return data, firstLine(err)
}
