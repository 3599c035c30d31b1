package metric

import (
	"math"
	"math/bits"
)

// centreLine is the centre-line Dice of the loaded pair (Shit et al., CVPR
// 2021): the harmonic mean of the share of the prediction's skeleton inside the
// reference and the share of the reference's skeleton inside the prediction.
func (w *Workspace) centreLine(empty Empty) Result {
	if w.state == PredictionEmpty && empty == Worst {
		return Result{0, w.state}
	}
	var share [2]float64
	for i := range 2 {
		skeleton := skeletonOf(&w.mask[i], w.dims)
		inside, _ := common(skeleton, &w.mask[1-i])
		share[i] = float64(inside) / float64(skeleton.count())
	}
	v := harmonic(share[0], share[1])
	if math.IsNaN(v) {
		return Result{v, Undefined}
	}
	return Result{v, w.state}
}

// CentreLineDice is the clDice of two masks for given skeletons, which may come
// from any thinning. It is NaN when a skeleton is empty or when neither meets
// the other mask.
func CentreLineDice(pred, ref, predSkeleton, refSkeleton Mask) (float64, error) {
	for _, m := range [3]Mask{pred, predSkeleton, refSkeleton} {
		if err := checkPair(m, ref); err != nil {
			return 0, err
		}
	}
	share := func(skeleton, mask Mask) float64 {
		inside, all := 0, 0
		for i, v := range skeleton.Data {
			if v != 0 {
				all++
				if mask.Data[i] != 0 {
					inside++
				}
			}
		}
		return float64(inside) / float64(all)
	}
	return harmonic(share(predSkeleton, ref), share(refSkeleton, pred)), nil
}

func harmonic(a, b float64) float64 { return 2 * a * b / (a + b) }

// Skeleton returns the centre line of a mask, of the same shape, thinned after
// Lee, Kashyap and Chu (CVGIP 1994), which keeps every part, hole and cavity but
// for parts of two pixels. The directions are taken in scikit-image's order, so
// that its skeletonize with method "lee" gives the same pixels.
func Skeleton(m Mask) (Mask, error) {
	if err := m.check("given"); err != nil {
		return Mask{}, err
	}
	var g grid
	g.resize(lift(m.Shape))
	g.pack(m.Data)
	s := skeletonOf(&g, len(m.Shape))
	out := Mask{Data: make([]uint8, len(m.Data)), Shape: m.Shape, Spacing: m.Spacing}
	nx := s.n[2]
	for r := range s.n[0] * s.n[1] {
		for x := range nx {
			out.Data[r*nx+x] = uint8(s.bits[r*s.words+x>>6] >> (x & 63) & 1)
		}
	}
	return out, nil
}

func skeletonOf(m *grid, dims int) *grid {
	out := &grid{}
	out.resize(m.n)
	_, b := common(m, m)
	if b.volume() == 0 {
		return out
	}
	t := thinning{box: b, dims: dims}
	t.fill(m)
	t.lee()
	t.each(func(i, z, y, x int) {
		out.row(z, y)[x>>6] |= 1 << (x & 63)
	})
	return out
}

// thinning is the bounding box of a mask with a margin of one background pixel
// on every side that has neighbours, one byte a pixel.
type thinning struct {
	box    box
	dims   int
	pixel  []uint8
	stride [3]int // of the lifted axes
	margin [3]int
	found  []int
}

func (t *thinning) fill(m *grid) {
	t.margin = [3]int{1, 1, 1}
	if t.dims == 2 {
		t.margin[1] = 0
	}
	var n [3]int
	for a := range 3 {
		n[a] = t.box.size(a) + 2*t.margin[a]
	}
	t.stride = [3]int{n[1] * n[2], n[2], 1}
	t.pixel = make([]uint8, n[0]*n[1]*n[2])
	for z := t.box.lo[0]; z < t.box.hi[0]; z++ {
		for y := t.box.lo[1]; y < t.box.hi[1]; y++ {
			row := m.row(z, y)
			for x := t.box.lo[2]; x < t.box.hi[2]; x++ {
				t.pixel[t.index(z, y, x)] = uint8(row[x>>6] >> (x & 63) & 1)
			}
		}
	}
}

func (t *thinning) index(z, y, x int) int {
	return (z-t.box.lo[0]+t.margin[0])*t.stride[0] + (y-t.box.lo[1]+t.margin[1])*t.stride[1] + x - t.box.lo[2] + t.margin[2]
}

// each calls f for every pixel that is set, in C order.
func (t *thinning) each(f func(i, z, y, x int)) {
	for z := t.box.lo[0]; z < t.box.hi[0]; z++ {
		for y := t.box.lo[1]; y < t.box.hi[1]; y++ {
			i := t.index(z, y, t.box.lo[2])
			for x := t.box.lo[2]; x < t.box.hi[2]; x++ {
				if t.pixel[i] != 0 {
					f(i, z, y, x)
				}
				i++
			}
		}
	}
}

// lee removes border points from one of the six directions after the other: all
// that are no end of a line, leave the Euler characteristic and the number of
// 26-connected parts around them as they are; each is looked at again before it
// is removed, since its neighbours may have gone.
func (t *thinning) lee() {
	var around [27]int
	present := uint32(1<<27-1) &^ (1 << 13)
	for k := range 27 {
		if t.dims == 2 && k/3%3 != 1 {
			present &^= 1 << k
			continue
		}
		around[k] = (k/9-1)*t.stride[0] + (k/3%3-1)*t.stride[1] + k%3 - 1
	}
	gather := func(i int) (n uint32) {
		for k, o := range around {
			n |= uint32(t.pixel[i+o]&1) << k
		}
		return n & present
	}
	directions := []int{-t.stride[1], t.stride[1], 1, -1, t.stride[0], -t.stride[0]}
	if t.dims == 2 {
		directions = []int{-t.stride[0], t.stride[0], 1, -1}
	}
	for unchanged := 0; unchanged < len(directions); {
		unchanged = 0
		for _, d := range directions {
			t.found = t.found[:0]
			t.each(func(i, _, _, _ int) {
				if t.pixel[i+d] != 0 {
					return
				}
				n := gather(i)
				if bits.OnesCount32(n) != 1 && eulerInvariant(n) && parts(n) < 2 {
					t.found = append(t.found, i)
				}
			})
			removed := false
			for _, i := range t.found {
				if parts(gather(i)) < 2 {
					t.pixel[i] = 0
					removed = true
				}
			}
			if !removed {
				unchanged++
			}
		}
	}
}

// The 3x3x3 neighbourhood is a word in which bit 9i+3j+k is the pixel at offset
// (i-1, j-1, k-1); bit 13 is the centre.
var (
	// touching[k] are the pixels of the neighbourhood that are 26-connected to k.
	touching [27]uint32
	// cells are the faces, edges and vertices of the centre, each with the other
	// pixels that share it and the sign with which it enters the Euler
	// characteristic.
	cells []cell
)

type cell struct {
	sharers uint32
	sign    int
}

func init() {
	at := func(k int) [3]int { return [3]int{k/9 - 1, k/3%3 - 1, k%3 - 1} }
	for k := range 27 {
		p := at(k)
		for l := range 27 {
			q := at(l)
			near := k != l && l != 13
			for a := range 3 {
				near = near && max(p[a]-q[a], q[a]-p[a]) <= 1
			}
			if near {
				touching[k] |= 1 << l
			}
		}
		if k == 13 {
			continue
		}
		// The cell in direction p: shared by the pixels whose offset is 0 or p on
		// every axis, of dimension 2, 1 or 0 for one, two or three axes.
		c := cell{sign: 1}
		for a := range 3 {
			if p[a] != 0 {
				c.sign = -c.sign
			}
		}
		c.sign = -c.sign
		for l := range 27 {
			q := at(l)
			shares := l != 13
			for a := range 3 {
				shares = shares && (q[a] == 0 || q[a] == p[a])
			}
			if shares {
				c.sharers |= 1 << l
			}
		}
		cells = append(cells, c)
	}
}

// eulerInvariant reports whether removing the centre leaves the Euler
// characteristic (vertices - edges + faces - cubes) unchanged.
func eulerInvariant(n uint32) bool {
	change := -1 // the cube itself
	for _, c := range cells {
		if n&c.sharers == 0 {
			change += c.sign
		}
	}
	return change == 0
}

// parts is the number of 26-connected components in the neighbourhood.
func parts(n uint32) int {
	count := 0
	for ; n != 0; count++ {
		part := n & -n
		for grown := part; grown != 0; {
			k := bits.TrailingZeros32(grown)
			grown &= grown - 1
			fresh := touching[k] & n &^ part
			part |= fresh
			grown |= fresh
		}
		n &^= part
	}
	return count
}
