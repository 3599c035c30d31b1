package image

import (
	"fmt"
	"math"
	"slices"
)

// Image is a scan or a label map: samples on a grid, with the map from voxel index to patient millimetres.
type Image struct {
	// Shape is the number of voxels along each axis, fastest in memory first: (x, y), (x, y, z) or (x, y, z, volumes …).
	// Trailing axes of length one beyond the third are dropped on reading.
	Shape []int
	// Channels is 1 for grey values and label maps, 3 for colour. The planes of the channels follow one another.
	Channels int
	// DType is the stored type; values are stored*Slope + Inter.
	DType        DType
	Slope, Inter float64
	// Affine maps (i, j, k, 1) to (right, anterior, superior, 1) in mm.
	Affine [4][4]float64
	// HasGeometry is true where the file says how the grid lies in the patient.
	HasGeometry bool
	// HasSpacing is true where the lengths of the affine's columns are millimetres; without it they are pixels.
	HasSpacing bool
	// QFormCode and SFormCode are NIfTI's; writing NIfTI keeps them.
	QFormCode, SFormCode int
	// Format names what was read, such as "NIfTI-1".
	Format string
	// Warnings lists what was tolerated on reading; each is a sentence for the user.
	Warnings []string

	data []byte
}

// FromSlice makes a one-channel image with spacing and orientation unknown. values has the first axis of shape fastest;
// a wrong number of values is a mistake of the program and panics.
func FromSlice[T Number](shape []int, values []T) *Image {
	if n, ok := checkedProduct(shape, 1); !ok || n != int64(len(values)) {
		panic(fmt.Sprintf("image: %d values for shape %v", len(values), shape))
	}
	s := samplesOf(values)
	return &Image{Shape: slices.Clone(shape), Channels: 1, DType: s.dtype, Slope: 1, Affine: identity(), data: s.b}
}

// WithAffine sets the map from voxel index to RAS millimetres and returns the image.
func (m *Image) WithAffine(affine [4][4]float64) *Image {
	m.Affine, m.HasGeometry, m.HasSpacing = affine, true, true
	return m
}

// Voxels is the number of voxels of one channel: the product of Shape.
func (m *Image) Voxels() int {
	n := 1
	for _, d := range m.Shape {
		n *= d
	}
	return n
}

// Size gives the first three axes, 1 where the image has fewer.
func (m *Image) Size() (x, y, z int) {
	n := [3]int{1, 1, 1}
	copy(n[:], m.Shape)
	return n[0], n[1], n[2]
}

// Volumes is how many (x, y, z) volumes the image holds: the product of the axes after the third.
func (m *Image) Volumes() int {
	n := 1
	for _, d := range m.Shape[min(3, len(m.Shape)):] {
		n *= d
	}
	return n
}

// Loaded tells whether the voxels are there; ReadHeader leaves them in the file.
func (m *Image) Loaded() bool { return m.data != nil }

func (m *Image) samples() samples { return samples{m.DType, m.data} }

func (m *Image) scaled() bool { return m.Slope != 1 || m.Inter != 0 }

// At gives the value at a voxel of the first volume and channel. An index outside the grid panics, as a slice would.
func (m *Image) At(x, y, z int) float64 { return m.AtChannel(0, x, y, z) }

// AtChannel gives the value of one channel at a voxel of the first volume.
func (m *Image) AtChannel(c, x, y, z int) float64 {
	nx, ny, nz := m.Size()
	if uint(x) >= uint(nx) || uint(y) >= uint(ny) || uint(z) >= uint(nz) || uint(c) >= uint(m.Channels) {
		panic(fmt.Sprintf("image: voxel (%d, %d, %d) channel %d outside %v × %d", x, y, z, c, m.Shape, m.Channels))
	}
	return m.samples().at(c*m.Voxels()+(z*ny+y)*nx+x)*m.Slope + m.Inter
}

// Float32 gives all values, scaled, x fastest, channel planes in turn; nil for an image without its voxels.
func (m *Image) Float32() []float32 {
	if !m.Loaded() {
		return nil
	}
	if !m.scaled() {
		return convert[float32](m.samples())
	}
	out := make([]float32, m.samples().len())
	m.blocks(func(from int, v []float64) {
		for i, x := range v {
			out[from+i] = float32(x)
		}
	})
	return out
}

// Float64 is Float32 in double precision.
func (m *Image) Float64() []float64 {
	if !m.Loaded() {
		return nil
	}
	out := make([]float64, m.samples().len())
	m.blocks(func(from int, v []float64) { copy(out[from:], v) })
	return out
}

// blocks hands out the scaled values in runs, so that no second copy of a volume is needed.
func (m *Image) blocks(f func(from int, v []float64)) {
	s := m.samples()
	var buf [4096]float64
	for from := 0; from < s.len(); from += len(buf) {
		v := buf[:min(len(buf), s.len()-from)]
		convertRange(s, from, v)
		if m.scaled() {
			for i := range v {
				v[i] = v[i]*m.Slope + m.Inter
			}
		}
		f(from, v)
	}
}

// Plane gives the values of one slice of the first volume and channel, the lower of the two remaining axes fastest.
// axis is 0, 1 or 2, the axis that is held at index.
func (m *Image) Plane(axis, index int) []float32 {
	nx, ny, nz := m.Size()
	n := [3]int{nx, ny, nz}
	if axis < 0 || axis > 2 || uint(index) >= uint(n[axis]) {
		panic(fmt.Sprintf("image: plane %d of axis %d outside %v", index, axis, m.Shape))
	}
	stride := [3]int{1, nx, nx * ny}
	u, v := (axis+1)%3, (axis+2)%3
	if u > v {
		u, v = v, u
	}
	s := m.samples()
	out := make([]float32, 0, n[u]*n[v])
	row := make([]float64, n[u])
	for j := range n[v] {
		start := index*stride[axis] + j*stride[v]
		if stride[u] == 1 {
			convertRange(s, start, row)
		} else {
			for i := range row {
				row[i] = s.at(start + i*stride[u])
			}
		}
		for _, x := range row {
			out = append(out, float32(x*m.Slope+m.Inter))
		}
	}
	return out
}

// Labels reads the image as a label map. Values within 1e-4 of a whole number are that number, as label maps stored with a
// scale come back with rounding errors; anything else, a negative label or one above 2^31-1 is refused with its position.
func (m *Image) Labels() ([]int32, error) {
	if !m.Loaded() {
		return nil, fmt.Errorf("label map was opened for its header only")
	}
	if m.Channels != 1 {
		return nil, fmt.Errorf("label map has %d channels; one is needed", m.Channels)
	}
	out := make([]int32, m.samples().len())
	var err error
	m.blocks(func(from int, v []float64) {
		for i, x := range v {
			r := math.Round(x)
			switch {
			case err != nil:
			case math.IsNaN(x) || math.Abs(x-r) > 1e-4:
				err = fmt.Errorf("value %v at voxel %v is not a label (a whole number); threshold a soft mask first", float32(x), m.index(from+i))
			case r < 0 || r > math.MaxInt32:
				err = fmt.Errorf("value %v at voxel %v is not a label; labels are 0 to %d", r, m.index(from+i), math.MaxInt32)
			default:
				out[from+i] = int32(r)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// index turns a position in memory into voxel indices, first axis first.
func (m *Image) index(i int) []int {
	out := make([]int, len(m.Shape))
	for a, d := range m.Shape {
		out[a] = i % d
		i /= d
	}
	return out
}

func (m *Image) warn(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

// trimAxes drops trailing axes of length one beyond the third.
func trimAxes(shape []int) []int {
	for len(shape) > 3 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	return shape
}
