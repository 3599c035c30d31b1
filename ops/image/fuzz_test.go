package image

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// fuzzReader feeds a reader with files that are nearly right. What it promises: no panic, an image whose samples fill its
// shape or an error, the same verdict on the size from ReadHeader, and memory in proportion to the file.
func fuzzReader(f *testing.F, ext string, seeds ...*Image) {
	dir := f.TempDir()
	rng := rand.New(rand.NewPCG(7, 8))
	for i, m := range seeds {
		path := filepath.Join(dir, "seed"+ext)
		if err := Write(path, m); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		head := min(len(b), 600)
		for range 60 + i { // single bytes changed, and cuts
			c := append([]byte(nil), b...)
			for range 1 + rng.IntN(3) {
				c[rng.IntN(head)] = byte(rng.IntN(256))
			}
			if rng.IntN(4) == 0 {
				c = c[:rng.IntN(len(c))]
			}
			f.Add(c)
		}
	}
	fuzzFiles(f, ext)
}

// fuzzFiles runs the check on the seeds added so far.
func fuzzFiles(f *testing.F, ext string) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "f"+ext)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		_, headerErr := ReadHeader(path)
		m, err := Read(path)
		if err != nil {
			return
		}
		if headerErr != nil {
			t.Fatalf("Read accepts what ReadHeader refuses: %v", headerErr)
		}
		if got, want := len(m.data), m.Voxels()*m.Channels*m.DType.Size(); got != want || want == 0 {
			t.Fatalf("%d bytes for shape %v × %d %s", got, m.Shape, m.Channels, m.DType)
		}
		if len(m.Float32()) != m.Voxels()*m.Channels {
			t.Fatal("not one value per voxel")
		}
		m.Stats()
		m.Axcodes()
		_, _ = m.Labels()
	})
}

func fuzzSeeds() []*Image {
	rng := rand.New(rand.NewPCG(9, 10))
	return []*Image{
		randomImage[int16](rng, []int{4, 3, 2}, rotated(rng, false)),
		randomImage[float32](rng, []int{3, 3}, rotated(rng, true)),
		FromSlice([]int{2, 2, 2}, make([]uint8, 8)),
	}
}

func FuzzNIfTI(f *testing.F)   { fuzzReader(f, ".nii", fuzzSeeds()...) }
func FuzzNIfTIGz(f *testing.F) { fuzzReader(f, ".nii.gz", fuzzSeeds()...) }
func FuzzNRRD(f *testing.F)    { fuzzReader(f, ".nrrd", fuzzSeeds()...) }

func FuzzNPY(f *testing.F) {
	// A header that ends inside the shape, with a length that says so.
	f.Add([]byte("\x93NUMPY\x01\x006\x00{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3, 4), }   \n"))
	fuzzReader(f, ".npy", fuzzSeeds()...)
}

func FuzzPNG(f *testing.F) {
	rng := rand.New(rand.NewPCG(11, 12))
	fuzzReader(f, ".png", randomImage[uint8](rng, []int{5, 4}, identity()), randomImage[uint16](rng, []int{5, 4}, identity()))
}

func FuzzMetaImage(f *testing.F) {
	const head = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n" +
		"TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 1 2 3\nDimSize = 2 2 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
	rng := rand.New(rand.NewPCG(13, 14))
	whole := []byte(head + "0123456789abcdef")
	for range 100 {
		b := append([]byte(nil), whole...)
		b[rng.IntN(len(b))] = byte(32 + rng.IntN(95))
		f.Add(b)
	}
	f.Add(whole)
	fuzzFiles(f, ".mha")
}

func FuzzNPZ(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.npz")
	if err := WriteNPZ(path, map[string]*Array{"a": NewArray(make([]float32, 6), 2, 3), "b": NewArray([]uint8{1, 2, 3, 4}, 4)}); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(15, 16))
	for range 100 {
		c := append([]byte(nil), b...)
		c[rng.IntN(len(c))] = byte(rng.IntN(256))
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "f.npz")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		arrays, err := ReadNPZ(path)
		if err != nil {
			return
		}
		for name, a := range arrays {
			n := 1
			for _, d := range a.Shape {
				n *= d
			}
			if a.Len() != n {
				t.Fatalf("%s: %d values for shape %v", name, a.Len(), a.Shape)
			}
		}
	})
}
