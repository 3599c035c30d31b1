package data

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// Focus cuts a square around every structure of a slice, as an interactive tool does once a person has drawn a box: its side is
// the longer side of the box times a factor from 0.75·Factor to 1.25·Factor, and the box lies anywhere inside. Both are
// decided by the name of the sample, so neither size nor position says more than the box does. It looks at the reference
// mask: results assume that the region is given.
type Focus struct {
	Factor float64 `json:"factor"`
	Least  int     `json:"least_px"` // smallest side, pixels of the source
}

// square places the region of a mask of the given width. Where it would leave the slice it is moved inside, and cut off only
// where the slice is smaller than it.
func (f Focus) square(mask []uint8, within region, name string) region {
	b, ok := BoxOf(mask, within.w())
	if !ok {
		return within
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	rng := rand.New(rand.NewPCG(h.Sum64(), 0x666f637573))
	longer := max(b.X1-b.X0, b.Y1-b.Y0) + 1
	factor := f.Factor * (0.75 + 0.5*rng.Float64())
	side := max(int(math.Ceil(float64(longer)*max(factor, 1))), f.Least)
	place := func(lo, hi, size int) (int, int) {
		least, most := hi+1-side, lo // the box lies inside for every start between these
		start := least
		if most > least {
			start += rng.IntN(most - least + 1)
		}
		start = max(0, min(start, size-side))
		return start, min(start+side, size)
	}
	x0, x1 := place(b.X0, b.X1, within.w())
	y0, y1 := place(b.Y0, b.Y1, within.h())
	return region{within.x0 + x0, within.y0 + y0, within.x0 + x1, within.y0 + y1}
}

// cut takes the part r of a plane that covers the region whole.
func cut(plane []uint8, whole, r region) []uint8 {
	out := make([]uint8, 0, r.w()*r.h())
	for y := r.y0 - whole.y0; y < r.y1-whole.y0; y++ {
		out = append(out, plane[y*whole.w()+r.x0-whole.x0:][:r.w()]...)
	}
	return out
}
