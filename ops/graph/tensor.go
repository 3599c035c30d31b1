package graph

import (
	"fmt"
	"slices"
)

// Tensor is a dense float32 array on the host, row-major (C order).
// An empty Dims is a scalar with one value.
type Tensor struct {
	Dims []int
	Data []float32
}

// NewTensor returns a tensor of zeros.
func NewTensor(dims ...int) *Tensor {
	return &Tensor{Dims: slices.Clone(dims), Data: make([]float32, size(dims))}
}

// Clone returns a deep copy.
func (t *Tensor) Clone() *Tensor {
	return &Tensor{Dims: slices.Clone(t.Dims), Data: slices.Clone(t.Data)}
}

// Check returns an error unless the length of Data is the product of Dims.
func (t *Tensor) Check() error {
	for _, d := range t.Dims {
		if d < 0 {
			return fmt.Errorf("tensor has a negative dimension in %v", t.Dims)
		}
	}
	if n := size(t.Dims); n != len(t.Data) {
		return fmt.Errorf("tensor of shape %v needs %d values, it has %d", t.Dims, n, len(t.Data))
	}
	return nil
}

// Value is what a program is fed for one of its inputs: either floats or
// 32-bit integers, with the dimensions declared for that input.
type Value struct {
	Dims   []int
	Floats []float32
	Ints   []int32

	on *delivered // instead of either: see Backend.Deliver
}

// Floats is an input of real numbers.
func Floats(data []float32, dims ...int) Value { return Value{Dims: dims, Floats: data} }

// Ints is an input of 32-bit integers (indices, class ids).
func Ints(data []int32, dims ...int) Value { return Value{Dims: dims, Ints: data} }

// Shape declares one input of a program: its dimensions and whether it holds
// integers instead of real numbers.
type Shape struct {
	Dims    []int
	Integer bool
}

// F32 is the shape of an input of real numbers.
func F32(dims ...int) Shape { return Shape{Dims: dims} }

// I32 is the shape of an input of 32-bit integers.
func I32(dims ...int) Shape { return Shape{Dims: dims, Integer: true} }

// String writes the shape as f32[2 3] or i32[2].
func (s Shape) String() string {
	if s.Integer {
		return fmt.Sprintf("i32%v", s.Dims)
	}
	return fmt.Sprintf("f32%v", s.Dims)
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// Params is an ordered set of named tensors: a state dict. The order is that
// of first insertion. The zero value is not usable; call NewParams.
//
// A tensor handed to Set belongs to the set and is not to be changed in place
// afterwards; to change a value, Set it again, which is how copies on a device
// learn that they are out of date.
type Params struct {
	names   []string
	entries map[string]paramEntry
	changes uint64
}

type paramEntry struct {
	tensor  *Tensor
	version uint64
}

// NewParams returns an empty set.
func NewParams() *Params {
	return &Params{entries: map[string]paramEntry{}}
}

// Set adds the tensor under the name, or replaces the one there. It returns an
// error if the tensor's dimensions and data disagree.
func (p *Params) Set(name string, t *Tensor) error {
	if err := t.Check(); err != nil {
		return fmt.Errorf("parameter %q: %w", name, err)
	}
	if _, ok := p.entries[name]; !ok {
		p.names = append(p.names, name)
	}
	p.changes++
	p.entries[name] = paramEntry{tensor: t, version: p.changes}
	return nil
}

// Get returns the tensor of that name; ok is false if there is none.
func (p *Params) Get(name string) (t *Tensor, ok bool) {
	e, ok := p.entries[name]
	return e.tensor, ok
}

// Names lists the names in order of first insertion.
func (p *Params) Names() []string { return slices.Clone(p.names) }

// Len is the number of tensors.
func (p *Params) Len() int { return len(p.names) }

// Count is the number of values in all tensors together.
func (p *Params) Count() int {
	n := 0
	for _, e := range p.entries {
		n += len(e.tensor.Data)
	}
	return n
}

// Clone returns a deep copy.
func (p *Params) Clone() *Params {
	c := NewParams()
	for _, name := range p.names {
		c.names = append(c.names, name)
		c.changes++
		c.entries[name] = paramEntry{tensor: p.entries[name].tensor.Clone(), version: c.changes}
	}
	return c
}
