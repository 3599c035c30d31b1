package tensorfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"
)

var negativeZero = float32(math.Copysign(0, -1))

// raw writes a file from a header text and data.
func raw(t *testing.T, header string, data []byte) string {
	t.Helper()
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return bytesFile(t, append(append(file, header...), data...))
}

func bytesFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWrittenTensorsComeBack(t *testing.T) {
	nan := math.Float32frombits(0x7fc00001)
	tensors := map[string]Tensor{
		"scalar":      {Dims: []int{}, Data: []float32{-0.5}},
		"b.weight":    {Dims: []int{2, 3}, Data: []float32{1, 2, 3, 4, float32(math.Inf(-1)), nan}},
		"empty":       {Dims: []int{0, 4}, Data: nil},
		`a "q" µ\n`:   {Dims: []int{1}, Data: []float32{math.SmallestNonzeroFloat32}},
		"a<script>&b": {Dims: []int{1, 1, 1}, Data: []float32{negativeZero}},
	}
	names := []string{"scalar", "b.weight", "empty", `a "q" µ\n`, "a<script>&b"}
	meta := map[string]string{"format": "pt", "note": "line\nbreak"}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	get := func(name string) ([]int, []float32) { return tensors[name].Dims, tensors[name].Data }
	if err := Write(path, names, get, meta); err != nil {
		t.Fatal(err)
	}
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !slices.Equal(f.Names(), names) || !maps.Equal(f.Metadata(), meta) {
		t.Errorf("names %q, metadata %q", f.Names(), f.Metadata())
	}
	for name, want := range tensors {
		got, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		if got.DType != "F32" || !slices.Equal(got.Dims, want.Dims) || len(got.Data) != len(want.Data) {
			t.Errorf("%q came back as %s %v with %d values", name, got.DType, got.Dims, len(got.Data))
			continue
		}
		for i := range want.Data {
			if math.Float32bits(got.Data[i]) != math.Float32bits(want.Data[i]) {
				t.Errorf("%q: value %d is %x, want %x", name, i, math.Float32bits(got.Data[i]), math.Float32bits(want.Data[i]))
			}
		}
	}
	if stat, _ := os.Stat(path); f.data%8 != 0 || stat.Mode().Perm() != 0o644 {
		t.Errorf("data begins at %d, mode %v", f.data, stat.Mode())
	}
	again := filepath.Join(t.TempDir(), "y.safetensors")
	if err := Write(again, names, get, meta); err != nil {
		t.Fatal(err)
	}
	x, _ := os.ReadFile(path)
	y, _ := os.ReadFile(again)
	if !slices.Equal(x, y) {
		t.Error("equal tensors give different files")
	}
}

func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	path := bytesFile(t, []byte("old"))
	for name, write := range map[string]func() error{
		"shape and values": func() error {
			return Write(path, []string{"a"}, func(string) ([]int, []float32) { return []int{3}, []float32{1} }, nil)
		},
		"twice": func() error {
			return Write(path, []string{"a", "a"}, func(string) ([]int, []float32) { return []int{1}, []float32{1} }, nil)
		},
		"reserved name": func() error {
			return Write(path, []string{metadataKey}, func(string) ([]int, []float32) { return []int{1}, []float32{1} }, nil)
		},
	} {
		if err := write(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file now holds %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if err := Write(filepath.Join(path, "below", "x"), nil, nil, nil); err == nil {
		t.Error("writing below a file: no error")
	}
}

func TestEveryTypeIsReadAsFloats(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		dtype string
		data  []byte
		want  []float32
	}{
		{"F64", le.AppendUint64(nil, math.Float64bits(0.1)), []float32{0.1}},
		{"BF16", []byte{0xc0, 0x3f, 0x80, 0xff}, []float32{1.5, float32(math.Inf(-1))}},
		{"F16", []byte{0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0xff, 0x83, 0x00, 0x7c, 0x00, 0x80},
			[]float32{1, -2, 65504, 0x1p-24, -1023 * 0x1p-24, float32(math.Inf(1)), negativeZero}},
		{"I64", le.AppendUint64(le.AppendUint64(nil, 1<<40), math.MaxUint64), []float32{1 << 40, -1}},
		{"I32", []byte{0xfe, 0xff, 0xff, 0xff}, []float32{-2}},
		{"I16", []byte{0x00, 0x80}, []float32{-32768}},
		{"I8", []byte{0x80, 0x7f}, []float32{-128, 127}},
		{"U8", []byte{0, 255}, []float32{0, 255}},
		{"BOOL", []byte{1, 0}, []float32{1, 0}},
	} {
		header := fmt.Sprintf(`{"x":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]}}`, c.dtype, len(c.want), len(c.data))
		f, err := Read(raw(t, header, c.data))
		if err != nil {
			t.Errorf("%s: %v", c.dtype, err)
			continue
		}
		got, err := f.Tensor("x")
		if err != nil || got.DType != c.dtype || !slices.Equal(got.Data, c.want) || math.Signbit(float64(got.Data[len(got.Data)-1])) != math.Signbit(float64(c.want[len(c.want)-1])) {
			t.Errorf("%s: %+v and %v, want %v", c.dtype, got, err, c.want)
		}
	}
	for _, v := range []uint64{1<<24 + 1, math.MaxInt64} {
		f, err := Read(raw(t, `{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, le.AppendUint64(nil, v)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Tensor("x"); err == nil {
			t.Errorf("the integer %d was read as %v", v, got.Data)
		}
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	one := func(entry string) string { return `{"x":` + entry + `}` }
	data := make([]byte, 8)
	for _, c := range []struct {
		name, path, says string
	}{
		{"empty", bytesFile(t, nil), "0 bytes"},
		{"header longer than the file", bytesFile(t, []byte("\xff\x00\x00\x00\x00\x00\x00\x00{}")), "claims 255 bytes"},
		{"header of 2⁶³ bytes", bytesFile(t, []byte("\x00\x00\x00\x00\x00\x00\x00\x80{}")), "claims 9223372036854775808"},
		{"no JSON", raw(t, "hello", nil), "not a JSON object"},
		{"array", raw(t, "[]", nil), "not a JSON object"},
		{"JSON cut off", raw(t, `{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`, data), "not valid JSON"},
		{"text after JSON", raw(t, `{} {}`, nil), "continues after"},
		{"metadata of numbers", raw(t, `{"__metadata__":{"a":1}}`, nil), "strings"},
		{"unknown type", raw(t, one(`{"dtype":"F4","shape":[2],"data_offsets":[0,8]}`), data), `type "F4"`},
		{"range beyond the file", raw(t, one(`{"dtype":"F32","shape":[3],"data_offsets":[0,12]}`), data), "8 bytes of data"},
		{"range reversed", raw(t, one(`{"dtype":"F32","shape":[0],"data_offsets":[8,0]}`), data), "byte range"},
		{"negative range", raw(t, one(`{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}`), data), "byte range"},
		{"no range", raw(t, one(`{"dtype":"F32","shape":[2]}`), data), "byte range"},
		{"shape and range disagree", raw(t, one(`{"dtype":"F32","shape":[3],"data_offsets":[0,8]}`), data), "needs 12 bytes"},
		{"negative dimensions", raw(t, one(`{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}`), data), "negative"},
		{"overflowing shape", raw(t, one(`{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}`), data), "too large"},
		{"overflow hidden by zero", raw(t, one(`{"dtype":"F32","shape":[9223372036854775807,2,0],"data_offsets":[0,0]}`), data), "too large"},
		{"dimension 1e99", raw(t, one(`{"dtype":"F32","shape":[1e99],"data_offsets":[0,8]}`), data), `header of tensor "x"`},
		{"overlap", raw(t, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}`, data), "overlaps"},
		{"same name twice", raw(t, `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, data), "twice"},
		{"folder", t.TempDir(), ""},
	} {
		f, err := Read(c.path)
		if err == nil {
			f.Close()
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: %v; want the path and %q", c.name, err, c.says)
		}
	}
	f, err := Read(raw(t, one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`), data))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Tensor("y"); err == nil {
		t.Error("a tensor that is not there was read")
	}
	if err := os.Truncate(f.path, 60); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Tensor("x"); err == nil {
		t.Error("a file cut off after it was opened was read")
	}
}

func TestReferenceFiles(t *testing.T) {
	f, err := Read(nearby.Path(t, "golden", "medsegx-tiny", "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Names()) < 100 {
		t.Errorf("only %d tensors", len(f.Names()))
	}
	for _, name := range f.Names() {
		got, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(got.Data, func(v float32) bool { return v != v || v > 1e3 || v < -1e3 }) {
			t.Errorf("%s holds implausible values", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	header, _ := json.Marshal(map[string]entry{"x": {DType: "F16", Shape: []int64{2, 1}, Offsets: []int64{0, 4}}})
	f.Add(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), append(header, 1, 2, 3, 4)...))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := Read(bytesFile(t, content))
		if err != nil {
			return
		}
		defer file.Close()
		for _, name := range file.Names() {
			got, err := file.Tensor(name)
			if err == nil && len(got.Data) > len(content) {
				t.Errorf("%d values from %d bytes", len(got.Data), len(content))
			}
		}
	})
}

// Tensors are asked for one after the other, and one that fails leaves the file before.
func TestWriteInTurn(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a", "b", "c"}
	dims := func(name string) []int { return []int{2, len(name)} }
	values := func(name string) []float32 { return []float32{float32(name[0]), 1} }
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := Write(at("at once"), names, func(name string) ([]int, []float32) { return dims(name), values(name) }, map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	var asked []string
	err := WriteInTurn(at("in turn"), names, dims, func(name string) ([]float32, error) {
		asked = append(asked, name)
		return values(name), nil
	}, map[string]string{"k": "v"})
	if err != nil || !slices.Equal(asked, names) {
		t.Fatalf("asked for %v, %v", asked, err)
	}
	want, e1 := os.ReadFile(at("at once"))
	got, e2 := os.ReadFile(at("in turn"))
	if e1 != nil || e2 != nil || !bytes.Equal(want, got) {
		t.Errorf("%d bytes at once, %d in turn, %v, %v", len(want), len(got), e1, e2)
	}
	broken := errors.New("broken")
	for what, get := range map[string]func(name string) ([]float32, error){
		"error": func(name string) ([]float32, error) {
			if name == "b" {
				return nil, broken
			}
			return values(name), nil
		},
		"short": func(name string) ([]float32, error) { return values(name)[:1], nil },
	} {
		err := WriteInTurn(at("in turn"), names, dims, get, nil)
		if err == nil || what == "error" && !errors.Is(err, broken) || !strings.Contains(err.Error(), at("in turn")) {
			t.Errorf("%s: %v", what, err)
		}
		if after, err := os.ReadFile(at("in turn")); err != nil || !bytes.Equal(after, want) {
			t.Errorf("%s: the file before is gone (%v)", what, err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}
