package store

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "last")
	if err := os.WriteFile(work, []byte("state"), 0o644); err != nil {
		t.Fatal(err)
	}
	line, here, gone := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Adopt(work, "state"); err != nil {
		t.Fatal(err)
	}
	if err := w.Adopt(filepath.Join(t.TempDir(), "absent"), "other"); !os.IsNotExist(err) {
		t.Errorf("a file that is not there was adopted: %v", err)
	}
	a, err := w.Commit(Meta{Key: here, Op: "train"})
	if err != nil {
		t.Fatal(err)
	}
	for n, key := range map[int]string{30: here, 40: gone} {
		if err := s.Join(line, n, key); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.Line(line), map[int]string{30: here}; !maps.Equal(got, want) {
		t.Errorf("members are %v, want %v: the other artefact is not there", got, want)
	}
	if got := s.Line(gone); len(got) != 0 {
		t.Errorf("a line without members has %v", got)
	}

	// What is lent can be replaced, as a checkpoint is, without the artefact being touched.
	to := filepath.Join(t.TempDir(), "last")
	if err := a.Lend("state", to); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(to, []byte("later")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(here); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(a.Path("state")); err != nil || string(b) != "state" {
		t.Errorf("the artefact holds %q, %v", b, err)
	}
	if err := s.Remove(here); err != nil {
		t.Fatal(err)
	}
	if got := s.Line(line); len(got) != 0 {
		t.Errorf("a removed artefact is still a member: %v", got)
	}
}
