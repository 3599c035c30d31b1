// Package pth reads and writes the files of torch.save: named tensors behind a
// Python pickle, the format in which most weights of the field are published.
//
// A pickle is a program, and torch runs whatever it says. This reader does not.
// It has its own small machine that builds tensors, containers, numbers and
// text, and knows by name the dozen constructors that stand for these; a file
// that asks for anything else is refused with that name. Nothing is imported,
// called or written. The one exception is inert: objects of torch.optim, which
// some training programs pickle whole beside their weights, become a
// placeholder that remembers the class and drops the contents.
//
// Two layouts are read. Since torch 1.6 a file is a zip archive: data.pkl, and
// an entry of raw values for each storage. Before that it was one stream: a
// magic number, the pickle, then the storages one after the other. A storage is
// a run of values; a tensor is a window of one, given by offset, shape and
// strides, and several tensors may share a storage.
//
// Nothing in a file is trusted. Lengths are compared with the bytes that are
// there before anything is allocated, every window must lie within its storage,
// every storage must have exactly the bytes its type and length need, and
// checksums are verified as values are read. Memory is bounded by the file's
// size: what a few bytes could blow up (references to references, strides of
// zero, compression) is counted first and refused beyond a fixed multiple.
//
// Opening a file reads its pickle alone; values are read from the disk when
// asked for, straight into the tensor, so a large file is never held twice.
//
// The format: torch/serialization.py of PyTorch 1.13 and 2.x, Lib/pickletools.py
// of Python 3.
package pth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/ops/tensorfile"
)

// Entry describes a tensor of a file.
type Entry struct {
	// Path leads to the tensor through the containers of the file: keys of
	// dicts and positions in lists. A file that is one tensor has an empty path.
	Path  []string
	DType string // as torch calls it, without "torch.": float32, bfloat16, int64 …
	Dims  []int
}

// Name is the path with its parts joined by a slash.
func (e Entry) Name() string { return strings.Join(e.Path, "/") }

// File is an open file of torch.save.
type File struct {
	path    string
	f       *os.File
	size    int64
	legacy  bool
	entries []Entry
	windows map[string]*window // by name
	other   map[string]any
}

// IsPTH says whether a file begins like one of torch.save. So does every zip
// archive, and one in some thousand safetensors files.
func IsPTH(head []byte) bool {
	return bytes.HasPrefix(head, zipMagic) || len(head) > 1 && head[0] == opProto && head[1] <= maxProtocol
}

var zipMagic = []byte("PK\x03\x04")

// Open reads the pickle of a file and checks every tensor in it against the
// file. It stays open until Close is called or the File is no longer reachable.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file := &File{path: path, f: f}
	if err := file.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is not a usable PyTorch file: %w", path, err)
	}
	return file, nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// Format is "pth", or "pth (legacy)" for a file of the layout before torch 1.6.
func (f *File) Format() string {
	if f.legacy {
		return "pth (legacy)"
	}
	return "pth"
}

// Entries lists the tensors in the order of the file.
func (f *File) Entries() []Entry { return slices.Clone(f.entries) }

// Names lists the names of the tensors in the order of the file.
func (f *File) Names() []string {
	names := make([]string, len(f.entries))
	for i, e := range f.entries {
		names[i] = e.Name()
	}
	return names
}

// Shape returns a tensor's type and dimensions without reading it; ok is false
// if there is no such tensor.
func (f *File) Shape(name string) (dtype string, dims []int, ok bool) {
	w, ok := f.windows[name]
	if !ok {
		return "", nil, false
	}
	return w.dtype.name, w.shape(), true
}

// Other is what the file holds besides tensors, by name as for tensors: nil,
// bool, int64, *big.Int, float64, string, []byte; []int64 for a torch.Size;
// "[]" and "{}" for empty lists or tuples and dicts; "<Adam>" for an optimiser that was
// pickled as an object.
func (f *File) Other() map[string]any { return f.other }

// Tensor reads one tensor as float32, row-major: a float64 is rounded, an
// integer that float32 cannot hold exactly is an error, and so are complex
// numbers.
func (f *File) Tensor(name string) (*tensorfile.Tensor, error) {
	w, ok := f.windows[name]
	if !ok {
		return nil, fmt.Errorf("%s holds no tensor %q; it holds %d others", f.path, name, len(f.windows))
	}
	if w.dtype.code == "" {
		return nil, fmt.Errorf("%s: tensor %q is %s, which has no float32", f.path, name, w.dtype.name)
	}
	out := make([]float32, w.count)
	done := 0
	err := f.each(w, func(b []byte) error {
		n := len(b) / w.dtype.width
		err := tensorfile.Decode(w.dtype.code, b, out[done:done+n])
		done += n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: tensor %q: %w", f.path, name, err)
	}
	return &tensorfile.Tensor{DType: w.dtype.code, Dims: w.shape(), Data: out}, nil
}

// Bytes reads the values of one tensor as they are: little endian, row-major.
func (f *File) Bytes(name string) ([]byte, error) {
	w, ok := f.windows[name]
	if !ok {
		return nil, fmt.Errorf("%s holds no tensor %q; it holds %d others", f.path, name, len(f.windows))
	}
	out := make([]byte, 0, w.bytes())
	err := f.each(w, func(b []byte) error {
		out = append(out, b...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: tensor %q: %w", f.path, name, err)
	}
	return out, nil
}

func (f *File) open() error {
	stat, err := f.f.Stat()
	if err != nil {
		return err
	}
	if !stat.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	f.size = stat.Size()
	head := make([]byte, 512)
	n, err := f.f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	head = head[:n]
	var root any
	switch {
	case bytes.HasPrefix(head, zipMagic):
		root, err = f.readArchive()
	case IsPTH(head):
		f.legacy = true
		root, err = f.readStream()
	default:
		return notTorch(head)
	}
	if err != nil {
		return err
	}
	return f.list(root)
}

// notTorch says what a file is that torch.save has not written.
func notTorch(head []byte) error {
	switch {
	case len(head) == 0:
		return errors.New("it is empty")
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return errors.New("it is a Git LFS pointer that stands for the file; fetch the file itself with git lfs pull")
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return errors.New("it is a tar archive, as torch before 0.4 wrote it; load it with torch and save it again")
	case isText(head):
		return errors.New("it is text, perhaps an error page saved under this name; download the file again")
	}
	return errors.New("it begins neither like a zip archive nor like a pickle")
}

func isText(head []byte) bool {
	return !slices.ContainsFunc(head, func(b byte) bool { return b < ' ' && b != '\n' && b != '\r' && b != '\t' || b == 0x7f })
}
