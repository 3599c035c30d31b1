package graph

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// DeviceParams is a set of parameters as one backend sees it. Tensors are
// copied to the device when a program first needs them and stay there; one that
// has since been Set in the host's Params is copied again. Where the device's
// memory is that of the host nothing is copied, the device reads the host's
// numbers. A Step that trains these parameters has them on the device only, so
// programs that share the DeviceParams see the trained values without a copy;
// Host fetches them.
//
// Several goroutines may use it, but not while a Step trains it.
type DeviceParams struct {
	b    *Backend
	host *Params

	mu       sync.Mutex
	resident map[residentKey]resident
	lost     map[string]error // why a trained parameter has no value any more
	products products         // what is packed for products

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
	if err := d.lost[name]; err != nil {
		return nil, fmt.Errorf("parameter %q: %w", name, err)
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
	if e.tensor.Data == nil && size(dims) > 0 {
		return nil, fmt.Errorf("parameter %q was trained, and its value has been freed", name)
	}
	var t *tensors.Tensor
	var seen bool // where it lies
	var err error
	if dtype == dtypes.Float32 {
		t, seen, err = d.b.view(e.tensor.Data, dims)
	}
	if !seen && err == nil {
		t, err = d.b.upload(e.tensor.Data, dtype, dims)
	}
	if err != nil {
		return nil, fmt.Errorf("parameter %q: %w", name, err)
	}
	d.resident[key] = resident{t: t, version: e.version}
	return t, nil
}

// own gives parameters memory of their own on the device, in which they can be
// updated. From then on they are there alone: the host's set is not looked at
// for them any more, and its values are free to go if nobody else has them.
func (d *DeviceParams) own(names []string) error {
	if d.base != nil {
		return fmt.Errorf("averages of parameters cannot be trained; fetch them first")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.products.end()
	rest := &Params{names: d.host.names, entries: maps.Clone(d.host.entries), changes: d.host.changes}
	for _, name := range names {
		e, ok := rest.entries[name]
		if !ok {
			return fmt.Errorf("parameter %q is missing", name)
		}
		key := residentKey{name, dtypes.Float32}
		r, there := d.resident[key]
		if !there || !r.trained || r.version != e.version {
			t, err := d.b.copied(e.tensor.Data, e.tensor.Dims)
			if err != nil {
				return fmt.Errorf("parameter %q: %w", name, err)
			}
			if there {
				if err := r.t.FinalizeAll(); err != nil {
					return err
				}
			}
			d.resident[key] = resident{t: t, version: e.version, trained: true}
		}
		rest.entries[name] = paramEntry{tensor: &Tensor{Dims: e.tensor.Dims}, version: e.version}
	}
	d.host = rest
	return nil
}

// replace makes t the float32 value of a parameter on the device.
func (d *DeviceParams) replace(name string, t *tensors.Tensor) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := residentKey{name, dtypes.Float32}
	old, ok := d.resident[key]
	d.resident[key] = resident{t: t, version: d.host.entries[name].version, trained: true}
	if ok {
		return old.t.FinalizeAll()
	}
	return nil
}

// lose notes that values that were on the device alone are gone: the host's are not to be taken for them.
func (d *DeviceParams) lose(names []string, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = map[string]error{}
	for _, name := range names {
		d.lost[name] = why
	}
}

// Host returns the parameters with the values they have on the device, in the
// order of the host's set. Tensors that were not trained are shared with it.
func (d *DeviceParams) Host() (*Params, error) {
	out := NewParams()
	for _, name := range d.host.names {
		t, err := d.Fetch(name)
		if err != nil {
			return nil, err
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Fetch is one parameter with the value that it has on the device. A tensor
// that was not trained is the host's.
func (d *DeviceParams) Fetch(name string) (*Tensor, error) {
	if d.base != nil {
		if on, ok := d.over[name]; ok {
			data, err := download(on)
			if err != nil {
				return nil, fmt.Errorf("parameter %q: %w", name, err)
			}
			return &Tensor{Dims: slices.Clone(on.Shape().Dimensions), Data: data}, nil
		}
		return d.base.Fetch(name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.host.entries[name]
	if !ok {
		return nil, fmt.Errorf("parameter %q is missing", name)
	}
	if err := d.lost[name]; err != nil {
		return nil, fmt.Errorf("parameter %q: %w", name, err)
	}
	r, ok := d.resident[residentKey{name, dtypes.Float32}]
	if !ok || !r.trained || r.version != e.version {
		if e.tensor.Data == nil && size(e.tensor.Dims) > 0 {
			return nil, fmt.Errorf("parameter %q was trained, and its value has been freed", name)
		}
		return e.tensor, nil
	}
	data, err := download(r.t)
	if err != nil {
		return nil, fmt.Errorf("parameter %q: %w", name, err)
	}
	return &Tensor{Dims: e.tensor.Dims, Data: data}, nil
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
	if d.products.drop() {
		d.b.tidy() // their memory goes when nothing reads it any more
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

// copied uploads float32 values into memory of the backend's own, which an update in place can take without copying them first.
func (b *Backend) copied(data []float32, dims []int) (t *tensors.Tensor, err error) {
	if size(dims) != len(data) {
		return nil, fmt.Errorf("shape %v needs %d values, got %d", dims, size(dims), len(data))
	}
	fault := caught(func() {
		var buffer compute.Buffer
		if buffer, err = b.engine.BufferFromFlatData(0, data, shapes.Make(dtypes.Float32, dims...)); err == nil {
			t, err = tensors.FromBuffer(buffer)
		}
	})
	if fault != nil {
		err = fault
	}
	return t, firstLine(err)
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
	if t.DType() == dtypes.Float64 {
		wide, err := downloadWide(t)
		data = make([]float32, len(wide))
		for i, v := range wide {
			data[i] = float32(v)
		}
		return data, err
	}
	return copied[float32](t)
}

// downloadWide copies a device tensor of float64 to the host.
func downloadWide(t *tensors.Tensor) ([]float64, error) { return copied[float64](t) }

func copied[T float32 | float64](t *tensors.Tensor) (data []T, err error) {
	fault := caught(func() { data, err = tensors.CopyFlatData[T](t) })
	if fault != nil {
		err = fault
	}
	return data, firstLine(err)
}
