package data

import "math"

// body fills the outline of the patient: skin, fat and the tissue within, around a long axis.
func (g *scene) body() {
	long := 8 * g.r[2] // the body goes on above and below the volume
	if g.mri {
		long = 2 * g.r[2]
	}
	outline := g.blob([3]float64{g.between(-4, 4), g.between(-4, 4), 0}, [3]float64{g.r[0] * g.between(0.8, 0.92), g.r[1] * g.between(0.66, 0.85), long}, 3, 0.06)
	outline.rotation = g.between(-0.1, 0.1)
	fat, muscle, rim := -100.0, 50.0, 0.9
	if g.mri {
		fat, muscle, rim = g.between(700, 1000), g.between(300, 450), 0.94
	}
	g.each(outline, 1, func(at int, inside float64) {
		g.tone[at] = float32(muscle)
		if inside > rim {
			g.tone[at] = float32(fat)
		}
	})
	if !g.mri { // a spine, so that something bright lies near
		spine := g.blob([3]float64{0, g.r[1] * 0.5, 0}, [3]float64{g.r[0] * 0.12, g.r[1] * 0.13, long}, 2, 0.1)
		g.each(spine, 1, func(at int, _ float64) { g.tone[at] = 350 })
	}
}

// organs puts the two labelled structures and a few unlabelled neighbours into the body.
func (g *scene) organs() []blob {
	place := func(x, y, size, tone float64, label uint8) blob {
		b := g.blob(
			[3]float64{g.r[0] * (x + g.between(-0.06, 0.06)), g.r[1] * (y + g.between(-0.06, 0.06)), g.r[2] * g.between(-0.25, 0.25)},
			[3]float64{g.r[0] * size * g.between(0.8, 1.2), g.r[1] * size * g.between(0.7, 1.1), g.r[2] * g.between(0.8, 1.6)},
			4, 0.2)
		g.each(b, 1, func(at int, _ float64) {
			if label > 0 || g.label[at] == 0 {
				g.tone[at], g.label[at] = float32(tone), label
			}
		})
		return b
	}
	first, second, other := g.between(90, 130), g.between(110, 160), g.between(0, 60)
	if g.mri {
		first, second, other = g.between(450, 650), g.between(80, 200), g.between(500, 900)
	}
	for range 2 + g.rng.IntN(3) {
		place(g.between(-0.4, 0.5), g.between(-0.45, 0.3), g.between(0.07, 0.14), other+g.between(-60, 60), 0)
	}
	return []blob{
		place(-0.3, -0.12, 0.34, first, 1),
		place(0.42, 0.12, 0.17, second, 2),
	}
}

// lesions draws each lesion's kind, place, size, outline, border and contrast anew.
func (g *scene) lesions(organs []blob) {
	n := 1
	for range 2*g.Lesions - 2 { // a mean of Lesions, never 0
		n += g.rng.IntN(2)
	}
	placed := 0
	for try := 0; placed < n && try < 20*n; try++ {
		host := organs[0]
		centre := [3]float64{g.between(-0.6, 0.6) * g.r[0], g.between(-0.5, 0.5) * g.r[1], g.between(-0.8, 0.8) * g.r[2]}
		if g.rng.IntN(4) > 0 { // most lie in an organ, some at its border
			host = organs[g.rng.IntN(len(organs))]
			d := g.direction()
			reach := math.Cbrt(g.rng.Float64()) * 0.9
			for i := range centre {
				centre[i] = host.centre[i] + d[i]*host.radius[i]*reach
			}
			centre[2] = min(0.9*g.r[2], max(-0.9*g.r[2], centre[2]))
		}
		if g.lesion(centre) {
			placed++
		}
	}
}

// lesion draws one; false if the centre lies outside the body.
func (g *scene) lesion(centre [3]float64) bool {
	var at [3]int
	for i := range at {
		at[i] = min(g.Size[i]-1, max(0, int(centre[i]/g.Spacing[i]+float64(g.Size[i])/2)))
	}
	here := g.tone[(at[2]*g.Size[1]+at[1])*g.Size[0]+at[0]]
	if (!g.mri && here < -50) || (g.mri && here == 0) {
		return false
	}
	// Sizes are spread evenly on a logarithmic scale: small lesions are common, large ones happen.
	size := math.Exp(g.between(math.Log(0.035), math.Log(0.2))) * min(g.r[0], g.r[1])
	size = max(size, 2.2*max(g.Spacing[0], g.Spacing[1]))
	deep := max(size*g.between(0.7, 1.2), 0.8*g.Spacing[2])
	lobes, depth := 2+g.rng.IntN(3), g.between(0.03, 0.15)
	if g.rng.IntN(3) == 0 { // lobulated
		lobes, depth = 4+g.rng.IntN(4), g.between(0.25, 0.5)
	}
	b := g.blob(centre, [3]float64{size * g.between(0.75, 1.3), size * g.between(0.75, 1.3), deep}, lobes, depth)

	strong, faint := 90.0, 18.0 // HU
	if g.mri {
		strong, faint = 450, 90
	}
	contrast := g.between(faint, strong)
	if g.rng.IntN(2) == 0 {
		contrast = -contrast
	}
	border := g.between(0.02, 0.12) // share of the radius over which the edge fades
	if g.rng.IntN(3) == 0 {
		border = g.between(0.15, 0.4)
	}
	ring := g.rng.IntN(5) == 0
	core := g.between(0.55, 0.8)
	tilt := g.direction() // slow change of tone through the lesion
	slope := g.between(0, 0.3) * contrast
	g.each(b, 1+border, func(at int, inside float64) {
		if (!g.mri && g.tone[at] < -300) || (g.mri && g.tone[at] == 0) {
			return // air
		}
		c := contrast
		if ring {
			c = math.Abs(contrast)
			if inside < core {
				c = -0.7 * c
			}
		}
		x, y, z := at%g.Size[0], at/g.Size[0]%g.Size[1], at/(g.Size[0]*g.Size[1])
		p := g.position(x, y, z)
		along := 0.0
		for i := range p {
			along += (p[i] - b.centre[i]) / b.radius[i] * tilt[i]
		}
		weight := 1 / (1 + math.Exp((inside-1)/(border/4)))
		// The tissue below keeps a part of its own tone, so a lesion shows where it lies.
		mean := 0.6*float64(here) + 0.4*float64(g.tone[at])
		g.tone[at] += float32(weight * (mean + c + slope*along - float64(g.tone[at])))
		if g.mri {
			g.tone[at] = max(g.tone[at], 20) // no tissue is darker than this in MR
		}
		if inside < 1 {
			g.label[at] = 3
		}
	})
	return true
}

// render adds texture, bias field and noise, blurs as an imaging system does, and rounds.
func (g *scene) render() []int16 {
	n := len(g.tone)
	nx, ny, nz := g.Size[0], g.Size[1], g.Size[2]
	image := make([]float32, n)
	copy(image, g.tone)
	texture := func(amplitude float64, passes int) []float32 {
		t := make([]float32, n)
		for i := range t {
			t[i] = float32(g.rng.NormFloat64())
		}
		for range passes {
			blur(t, nx, ny)
		}
		var sum float64
		for _, v := range t {
			sum += float64(v) * float64(v)
		}
		scale := float32(amplitude / math.Sqrt(sum/float64(n)))
		for i := range t {
			t[i] *= scale
		}
		return t
	}
	fine, coarse, noise := g.between(4, 10), g.between(3, 9), g.between(6, 18)
	if g.mri {
		fine, coarse, noise = g.between(15, 50), g.between(15, 60), g.between(10, 45)
	}
	for _, t := range [][]float32{texture(fine, 1), texture(coarse, 9)} {
		for i := range image {
			if g.mri && g.tone[i] > 0 || !g.mri && g.tone[i] > -300 {
				image[i] += t[i]
			}
		}
	}
	for range 1 + g.rng.IntN(2) {
		blur(image, nx, ny)
	}
	var bias [6]float64
	if g.mri {
		for i := range bias {
			bias[i] = g.between(-0.15, 0.15)
		}
	}
	grain := texture(noise, g.rng.IntN(2))
	second := grain
	if g.mri {
		second = texture(noise, 0)
	}
	out := make([]int16, n)
	for i := range out {
		v := float64(image[i])
		if g.mri {
			x, y, z := i%nx, i/nx%ny, i/(nx*ny)
			p := [3]float64{2*float64(x)/float64(nx) - 1, 2*float64(y)/float64(ny) - 1, 2*float64(z)/float64(nz) - 1}
			field := 1 + bias[0]*p[0] + bias[1]*p[1] + bias[2]*p[2] + bias[3]*p[0]*p[1] + bias[4]*p[0]*p[0] + bias[5]*p[1]*p[1]
			// A magnitude image: noise in two channels under a root (Rician).
			v = math.Hypot(v*field+float64(grain[i]), float64(second[i]))
		} else {
			v = max(-1024, v+float64(grain[i]))
		}
		out[i] = int16(math.Round(min(math.MaxInt16, v)))
	}
	return out
}

// blur is a 3×3 binomial filter in the slice plane; rows and columns at the rim keep their own value at the missing side.
func blur(v []float32, nx, ny int) {
	slice := nx * ny
	row := make([]float32, max(nx, ny))
	for start := 0; start < len(v); start += slice {
		for y := range ny {
			line(v[start+y*nx:], 1, nx, row)
		}
		for x := range nx {
			line(v[start+x:], nx, ny, row)
		}
	}
}

func line(v []float32, stride, n int, tmp []float32) {
	for i := range n {
		tmp[i] = v[i*stride]
	}
	for i := range n {
		v[i*stride] = 0.25*tmp[max(0, i-1)] + 0.5*tmp[i] + 0.25*tmp[min(n-1, i+1)]
	}
}
