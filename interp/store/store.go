// Package store keeps results: a folder of artefacts, each under the identity (key) of the value it is.
//
// An artefact is a folder of files with a meta.json that names its operation, its canonical form and the size and SHA-256 of every file. It is
// written into a temporary folder, synced to disk and renamed, so it is there whole or not at all; two processes that write the same key
// do the same work and one of them wins. Readers take no lock. Open compares sizes and meta data and, for files below 64 MiB, checksums; a
// damaged artefact is an error that names the file, and Remove lets it be made again.
package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Store is a folder of artefacts.
type Store struct{ root string }

// File is one file of an artefact.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Meta describes an artefact.
type Meta struct {
	Key       string          `json:"key"`
	Op        string          `json:"op"`
	Canonical string          `json:"canonical"`
	Files     map[string]File `json:"files"`
	Notes     map[string]any  `json:"notes,omitempty"` // what made it: backend, seconds …
}

// Artefact is a finished result, open for reading.
type Artefact struct {
	Meta
	dir string
}

// ErrDamaged is wrapped by Open's error when an artefact is there but not as it was written.
var ErrDamaged = errors.New("artefact is damaged")

// Open makes the folder when it is absent.
func Open(root string) (*Store, error) {
	for _, d := range []string{"artefacts", "tmp", "work"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	return &Store{root}, nil
}

// Root is the folder.
func (s *Store) Root() string { return s.root }

func (s *Store) path(key string) string {
	return filepath.Join(s.root, "artefacts", key[:2], key)
}

// Has says whether an artefact is there, by its meta.json only.
func (s *Store) Has(key string) bool {
	_, err := os.Stat(filepath.Join(s.path(key), "meta.json"))
	return err == nil
}

// Get opens an artefact and checks it. fs.ErrNotExist is wrapped when it is absent, ErrDamaged when it is not as written.
func (s *Store) Get(key string) (*Artefact, error) {
	dir := s.path(key)
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil, fmt.Errorf("artefact %s: %w", key[:12], err)
	}
	a := &Artefact{dir: dir}
	if err := json.Unmarshal(b, &a.Meta); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrDamaged, filepath.Join(dir, "meta.json"), err)
	}
	for name, want := range a.Files {
		p := filepath.Join(dir, name)
		st, err := os.Stat(p)
		if err != nil || st.Size() != want.Size {
			return nil, fmt.Errorf("%w: %s is missing or has another size than written", ErrDamaged, p)
		}
		if want.Size < 64<<20 {
			got, err := hashFile(p)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %v", ErrDamaged, p, err)
			}
			if got.SHA256 != want.SHA256 {
				return nil, fmt.Errorf("%w: %s has another checksum than written", ErrDamaged, p)
			}
		}
	}
	return a, nil
}

// Remove deletes an artefact.
func (s *Store) Remove(key string) error { return os.RemoveAll(s.path(key)) }

// Work is a folder for the unfinished state of a stage (checkpoints), kept until Done.
func (s *Store) Work(key string) (string, error) {
	d := filepath.Join(s.root, "work", key)
	return d, os.MkdirAll(d, 0o755)
}

// Done removes the unfinished state of a stage.
func (s *Store) Done(key string) error { return os.RemoveAll(filepath.Join(s.root, "work", key)) }

// Path is the place of a file of the artefact.
func (a *Artefact) Path(name string) string { return filepath.Join(a.dir, name) }

// ReadJSON decodes a file of the artefact.
func (a *Artefact) ReadJSON(name string, into any) error {
	b, err := os.ReadFile(a.Path(name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", a.Path(name), err)
	}
	return nil
}

// Writer is an artefact being written.
type Writer struct {
	store *Store
	dir   string
	done  bool
}

// Create begins an artefact. Abort it when it is not committed.
func (s *Store) Create() (*Writer, error) {
	d, err := os.MkdirTemp(filepath.Join(s.root, "tmp"), "new-")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Writer{store: s, dir: d}, nil
}

// Path is where a file of the artefact is to be written.
func (w *Writer) Path(name string) string { return filepath.Join(w.dir, name) }

// WriteJSON writes a value as indented JSON.
func (w *Writer) WriteJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("store: %s: %w", name, err)
	}
	return os.WriteFile(w.Path(name), append(b, '\n'), 0o644)
}

// Abort throws away what was written; after Commit it does nothing.
func (w *Writer) Abort() {
	if !w.done {
		os.RemoveAll(w.dir)
	}
}

// Commit syncs everything and gives the artefact its key.
func (w *Writer) Commit(meta Meta) (*Artefact, error) {
	meta.Files = map[string]File{}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			return nil, fmt.Errorf("store: %s: an artefact holds files only", e.Name())
		}
		f, err := syncAndHash(w.Path(e.Name()))
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		meta.Files[e.Name()] = f
	}
	if err := w.WriteJSON("meta.json", meta); err != nil {
		return nil, err
	}
	if _, err := syncAndHash(w.Path("meta.json")); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := syncDir(w.dir); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	final := w.store.path(meta.Key)
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	err = os.Rename(w.dir, final)
	if err != nil && !w.store.Has(meta.Key) {
		// What is left of an artefact that was being removed when the process ended is in the way.
		if err = os.RemoveAll(final); err == nil {
			err = os.Rename(w.dir, final)
		}
	}
	if err != nil {
		if !w.store.Has(meta.Key) {
			return nil, fmt.Errorf("store: %w", err)
		}
		// Somebody else finished the same work first; theirs is as good.
		os.RemoveAll(w.dir)
	}
	w.done = true
	if err := syncDir(filepath.Dir(final)); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Artefact{Meta: meta, dir: final}, nil
}

func syncAndHash(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return hashOpen(f)
}

func hashFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	return hashOpen(f)
}

func hashOpen(f *os.File) (File, error) {
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, err
	}
	return File{n, hex.EncodeToString(h.Sum(nil))}, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Hashes remembers the SHA-256 of files outside the store by path, size and time of change, so that planning does not read
// gigabytes again. It is only a memory: losing it costs time.
type Hashes struct {
	path  string
	known map[string]knownHash
	dirty bool
}

type knownHash struct {
	Size   int64  `json:"size"`
	Time   int64  `json:"time"`
	SHA256 string `json:"sha256"`
}

// Hashes opens the memory of file hashes.
func (s *Store) Hashes() *Hashes {
	h := &Hashes{path: filepath.Join(s.root, "hashes.json"), known: map[string]knownHash{}}
	if b, err := os.ReadFile(h.path); err == nil {
		if json.Unmarshal(b, &h.known) != nil {
			h.known = map[string]knownHash{} // damaged: start anew
		}
	}
	return h
}

// Of is the SHA-256 of a file.
func (h *Hashes) Of(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(abs)
	if err != nil {
		return "", err
	}
	if k, ok := h.known[abs]; ok && k.Size == st.Size() && k.Time == st.ModTime().UnixNano() {
		return k.SHA256, nil
	}
	f, err := hashFile(abs)
	if err != nil {
		return "", err
	}
	h.known[abs] = knownHash{st.Size(), st.ModTime().UnixNano(), f.SHA256}
	h.dirty = true
	return f.SHA256, nil
}

// Save writes the memory back.
func (h *Hashes) Save() error {
	if !h.dirty {
		return nil
	}
	b, err := json.Marshal(h.known)
	if err != nil {
		return err
	}
	h.dirty = false
	return WriteFile(h.path, b)
}

// WriteFile replaces a file whole or not at all.
func WriteFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(b); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Keys lists the artefacts, sorted.
func (s *Store) Keys() ([]string, error) {
	var out []string
	err := filepath.WalkDir(filepath.Join(s.root, "artefacts"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "meta.json" {
			out = append(out, filepath.Base(filepath.Dir(p)))
		}
		return err
	})
	sort.Strings(out)
	return out, err
}

// Short is a key as people see it.
func Short(key string) string { return strings.ToLower(key[:min(10, len(key))]) }
