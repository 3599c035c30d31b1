package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/pth"
	"github.com/mseg-lang/mseg/ops/tensorfile"
)

// Tensor describes a tensor of a file.
type Tensor struct {
	Name  string
	DType string // as the format calls it: F32 in safetensors, float32 elsewhere
	Dims  []int
}

// File is an open file of weights. Values are read when asked for, those of an
// npz archive when it is opened.
type File struct {
	Path     string
	Format   string            // safetensors, pth, pth (legacy) or npz
	Part     string            // where the state dict lies in a checkpoint, such as "model"; empty: the file is one
	Tensors  []Tensor          // all of them; names with the parts of their paths joined by slashes
	Metadata map[string]string // of safetensors
	Other    map[string]any    // of pth: numbers and text beside the tensors, by path

	state  []int  // of Tensors: those of the state dict
	prefix string // of their names
	read   func(name string) (*graph.Tensor, error)
	atOnce bool // several tensors may be read at a time
	close  func() error
}

// Read reads the state dict of a file as float32. The format is told from the
// contents. A checkpoint of a training program holds one under model,
// state_dict or another of the usual names; that one is read.
func Read(path string) (*graph.Params, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Params()
}

// Open opens a file of weights; see [Read]. Reading its state dict may still
// fail if it has none, as a list of tensors does not.
func Open(path string) (*File, error) {
	head, size, err := head(path)
	if err != nil {
		return nil, err
	}
	switch ext := Extension(path); {
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return nil, fmt.Errorf("%s is a Git LFS pointer that stands for the file; fetch the file itself with git lfs pull", path)
	case isSafetensors(head, size) || len(head) > 8 && head[8] == '{' && !pth.IsPTH(head):
		return openSafetensors(path)
	case pth.IsPTH(head) && (isNumpy(path) || ext == ".npz" && bytes.HasPrefix(head, []byte("PK"))):
		return openNPZ(path)
	case pth.IsPTH(head) || ext == ".pth":
		return openPTH(path)
	case ext == ".safetensors":
		return openSafetensors(path)
	case ext == ".npz":
		return openNPZ(path)
	}
	return nil, fmt.Errorf("%s is no file of weights; expected safetensors, a .pth of torch.save or an npz archive", path)
}

// Extension is the format that a name asks for: .safetensors, .pth (also for
// .pt, .bin and .ckpt, which torch programs use), .npz, or empty.
func Extension(path string) string {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".pt", ".bin", ".ckpt":
		return ".pth"
	case ".safetensors", ".pth", ".npz":
		return ext
	}
	return ""
}

// head is the beginning of a file, and the size of the whole.
func head(path string) ([]byte, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !stat.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a file", path)
	}
	b := make([]byte, 32)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:n], stat.Size(), err
}

// isSafetensors is true for a header that fits into the file. Its length may
// begin like a pickle (80 02), but no pickle's first eight bytes are so small a
// number.
func isSafetensors(head []byte, size int64) bool {
	return len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= uint64(size-8)
}

// isNumpy is true for a zip archive of arrays.
func isNumpy(path string) bool {
	z, err := zip.OpenReader(path)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return false
	}
	defer z.Close()
	named := func(suffix string) bool {
		return slices.ContainsFunc(z.File, func(e *zip.File) bool { return strings.HasSuffix(e.Name, suffix) })
	}
	return named(".npy") && !named("data.pkl")
}

// Close closes the file.
func (f *File) Close() error { return f.close() }

// State lists the tensors of the state dict under their names in it.
func (f *File) State() []Tensor {
	out := make([]Tensor, len(f.state))
	for i, k := range f.state {
		out[i] = f.Tensors[k]
		out[i].Name = strings.TrimPrefix(out[i].Name, f.prefix)
	}
	return out
}

// Beside counts the tensors outside the state dict by what they belong to, such
// as optimizer.
func (f *File) Beside() map[string]int {
	out := map[string]int{}
	for i, t := range f.Tensors {
		if !slices.Contains(f.state, i) {
			first, _, _ := strings.Cut(t.Name, "/")
			out[first]++
		}
	}
	return out
}

// Family recognises the state dict.
func (f *File) Family() Family {
	dims := map[string][]int{}
	for _, t := range f.State() {
		dims[t.Name] = t.Dims
	}
	return Recognise(dims)
}

// Params reads the state dict.
func (f *File) Params() (*graph.Params, error) {
	if len(f.state) == 0 {
		return nil, fmt.Errorf("%s holds %d tensors, but no state dict, which gives each a name; expected one alone or under model or state_dict", f.Path, len(f.Tensors))
	}
	values, err := f.readState()
	if err != nil {
		return nil, err
	}
	params := graph.NewParams()
	for i, t := range f.State() {
		if err := params.Set(t.Name, values[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return params, nil
}

// readState reads the tensors of the state dict, on all cores where the format lets them be read at once: most of the time goes into copying
// them out of the system's cache into memory that has to be cleared first.
func (f *File) readState() ([]*graph.Tensor, error) {
	values, faults := make([]*graph.Tensor, len(f.state)), make([]error, len(f.state))
	var next atomic.Int64
	var failed atomic.Bool
	read := func() {
		for i := int(next.Add(1)) - 1; i < len(values) && !failed.Load(); i = int(next.Add(1)) - 1 {
			if values[i], faults[i] = f.read(f.Tensors[f.state[i]].Name); faults[i] != nil {
				failed.Store(true)
			}
		}
	}
	var all sync.WaitGroup
	if f.atOnce {
		for range runtime.GOMAXPROCS(0) - 1 {
			all.Go(read)
		}
	}
	read()
	all.Wait()
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

// all makes every tensor one of the state dict.
func (f *File) all() *File {
	for i := range f.Tensors {
		f.state = append(f.state, i)
	}
	return f
}

func openSafetensors(path string) (*File, error) {
	t, err := tensorfile.Read(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Format: "safetensors", Metadata: t.Metadata(), atOnce: true, close: t.Close}
	for _, name := range t.Names() {
		dtype, dims, _ := t.Shape(name)
		f.Tensors = append(f.Tensors, Tensor{name, dtype, dims})
	}
	f.read = func(name string) (*graph.Tensor, error) {
		v, err := t.Tensor(name)
		if err != nil {
			return nil, err
		}
		return &graph.Tensor{Dims: v.Dims, Data: v.Data}, nil
	}
	return f.all(), nil
}

func openNPZ(path string) (*File, error) {
	arrays, err := image.ReadNPZ(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Format: "npz", close: func() error { return nil }}
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		f.Tensors = append(f.Tensors, Tensor{name, arrays[name].DType.Name(), slices.Clone(arrays[name].Shape)})
	}
	f.read = func(name string) (*graph.Tensor, error) {
		a := arrays[name]
		return &graph.Tensor{Dims: slices.Clone(a.Shape), Data: a.Float32()}, nil
	}
	return f.all(), nil
}

func openPTH(path string) (*File, error) {
	p, err := pth.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Format: p.Format(), Other: p.Other(), close: p.Close}
	entries := p.Entries()
	for _, e := range entries {
		f.Tensors = append(f.Tensors, Tensor{e.Name(), e.DType, e.Dims})
	}
	part, ok := statePart(entries)
	if ok {
		f.Part = strings.Join(part, "/")
		if len(part) > 0 {
			f.prefix = f.Part + "/"
		}
		for i, e := range entries {
			if under(e.Path, part) {
				f.state = append(f.state, i)
			}
		}
	}
	f.read = func(name string) (*graph.Tensor, error) {
		v, err := p.Tensor(name)
		if err != nil {
			return nil, err
		}
		return &graph.Tensor{Dims: v.Dims, Data: v.Data}, nil
	}
	return f, nil
}

// parts are the keys under which training programs keep the model.
var parts = []string{"model", "state_dict", "model_state_dict", "model_state", "network_weights", "net", "network", "weights", "params", "module"}

// statePart finds the dict of the model: the file itself if its tensors have
// names there, else the one under a usual key, else the only one. ok is false
// if there is none.
func statePart(entries []pth.Entry) (path []string, ok bool) {
	for {
		direct := false
		var dicts []string // that hold tensors, in order
		for _, e := range entries {
			if !under(e.Path, path) {
				continue
			}
			rest := e.Path[len(path):]
			direct = direct || len(rest) == 1
			if len(rest) > 1 && !slices.Contains(dicts, rest[0]) {
				dicts = append(dicts, rest[0])
			}
		}
		usual := slices.IndexFunc(parts, func(p string) bool { return slices.Contains(dicts, p) })
		switch {
		case usual >= 0:
			path = append(path, parts[usual])
		case direct:
			return path, true
		case len(dicts) == 1:
			path = append(path, dicts[0])
		default:
			return nil, false
		}
	}
}

// under is true for a path below another one.
func under(path, top []string) bool {
	return len(path) > len(top) && slices.Equal(path[:len(top)], top)
}

// Write stores all tensors as float32, in their order. The name's ending says
// in which format: .safetensors, .pth (or .pt, .bin, .ckpt), .npz. meta is kept
// by safetensors only. The file appears only when it is complete.
func Write(path string, params *graph.Params, meta map[string]string) error {
	get := func(name string) ([]int, []float32) {
		t, _ := params.Get(name)
		return t.Dims, t.Data
	}
	switch Extension(path) {
	case ".safetensors":
		return tensorfile.Write(path, params.Names(), get, meta)
	case ".pth":
		return pth.Write(path, params.Names(), get)
	case ".npz":
		arrays := map[string]*image.Array{}
		for _, name := range params.Names() {
			dims, data := get(name)
			arrays[name] = image.NewArray(data, dims...)
		}
		return image.WriteNPZ(path, arrays)
	}
	return fmt.Errorf("cannot tell from the name %s in which format to write weights; use .safetensors, .pth or .npz", path)
}
