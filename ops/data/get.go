package data

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// File is one file of a catalogue entry, pinned by its content.
type File struct {
	Name   string
	SHA256 string
	Bytes  int64
}

// Entry describes a public data set that Get can fetch.
type Entry struct {
	Name, Title, Licence, Citation string
	// Layout is the pattern of image and mask for Volumes, relative to the folder Get returns.
	ImagePattern, MaskPattern string
	// Notes says what a user must know before drawing conclusions from the data.
	Notes []string
	Files []File
	// Sources are tried in this order unless the caller names one.
	Sources []Source
}

// Source is one way to obtain the files of an entry.
type Source struct {
	Name string // what a user writes to choose it
	Doc  string
	// fetch leaves the files somewhere below dir.
	fetch func(ctx context.Context, dir string, progress func(string)) error
}

// Catalogue lists the data sets that Get knows, by name.
func Catalogue() []Entry { return []Entry{radiomics()} }

// CacheDir is where Get keeps data sets: data in $MSEG_CACHE, or mseg/data in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("MSEG_CACHE"); dir != "" {
		return filepath.Join(dir, "data"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for data sets: %w", err)
	}
	return filepath.Join(dir, "mseg", "data"), nil
}

// Get makes a data set of the catalogue available and returns its folder.
//
// destDir is the folder to fill, "" for the set's own folder in CacheDir. source names one of the entry's sources or is the
// path of a local folder that holds the files; "" tries every source in turn. Files that are already there with the right
// SHA-256 are kept, and if all are, nothing is started. Each file is verified before it is moved into place, so a folder
// never holds a wrong or half file. A file SOURCE beside them says what they are, under which licence and what to cite. The error lists every source that was tried and why it failed.
func Get(ctx context.Context, name, destDir, source string, progress func(string)) (string, error) {
	all := Catalogue()
	i := slices.IndexFunc(all, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		var known []string
		for _, e := range all {
			known = append(known, e.Name)
		}
		return "", fmt.Errorf("no data set %q in the catalogue; known: %s", name, strings.Join(known, ", "))
	}
	if destDir == "" {
		cache, err := CacheDir()
		if err != nil {
			return "", err
		}
		destDir = filepath.Join(cache, name)
	}
	if progress == nil {
		progress = func(string) {}
	}
	return destDir, all[i].get(ctx, destDir, source, progress)
}

func (e Entry) get(ctx context.Context, dest, source string, progress func(string)) error {
	missing, err := e.Missing(dest)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		if err := e.describe(dest); err != nil {
			return err
		}
		progress(fmt.Sprintf("%s: all %d files are verified in %s", e.Name, len(e.Files), dest))
		return nil
	}
	tries := e.Sources
	if source != "" {
		i := slices.IndexFunc(e.Sources, func(s Source) bool { return s.Name == source })
		if st, err := os.Stat(source); i >= 0 {
			tries = e.Sources[i : i+1]
		} else if err == nil && st.IsDir() {
			tries = []Source{{Name: source, fetch: func(_ context.Context, dir string, _ func(string)) error {
				return e.install(source, dest)
			}}}
		} else {
			var known []string
			for _, s := range e.Sources {
				known = append(known, s.Name)
			}
			return fmt.Errorf("source %q of data set %s is neither a folder nor one of %s", source, e.Name, strings.Join(known, ", "))
		}
	}
	failures := []error{fmt.Errorf("data set %s could not be fetched (%d of %d files missing in %s)", e.Name, len(missing), len(e.Files), dest)}
	for _, s := range tries {
		if err := e.try(ctx, s, dest, progress); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("data set %s: %w", e.Name, ctx.Err())
			}
			progress(fmt.Sprintf("%s: source %s failed", e.Name, s.Name))
			failures = append(failures, fmt.Errorf("source %s: %w", s.Name, err))
			continue
		}
		progress(fmt.Sprintf("%s: %d files verified in %s", e.Name, len(e.Files), dest))
		return e.describe(dest)
	}
	failures = append(failures, errors.New("to use files you have, name their folder as the source"))
	return errors.Join(failures...)
}

// describe leaves a file SOURCE beside the data: a first line that says what they are, for reports, then licence, citation
// and what to know. It is written only where it differs.
func (e Entry) describe(dest string) error {
	text := fmt.Sprintf("%s: %s\nlicence: %s\ncite: %s\n", e.Name, e.Title, e.Licence, e.Citation)
	for _, n := range e.Notes {
		text += "note: " + n + "\n"
	}
	path := filepath.Join(dest, "SOURCE")
	if have, err := os.ReadFile(path); err == nil && string(have) == text {
		return nil
	}
	return renameio.WriteFile(path, []byte(text), 0o644)
}

// try lets one source work in a folder of its own and installs what it brought.
func (e Entry) try(ctx context.Context, s Source, dest string, progress func(string)) error {
	work, err := os.MkdirTemp("", "mseg-get-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	progress(fmt.Sprintf("%s: trying %s", e.Name, s.Name))
	if err := s.fetch(ctx, work, progress); err != nil {
		return err
	}
	return e.install(work, dest)
}

// Missing lists the files of the entry that are not in dir with the right content.
func (e Entry) Missing(dir string) ([]File, error) {
	var missing []File
	for _, f := range e.Files {
		sum, err := hashFile(filepath.Join(dir, f.Name))
		switch {
		case errors.Is(err, os.ErrNotExist) || err == nil && sum != f.SHA256:
			missing = append(missing, f)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}

// install finds the missing files anywhere below from, verifies them and moves copies into dest.
func (e Entry) install(from, dest string) error {
	missing, err := e.Missing(dest)
	if err != nil || len(missing) == 0 {
		return err
	}
	candidates := map[string][]string{}
	err = filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			candidates[d.Name()] = append(candidates[d.Name()], path)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(dest, ".partial-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	for _, f := range missing {
		if len(candidates[f.Name]) == 0 {
			return fmt.Errorf("%s is not in %s", f.Name, from)
		}
		var wrong error
		found := false
		for _, path := range candidates[f.Name] {
			if wrong = copyVerified(path, filepath.Join(stage, f.Name), f); wrong == nil {
				found = true
				break
			}
		}
		if !found {
			return wrong
		}
	}
	for _, f := range missing {
		if err := os.Rename(filepath.Join(stage, f.Name), filepath.Join(dest, f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// copyVerified copies a file and compares the hash of what was written.
func copyVerified(from, to string, want File) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(in, want.Bytes+1))
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); n != want.Bytes || sum != want.SHA256 {
		return fmt.Errorf("%s has other content than the pinned file (sha256 %.12s…, expected %.12s…)", from, sum, want.SHA256)
	}
	return cmp.Or(out.Sync(), out.Close())
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// untar takes the wanted files out of a .tar.gz, by base name, into dir. Only regular files up to their pinned size are
// written, under their base name, so no archive can write elsewhere or fill the disk.
func untar(archive, dir string, want []File) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", archive, err)
	}
	for t := tar.NewReader(z); ; {
		head, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", archive, err)
		}
		base := filepath.Base(head.Name)
		i := slices.IndexFunc(want, func(f File) bool { return f.Name == base })
		if i < 0 || head.Typeflag != tar.TypeReg || head.Size != want[i].Bytes {
			continue
		}
		out, err := os.Create(filepath.Join(dir, base))
		if err != nil {
			return err
		}
		_, err = io.Copy(out, t)
		if err = cmp.Or(err, out.Close()); err != nil {
			return fmt.Errorf("read %s: %w", archive, err)
		}
	}
}
