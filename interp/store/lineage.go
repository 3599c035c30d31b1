package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A line is a row of artefacts that differ in one number only, say the epochs of a training, so that a longer one can go on where a shorter
// one ended. It is a folder named after the hash of what they share, with a file for each member, named after its number, that holds its key.

func (s *Store) line(hash string) string { return filepath.Join(s.root, "lines", hash) }

// Join makes an artefact the member of a line with a number.
func (s *Store) Join(hash string, number int, key string) error {
	if err := os.MkdirAll(s.line(hash), 0o755); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return WriteFile(filepath.Join(s.line(hash), strconv.Itoa(number)), []byte(key+"\n"))
}

// Line lists the members of a line whose artefacts are there: key by number.
func (s *Store) Line(hash string) map[int]string {
	out := map[int]string{}
	entries, err := os.ReadDir(s.line(hash))
	if err != nil {
		return out
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(s.line(hash), e.Name()))
		if key := strings.TrimSpace(string(b)); err == nil && len(key) == 64 && s.Has(key) {
			out[n] = key
		}
	}
	return out
}

// Adopt makes a file of a work folder part of the artefact. It stays where it is; the disk is asked for no second copy where it can share one.
func (w *Writer) Adopt(path, name string) error { return share(path, w.Path(name)) }

// Lend puts a file of the artefact into a folder, where it may be replaced but must not be written into.
func (a *Artefact) Lend(name, path string) error { return share(a.Path(name), path) }

func share(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return WriteFile(to, b)
}
