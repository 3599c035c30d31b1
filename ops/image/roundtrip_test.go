package image

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// rotated is a grid turned in all three axes, with its own spacing and with or without a reflection.
func rotated(rng *rand.Rand, reflect bool) [4][4]float64 {
	a, b, c := rng.Float64()*6, rng.Float64()*6, rng.Float64()*6
	mul := func(p, q [3][3]float64) (r [3][3]float64) {
		for i := range 3 {
			for j := range 3 {
				for k := range 3 {
					r[i][j] += p[i][k] * q[k][j]
				}
			}
		}
		return r
	}
	sa, ca := math.Sincos(a)
	sb, cb := math.Sincos(b)
	sc, cc := math.Sincos(c)
	r := mul(mul([3][3]float64{{ca, -sa, 0}, {sa, ca, 0}, {0, 0, 1}}, [3][3]float64{{cb, 0, sb}, {0, 1, 0}, {-sb, 0, cb}}), [3][3]float64{{1, 0, 0}, {0, cc, -sc}, {0, sc, cc}})
	out := identity()
	for j := range 3 {
		s := 0.5 + 3*rng.Float64()
		if j == 1 && reflect {
			s = -s
		}
		for i := range 3 {
			out[i][j] = r[i][j] * s
		}
		out[j][3] = 100 * (rng.Float64() - 0.5)
	}
	return out
}

func randomImage[T Number](rng *rand.Rand, shape []int, affine [4][4]float64) *Image {
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]T, n)
	for i := range values {
		values[i] = T(rng.Float64() * 250)
	}
	return FromSlice(shape, values).WithAffine(affine)
}

func TestWriteThenRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	scaled := randomImage[int16](rng, []int{4, 3, 2}, rotated(rng, false))
	scaled.Slope, scaled.Inter = 0.5, -1024
	colour := randomImage[uint8](rng, []int{4, 3, 6}, rotated(rng, true))
	colour.Shape, colour.Channels = []int{4, 3, 2}, 3
	long := randomImage[uint8](rng, []int{40000, 2, 1}, rotated(rng, false))
	bare := FromSlice([]int{3, 3, 3}, make([]float32, 27))
	tests := map[string]*Image{
		"uint8":   randomImage[uint8](rng, []int{5, 4, 3}, rotated(rng, false)),
		"int8":    randomImage[int8](rng, []int{5, 4, 3}, rotated(rng, true)),
		"int16":   randomImage[int16](rng, []int{5, 4, 3}, rotated(rng, false)),
		"uint16":  randomImage[uint16](rng, []int{5, 4, 3}, rotated(rng, true)),
		"int32":   randomImage[int32](rng, []int{5, 4, 3}, rotated(rng, false)),
		"uint32":  randomImage[uint32](rng, []int{5, 4}, rotated(rng, false)),
		"int64":   randomImage[int64](rng, []int{5, 4, 3, 2}, rotated(rng, true)),
		"uint64":  randomImage[uint64](rng, []int{5, 4, 3}, rotated(rng, false)),
		"float32": randomImage[float32](rng, []int{5, 4, 3}, rotated(rng, true)),
		"float64": randomImage[float64](rng, []int{5, 1, 3}, rotated(rng, false)),
		"scaled":  scaled, "colour": colour, "long": long, "bare": bare,
	}
	dir := t.TempDir()
	for name, want := range tests {
		for _, ext := range []string{".nii", ".nii.gz", ".nrrd"} {
			t.Run(name+ext, func(t *testing.T) {
				path := filepath.Join(dir, name+ext)
				err := Write(path, want)
				if ext == ".nrrd" && name == "scaled" {
					if err == nil {
						t.Error("a scale was lost without a word")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got, err := Read(path)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Shape, want.Shape) || got.DType != want.DType || got.Channels != want.Channels || !slices.Equal(got.Float64(), want.Float64()) {
					t.Errorf("got %v %s × %d, want %v %s × %d, or other values", got.Shape, got.DType, got.Channels, want.Shape, want.DType, want.Channels)
				}
				if got.HasGeometry != want.HasGeometry {
					t.Errorf("geometry %v, want %v", got.HasGeometry, want.HasGeometry)
				}
				if want.HasGeometry {
					if err := SameGrid(got, want, 1e-3*float64(slices.Max(want.Shape))); err != nil {
						t.Error(err)
					}
					if len(got.Warnings) > 0 {
						t.Errorf("warnings %q", got.Warnings)
					}
				}
				rewritten := filepath.Join(dir, "again"+ext)
				if err := Write(rewritten, got); err != nil {
					t.Fatal(err)
				}
				a, _ := os.ReadFile(path)
				b, _ := os.ReadFile(rewritten)
				if want.HasGeometry && len(a) != len(b) {
					t.Error("reading and writing again changes the file")
				}
			})
		}
	}
}

// The qform of a written file must say the same as its sform.
func TestQFormMatchesAffine(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "q.nii")
	for i := range 50 {
		want := randomImage[uint8](rng, []int{2, 2, 2}, rotated(rng, i%2 == 0))
		if err := Write(path, want); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[254], b[255] = 0, 0 // no sform
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for r := range 3 {
			for c := range 4 {
				if !(math.Abs(got.Affine[r][c]-want.Affine[r][c]) <= 1e-4) {
					t.Fatalf("qform gives %v, want %v", got.Affine, want.Affine)
				}
			}
		}
	}
}

func TestPNGAndNPYRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	dir := t.TempDir()
	for _, depth := range []string{"8", "16"} {
		for _, channels := range []int{1, 3} {
			m := randomImage[uint8](rng, []int{7, 5, channels}, identity())
			if depth == "16" {
				m = randomImage[uint16](rng, []int{7, 5, channels}, identity())
			}
			m.Shape, m.Channels = []int{7, 5}, channels
			for _, ext := range []string{".png", ".npy"} {
				path := filepath.Join(dir, depth+ext)
				if err := Write(path, m); err != nil {
					t.Fatal(err)
				}
				got, err := Read(path)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Shape, m.Shape) || got.Channels != channels || got.DType != m.DType || !reflect.DeepEqual(got.data, m.data) {
					t.Errorf("%s bits, %d channels, %s: other image back (%v × %d %s)", depth, channels, ext, got.Shape, got.Channels, got.DType)
				}
			}
		}
	}
	if err := Write(filepath.Join(dir, "v.png"), randomImage[float32](rng, []int{3, 3}, identity())); err == nil || !strings.Contains(err.Error(), "uint8") {
		t.Errorf("floats as PNG: %v", err)
	}
	volume := randomImage[int16](rng, []int{4, 3, 2}, identity())
	path := filepath.Join(dir, "v.npy")
	if err := Write(path, volume); err != nil {
		t.Fatal(err)
	}
	a, err := ReadNPY(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Shape, []int{2, 3, 4}) {
		t.Errorf("numpy shape %v, want slices, rows, columns", a.Shape)
	}
}

func TestPlaneAndAt(t *testing.T) {
	values := make([]int16, 4*3*2)
	for i := range values {
		values[i] = int16(i)
	}
	m := FromSlice([]int{4, 3, 2}, values)
	m.Slope, m.Inter = 2, 1
	for axis, n := range []int{4, 3, 2} {
		for k := range n {
			plane := m.Plane(axis, k)
			i := 0
			for z := range 2 {
				for y := range 3 {
					for x := range 4 {
						if []int{x, y, z}[axis] != k {
							continue
						}
						if float64(plane[i]) != m.At(x, y, z) {
							t.Fatalf("axis %d plane %d: %v at (%d, %d, %d), want %v", axis, k, plane[i], x, y, z, m.At(x, y, z))
						}
						i++
					}
				}
			}
			if i != len(plane) {
				t.Fatalf("plane has %d values, want %d", len(plane), i)
			}
		}
	}
}

func TestHalfFloats(t *testing.T) {
	for bits, want := range map[uint16]float32{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 1.0 / 16384, 0x0001: 1.0 / (1 << 24), 0x3555: 0.333251953125,
	} {
		if got := halfToFloat(bits); got != want {
			t.Errorf("%#04x is %v, want %v", bits, got, want)
		}
	}
	if !math.IsInf(float64(halfToFloat(0xfc00)), -1) || !math.IsNaN(float64(halfToFloat(0x7e00))) {
		t.Error("infinity or NaN is wrong")
	}
}
