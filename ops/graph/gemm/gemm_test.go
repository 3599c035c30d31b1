//go:build cgo && linux && amd64

package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// TestMultiply compares products of all layouts with sums in float64, at sizes around those of tiles, strips and blocks.
func TestMultiply(t *testing.T) {
	if !Supported() {
		t.Skip("this processor has no AVX-512")
	}
	for _, s := range [][3]int{
		{1, 1, 1}, {8, 48, 16}, {7, 47, 3}, {9, 49, 17}, {16, 64, 768}, {33, 130, 769}, {5, 16, 1537}, {100, 7, 31},
		{2800, 3, 800}, // more rows than are packed at a time
	} {
		m, n, k := s[0], s[1], s[2]
		for layout := range 4 {
			aT, bT := layout&1 != 0, layout&2 != 0
			t.Run(fmt.Sprintf("%dx%dx%d %t %t", m, n, k, aT, bT), func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(m), uint64(n)))
				fill := func(size int) []float32 {
					x := make([]float32, size)
					for i := range x {
						x[i] = random.Float32() - 0.5
					}
					return x
				}
				a, b := fill(m*k), fill(k*n)
				const guard = 12345
				c := fill(m*n + 64) // whatever is there before has no influence, and what is behind stays
				for i := m * n; i < len(c); i++ {
					c[i] = guard
				}
				if !multiply(c, a, b, m, n, k, form{aTransposed: aT, bTransposed: bT}) {
					t.Fatal("there was no memory")
				}
				for i := range m {
					for j := range n {
						want, most := 0.0, 0.0
						for l := range k {
							x, y := a[i*k+l], b[l*n+j]
							if aT {
								x = a[l*m+i]
							}
							if bT {
								y = b[j*k+l]
							}
							want += float64(x) * float64(y)
							most += math.Abs(float64(x) * float64(y))
						}
						// Sums of k numbers in float32: k roundings of half a unit in the last place at the most.
						if d := math.Abs(want - float64(c[i*n+j])); d > most*float64(k+1)*0x1p-24 {
							t.Fatalf("at %d, %d: %g, want %g", i, j, c[i*n+j], want)
						}
					}
				}
				for i := m * n; i < len(c); i++ {
					if c[i] != guard {
						t.Fatalf("number %d behind the product was overwritten", i-m*n)
					}
				}
			})
		}
	}
}

// TestPacked: a right side that was packed before gives the same bits, whatever strips and blocks there are.
func TestPacked(t *testing.T) {
	if !Supported() {
		t.Skip("this processor has no AVX-512")
	}
	for _, s := range [][3]int{
		{1, 16, 1}, {8, 48, 16}, {9, 64, 17}, {16, 80, 768}, {33, 128, 769}, {5, 16, 1537}, {17, 784, 40},
		{2800, 16, 800}, // more rows than are packed at a time
	} {
		m, n, k := s[0], s[1], s[2]
		for layout := range 4 {
			aT, bT := layout&1 != 0, layout&2 != 0
			t.Run(fmt.Sprintf("%dx%dx%d %t %t", m, n, k, aT, bT), func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(m), uint64(n)))
				a, b := make([]float32, m*k), make([]float32, k*n)
				for _, x := range [][]float32{a, b} {
					for i := range x {
						x[i] = random.Float32() - 0.5
					}
				}
				packed := aligned(k * n)
				Layout{n, k, bT, false}.Pack(packed, b)
				if sorted := slices.Sorted(slices.Values(packed)); !slices.Equal(sorted, slices.Sorted(slices.Values(b))) {
					t.Error("packed are other numbers")
				}
				want, got := make([]float32, m*n), make([]float32, m*n)
				if !multiply(want, a, b, m, n, k, form{aTransposed: aT, bTransposed: bT}) || !multiply(got, a, packed, m, n, k, form{aTransposed: aT, bTransposed: bT, bPacked: true}) {
					t.Fatal("there was no memory")
				}
				for i := range want {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("number %d: %g, unpacked %g", i, got[i], want[i])
					}
				}
			})
		}
	}
}

// aligned are numbers that begin at a multiple of 64 bytes.
func aligned(n int) []float32 {
	x := make([]float32, n+16)
	for uintptr(unsafe.Pointer(&x[0]))%64 != 0 {
		x = x[1:]
	}
	return x[:n]
}
