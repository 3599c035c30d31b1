package pth

import (
	"archive/zip"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type tensor struct {
	dims []int
	data []float32
}

func writeSome(t testing.TB, path string, names []string, tensors map[string]tensor) {
	t.Helper()
	if err := Write(path, names, func(n string) ([]int, []float32) { return tensors[n].dims, tensors[n].data }); err != nil {
		t.Fatal(err)
	}
}

func TestWrittenTensorsComeBack(t *testing.T) {
	long := make([]float32, 3*chunk/4+1) // more than one piece
	for i := range long {
		long[i] = float32(i) / 3
	}
	tensors := map[string]tensor{
		"scalar":   {[]int{}, []float32{-0.5}},
		"b.weight": {[]int{2, 3}, []float32{1, 2, 3, 4, float32(math.Inf(-1)), float32(math.Copysign(0, -1))}},
		"empty":    {[]int{0, 4}, nil},
		"é 名":      {[]int{1, 1, 1}, []float32{math.SmallestNonzeroFloat32}},
		"long":     {[]int{len(long)}, long},
	}
	names := []string{"scalar", "long", "b.weight", "empty", "é 名"}
	path := filepath.Join(t.TempDir(), "x.pth")
	writeSome(t, path, names, tensors)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !slices.Equal(f.Names(), names) || f.Format() != "pth" {
		t.Errorf("%s with %q, expected pth with %q", f.Format(), f.Names(), names)
	}
	for name, want := range tensors {
		got, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		if got.DType != "F32" || !slices.Equal(got.Dims, want.dims) || !slices.EqualFunc(got.Data, want.data, func(a, b float32) bool {
			return math.Float32bits(a) == math.Float32bits(b)
		}) {
			t.Errorf("%q came back as %s %v %.20v", name, got.DType, got.Dims, got.Data)
		}
	}
	again := filepath.Join(t.TempDir(), "y.pth")
	writeSome(t, again, names, tensors)
	x, _ := os.ReadFile(path)
	y, _ := os.ReadFile(again)
	if !slices.Equal(x, y) {
		t.Error("equal tensors give different files")
	}
}

// torch wants the entries stored, and maps their values where they are aligned.
func TestWrittenArchiveIsLaidOutAsTorchDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pth")
	writeSome(t, path, []string{"a", "b"}, map[string]tensor{"a": {[]int{3}, []float32{1, 2, 3}}, "b": {[]int{1}, []float32{4}}})
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, e := range z.File {
		names = append(names, e.Name)
		at, err := e.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		if e.Method != zip.Store || at%alignment != 0 || e.Flags&0x8 != 0 || e.CRC32 == 0 {
			t.Errorf("%s: method %d, at %d, flags %#x, checksum %x", e.Name, e.Method, at, e.Flags, e.CRC32)
		}
	}
	if want := []string{"archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/data/1", "archive/version"}; !slices.Equal(names, want) {
		t.Errorf("entries %q, expected %q", names, want)
	}
}

func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pth")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	one := func(string) ([]int, []float32) { return []int{1}, []float32{1} }
	for _, c := range []struct {
		name, says string
		names      []string
		get        func(string) ([]int, []float32)
	}{
		{"shape and values", "has shape [3] but 1 values", []string{"a"}, func(string) ([]int, []float32) { return []int{3}, []float32{1} }},
		{"twice", "given twice", []string{"a", "a"}, one},
		{"not UTF-8", "cannot be the name", []string{"\xff"}, one},
	} {
		if err := Write(path, c.names, c.get); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, expected the path and %q", c.name, err, c.says)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file now holds %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
