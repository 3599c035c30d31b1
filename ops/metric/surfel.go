package metric

import (
	"math"
	"math/bits"
	"sync"
)

// surfels sets g to the surface elements of m within b, and returns the box that
// holds them. Surface elements lie on the corners between pixels: the corner
// (z, y, x) has the pixels z-1..z, y-1..y, x-1..x around it, so that there is one
// more of them along each axis than pixels. A corner is surface when its
// neighbourhood is neither all foreground nor all background.
func (g *grid) surfels(m *grid, b box, dims int) box {
	n := [3]int{m.n[0] + 1, m.n[1] + 1, m.n[2] + 1}
	at := box{lo: b.lo, hi: [3]int{b.hi[0] + 1, b.hi[1] + 1, b.hi[2] + 1}}
	before := 1 // rows to look back along the middle axis
	if dims == 2 {
		n[1], at.hi[1], before = 1, 1, 0
	}
	g.resize(n)
	for z := at.lo[0]; z < at.hi[0]; z++ {
		for y := at.lo[1]; y < at.hi[1]; y++ {
			dst := g.row(z, y)
			for i := range dst {
				some, all := uint64(0), ^uint64(0)
				for zz := z - 1; zz <= z; zz++ {
					for yy := y - before; yy <= y; yy++ {
						w, shifted := uint64(0), uint64(0)
						if zz >= 0 && zz < m.n[0] && yy >= 0 && yy < m.n[1] {
							row := m.row(zz, yy)
							if i < len(row) {
								w = row[i]
							}
							shifted = w << 1
							if i > 0 {
								shifted |= row[i-1] >> 63
							}
						}
						some |= w | shifted
						all &= w & shifted
					}
				}
				dst[i] = some &^ all
			}
		}
	}
	return at
}

// neighbourhood is the code of the corner (z, y, x): bit 4i+2j+k is the pixel
// (z-1+i, y-1+j, x-1+k). In 2-D, j is 0 and stands for the only row.
func neighbourhood(m *grid, z, y, x, dims int) int {
	code := 0
	for i := range 2 {
		for j := range dims - 1 {
			zz, yy := z-1+i, y-1+j
			if dims == 2 {
				yy = 0
			}
			if zz < 0 || zz >= m.n[0] || yy < 0 || yy >= m.n[1] {
				continue
			}
			row := m.row(zz, yy)
			for k := range 2 {
				xx := x - 1 + k
				if xx >= 0 && xx < m.n[2] && row[xx>>6]>>(xx&63)&1 == 1 {
					code |= 1 << (4*i + 2*j + k)
				}
			}
		}
	}
	return code
}

// surfelWeights appends to out the length (2-D) or area (3-D) of each surface
// element of g in b, in C order. m is the mask g was made from.
func surfelWeights(out []float64, g, m *grid, b box, dims int, weight *[256]float64) []float64 {
	for z := b.lo[0]; z < b.hi[0]; z++ {
		for y := b.lo[1]; y < b.hi[1]; y++ {
			for i, w := range g.row(z, y) {
				for ; w != 0; w &= w - 1 {
					out = append(out, weight[neighbourhood(m, z, y, i*64+bits.TrailingZeros64(w), dims)])
				}
			}
		}
	}
	return out
}

// contourLengths is the length of the iso-contour through a 2x2 neighbourhood:
// it cuts the pixel sides in the middle, straight through for two neighbours,
// around each single corner otherwise (marching squares).
func contourLengths(spacing [3]float64) (length [256]float64) {
	half := math.Hypot(spacing[0], spacing[2]) / 2
	for code := range 256 {
		c := code & 0b110011 // bits 0, 1, 4, 5: the neighbourhood with j = 0
		switch bits.OnesCount(uint(c)) {
		case 1, 3:
			length[code] = half
		case 2:
			switch c {
			case 0b000011, 0b110000: // one row: the contour runs along the columns
				length[code] = spacing[2]
			case 0b010001, 0b100010:
				length[code] = spacing[0]
			default:
				length[code] = 2 * half
			}
		}
	}
	return length
}

// surfaceAreas is the area of the iso-surface through a 2x2x2 neighbourhood.
func surfaceAreas(spacing [3]float64) (area [256]float64) {
	sides := [3]float64{spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1]}
	for code, normals := range surfaceNormals() {
		for _, n := range normals {
			area[code] += math.Sqrt(square(n[0]*sides[0]) + square(n[1]*sides[1]) + square(n[2]*sides[2]))
		}
	}
	return area
}

func square(v float64) float64 { return v * v }

// surfaceNormals gives, for every 2x2x2 neighbourhood code, the triangles of
// its iso-surface as normal vectors whose length is the triangle's area, for
// spacing one.
//
// The surface is that of marching cubes with vertices in the middle of the cube
// edges: closed polygons around the corners of the smaller of the two sets
// (foreground or background; a face with two diagonal corners of that set is cut
// around each of them), each cut into the triangles of largest total area at
// spacing one. This choice gives the areas of the published surfel tables
// (Nikolov et al., arXiv:1809.04430) for all 256 codes and every spacing.
var surfaceNormals = sync.OnceValue(func() (normals [256][][3]float64) {
	for code := 1; code < 255; code++ {
		set := code
		if bits.OnesCount(uint(set)) > 4 {
			set = ^set & 255
		}
		for _, polygon := range isoPolygons(set) {
			normals[code] = append(normals[code], largestTriangulation(polygon)...)
		}
	}
	return normals
})

// isoPolygons returns the polygons that separate the corners in set from the
// others, as points in the unit cube. Corner 4i+2j+k lies at (i, j, k).
func isoPolygons(set int) [][][3]float64 {
	in := func(c int) bool { return set>>c&1 == 1 }
	// Cube edges are named by the sum of 1<<corner of their ends. Each cut edge
	// belongs to two faces, and each face links it to one other cut edge.
	links := map[int][]int{}
	var order []int
	link := func(a, b int) {
		for _, e := range [2][2]int{{a, b}, {b, a}} {
			if links[e[0]] == nil {
				order = append(order, e[0])
			}
			links[e[0]] = append(links[e[0]], e[1])
		}
	}
	for axis := range 3 {
		u, v := 1<<((axis+1)%3), 1<<((axis+2)%3)
		for _, base := range [2]int{0, 1 << axis} {
			ring := [4]int{base, base | u, base | u | v, base | v}
			var edges [4]int // edge i joins ring i and ring i+1
			var cut []int
			for i, c := range ring {
				next := ring[(i+1)%4]
				edges[i] = 1<<c | 1<<next
				if in(c) != in(next) {
					cut = append(cut, edges[i])
				}
			}
			switch len(cut) {
			case 2:
				link(cut[0], cut[1])
			case 4:
				for i, c := range ring {
					if in(c) {
						link(edges[(i+3)%4], edges[i])
					}
				}
			}
		}
	}
	var polygons [][][3]float64
	seen := map[int]bool{}
	for _, start := range order {
		var polygon [][3]float64
		for e, more := start, !seen[start]; more; {
			seen[e] = true
			polygon = append(polygon, middle(e))
			more = false
			for _, next := range links[e] {
				if !seen[next] {
					e, more = next, true
					break
				}
			}
		}
		if polygon != nil {
			polygons = append(polygons, polygon)
		}
	}
	return polygons
}

// middle is the mid-point of a cube edge.
func middle(edge int) (p [3]float64) {
	for c := range 8 {
		if edge>>c&1 == 1 {
			p[0] += float64(c>>2&1) / 2
			p[1] += float64(c>>1&1) / 2
			p[2] += float64(c&1) / 2
		}
	}
	return p
}

// largestTriangulation cuts a polygon in space into the triangles of largest
// total area, by dynamic programming over its chains of vertices.
func largestTriangulation(p [][3]float64) [][3]float64 {
	n := len(p)
	var best [8][8]float64
	var apex [8][8]int
	for span := 2; span < n; span++ {
		for i := 0; i+span < n; i++ {
			k := i + span
			best[i][k] = -1
			for j := i + 1; j < k; j++ {
				a := best[i][j] + best[j][k] + norm(triangle(p[i], p[j], p[k]))
				if a > best[i][k]+1e-9 {
					best[i][k], apex[i][k] = a, j
				}
			}
		}
	}
	var out [][3]float64
	var collect func(i, k int)
	collect = func(i, k int) {
		if k-i < 2 {
			return
		}
		j := apex[i][k]
		collect(i, j)
		collect(j, k)
		out = append(out, triangle(p[i], p[j], p[k]))
	}
	collect(0, n-1)
	return out
}

// triangle is the normal of a triangle, as long as the triangle is large.
func triangle(a, b, c [3]float64) [3]float64 {
	var u, v [3]float64
	for i := range 3 {
		u[i], v[i] = b[i]-a[i], c[i]-a[i]
	}
	return [3]float64{
		(u[1]*v[2] - u[2]*v[1]) / 2,
		(u[2]*v[0] - u[0]*v[2]) / 2,
		(u[0]*v[1] - u[1]*v[0]) / 2,
	}
}

func norm(v [3]float64) float64 { return math.Sqrt(square(v[0]) + square(v[1]) + square(v[2])) }
