package image

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestNPZRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	want := map[string]*Array{
		"w":     NewArray([]float32{1, 2, 3, 4, 5, 6}, 2, 3),
		"label": NewArray([]uint8{0, 1, 2, 255}, 4),
		"n":     NewArray([]int64{-1 << 40}),
	}
	if err := WriteBundle(path, want, map[string][]byte{"about.json": []byte(`{"a":1}`)}); err != nil {
		t.Fatal(err)
	}
	got, texts, err := ReadBundle(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if string(texts["about.json"]) != `{"a":1}` {
		t.Errorf("texts %q", texts)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(b) {
		if err := os.WriteFile(path, b[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadNPZ(path); err == nil {
			t.Fatalf("archive cut to %d of %d bytes was read", cut, len(b))
		}
	}
}
