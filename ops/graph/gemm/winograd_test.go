//go:build cgo && linux && amd64

package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// halves is a product in float64, with what bounds the error of one that is computed in quarters: of every number the sum of what its products of quarters add up,
// all terms taken as positive.
type halves struct{ want, most []float64 }

// inQuarters is the product of a, m by k, and b, k by n.
func inQuarters(a, b []float32, m, n, k int) halves {
	h := halves{make([]float64, m*n), make([]float64, m*n)}
	at := func(x []float32, width, row, column int) float64 { return float64(x[row*width+column]) }
	abs := math.Abs
	for i := range m / 2 {
		for j := range n / 2 {
			var c, p [4]float64
			var sums [7]float64
			for l := range k / 2 {
				a11, a12, a21, a22 := at(a, k, i, l), at(a, k, i, l+k/2), at(a, k, i+m/2, l), at(a, k, i+m/2, l+k/2)
				b11, b12, b21, b22 := at(b, n, l, j), at(b, n, l, j+n/2), at(b, n, l+k/2, j), at(b, n, l+k/2, j+n/2)
				c[0] += a11*b11 + a12*b21
				c[1] += a11*b12 + a12*b22
				c[2] += a21*b11 + a22*b21
				c[3] += a21*b12 + a22*b22
				s1, s2, s3, s4 := abs(a21)+abs(a22), abs(a21)+abs(a22)+abs(a11), abs(a11)+abs(a21), abs(a12)+abs(a21)+abs(a22)+abs(a11)
				t1, t2, t3, t4 := abs(b12)+abs(b11), abs(b22)+abs(b12)+abs(b11), abs(b22)+abs(b12), abs(b22)+abs(b12)+abs(b11)+abs(b21)
				for q, x := range []float64{abs(a11 * b11), abs(a12 * b21), s4 * abs(b22), abs(a22) * t4, s1 * t1, s2 * t2, s3 * t3} {
					sums[q] += x
				}
			}
			u := sums[0] + sums[5]
			p = [4]float64{sums[0] + sums[1], u + sums[4] + sums[2], u + sums[6] + sums[3], u + sums[6] + sums[4]}
			for q := range c {
				to := (i+q/2*(m/2))*n + j + q%2*(n/2)
				h.want[to], h.most[to] = c[q], p[q]
			}
		}
	}
	return h
}

// wrong says what is wrong with a product: a number beyond all roundings, of which there are k/2 in a sum, three in a sum of quarters of either side and three
// at the end; or more error on the whole than roundings leave, relative to the largest number.
func (h halves) wrong(c []float32, k int) error {
	var squares, largest float64
	for i, want := range h.want {
		d := math.Abs(want - float64(c[i]))
		if !(d <= h.most[i]*float64(k/2+10)*0x1p-24) {
			return fmt.Errorf("number %d is %g, want %g", i, c[i], want)
		}
		squares += d * d
		largest = max(largest, math.Abs(want))
	}
	if rms := math.Sqrt(squares/float64(len(c))) / largest; !(rms < 6e-7) {
		return fmt.Errorf("the error is %.3g of the largest number", rms)
	}
	return nil
}

// TestWinograd compares products in quarters with sums in float64, at sizes around those of tiles, strips and blocks, and with right sides that were packed before.
func TestWinograd(t *testing.T) {
	if !Supported() {
		t.Skip("this processor has no AVX-512")
	}
	for _, s := range [][3]int{
		{16, 32, 32}, {16, 96, 64}, {32, 128, 96}, {48, 224, 32}, {128, 160, 512},
		{16, 64, 1536}, {32, 32, 1568}, {16, 160, 3104}, // one block of depth, and more
		{256, 768, 768},
	} {
		m, n, k := s[0], s[1], s[2]
		for _, bT := range []bool{false, true} {
			t.Run(fmt.Sprintf("%dx%dx%d %t", m, n, k, bT), func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(m), uint64(n)))
				a, b := make([]float32, m*k), make([]float32, k*n)
				for _, x := range [][]float32{a, b} {
					for i := range x {
						x[i] = random.Float32() - 0.5
					}
				}
				exact := inQuarters(a, b, m, n, k)
				if bT {
					b = turned(b, k, n)
				}
				const guard = 12345
				got := slices.Repeat([]float32{guard}, m*n+64)
				if !multiply(got, a, b, m, n, k, form{bTransposed: bT, winograd: true}) {
					t.Fatal("there was no memory")
				}
				if err := exact.wrong(got[:m*n], k); err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(got[m*n:], func(x float32) bool { return x != guard }) {
					t.Error("numbers behind the product were overwritten")
				}
				plain := make([]float32, m*n)
				multiply(plain, a, b, m, n, k, form{bTransposed: bT})
				if slices.Equal(plain, got[:m*n]) {
					t.Error("all bits are those of the plain product")
				}
				// The check sees when one of k terms is missing from one number in a hundred.
				for i := 0; i < len(plain); i += 100 {
					term := b[i%n]
					if bT {
						term = b[i%n*k]
					}
					plain[i] -= a[i/n*k] * term
				}
				if exact.wrong(plain, k) == nil {
					t.Error("a product without some terms was found right")
				}
				l := Layout{n, k, bT, true}
				packed := aligned(l.Size())
				l.Pack(packed, b)
				again := make([]float32, m*n)
				if !multiply(again, a, packed, m, n, k, form{bPacked: true, winograd: true}) {
					t.Fatal("there was no memory")
				}
				for i, x := range again {
					if math.Float32bits(x) != math.Float32bits(got[i]) {
						t.Fatalf("number %d: %g packed, %g unpacked", i, x, got[i])
					}
				}
				moved := aligned(l.Size())
				copy(moved, packed)
				if multiply(again, a, moved, m, n, k, form{bPacked: true, winograd: true}) {
					t.Error("a copy of what was packed was taken, which may be shorter")
				}
			})
		}
	}
}

// turned is x, of rows and columns, the other way round.
func turned(x []float32, rows, columns int) []float32 {
	out := make([]float32, len(x))
	for i := range rows {
		for j := range columns {
			out[j*rows+i] = x[i*columns+j]
		}
	}
	return out
}
