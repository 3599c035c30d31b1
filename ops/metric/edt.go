package metric

import (
	"math"
	"math/bits"
	"runtime"
	"sync"
)

// far marks a pixel without a target along the first axis. It is larger than
// any size a mask may have and can be incremented that often without overflow.
const far = math.MaxInt32 / 2

// parallelVolume is the number of pixels from which the passes are shared
// between cores; below it, starting goroutines costs more than it gains.
const parallelVolume = 1 << 19

// field computes distances from the pixels of one image to the nearest pixel of
// another, and keeps its memory from call to call.
//
// The squared distance at (z, y, x) is
//
//	min over x' of (sx(x-x'))² + min over y' of (sy(y-y'))² + min over z' of (sz(z-z'))²
//
// over the targets, taken from the inside out. The innermost minimum is two
// sweeps along z over the whole box (steps). The middle one is the lower
// envelope of parabolas along y, for one slice at a time. The outermost is only
// wanted at the query pixels: it is searched outwards from x and stops as soon
// as the offset alone exceeds the best sum so far, which takes a few steps where
// the two surfaces are near each other. A row in which the searches together
// become longer than a few times the row gets a lower envelope instead, which
// keeps the whole linear in the number of pixels.
type field struct {
	steps  []int32
	starts []int // index of the first query of each slice
	lanes  []lane
}

// lane is the memory one goroutine needs.
type lane struct {
	slice  []float64 // squared distance within the (z,y) plane, of one slice
	square []float64 // (sx·d)² by offset d
	rows   []int     // rows of the slice that hold a query
	line   []float64
	middle envelope // along y
	last   envelope // along x
}

// distances appends to out, for every pixel of query in b in C order, its
// distance to the nearest pixel of target in b; +Inf when target is empty there.
func (f *field) distances(out []float64, target, query *grid, b box, spacing [3]float64) []float64 {
	f.starts = grow(f.starts, b.size(0)+1)
	total := 0
	for z := range b.size(0) {
		f.starts[z] = total
		total += query.countSlice(b.lo[0]+z, b)
	}
	f.starts[b.size(0)] = total
	base := len(out)
	if cap(out) < base+total {
		out = append(make([]float64, 0, base+total), out...)
	}
	out = out[:base+total]
	if total == 0 {
		return out
	}
	f.steps = grow(f.steps, b.volume())

	lanes := 1
	if b.volume() >= parallelVolume {
		lanes = min(runtime.GOMAXPROCS(0), b.size(0))
	}
	for len(f.lanes) < lanes {
		f.lanes = append(f.lanes, lane{})
	}
	if lanes == 1 {
		f.sweep(target, b, 0, b.size(1))
		f.slices(&f.lanes[0], out[base:], query, b, spacing, 0, 1)
		return out
	}
	f.share(lanes, func(i int) {
		f.sweep(target, b, b.size(1)*i/lanes, b.size(1)*(i+1)/lanes)
	})
	f.share(lanes, func(i int) {
		f.slices(&f.lanes[i], out[base:], query, b, spacing, i, lanes)
	})
	return out
}

func (f *field) share(n int, work func(i int)) {
	var wg sync.WaitGroup
	for i := 1; i < n; i++ {
		wg.Go(func() { work(i) })
	}
	work(0)
	wg.Wait()
}

// sweep fills steps for the rows y0..y1 of the box: the number of pixels along
// the first axis to the nearest target.
func (f *field) sweep(target *grid, b box, y0, y1 int) {
	nz, ny, nx := b.size(0), b.size(1), b.size(2)
	for z := range nz {
		for y := y0; y < y1; y++ {
			cur := f.steps[(z*ny+y)*nx:][:nx]
			if z == 0 {
				for x := range cur {
					cur[x] = far
				}
			} else {
				prev := f.steps[((z-1)*ny+y)*nx:][:nx]
				for x := range cur {
					cur[x] = prev[x] + 1
				}
			}
			for i, w := range target.row(b.lo[0]+z, b.lo[1]+y) {
				for ; w != 0; w &= w - 1 {
					cur[i*64+bits.TrailingZeros64(w)-b.lo[2]] = 0
				}
			}
		}
	}
	for z := nz - 2; z >= 0; z-- {
		for y := y0; y < y1; y++ {
			cur := f.steps[(z*ny+y)*nx:][:nx]
			next := f.steps[((z+1)*ny+y)*nx:][:nx]
			for x := range cur {
				cur[x] = min(cur[x], next[x]+1)
			}
		}
	}
}

// slices answers the queries of every stride-th slice from first on.
func (f *field) slices(l *lane, out []float64, query *grid, b box, spacing [3]float64, first, stride int) {
	ny, nx := b.size(1), b.size(2)
	l.slice = grow(l.slice, ny*nx)
	l.line = grow(l.line, nx)
	l.square = grow(l.square, nx)
	for d := range l.square {
		s := spacing[2] * float64(d)
		l.square[d] = s * s
	}
	for z := first; z < b.size(0); z += stride {
		if f.starts[z] == f.starts[z+1] {
			continue
		}
		l.rows = l.rows[:0]
		for y := range ny {
			for _, w := range query.row(b.lo[0]+z, b.lo[1]+y) {
				if w != 0 {
					l.rows = append(l.rows, y)
					break
				}
			}
		}
		l.plane(f.steps[z*ny*nx:][:ny*nx], ny, nx, spacing)
		at := out[f.starts[z]:f.starts[z+1]]
		for _, y := range l.rows {
			n := l.answer(at, query.row(b.lo[0]+z, b.lo[1]+y), l.slice[y*nx:][:nx], b.lo[2], spacing[2])
			at = at[n:]
		}
	}
}

// plane computes, at the rows that hold queries, the squared distance within
// the (z,y) plane from the steps of one slice.
func (l *lane) plane(steps []int32, ny, nx int, spacing [3]float64) {
	if ny == 1 {
		for x, s := range steps {
			l.slice[x] = squareSteps(s, spacing[0])
		}
		return
	}
	l.middle.reset(ny, spacing[1])
	for x := range nx {
		l.middle.empty()
		for y, i := 0, x; y < ny; y, i = y+1, i+nx {
			if s := steps[i]; s < far {
				d := spacing[0] * float64(s)
				l.middle.add(y, d*d)
			}
		}
		l.middle.rewind()
		for _, y := range l.rows {
			l.slice[y*nx+x] = l.middle.at(y)
		}
	}
}

func squareSteps(s int32, spacing float64) float64 {
	if s >= far {
		return math.Inf(1)
	}
	d := spacing * float64(s)
	return d * d
}

// answer writes the distances of the queries in one row and returns their
// number. plane holds the row's squared distances within the (z,y) plane.
func (l *lane) answer(out []float64, query []uint64, plane []float64, x0 int, spacing float64) int {
	n, budget := 0, 4*len(plane)+64
	enveloped := false
	for i, w := range query {
		for ; w != 0; w &= w - 1 {
			x := i*64 + bits.TrailingZeros64(w) - x0
			if enveloped {
				out[n] = math.Sqrt(l.line[x])
				n++
				continue
			}
			best := plane[x]
			d := 1
			for ; d < len(plane) && l.square[d] < best; d++ {
				if x >= d {
					best = min(best, plane[x-d]+l.square[d])
				}
				if x+d < len(plane) {
					best = min(best, plane[x+d]+l.square[d])
				}
			}
			out[n] = math.Sqrt(best)
			n++
			if budget -= d; budget < 0 {
				l.last.transform(l.line[:len(plane)], plane, spacing)
				enveloped = true
			}
		}
	}
	return n
}

// envelope is the lower envelope of the parabolas f(v) + (s(p-v))² over the
// sites v of one line.
type envelope struct {
	squared float64   // s²
	inverse []float64 // 1/(2 s² d) by distance d between sites
	site    []int32
	height  []float64 // f(v) + s²v²
	value   []float64 // f(v)
	from    []float64 // where the site becomes the lowest
	n, k    int
	spacing float64 // s
}

// reset prepares for lines of length n and the given spacing.
func (e *envelope) reset(n int, spacing float64) {
	if len(e.inverse) != n || e.spacing != spacing {
		e.inverse = grow(e.inverse, n)
		for d := 1; d < n; d++ {
			e.inverse[d] = 1 / (2 * spacing * spacing * float64(d))
		}
	}
	e.spacing, e.squared = spacing, spacing*spacing
	e.site = grow(e.site, n)
	e.height = grow(e.height, n)
	e.value = grow(e.value, n)
	e.from = grow(e.from, n)
	e.n = 0
}

func (e *envelope) empty() { e.n = 0 }

// add appends a site; sites come in increasing order.
func (e *envelope) add(v int, f float64) {
	h := f + e.squared*float64(v)*float64(v)
	n := e.n
	start := math.Inf(-1)
	for n > 0 {
		start = (h - e.height[n-1]) * e.inverse[v-int(e.site[n-1])]
		if start > e.from[n-1] {
			break
		}
		n--
		start = math.Inf(-1)
	}
	e.site[n], e.height[n], e.value[n], e.from[n] = int32(v), h, f, start
	e.n = n + 1
}

func (e *envelope) rewind() { e.k = 0 }

// at evaluates the envelope; positions come in increasing order after rewind.
// Without a site it is +Inf.
func (e *envelope) at(p int) float64 {
	if e.n == 0 {
		return math.Inf(1)
	}
	for e.k+1 < e.n && e.from[e.k+1] < float64(p) {
		e.k++
	}
	d := e.spacing * float64(p-int(e.site[e.k]))
	return e.value[e.k] + d*d
}

// transform sets dst[p] to the minimum over v of f[v] + (s(p-v))².
func (e *envelope) transform(dst, f []float64, spacing float64) {
	e.reset(len(f), spacing)
	for v, h := range f {
		if !math.IsInf(h, 1) {
			e.add(v, h)
		}
	}
	e.rewind()
	for p := range dst {
		dst[p] = e.at(p)
	}
}
