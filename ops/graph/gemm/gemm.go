//go:build cgo && linux && amd64

package gemm

// #include <stdlib.h>
// #include "gemm.h"
// #include "register.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Supported says whether this processor can compute products here.
func Supported() bool { return bool(C.mseg_multiplies()) }

// Register makes the product known to a plugin of XLA for the CPU, given the address of its table of functions.
func Register(table uintptr) error {
	name := C.CString(target)
	defer C.free(unsafe.Pointer(name))
	if why := C.mseg_register_product(*(*unsafe.Pointer)(unsafe.Pointer(&table)), name); why != nil {
		return errors.New(C.GoString(why))
	}
	return nil
}

// Pack lays the right side of products out; out is Size long, stays where it is and begins at a multiple of 64 bytes.
func (l Layout) Pack(out, right []float32) {
	if len(right) != l.Columns*l.Depth || len(out) != l.Size() {
		panic(fmt.Sprintf("gemm: %d by %d numbers were to be packed, there are %d, and room for %d", l.Columns, l.Depth, len(right), len(out)))
	}
	if l.Winograd {
		C.mseg_pack_quarters((*C.float)(&out[0]), (*C.float)(&right[0]), C.int64_t(l.Columns), C.int64_t(l.Depth), C.bool(l.Transposed))
		return
	}
	C.mseg_pack_right((*C.float)(&out[0]), (*C.float)(&right[0]), C.int64_t(l.Columns), C.int64_t(l.Depth), C.bool(l.Transposed))
}

// form is how a product is computed.
type form struct{ aTransposed, bTransposed, bPacked, winograd bool }

// multiply computes c = a b on one thread: m by n, of depth k. It refuses packed quarters that are a copy.
func multiply(c, a, b []float32, m, n, k int, f form) bool {
	var pins runtime.Pinner
	defer pins.Unpin()
	for _, x := range [][]float32{a, b, c} {
		pins.Pin(&x[0])
	}
	p := C.mseg_product{
		a: (*C.float)(&a[0]), b: (*C.float)(&b[0]), c: (*C.float)(&c[0]), m: C.int64_t(m), n: C.int64_t(n), k: C.int64_t(k),
		a_transposed: C.bool(f.aTransposed), b_transposed: C.bool(f.bTransposed), b_packed: C.bool(f.bPacked), winograd: C.bool(f.winograd),
	}
	if f.bPacked && f.winograd && !bool(C.mseg_are_quarters(p.b, p.n, p.k)) {
		return false
	}
	return bool(C.mseg_multiply(&p, 1, nil, nil))
}
