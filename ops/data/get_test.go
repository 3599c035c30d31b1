package data

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is a small data set whose files have the given content.
func entry(files map[string]string, sources ...Source) Entry {
	e := Entry{Name: "toy", Sources: sources}
	for name, text := range files {
		e.Files = append(e.Files, File{name, hashBytes([]byte(text)), int64(len(text))})
	}
	return e
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func quiet(string) {}

func TestGetFallsThroughSources(t *testing.T) {
	files := map[string]string{"a.nrrd": "aaa", "b.nrrd": "bbbb"}
	calls := 0
	broken := Source{Name: "broken", fetch: func(context.Context, string, func(string)) error { calls++; return errors.New("no network") }}
	wrong := Source{Name: "wrong", fetch: func(_ context.Context, dir string, _ func(string)) error {
		calls++
		writeFiles(t, dir, map[string]string{"data/a.nrrd": "aaa", "data/b.nrrd": "bbbX"})
		return nil
	}}
	good := Source{Name: "good", fetch: func(_ context.Context, dir string, _ func(string)) error {
		calls++
		writeFiles(t, dir, map[string]string{"deep/data/a.nrrd": "aaa", "deep/data/b.nrrd": "bbbb", "old/b.nrrd": "other"})
		return nil
	}}
	dest := filepath.Join(t.TempDir(), "sets", "toy")

	err := entry(files, broken, wrong).get(context.Background(), dest, "", quiet)
	wantError(t, err, "source broken: no network", "source wrong", "b.nrrd has other content", "2 of 2 files missing")
	if left, _ := os.ReadDir(dest); len(left) != 0 {
		t.Errorf("a failed fetch left %v", left)
	}
	if err := entry(files, broken, good).get(context.Background(), dest, "", quiet); err != nil {
		t.Fatal(err)
	}
	calls = 0
	if err := entry(files, broken, good).get(context.Background(), dest, "", quiet); err != nil || calls != 0 {
		t.Errorf("with all files verified, %d sources were started, %v", calls, err)
	}
	if text, err := os.ReadFile(filepath.Join(dest, "SOURCE")); err != nil || !strings.HasPrefix(string(text), "toy: ") {
		t.Errorf("SOURCE holds %q, %v", text, err)
	}
	// A damaged file is replaced, the good one stays.
	before, _ := os.Stat(filepath.Join(dest, "a.nrrd"))
	writeFiles(t, dest, map[string]string{"b.nrrd": "bbb"})
	if err := entry(files, good).get(context.Background(), dest, "good", quiet); err != nil {
		t.Fatal(err)
	}
	after, _ := os.Stat(filepath.Join(dest, "a.nrrd"))
	if !os.SameFile(before, after) {
		t.Error("a verified file was written again")
	}
	if missing, err := entry(files).Missing(dest); err != nil || missing != nil {
		t.Errorf("missing %v, %v", missing, err)
	}
}

func TestGetFromFolder(t *testing.T) {
	files := map[string]string{"a.nrrd": "aaa", "b.nrrd": "bbbb"}
	have := t.TempDir()
	writeFiles(t, have, map[string]string{"x/a.nrrd": "aaa"})
	dest := t.TempDir()
	wantError(t, entry(files).get(context.Background(), dest, have, quiet), "b.nrrd is not in "+have)
	writeFiles(t, have, map[string]string{"b.nrrd": "bbbb"})
	if err := entry(files).get(context.Background(), dest, have, quiet); err != nil {
		t.Fatal(err)
	}
	wantError(t, entry(files, Source{Name: "pip"}).get(context.Background(), t.TempDir(), "pop", quiet), `"pop"`, "pip")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stop := Source{Name: "slow", fetch: func(ctx context.Context, _ string, _ func(string)) error { return ctx.Err() }}
	if err := entry(files, stop).get(ctx, t.TempDir(), "", quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Get(context.Background(), "nothing", dest, "", nil); err == nil || !strings.Contains(err.Error(), "radiomics") {
		t.Errorf("unknown name: %v", err)
	}
}

func TestUntarTakesOnlyWhatIsWanted(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range []struct {
		name, text string
		kind       byte
	}{
		{"p/data/a.nrrd", "aaa", tar.TypeReg},
		{"../../b.nrrd", "bbbb", tar.TypeReg},
		{"p/setup.py", "evil", tar.TypeReg},
		{"p/other/a.nrrd", "too long", tar.TypeReg},
	} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Typeflag: f.kind, Size: int64(len(f.text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	dir := t.TempDir()
	archive := filepath.Join(dir, "s.tar.gz")
	if err := os.WriteFile(archive, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "deep", "out")
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	want := []File{{"a.nrrd", "", 3}, {"b.nrrd", "", 4}}
	if err := untar(archive, out, want); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a.nrrd": "aaa", "b.nrrd": "bbbb"} {
		if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(got) != text {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if names, _ := os.ReadDir(out); len(names) != 2 {
		t.Errorf("extracted %v", names)
	}
	if err := os.WriteFile(archive, b.Bytes()[:b.Len()/2], 0o644); err != nil {
		t.Fatal(err)
	}
	wantError(t, untar(archive, out, want), "s.tar.gz")
}

func TestCommandErrors(t *testing.T) {
	wantError(t, command(context.Background(), t.TempDir(), "mseg-no-such-program"), "not installed")
	wantError(t, command(context.Background(), t.TempDir(), "sh", "-c", "echo first; echo the reason >&2; exit 3"), "exit status 3", "the reason")
}

// The five cases, where they have been fetched before: counts from the notes on the data.
func TestRadiomicsCases(t *testing.T) {
	cache, err := CacheDir()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(cache, "radiomics")
	e := radiomics()
	if missing, err := e.Missing(dir); err != nil || len(missing) > 0 {
		t.Skip("the radiomics cases have not been fetched")
	}
	cases, err := Volumes(dir, Layout{Image: e.ImagePattern, Mask: e.MaskPattern, Labels: map[int]string{1: "X_Tumor"}})
	if err != nil {
		t.Fatal(err)
	}
	if problems := CheckHeaders(context.Background(), cases); problems != nil {
		t.Fatal(problems)
	}
	want := map[string]struct {
		slices, voxels int
		axes           string
	}{
		"brain1": {7, 4137, "LAS"}, "brain2": {3, 453, "LAS"}, "breast1": {3, 143, "LPS"}, "lung1": {3, 837, "LPS"}, "lung2": {11, 24644, "LPS"},
	}
	for _, c := range cases {
		w, ok := want[c.ID]
		if !ok {
			t.Errorf("unexpected case %s", c.ID)
			continue
		}
		if testing.Short() && strings.HasPrefix(c.ID, "lung") {
			continue
		}
		img, labels, err := load(c)
		if err != nil {
			t.Fatal(err)
		}
		voxels := 0
		for _, l := range labels {
			voxels += int(l)
		}
		if voxels != w.voxels || img.Axcodes() != w.axes {
			t.Errorf("%s: %d voxels, axes %s; want %d, %s", c.ID, voxels, img.Axcodes(), w.voxels, w.axes)
		}
		prep := Prep{Window: &Window{-1000, 3000}, Slices: &Slices{Axis: "axial"}}
		samples, _, err := prepare(c, img, labels, prep)
		if err != nil || len(samples) != w.slices {
			t.Errorf("%s: %d samples, %v; want %d", c.ID, len(samples), err, w.slices)
		}
	}
}
