package metric

import (
	"encoding/binary"
	"math/bits"
)

// grid is a binary image of one bit per pixel. A 2-D image of shape (rows,
// columns) is lifted to (rows, 1, columns): its first axis is swept, its last is
// searched, and the middle pass of the distance transform has nothing to do.
// Each row of the last axis starts on a new word; bits past its end are zero.
type grid struct {
	n     [3]int
	words int // per row
	bits  []uint64
}

// box is a half-open range along each axis.
type box struct{ lo, hi [3]int }

func (b box) size(axis int) int { return b.hi[axis] - b.lo[axis] }

func (b box) volume() int { return b.size(0) * b.size(1) * b.size(2) }

func lift(shape []int) [3]int {
	if len(shape) == 2 {
		return [3]int{shape[0], 1, shape[1]}
	}
	return [3]int{shape[0], shape[1], shape[2]}
}

func liftSpacing(s []float64) [3]float64 {
	if len(s) == 2 {
		return [3]float64{s[0], 1, s[1]}
	}
	return [3]float64{s[0], s[1], s[2]}
}

// resize makes g an image of n pixels. Its bits are left as they are.
func (g *grid) resize(n [3]int) {
	g.n = n
	g.words = (n[2] + 63) / 64
	g.bits = grow(g.bits, n[0]*n[1]*g.words)
}

func (g *grid) row(z, y int) []uint64 {
	r := (z*g.n[1] + y) * g.words
	return g.bits[r : r+g.words : r+g.words]
}

func (g *grid) clear() { clear(g.bits) }

// grow returns s with length n and unspecified contents.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// pack sets g to the foreground of data, eight pixels at a time.
func (g *grid) pack(data []uint8) {
	nx := g.n[2]
	for r := range g.n[0] * g.n[1] {
		src := data[r*nx : (r+1)*nx]
		dst := g.bits[r*g.words : (r+1)*g.words]
		for w := range dst {
			var word uint64
			if len(src) >= 64 {
				for b := 0; b < 64; b += 8 {
					word |= eight(binary.LittleEndian.Uint64(src[b:])) << b
				}
				src = src[64:]
			} else {
				for i, v := range src {
					if v != 0 {
						word |= 1 << i
					}
				}
			}
			dst[w] = word
		}
	}
}

// eight gathers "is not zero" of eight bytes into eight bits, the lowest byte
// in the lowest bit.
func eight(v uint64) uint64 {
	const low7 = 0x7f7f7f7f7f7f7f7f
	v = ((v&low7 + low7) | v) &^ low7 >> 7 // 1 in each byte that is not zero
	return v * 0x0102040810204080 >> 56
}

func (g *grid) count() int {
	n := 0
	for _, w := range g.bits {
		n += bits.OnesCount64(w)
	}
	return n
}

// countBox counts the pixels of g in b, whose range along the last axis must
// hold every set bit of the rows.
func (g *grid) countBox(b box) int {
	n := 0
	for z := b.lo[0]; z < b.hi[0]; z++ {
		n += g.countSlice(z, b)
	}
	return n
}

func (g *grid) countSlice(z int, b box) int {
	n := 0
	for y := b.lo[1]; y < b.hi[1]; y++ {
		for _, w := range g.row(z, y) {
			n += bits.OnesCount64(w)
		}
	}
	return n
}

// common counts the pixels set in both images, and finds the bounding box of
// their union.
func common(a, b *grid) (both int, union box) {
	union.lo = a.n
	cols := [2]int{a.n[2], -1} // first and last column seen
	for z := range a.n[0] {
		for y := range a.n[1] {
			first, last := -1, -1
			ra, rb := a.row(z, y), b.row(z, y)
			for i, wa := range ra {
				u := wa | rb[i]
				if u == 0 {
					continue
				}
				both += bits.OnesCount64(wa & rb[i])
				if first < 0 {
					first = i*64 + bits.TrailingZeros64(u)
				}
				last = i*64 + 63 - bits.LeadingZeros64(u)
			}
			if first < 0 {
				continue
			}
			cols[0], cols[1] = min(cols[0], first), max(cols[1], last)
			union.lo[0], union.hi[0] = min(union.lo[0], z), z+1
			union.lo[1], union.hi[1] = min(union.lo[1], y), max(union.hi[1], y+1)
		}
	}
	if cols[1] < 0 {
		return 0, box{}
	}
	union.lo[2], union.hi[2] = cols[0], cols[1]+1
	return both, union
}

// edge sets g to the edge of m within b: the pixels of m that erosion with the
// cross-shaped element removes. Pixels outside the image are background.
func (g *grid) edge(m *grid, b box, dims int) {
	g.resize(m.n)
	for z := b.lo[0]; z < b.hi[0]; z++ {
		for y := b.lo[1]; y < b.hi[1]; y++ {
			dst, c := g.row(z, y), m.row(z, y)
			var up, down, front, back []uint64
			if z > 0 {
				up = m.row(z-1, y)
			}
			if z+1 < m.n[0] {
				down = m.row(z+1, y)
			}
			if dims == 3 {
				if y > 0 {
					front = m.row(z, y-1)
				}
				if y+1 < m.n[1] {
					back = m.row(z, y+1)
				}
			}
			if up == nil || down == nil || (dims == 3 && (front == nil || back == nil)) {
				copy(dst, c)
				continue
			}
			for i, w := range c {
				if w == 0 {
					dst[i] = 0
					continue
				}
				left, right := w<<1, w>>1
				if i > 0 {
					left |= c[i-1] >> 63
				}
				if i+1 < len(c) {
					right |= c[i+1] << 63
				}
				inner := left & right & up[i] & down[i]
				if dims == 3 {
					inner &= front[i] & back[i]
				}
				dst[i] = w &^ inner
			}
		}
	}
}
