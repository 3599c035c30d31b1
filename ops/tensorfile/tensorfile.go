// Package tensorfile reads and writes safetensors files: named tensors behind
// a JSON header, the format in which weights are published and in which this
// program keeps its checkpoints.
//
// A file is 8 bytes of header length (little endian), the header, and the
// data. The header maps each name to its type, shape and byte range within the
// data; the reserved name __metadata__ holds strings. Nothing in it is trusted:
// the header must fit into the file, every range must fit into the data and
// have exactly the bytes its shape needs, and ranges may not overlap, all
// before anything is allocated for a tensor. So a damaged or hostile file gives
// an error and costs no more memory than its own size.
//
// Values are handed out as float32, whatever the file holds; a float64 is
// rounded, an integer that float32 cannot hold exactly is an error.
package tensorfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// maxHeader bounds the header; the reference implementation has the same limit.
const maxHeader = 100 << 20

const metadataKey = "__metadata__"

// Tensor is one tensor of a file, its values as float32 in row-major order.
type Tensor struct {
	DType string // as in the file: F32, F16, BF16, F64, I64, I32, I16, I8, U8 or BOOL
	Dims  []int
	Data  []float32
}

// File is an open safetensors file. Its header is in memory; tensors are read
// when asked for.
type File struct {
	path    string
	f       *os.File
	data    int64 // where the data begins
	names   []string
	entries map[string]entry
	meta    map[string]string
}

type entry struct {
	DType   string  `json:"dtype"`
	Shape   []int64 `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// widths gives the bytes of one element.
var widths = map[string]int64{
	"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}

// Read opens the file and checks its header. The file stays open until Close
// is called or the File is no longer reachable.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file := &File{path: path, f: f}
	if err := file.readHeader(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is not a usable safetensors file: %w", path, err)
	}
	return file, nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// Names lists the tensors in the order of their data.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Metadata returns the strings of the header; it is never nil.
func (f *File) Metadata() map[string]string { return maps.Clone(f.meta) }

// Shape returns a tensor's type and dimensions without reading it; ok is false
// if there is no such tensor.
func (f *File) Shape(name string) (dtype string, dims []int, ok bool) {
	e, ok := f.entries[name]
	if !ok {
		return "", nil, false
	}
	return e.DType, e.dims(), true
}

func (e entry) dims() []int {
	dims := make([]int, len(e.Shape))
	for i, d := range e.Shape {
		dims[i] = int(d)
	}
	return dims
}

// Tensor reads one tensor.
func (f *File) Tensor(name string) (*Tensor, error) {
	e, ok := f.entries[name]
	if !ok {
		return nil, fmt.Errorf("%s holds no tensor %q; it holds %d others", f.path, name, len(f.names))
	}
	width := int(widths[e.DType])
	data := make([]float32, (e.Offsets[1]-e.Offsets[0])/int64(width))
	if raw := memory(e.DType, data); raw != nil {
		if _, err := f.f.ReadAt(raw, f.data+e.Offsets[0]); err != nil {
			return nil, fmt.Errorf("%s: reading tensor %q: %w", f.path, name, err)
		}
		return &Tensor{DType: e.DType, Dims: e.dims(), Data: data}, nil
	}
	// In pieces, so that a large tensor is not in memory twice.
	const piece = 1 << 18
	raw := make([]byte, min(piece, len(data)*width))
	for done := 0; done < len(data); {
		n := min(len(data)-done, piece/width)
		b := raw[:n*width]
		if _, err := f.f.ReadAt(b, f.data+e.Offsets[0]+int64(done*width)); err != nil {
			return nil, fmt.Errorf("%s: reading tensor %q: %w", f.path, name, err)
		}
		if err := Decode(e.DType, b, data[done:done+n]); err != nil {
			return nil, fmt.Errorf("%s: tensor %q: %w", f.path, name, err)
		}
		done += n
	}
	return &Tensor{DType: e.DType, Dims: e.dims(), Data: data}, nil
}

// memory is where the values lie, if the file holds them as this machine does;
// nil if they have to be converted. Published weights are float32 nearly always, and
// a copy of each takes longer than reading it from the cache of the disk.
func memory(dtype string, data []float32) []byte {
	if dtype != "F32" || len(data) == 0 || binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), 4*len(data))
}

func (f *File) readHeader() error {
	stat, err := f.f.Stat()
	if err != nil {
		return err
	}
	if !stat.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	var head [8]byte
	if _, err := f.f.ReadAt(head[:], 0); err != nil {
		return fmt.Errorf("it has %d bytes, not even the 8 of the header's length", stat.Size())
	}
	length := binary.LittleEndian.Uint64(head[:])
	if length > maxHeader || int64(length) > stat.Size()-8 {
		return fmt.Errorf("its header claims %d bytes, the file has %d", length, stat.Size())
	}
	raw := make([]byte, length)
	if _, err := f.f.ReadAt(raw, 8); err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	f.data = 8 + int64(length)
	return f.parseHeader(raw, stat.Size()-f.data)
}

func (f *File) parseHeader(raw []byte, available int64) error {
	f.entries, f.meta = map[string]entry{}, map[string]string{}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("its header is not a JSON object")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("its header is not valid JSON: %w", err)
		}
		name, _ := t.(string)
		if name == metadataKey {
			if err := d.Decode(&f.meta); err != nil {
				return fmt.Errorf("its metadata must map strings to strings: %w", err)
			}
			continue
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("header of tensor %q: %w", name, err)
		}
		if err := e.check(available); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		if _, twice := f.entries[name]; twice {
			return fmt.Errorf("tensor %q appears twice", name)
		}
		f.entries[name] = e
		f.names = append(f.names, name)
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("its header is not valid JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("its header continues after the JSON object")
	}
	if f.meta == nil {
		f.meta = map[string]string{}
	}
	slices.SortStableFunc(f.names, func(a, b string) int {
		return slices.Compare(f.entries[a].Offsets, f.entries[b].Offsets)
	})
	end := int64(0)
	for _, name := range f.names {
		o := f.entries[name].Offsets
		if o[0] < end {
			return fmt.Errorf("tensor %q overlaps the one before it", name)
		}
		end = o[1]
	}
	return nil
}

// check compares type, shape and byte range with each other and with the
// bytes the file has.
func (e entry) check(available int64) error {
	width, ok := widths[e.DType]
	if !ok {
		return fmt.Errorf("type %q is not supported; use one of %s", e.DType,
			strings.Join(slices.Sorted(maps.Keys(widths)), ", "))
	}
	if len(e.Offsets) == 2 && 0 <= e.Offsets[0] && e.Offsets[0] <= e.Offsets[1] && e.Offsets[1] > available {
		return fmt.Errorf("byte range %v does not lie within the %d bytes of data; the file is cut off or damaged", e.Offsets, available)
	}
	if len(e.Offsets) != 2 || e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] {
		return fmt.Errorf("byte range %v is none: two numbers were expected, the first not above the second", e.Offsets)
	}
	need := width
	for _, d := range e.Shape {
		if d < 0 {
			return fmt.Errorf("shape %v has a negative dimension", e.Shape)
		}
		if d != 0 && need > math.MaxInt64/d {
			return fmt.Errorf("shape %v is too large", e.Shape)
		}
		need *= d
	}
	if have := e.Offsets[1] - e.Offsets[0]; have != need {
		return fmt.Errorf("shape %v of %s needs %d bytes, its byte range has %d", e.Shape, e.DType, need, have)
	}
	return nil
}

// Decode turns raw little-endian values of a type of this format into float32,
// as [File.Tensor] does: into has one value for each in raw. The position in an
// error counts from the beginning of raw.
func Decode(dtype string, raw []byte, into []float32) error {
	width := int(widths[dtype])
	if width == 0 || len(raw) != width*len(into) {
		return fmt.Errorf("%d bytes of type %q do not make %d values", len(raw), dtype, len(into))
	}
	le := binary.LittleEndian
	switch dtype {
	case "F32":
		for i := range into {
			into[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		}
	case "F64":
		for i := range into {
			into[i] = float32(math.Float64frombits(le.Uint64(raw[8*i:])))
		}
	case "F16":
		for i := range into {
			into[i] = half(le.Uint16(raw[2*i:]))
		}
	case "BF16":
		for i := range into {
			into[i] = math.Float32frombits(uint32(le.Uint16(raw[2*i:])) << 16)
		}
	default:
		for i := range into {
			v := integer(dtype, raw[i*width:])
			into[i] = float32(v)
			if v > 1<<62 || int64(into[i]) != v {
				return fmt.Errorf("the integer %d at position %d has no exact float32", v, i)
			}
		}
	}
	return nil
}

func integer(dtype string, b []byte) int64 {
	le := binary.LittleEndian
	switch dtype {
	case "I64":
		return int64(le.Uint64(b))
	case "I32":
		return int64(int32(le.Uint32(b)))
	case "I16":
		return int64(int16(le.Uint16(b)))
	case "I8":
		return int64(int8(b[0]))
	default: // U8, BOOL
		return int64(b[0])
	}
}

// half widens an IEEE 754 half-precision number; every one has an exact float32.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero and subnormal: fraction · 2⁻²⁴
		v := float32(fraction) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

func validName(name string) error {
	if name == metadataKey || !utf8.ValidString(name) {
		return fmt.Errorf("%q cannot be the name of a tensor", name)
	}
	return nil
}
