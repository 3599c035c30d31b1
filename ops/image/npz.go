package image

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// deflate codes at best 258 bytes in about two bits, so no stream grows by more than this.
const deflateLimit = 1032

// ReadNPY reads one .npy file.
func ReadNPY(path string) (*Array, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := readNPY(f, size)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return a, nil
}

// ReadNPZ reads every array of a .npz archive; the keys are the member names without ".npy". Members of other kinds are
// left to ReadBundle. A member that holds pickled objects refuses the whole file.
func ReadNPZ(path string) (map[string]*Array, error) {
	arrays, _, err := ReadBundle(path)
	return arrays, err
}

// ReadBundle reads a .npz archive with its arrays and its other members, such as a JSON description.
// The checksum of every member is verified.
func ReadBundle(path string) (arrays map[string]*Array, texts map[string][]byte, err error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: not a .npz archive, or cut off: %w", path, err)
	}
	arrays, texts = map[string]*Array{}, map[string][]byte{}
	for _, m := range z.File {
		name := strings.TrimSuffix(m.Name, ".npy")
		if arrays[name] != nil || texts[name] != nil {
			return nil, nil, fmt.Errorf("read %s: member %q is there twice", path, m.Name)
		}
		if err := readMember(m, name, arrays, texts); err != nil {
			return nil, nil, fmt.Errorf("read %s: member %q: %w", path, m.Name, err)
		}
	}
	return arrays, texts, nil
}

func readMember(m *zip.File, name string, arrays map[string]*Array, texts map[string][]byte) error {
	limit := m.CompressedSize64
	if m.Method != zip.Store {
		limit = limit*deflateLimit + 1024
	}
	if m.UncompressedSize64 > limit || m.CompressedSize64 > 1<<62/deflateLimit {
		return fmt.Errorf("says it holds %d bytes, %d are stored", m.UncompressedSize64, m.CompressedSize64)
	}
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if !strings.HasSuffix(m.Name, ".npy") {
		b, err := readGrowing(r, int64(m.UncompressedSize64))
		if err != nil {
			return err
		}
		texts[name] = b
	} else if arrays[name], err = readNPY(r, int64(m.UncompressedSize64)); err != nil {
		return err
	}
	// The zip reader compares the checksum only at the end of the member.
	_, err = io.Copy(io.Discard, r)
	return err
}

// WriteNPY writes one array, atomically.
func WriteNPY(path string, a *Array) error {
	return writeAtomic(path, func(w io.Writer) error {
		_, err := w.Write(encodeNPY(a))
		return err
	})
}

// WriteNPZ writes a deflated .npz archive, atomically, members in the order of their names.
func WriteNPZ(path string, arrays map[string]*Array) error { return WriteBundle(path, arrays, nil) }

// WriteBundle writes a .npz archive with members that are not arrays beside the arrays. numpy.load shows such a member as
// bytes. The same input gives the same bytes: no dates are written.
func WriteBundle(path string, arrays map[string]*Array, texts map[string][]byte) error {
	return writeAtomic(path, func(w io.Writer) error {
		z := zip.NewWriter(w)
		members := map[string][]byte{}
		names := make([]string, 0, len(arrays)+len(texts))
		for name := range texts {
			members[name] = texts[name]
			names = append(names, name)
		}
		for name := range arrays {
			names = append(names, name+".npy")
		}
		slices.Sort(names)
		for _, name := range names {
			m, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
			if err != nil {
				return err
			}
			b, isText := members[name]
			if !isText {
				b = encodeNPY(arrays[strings.TrimSuffix(name, ".npy")])
			}
			if _, err := m.Write(b); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

// writeAtomic writes a file so that a reader sees either the old content or all of the new one.
func writeAtomic(path string, fill func(io.Writer) error) error {
	t, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer t.Cleanup()
	if err := fill(t); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := t.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func openRegular(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("read %s: not a file", path)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// readGrowing reads exactly n bytes. Memory grows with what arrives, so a header that lies about n costs little.
func readGrowing(r io.Reader, n int64) ([]byte, error) {
	const piece = 1 << 20
	b := make([]byte, 0, min(n, piece))
	for int64(len(b)) < n {
		next := min(n, max(piece, 2*int64(len(b))))
		if int64(cap(b)) < next {
			b = append(make([]byte, 0, next), b...)
		}
		got := len(b)
		m, err := io.ReadFull(r, b[got:next])
		b = b[:got+m]
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, fmt.Errorf("data end after %d of %d bytes", len(b), n)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}
