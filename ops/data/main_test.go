package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"

	"github.com/mseg-lang/mseg/ops/image"
)

// sharedData finds the folder of test data beside the repository.
func sharedData(t testing.TB, name string) string {
	t.Helper()
	return nearby.Path(t, "data", name)
}

func touch(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		path := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func save(t *testing.T, path string, m *image.Image) string {
	t.Helper()
	if err := image.Write(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantError demands an error that holds every one of the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; one with %q is expected", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}
