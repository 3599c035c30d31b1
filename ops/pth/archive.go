package pth

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// deflateLimit is the most that deflate can expand: 258 bytes from two bits.
const deflateLimit = 1032

// readArchive reads the layout of torch 1.6 and later. All names begin with the
// same folder, which is the file's first name or "archive".
func (f *File) readArchive() (any, error) {
	z, err := zip.NewReader(f.f, f.size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are looked up, never used as paths
		return nil, fmt.Errorf("its zip directory cannot be read, perhaps the file is cut off: %w", err)
	}
	entries := map[string]*zip.File{}
	var folder string
	found, arrays := 0, 0
	for _, e := range z.File {
		if _, twice := entries[e.Name]; twice {
			return nil, fmt.Errorf("its entry %q is there twice", e.Name)
		}
		entries[e.Name] = e
		if before, ok := strings.CutSuffix(e.Name, "data.pkl"); ok && (before == "" || strings.HasSuffix(before, "/")) {
			folder = before
			found++
		}
		if strings.HasSuffix(e.Name, ".npy") {
			arrays++
		}
	}
	switch {
	case found > 1:
		return nil, fmt.Errorf("it has %d entries called data.pkl, expected one", found)
	case found == 0 && arrays > 0:
		return nil, errors.New("it is a numpy archive; name it .npz")
	case found == 0:
		return nil, errors.New("it is a zip archive without data.pkl, which torch.save writes")
	case entries[folder+"constants.pkl"] != nil:
		return nil, errors.New("it is a TorchScript program; load it with torch.jit.load and save its state_dict()")
	}
	if e := entries[folder+"byteorder"]; e != nil {
		order, err := readSmall(e, 16)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(string(order)) != "little" {
			return nil, fmt.Errorf("it says that its byte order is %q; only little-endian files are read", order)
		}
	}
	pickle, err := readSmall(entries[folder+"data.pkl"], maxPickle)
	if err != nil {
		return nil, err
	}
	storages := map[string]*storage{}
	m := machine{in: newSource(bytes.NewReader(pickle), int64(len(pickle))), storage: func(id tuple) (*storage, error) {
		s, err := storageOf(id)
		if err != nil {
			return nil, err
		}
		if known := storages[s.key]; known != nil && known.dtype == s.dtype && known.size == s.size {
			return known, nil
		}
		e := entries[folder+"data/"+s.key]
		if e == nil || strings.ContainsAny(s.key, `/\`) {
			return nil, fmt.Errorf("storage %.40q is not among its entries", s.key)
		}
		if err := f.checkEntry(e); err != nil {
			return nil, err
		}
		if e.UncompressedSize64 != uint64(s.size) {
			return nil, fmt.Errorf("storage %q needs %d bytes, its entry has %d", s.key, s.size, e.UncompressedSize64)
		}
		s.entry = e
		storages[s.key] = s
		return s, nil
	}}
	return m.run()
}

// checkEntry compares the sizes that the directory states with the file.
func (f *File) checkEntry(e *zip.File) error {
	switch {
	case e.CompressedSize64 > uint64(f.size):
		return fmt.Errorf("its entry %q claims %d bytes, the file has %d", e.Name, e.CompressedSize64, f.size)
	case e.Method == zip.Store && e.CompressedSize64 != e.UncompressedSize64,
		e.Method == zip.Deflate && e.UncompressedSize64 > e.CompressedSize64*deflateLimit+1024:
		return fmt.Errorf("its entry %q claims to hold %d bytes in %d", e.Name, e.UncompressedSize64, e.CompressedSize64)
	case e.Method != zip.Store && e.Method != zip.Deflate:
		return fmt.Errorf("its entry %q is compressed by method %d; torch stores entries as they are", e.Name, e.Method)
	}
	if e.Method == zip.Store {
		at, err := e.DataOffset()
		if err != nil {
			return fmt.Errorf("its entry %q cannot be found: %w", e.Name, err)
		}
		if at > f.size-int64(e.CompressedSize64) {
			return fmt.Errorf("its entry %q reaches beyond the end of the file", e.Name)
		}
	}
	return nil
}

// readSmall reads an entry and verifies its checksum.
func readSmall(e *zip.File, limit int64) ([]byte, error) {
	if e.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("its entry %q has %d bytes, at most %d are read", e.Name, e.UncompressedSize64, limit)
	}
	r, err := e.Open()
	if err != nil {
		return nil, fmt.Errorf("its entry %q: %w", e.Name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1)) // grows with what arrives, whatever the directory claims
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("its entry %q: %w", e.Name, err)
	}
	return b, nil
}
