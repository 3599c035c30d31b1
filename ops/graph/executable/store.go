package executable

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Limit is the room in bytes that kept programs may take; those not used for the longest time
// go first. Those of a ViT-B take some 1 MB.
const Limit = 1 << 30

// magic begins every file; its number is raised when the rest of the file
// changes its meaning.
const magic = "mseg compiled program 1\n"

const programSuffix = ".pjrt"

func (s Store) ending() string { return cmp.Or(s.suffix, programSuffix) }

// Store is a folder of compiled programs.
type Store struct {
	Dir   string // "": nothing is kept
	Limit int64  // bytes; 0 means [Limit]

	suffix string // of its files; "" means that of programs
}

// key names a program by everything its machine code depends on. Every part is preceded by its
// length, so that no two lists of parts give the same name.
func key(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (s Store) path(key string) string { return filepath.Join(s.Dir, key+s.ending()) }

// get returns a kept program, or nil if there is none that can be trusted. A
// damaged one is removed.
func (s Store) get(key string) []byte {
	path := s.path(key)
	if !ours(s.Dir) || !ours(path) {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	body, ok := bytes.CutPrefix(data, []byte(magic))
	if ok && len(body) > sha256.Size {
		if sum := sha256.Sum256(body[sha256.Size:]); bytes.Equal(sum[:], body[:sha256.Size]) {
			now := time.Now()
			_ = os.Chtimes(path, now, now) // it was used: prune takes others first
			return body[sha256.Size:]
		}
	}
	s.drop(key)
	return nil
}

// put keeps a program and makes room for it.
func (s Store) put(key string, program []byte) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	if !ours(s.Dir) {
		return fmt.Errorf("%s belongs to another user, or others may write to it: no compiled program is kept there", s.Dir)
	}
	sum := sha256.Sum256(program)
	if err := renameio.WriteFile(s.path(key), slices.Concat([]byte(magic), sum[:], program), 0o600); err != nil {
		return err
	}
	return s.prune()
}

func (s Store) drop(key string) { _ = os.Remove(s.path(key)) }

// prune removes the programs that were not used for the longest time until the
// others fit.
func (s Store) prune() error {
	limit := s.Limit
	if limit == 0 {
		limit = Limit
	}
	files, err := s.files()
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, f := range files {
		if limit -= f.Size(); limit >= 0 {
			continue
		}
		// Another process may have removed it already.
		if err := os.Remove(filepath.Join(s.Dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s Store) files() ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), s.ending()) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	return files, nil
}

// Size is how many programs are kept and the bytes they take.
func (s Store) Size() (programs int, size int64, err error) {
	files, err := s.files()
	for _, f := range files {
		size += f.Size()
	}
	return len(files), size, err
}
