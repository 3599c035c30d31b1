package image

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestGzipLeftovers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.nii.gz")
	if err := Write(path, FromSlice([]int{3, 2, 2}, make([]int16, 12)).WithAffine(identity())); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var empty bytes.Buffer
	if err := gzip.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tail []byte
		warn string
	}{
		"nothing":      {nil, ""},
		"padding":      {make([]byte, 700), ""},
		"rubbish":      {[]byte("rubbish"), "7 bytes after the gzip stream"},
		"empty member": {empty.Bytes(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, append(slices.Clone(whole), tt.tail...), 0o644); err != nil {
				t.Fatal(err)
			}
			m, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(m.Warnings, "; "); tt.warn == "" && got != "" || !strings.Contains(got, tt.warn) {
				t.Errorf("warnings %q, want %q", got, tt.warn)
			}
		})
	}
}

// A member of an archive whose bytes were changed is refused even where they are not compressed.
func TestNPZChecksum(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "a.npy", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(encodeNPY(NewArray([]uint8("0123456789"), 10))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(b.Bytes(), []byte("0123456789"), []byte("0123456780"), 1)
	for content, ok := range map[string]bool{b.String(): true, string(changed): false} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadNPZ(path); (err == nil) != ok {
			t.Errorf("changed %v: %v", !ok, err)
		}
	}
}

func TestNarrowGreyPNG(t *testing.T) {
	chunk := func(kind string, data []byte) []byte {
		out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		body := append([]byte(kind), data...)
		return binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
	}
	var pixels bytes.Buffer
	z := zlib.NewWriter(&pixels)
	if _, err := z.Write([]byte{0, 0x12, 0xf0}); err != nil { // one row of four 4-bit greys: 1, 2, 15, 0
		t.Fatal(err)
	}
	z.Close()
	head := []byte{0, 0, 0, 4, 0, 0, 0, 1, 4, 0, 0, 0, 0}
	file := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", head), chunk("IDAT", pixels.Bytes()), chunk("IEND", nil))
	path := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Float32(); !slices.Equal(got, []float32{1, 2, 15, 0}) {
		t.Errorf("samples %v, want them as stored", got)
	}
}

// Half turns and the identity, where one or more components of the quaternion are 0.
func TestQFormHalfTurns(t *testing.T) {
	for bits := range 8 {
		want := identity()
		for i := range 3 {
			if bits>>i&1 == 1 {
				want[i][i] = -1
			}
		}
		for _, swap := range []bool{false, true} {
			if swap {
				want[0], want[2] = want[2], want[0]
			}
			q, err := qformOf(want)
			if err != nil {
				t.Fatal(err)
			}
			h := niftiHeader{dim: [8]int64{3}, pixdim: [8]float64{q.fac(), 1, 1, 1}, quatern: q.quatern}
			got, err := h.qformAffine()
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				for j := range 3 {
					if d := got[i][j] - want[i][j]; !(math.Abs(d) < 1e-9) { // NaN fails too
						t.Fatalf("%v comes back as %v", want, got)
					}
				}
			}
		}
	}
}

func TestRefusalsNameTheCause(t *testing.T) {
	dir := t.TempDir()
	for name, word := range map[string]string{
		"a.dcm": "DICOM", "a.npz": "one image", "a.jpg": ".nii", "a": "known are",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(dir); err == nil {
		t.Error("a folder was read")
	}
	folder := filepath.Join(dir, "f.nii")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(folder); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Read(filepath.Join(dir, "none.nii")); err == nil || !strings.Contains(err.Error(), "none.nii: no such file") {
		t.Errorf("a missing file: %v", err)
	}
	header := FromSlice([]int{2, 2}, make([]uint8, 4))
	header.data = nil
	if err := Write(filepath.Join(dir, "h.nii"), header); err == nil || !strings.Contains(err.Error(), "header only") {
		t.Errorf("writing a header: %v", err)
	}
}
