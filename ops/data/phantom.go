package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/mseg-lang/mseg/ops/image"
)

// PhantomSpec describes a synthetic labelled set: bodies with organs, and lesions of many kinds in and between them. It is
// for trying a pipeline without any download and for first training of promptable models; it is not anatomy.
type PhantomSpec struct {
	Patients int // of WritePhantoms
	// Modality is CT (values in HU, air at -1000, noise the same everywhere) or MRI (arbitrary units from 0 up, a smooth bias
	// field, noise of magnitude images). "" alternates between the two.
	Modality string
	// Size in voxels; zero means 160×160×24. A third size of 1 gives single slices.
	Size [3]int
	// Spacing in mm; zero means 2×2×5.
	Spacing [3]float64
	// Lesions is the mean number of lesions of a patient; every patient has at least one. Zero means 4.
	Lesions int
	Seed    uint64
}

// Phantom is one synthetic patient. Label 0 is outside, 1 and 2 are organs, 3 holds all lesions.
type Phantom struct {
	ID       string
	Modality string
	Image    *image.Image // int16
	Label    *image.Image // uint8
	Labels   map[int]string
}

// phantomTasks names the structures by tasks of MedSegDB that resemble them.
var phantomTasks = map[string]map[int]string{
	"CT":  {1: "CT_Liver", 2: "CT_Spleen", 3: "CT_LiverCancer"},
	"MRI": {1: "MRI_WhiteMatter", 2: "MRI_CerebroSpinalFluid", 3: "MRI_BrainWholeTumor"},
}

func (s PhantomSpec) withDefaults() (PhantomSpec, error) {
	if s.Size == [3]int{} {
		s.Size = [3]int{160, 160, 24}
	}
	if s.Spacing == [3]float64{} {
		s.Spacing = [3]float64{2, 2, 5}
	}
	if s.Lesions == 0 {
		s.Lesions = 4
	}
	if s.Modality != "" && s.Modality != "CT" && s.Modality != "MRI" {
		return s, fmt.Errorf("phantoms of modality %q; CT and MRI can be made", s.Modality)
	}
	for i := range 3 {
		if least := []int{16, 16, 1}[i]; s.Size[i] < least || s.Size[i] > 2048 {
			return s, fmt.Errorf("phantom size %v; each side of a slice is 16 to 2048, the number of slices 1 to 2048", s.Size)
		}
		if !(s.Spacing[i] > 0 && s.Spacing[i] < 100) {
			return s, fmt.Errorf("phantom spacing %v mm", s.Spacing)
		}
	}
	if s.Lesions < 1 || s.Lesions > 1000 {
		return s, fmt.Errorf("%d lesions on average; 1 to 1000 is possible", s.Lesions)
	}
	return s, nil
}

// MakePhantom makes patient number i of a set. The same spec and number give the same voxels, whatever else is made.
func MakePhantom(spec PhantomSpec, i int) (Phantom, error) {
	s, err := spec.withDefaults()
	if err != nil {
		return Phantom{}, err
	}
	if s.Modality == "" {
		s.Modality = []string{"CT", "MRI"}[i%2]
	}
	key := sha256.Sum256(fmt.Appendf(nil, "phantom %d %d", s.Seed, i))
	rng := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])))
	g := newScene(s, rng)
	g.body()
	organs := g.organs()
	g.lesions(organs)
	values := g.render()
	affine := [4][4]float64{ // stored left, posterior, superior, as scanners have it
		{-s.Spacing[0], 0, 0, s.Spacing[0] * float64(s.Size[0]-1) / 2},
		{0, -s.Spacing[1], 0, s.Spacing[1] * float64(s.Size[1]-1) / 2},
		{0, 0, s.Spacing[2], 0},
		{0, 0, 0, 1},
	}
	shape := s.Size[:]
	return Phantom{
		ID:       fmt.Sprintf("phantom%03d", i),
		Modality: s.Modality,
		Image:    image.FromSlice(shape, values).WithAffine(affine),
		Label:    image.FromSlice(shape, g.label).WithAffine(affine),
		Labels:   phantomTasks[s.Modality],
	}, nil
}

// WritePhantoms writes a set as {case}_image.nrrd and {case}_label.nrrd into dir and returns its cases.
func WritePhantoms(ctx context.Context, dir string, spec PhantomSpec, progress func(done, total int)) ([]Case, error) {
	if spec.Patients < 1 {
		return nil, fmt.Errorf("%d phantom patients; at least 1 is needed", spec.Patients)
	}
	if _, err := spec.withDefaults(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var cases []Case
	for i := range spec.Patients {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := MakePhantom(spec, i)
		if err != nil {
			return nil, err
		}
		c := Case{
			Dataset: "phantom", Site: "synthetic", Patient: p.ID, ID: p.ID, Modality: p.Modality, Labels: p.Labels, Slice: -1,
			ImagePath: filepath.Join(dir, p.ID+"_image.nrrd"), MaskPath: filepath.Join(dir, p.ID+"_label.nrrd"),
		}
		if err := image.Write(c.ImagePath, p.Image); err != nil {
			return nil, err
		}
		if err := image.Write(c.MaskPath, p.Label); err != nil {
			return nil, err
		}
		cases = append(cases, c)
		if progress != nil {
			progress(i+1, spec.Patients)
		}
	}
	return cases, nil
}

// scene is a patient under construction: tissue values in mm space, and who owns each voxel.
type scene struct {
	PhantomSpec
	rng   *rand.Rand
	tone  []float32 // tissue value: HU, or MR units
	label []uint8
	mri   bool
	r     [3]float64 // half size of the body in mm
}

func newScene(s PhantomSpec, rng *rand.Rand) *scene {
	n := s.Size[0] * s.Size[1] * s.Size[2]
	g := &scene{PhantomSpec: s, rng: rng, tone: make([]float32, n), label: make([]uint8, n), mri: s.Modality == "MRI"}
	for i := range 3 {
		g.r[i] = s.Spacing[i] * float64(s.Size[i]) / 2
	}
	if !g.mri {
		for i := range g.tone {
			g.tone[i] = -1000
		}
	}
	return g
}

func (g *scene) between(lo, hi float64) float64 { return lo + g.rng.Float64()*(hi-lo) }

// position of a voxel in mm from the middle of the volume.
func (g *scene) position(x, y, z int) [3]float64 {
	return [3]float64{
		(float64(x) + 0.5 - float64(g.Size[0])/2) * g.Spacing[0],
		(float64(y) + 0.5 - float64(g.Size[1])/2) * g.Spacing[1],
		(float64(z) + 0.5 - float64(g.Size[2])/2) * g.Spacing[2],
	}
}

// blob is a ball whose radius changes with direction: an ellipsoid, lobes on it, and roughness. inside() is below 1 within
// it, and about proportional to the distance from the centre.
type blob struct {
	centre, radius [3]float64
	lobes          []lobe
	rotation       float64 // in the slice plane, radian
}

type lobe struct {
	direction    [3]float64
	frequency    float64
	phase, depth float64
}

func (g *scene) blob(centre, radius [3]float64, lobes int, depth float64) blob {
	b := blob{centre: centre, radius: radius, rotation: g.between(0, math.Pi)}
	for i := range lobes {
		b.lobes = append(b.lobes, lobe{g.direction(), g.between(1, 3) + float64(i)*0.7, g.between(0, 2*math.Pi), depth * g.between(0.4, 1) / math.Sqrt(float64(lobes))})
	}
	return b
}

func (g *scene) direction() [3]float64 {
	var v [3]float64
	for {
		var n float64
		for i := range v {
			v[i] = g.rng.NormFloat64()
			n += v[i] * v[i]
		}
		if n > 1e-6 {
			for i := range v {
				v[i] /= math.Sqrt(n)
			}
			return v
		}
	}
}

func (b blob) inside(p [3]float64) float64 {
	sin, cos := math.Sincos(b.rotation)
	d := [3]float64{p[0] - b.centre[0], p[1] - b.centre[1], p[2] - b.centre[2]}
	d[0], d[1] = cos*d[0]+sin*d[1], cos*d[1]-sin*d[0]
	var n float64
	for i := range d {
		d[i] /= b.radius[i]
		n += d[i] * d[i]
	}
	n = math.Sqrt(n)
	if n < 1e-9 {
		return 0
	}
	stretch := 1.0
	for _, l := range b.lobes {
		along := (d[0]*l.direction[0] + d[1]*l.direction[1] + d[2]*l.direction[2]) / n
		stretch += l.depth * math.Cos(math.Pi*l.frequency*along+l.phase)
	}
	return n / max(0.25, stretch)
}

// each visits the voxels of the blob's surroundings with their value of inside().
func (g *scene) each(b blob, reach float64, f func(at int, inside float64)) {
	var lo, hi [3]int
	widest := max(b.radius[0], b.radius[1])
	radius := [3]float64{widest, widest, b.radius[2]}
	for i := range 3 {
		mid := b.centre[i]/g.Spacing[i] + float64(g.Size[i])/2
		span := reach * 2 * radius[i] / g.Spacing[i]
		lo[i], hi[i] = max(0, int(mid-span)), min(g.Size[i], int(mid+span)+2)
	}
	for z := lo[2]; z < hi[2]; z++ {
		for y := lo[1]; y < hi[1]; y++ {
			for x := lo[0]; x < hi[0]; x++ {
				if v := b.inside(g.position(x, y, z)); v < reach {
					f((z*g.Size[1]+y)*g.Size[0]+x, v)
				}
			}
		}
	}
}
