//go:build cgo && linux

package graph

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/gomlx/gomlx/core/tensors"
)

// mapping is memory outside of Go's heap, whose collector would wait longer the more there is. It goes with the last of the tensors that show it, also
// when a call that reads them goes on after they have been freed.
type mapping struct {
	bytes   []byte
	holders atomic.Int64
}

// mapped is how many bytes there are in mappings.
var mapped atomic.Int64

// newMapping is nil if there is no memory.
func newMapping(size int) *mapping {
	bytes, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil
	}
	mapped.Add(int64(size))
	m := &mapping{bytes: bytes}
	m.holders.Store(1)
	return m
}

func (m *mapping) release() {
	if m.holders.Add(-1) == 0 {
		mapped.Add(-int64(len(m.bytes)))
		_ = syscall.Munmap(m.bytes)
	}
}

// packed makes tensors of weights in the order in which products read them, on all cores; none if there is no memory for them.
func (b *Backend) packed(operands []operand) ([]*tensors.Tensor, error) {
	const page = 4 << 10
	at := make([]int, len(operands)+1)
	for i, o := range operands {
		at[i+1] = at[i] + (4*o.layout.Size()+page-1)/page*page
	}
	m := newMapping(at[len(operands)])
	if m == nil {
		return nil, nil
	}
	defer m.release()
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(operands); i = int(next.Add(1)) - 1 {
				o := operands[i]
				o.layout.Pack(unsafe.Slice((*float32)(unsafe.Pointer(&m.bytes[at[i]])), o.layout.Size()), o.data)
			}
		})
	}
	all.Wait()
	out := make([]*tensors.Tensor, len(operands))
	for i, o := range operands {
		t, ok, err := b.show(unsafe.Pointer(&m.bytes[at[i]]), o.dims)
		if err == nil && !ok {
			err = errors.New("go-xla keeps its client elsewhere: its version does not fit this program")
		}
		if err != nil {
			finalize(out)
			return nil, err
		}
		m.holders.Add(1)
		runtime.AddCleanup(t, (*mapping).release, m)
		out[i] = t
	}
	return out, nil
}
