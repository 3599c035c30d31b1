//go:build !(cgo && linux && amd64)

package gemm

import "errors"

// Supported says whether this processor can compute products here.
func Supported() bool { return false }

// Register makes the product known to a plugin of XLA for the CPU, given the address of its table of functions.
func Register(uintptr) error { return errors.New("this program was built without products of its own") }

// Pack lays the right side of products out, for products that there are none of here.
func (l Layout) Pack(out, right []float32) {
	panic("gemm: this program was built without products of its own")
}
