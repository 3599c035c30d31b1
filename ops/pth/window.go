package pth

import (
	"archive/zip"
	"errors"
	"fmt"
	"math/bits"
)

// element is a type of values. code is what tensorfile calls it; empty for
// complex numbers, which have no float32.
type element struct {
	name  string
	code  string
	width int
}

// elementTypes are torch's types of values, by name.
var elementTypes = map[string]element{
	"torch.float32":    {"float32", "F32", 4},
	"torch.float64":    {"float64", "F64", 8},
	"torch.float16":    {"float16", "F16", 2},
	"torch.bfloat16":   {"bfloat16", "BF16", 2},
	"torch.int64":      {"int64", "I64", 8},
	"torch.int32":      {"int32", "I32", 4},
	"torch.int16":      {"int16", "I16", 2},
	"torch.int8":       {"int8", "I8", 1},
	"torch.uint8":      {"uint8", "U8", 1},
	"torch.bool":       {"bool", "BOOL", 1},
	"torch.complex64":  {"complex64", "", 8},
	"torch.complex128": {"complex128", "", 16},
}

// storageTypes are the classes of storages; a storage without a type has bytes.
var storageTypes = map[string]element{
	"torch.FloatStorage":           elementTypes["torch.float32"],
	"torch.DoubleStorage":          elementTypes["torch.float64"],
	"torch.HalfStorage":            elementTypes["torch.float16"],
	"torch.BFloat16Storage":        elementTypes["torch.bfloat16"],
	"torch.LongStorage":            elementTypes["torch.int64"],
	"torch.IntStorage":             elementTypes["torch.int32"],
	"torch.ShortStorage":           elementTypes["torch.int16"],
	"torch.CharStorage":            elementTypes["torch.int8"],
	"torch.ByteStorage":            elementTypes["torch.uint8"],
	"torch.BoolStorage":            elementTypes["torch.bool"],
	"torch.ComplexFloatStorage":    elementTypes["torch.complex64"],
	"torch.ComplexDoubleStorage":   elementTypes["torch.complex128"],
	"torch.storage.UntypedStorage": {"bytes", "", 1},
}

// storage is a run of values in the file.
type storage struct {
	key   string
	dtype element
	size  int64 // bytes
	// where the bytes are: an entry of the archive, or a position in the file
	entry    *zip.File
	at       int64
	verified bool // the checksum of entry has been compared
}

// window is a tensor: a view of a storage.
type window struct {
	storage *storage
	dtype   element
	offset  int64 // all in elements
	dims    []int64
	strides []int64
	count   int64
}

func (w *window) bytes() int64 { return w.count * int64(w.dtype.width) }

func (w *window) shape() []int {
	dims := make([]int, len(w.dims))
	for i, d := range w.dims {
		dims[i] = int(d)
	}
	return dims
}

// contiguous is true for a window whose values lie in row-major order without gaps.
func (w *window) contiguous() bool {
	next := int64(1)
	for i := len(w.dims) - 1; i >= 0; i-- {
		if w.dims[i] != 1 && w.strides[i] != next {
			return false
		}
		next *= w.dims[i]
	}
	return true
}

// span is how many elements lie from the first to the last, both included.
func (w *window) span() int64 {
	n := int64(1)
	for i, d := range w.dims {
		n += (d - 1) * w.strides[i]
	}
	return n
}

// rebuildTensor is torch._utils._rebuild_tensor: storage, offset, size, stride,
// and from the second version on things that do not change the values, up to a
// type of elements in the third.
func rebuildTensor(least int) func(tuple) (any, error) {
	return func(args tuple) (any, error) {
		if len(args) < least {
			return nil, errArguments
		}
		s, ok1 := args[0].(*storage)
		offset, ok2 := args[1].(int64)
		if !ok1 || !ok2 {
			return nil, errArguments
		}
		dims, err := integers(args[2])
		if err != nil {
			return nil, err
		}
		strides, err := integers(args[3])
		if err != nil {
			return nil, err
		}
		w := &window{storage: s, dtype: s.dtype, offset: offset, dims: dims, strides: strides}
		at := 6 // of the dict that says whether a view is conjugate or negated
		if least == 7 {
			name, _ := args[6].(global)
			if w.dtype = elementTypes[string(name)]; w.dtype.width == 0 {
				return nil, errArguments
			}
			at = 7
		}
		if least > 4 && len(args) > at {
			if d, ok := args[at].(*dict); ok && len(d.keys) > 0 {
				return nil, fmt.Errorf("a tensor is saved as a lazy view (%v); save tensor.resolve_conj().resolve_neg()", d.keys[0])
			}
		}
		return w, w.check()
	}
}

// check compares the window with its storage. The storage's size has been, or
// will be, compared with the file.
func (w *window) check() error {
	if len(w.dims) != len(w.strides) {
		return fmt.Errorf("a tensor has %d dimensions and %d strides", len(w.dims), len(w.strides))
	}
	available := w.storage.size / int64(w.dtype.width)
	w.count = 1
	last, empty := w.offset, false
	var err error
	for i, d := range w.dims {
		if d < 0 || w.strides[i] < 0 {
			return fmt.Errorf("a tensor has the shape %v with strides %v; negative ones do not exist", w.dims, w.strides)
		}
		empty = empty || d == 0
	}
	for i, d := range w.dims {
		if empty {
			w.count = 0
			break
		}
		w.count, err = times(w.count, d, err)
		var step int64
		step, err = times(d-1, w.strides[i], err)
		last, err = plus(last, step, err)
	}
	if err == nil {
		_, err = times(w.count, int64(max(w.dtype.width, 4)), nil)
	}
	if err != nil {
		return fmt.Errorf("a tensor of shape %v with strides %v: %w", w.dims, w.strides, err)
	}
	if w.offset < 0 || !empty && last >= available {
		return fmt.Errorf("a tensor of shape %v with strides %v from position %d does not lie within its storage of %d values", w.dims, w.strides, w.offset, available)
	}
	return nil
}

var errTooLarge = errors.New("it has more values than can be counted")

func times(a, b int64, err error) (int64, error) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if err == nil && (hi != 0 || lo > 1<<62) {
		err = errTooLarge
	}
	return int64(lo), err
}

func plus(a, b int64, err error) (int64, error) {
	if err == nil && a > 1<<62-b {
		err = errTooLarge
	}
	return a + b, err
}

func rebuildParameter(args tuple) (any, error) {
	if len(args) < 1 {
		return nil, errArguments
	}
	w, ok := args[0].(*window)
	if !ok {
		return nil, errArguments
	}
	return w, nil
}

// integers are the items of a tuple, list or torch.Size.
func integers(v any) ([]int64, error) {
	var items []any
	switch v := v.(type) {
	case size:
		return v, nil
	case tuple:
		items = v
	case *list:
		items = v.items
	default:
		return nil, errArguments
	}
	const maxRank = 64 // torch's own limit
	if len(items) > maxRank {
		return nil, fmt.Errorf("a shape has %d dimensions, torch allows %d", len(items), maxRank)
	}
	out := make([]int64, len(items))
	for i, x := range items {
		n, ok := x.(int64)
		if !ok {
			return nil, fmt.Errorf("a shape holds %s, expected an integer", describe(x))
		}
		out[i] = n
	}
	return out, nil
}

// storageOf reads a persistent id: kind, class, key, device, length, and in old
// files a view.
func storageOf(id tuple) (*storage, error) {
	if len(id) < 5 || len(id) > 6 || id[0] != "storage" {
		return nil, errors.New("a storage is not given by the tuple of kind, type, key, place and length that torch writes; the file is damaged")
	}
	class, ok1 := id[1].(global)
	key, ok2 := id[2].(string)
	n, ok3 := id[4].(int64)
	dtype := storageTypes[string(class)]
	if !ok1 || !ok2 || !ok3 || dtype.width == 0 || n < 0 {
		return nil, fmt.Errorf("storage %v of type %v and length %v is not one that torch writes; the file is damaged", text(id[2]), text(id[1]), text(id[4]))
	}
	if len(id) == 6 && id[5] != nil {
		return nil, errors.New("it holds views of storages, as torch before 0.4 wrote them; load it with torch and save it again")
	}
	size, err := times(n, int64(dtype.width), nil)
	if err != nil {
		return nil, fmt.Errorf("storage %q: %w", key, err)
	}
	return &storage{key: key, dtype: dtype, size: size}, nil
}

// text shows a scalar as it is and anything else by its kind.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%.40q", v)
	case int64:
		return fmt.Sprint(v)
	}
	return describe(v)
}
