package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const key = "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"

func write(t *testing.T, s *Store, text string) *Artefact {
	t.Helper()
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.WriteJSON("value.json", map[string]string{"v": text}); err != nil {
		t.Fatal(err)
	}
	a, err := w.Commit(Meta{Key: key, Op: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRoundTrip(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent artefact: %v", err)
	}
	write(t, s, "first")
	write(t, s, "second") // the same key again: the first stays
	a, err := s.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]string
	if err := a.ReadJSON("value.json", &v); err != nil || v["v"] != "first" {
		t.Errorf("read %v, %v", v, err)
	}
	left, err := os.ReadDir(filepath.Join(s.Root(), "tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary folders left: %v %v", left, err)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"changed byte": func(p string) error {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(p, b, 0o644)
		},
		"truncated": func(p string) error { return os.Truncate(p, 3) },
		"missing":   os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			a := write(t, s, strings.Repeat("x", 100))
			if err := spoil(a.Path("value.json")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(key); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		})
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteJSON("a.json", 1); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if keys, err := s.Keys(); err != nil || len(keys) != 0 {
		t.Errorf("keys %v %v", keys, err)
	}
}

// A process that ends while it removes an artefact leaves files without the meta data; they must not keep the artefact from being made again.
func TestRemainsAreNotInTheWay(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	make := func() (*Artefact, error) {
		w, err := s.Create()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		if err := w.WriteJSON("a.json", 1); err != nil {
			t.Fatal(err)
		}
		return w.Commit(Meta{Key: key})
	}
	a, err := make()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(a.Path("meta.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := make(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(key); err != nil {
		t.Error(err)
	}
}

func TestHashesSeeAChange(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "f")
	os.WriteFile(p, []byte("one"), 0o644)
	h := s.Hashes()
	a, err := h.Of(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Save(); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(p, []byte("three"), 0o644)
	b, err := s.Hashes().Of(p)
	if err != nil || a == b {
		t.Errorf("hash did not change: %v %v", b, err)
	}
}
