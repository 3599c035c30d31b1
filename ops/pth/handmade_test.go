package pth

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pickle writes opcodes; it begins with the protocol and ends with STOP.
type pickle []byte

func begin() pickle                      { return pickle{opProto, 2} }
func (p pickle) op(ops ...byte) pickle   { return append(p, ops...) }
func (p pickle) text(s string) pickle    { return text4(p, s) }
func (p pickle) int(n ...int) pickle     { return p.each(n) }
func (p pickle) stop() pickle            { return append(p, opStop) }
func (p pickle) get(slot byte) pickle    { return append(p, opGet1, slot) }
func (p pickle) put(slot byte) pickle    { return append(p, opPut1, slot) }
func (p pickle) tuple(n ...int) pickle   { return append(append(p, opMark).each(n), opTuple) }
func (p pickle) name(m, n string) pickle { return append(p, "c"+m+"\n"+n+"\n"...) }
func (p pickle) each(n []int) pickle {
	for _, x := range n {
		p = integer(p, x)
	}
	return p
}

// stored is a storage's persistent id.
func (p pickle) stored(class, key string, n int) pickle {
	p = p.op(opMark).text("storage").name("torch", class).text(key).text("cpu").int(n)
	return p.op(opTuple, opPersistent)
}

// tensor is one at offset 0 of a storage of float32, called like its key.
func (p pickle) tensor(key string, n, offset int, dims, strides []int) pickle {
	p = p.text(key).name("torch._utils", "_rebuild_tensor_v2").op(opMark).stored("FloatStorage", key, n)
	return p.int(offset).tuple(dims...).tuple(strides...).op(opFalse).name("collections", "OrderedDict").op(opEmptyTuple, opReduce, opTuple, opReduce)
}

func dictOf(fill func(pickle) pickle) pickle {
	return fill(begin().op(opEmptyDict, opMark)).op(opSetItems).stop()
}

// archived writes a zip archive as torch does.
func archived(t testing.TB, p pickle, method uint16, storages map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pth")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name string, data []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "any/" + name, Method: method})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("data.pkl", p)
	for key, data := range storages {
		add("data/"+key, data)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func counting(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i)
	}
	return out
}

func TestWhatIsNoDataIsRefused(t *testing.T) {
	item := func(p pickle) pickle { return p.tensor("w", 4, 0, []int{2, 2}, []int{2, 1}) }
	for _, c := range []struct {
		name, says string
		p          pickle
	}{
		{"function", `"os.system"`, begin().name("os", "system").text("true").op(opTuple1, opReduce).stop()},
		{"function by stack", `"posix.system"`, begin().text("posix").text("system").op(opStackGlobal).stop()},
		{"function never called", `"builtins.eval"`, begin().name("__builtin__", "eval").stop()},
		{"class", "save model.state_dict()", begin().name("my.project", "Net").op(opEmptyTuple, opNewObject).stop()},
		{"beside a tensor", `"shutil.rmtree"`, dictOf(func(p pickle) pickle { return item(p).text("x").name("shutil", "rmtree") })},
		{"function in the name of an optimiser", `"torch.optim.adam.adam"`, begin().name("torch.optim.adam", "adam").stop()},
		{"attribute of an optimiser", "torch.optim.Adam.__init__", begin().text("torch.optim").text("Adam.__init__.__globals__").op(opStackGlobal).stop()},
		{"type called", "no function", begin().name("torch", "float32").op(opEmptyTuple, opReduce).stop()},
		{"text called", "calls a text", begin().text("os.system").op(opEmptyTuple, opReduce).stop()},
		{"instance of protocol 0", "opcode 0x69", begin().op(opMark, 'i').stop()},
		{"extension", "opcode 0x82", begin().op(0x82, 1).stop()},
		{"protocol 9", "protocol 9", append(pickle{opProto, 9}, opNone, opStop)},
		{"quantised tensor", `"torch._utils._rebuild_qtensor"`, begin().name("torch._utils", "_rebuild_qtensor").stop()},
		{"int called", "builtins.int", begin().name("builtins", "int").text("1").op(opTuple1, opReduce).stop()},
		{"state of a list", "gives a state to a list", begin().op(opEmptyList, opEmptyDict, opBuild).stop()},
		{"numpy object", `type "O8"`, begin().name("numpy.core.multiarray", "scalar").name("numpy", "dtype").text("O8").op(opTuple1, opReduce).
			op(opBytes1, 0).op(opTuple2, opReduce).stop()},
		{"numpy big-endian", "big-endian", begin().name("numpy", "dtype").text("f8").op(opTuple1, opReduce).op(opMark).int(3).text(">").op(opTuple, opBuild).stop()},
		{"conjugate view", "resolve_conj", begin().name("torch._utils", "_rebuild_tensor_v2").op(opMark).stored("FloatStorage", "w", 4).int(0).tuple(4).tuple(1).
			op(opFalse, opNone, opEmptyDict).text("conj").op(opTrue, opSetItem, opTuple, opReduce).stop()},
		{"storage alone", "storage without a tensor", begin().stored("FloatStorage", "w", 4).stop()},
		{"storage of another length", "its entry has 16", dictOf(func(p pickle) pickle { return p.tensor("w", 5, 0, []int{5}, []int{1}) })},
		{"window outside", "does not lie within", dictOf(func(p pickle) pickle { return p.tensor("w", 4, 1, []int{2, 2}, []int{2, 1}) })},
		{"dict without a value", "lacks a value", begin().op(opEmptyDict, opMark).text("a").op(opSetItems).stop()},
		{"items into a text", "into a text", begin().text("a").op(opNone, opAppend).stop()},
		{"key that is a list", "key that is a list", begin().op(opEmptyDict, opEmptyList, opNone, opSetItem).stop()},
		{"stack below a mark", "empty stack", begin().op(opNone, opMark, opTuple1).stop()},
		{"no mark", "mark that is not there", begin().op(opNone, opTuple).stop()},
		{"list in itself", "more than 100 deep", begin().op(opEmptyList).put(0).get(0).op(opAppend).stop()},
		{"same path twice", "two values have the path", dictOf(func(p pickle) pickle {
			return p.text("a/b").op(opNone).text("a").op(opEmptyDict).text("b").op(opNone, opSetItem)
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := archived(t, c.p, zip.Store, map[string][]byte{"w": floats(1, 2, 3, 4)})
			f, err := Open(path)
			if err == nil {
				f.Close()
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v; expected the path and %q", err, c.says)
			}
		})
	}
}

// Short pickles that would take long or much.
func TestBombsAreBounded(t *testing.T) {
	doubling := begin().op(opEmptyList, opNone, opAppend).put(0)
	for range 40 {
		doubling = doubling.op(opPop, opEmptyList, opMark).get(0).get(0).op(opAppends).put(0)
	}
	copies := begin().op(opMark)
	for range 1000 {
		copies = copies.op(opNone)
	}
	copies = copies.op(opList).put(0).op(opPop).op(opMark)
	for range 20000 {
		copies = copies.name("builtins", "list").get(0).op(opTuple1, opReduce)
	}
	expanded := dictOf(func(p pickle) pickle { return p.tensor("w", 4, 3, []int{1 << 20, 1 << 20}, []int{0, 0}) })
	many := dictOf(func(p pickle) pickle {
		p = p.tensor("w", 4, 3, []int{1 << 22}, []int{0}).put(0)
		for i := range 20 {
			p = p.text(strings.Repeat("x", i+1)).get(0)
		}
		return p
	})
	for _, c := range []struct {
		name, says string
		p          pickle
	}{
		{"references to references", "more than 1048576 values", doubling.stop()},
		{"copies of a long list", "more values than", copies.op(opList).stop()},
		{"strides of zero", "would take", expanded},
		{"one tensor many times", "would take", many},
		{"deep tuples", "deep", append(append(begin(), opNone), append(bytes.Repeat([]byte{opTuple1}, 1<<20), opStop)...)},
		{"marks", "more values than", append(begin(), bytes.Repeat([]byte{opMark}, 1<<21)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Open(archived(t, c.p, zip.Store, map[string][]byte{"w": floats(1, 2, 3, 4)}))
			if err == nil {
				f.Close()
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected %q", err, c.says)
			}
		})
	}
}

// Windows with any offset and strides, against their definition.
func TestWindowsByDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	data := counting(200)
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		for range 60 {
			rank := r.IntN(4)
			dims, strides := make([]int, rank), make([]int, rank)
			reach := 0
			for i := range rank {
				dims[i] = r.IntN(4)
				if r.IntN(4) > 0 {
					strides[i] = r.IntN(12)
				}
				reach += max(dims[i]-1, 0) * strides[i]
			}
			offset := r.IntN(len(data) - reach)
			var want []float32
			var collect func(axis, at int)
			collect = func(axis, at int) {
				if axis == rank {
					want = append(want, data[at])
					return
				}
				for k := range dims[axis] {
					collect(axis+1, at+k*strides[axis])
				}
			}
			collect(0, offset)
			f, err := Open(archived(t, dictOf(func(p pickle) pickle {
				return p.tensor("w", len(data), offset, dims, strides)
			}), method, map[string][]byte{"w": floats(data...)}))
			if err != nil {
				t.Fatalf("shape %v, strides %v, offset %d: %v", dims, strides, offset, err)
			}
			for range 2 { // the second time, the checksum has been compared
				got, err := f.Tensor("w")
				if err != nil || !slices.Equal(got.Dims, dims) || !slices.Equal(got.Data, want) {
					t.Fatalf("shape %v, strides %v, offset %d: %+v and %v, expected %v", dims, strides, offset, got, err, want)
				}
			}
			f.Close()
		}
	}
}

func TestDamagedStorageIsFound(t *testing.T) {
	data := counting(5000)
	for _, tail := range []bool{false, true} {
		p := dictOf(func(p pickle) pickle {
			if tail { // a window that does not touch the damage
				return p.tensor("w", len(data), 4000, []int{10}, []int{1})
			}
			return p.tensor("w", len(data), 0, []int{5000}, []int{1})
		})
		path := archived(t, p, zip.Store, map[string][]byte{"w": floats(data...)})
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, floats(1000, 1001))
		b[at] ^= 1
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Tensor("w"); err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("tail %v: %v, expected a word about the checksum", tail, err)
		}
	}
}

// Forms that torch 2 writes: storages without a type, and their tensors'.
func TestUntypedStorage(t *testing.T) {
	p := dictOf(func(p pickle) pickle {
		p = p.text("w").name("torch._utils", "_rebuild_tensor_v3").op(opMark)
		p = p.op(opMark).text("storage").name("torch.storage", "UntypedStorage").text("0").text("cuda:1").int(4).op(opTuple, opPersistent)
		return p.int(1).tuple(1).tuple(1).op(opFalse).name("collections", "OrderedDict").op(opEmptyTuple, opReduce).name("torch", "bfloat16").op(opTuple, opReduce)
	})
	f, err := Open(archived(t, p, zip.Store, map[string][]byte{"0": {0, 0, 0xc0, 0x3f}}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Tensor("w")
	if dtype, _, _ := f.Shape("w"); err != nil || dtype != "bfloat16" || !slices.Equal(got.Data, []float32{1.5}) {
		t.Errorf("%s %+v and %v, expected bfloat16 1.5", dtype, got, err)
	}
}

func TestOptimiserObjectIsInert(t *testing.T) {
	p := dictOf(func(p pickle) pickle {
		p = p.tensor("w", 1, 0, []int{}, []int{}).put(0).text("optimizer").name("torch.optim.adam", "Adam").op(opEmptyTuple, opNewObject)
		p = p.name("collections", "defaultdict").name("__builtin__", "dict").op(opTuple1, opReduce).get(0).op(opNone, opSetItem) // keyed by a tensor
		return p.op(opBuild)
	})
	f, err := Open(archived(t, p, zip.Store, map[string][]byte{"w": floats(7)}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Other()["optimizer"] != "<Adam>" || !slices.Equal(f.Names(), []string{"w"}) {
		t.Errorf("%v with %v, expected the tensor w and <Adam>", f.Names(), f.Other())
	}
}

func TestScalars(t *testing.T) {
	for _, c := range []struct {
		name string
		p    []byte
		want any
	}{
		{"negative", []byte{opInt4, 0xfe, 0xff, 0xff, 0xff}, int64(-2)},
		{"long of no bytes", []byte{opLong1, 0}, int64(0)},
		{"long of one byte", []byte{opLong1, 1, 0x80}, int64(-128)},
		{"long of eight bytes", []byte{opLong1, 8, 0, 0, 0, 0, 0, 0, 0, 0x80}, int64(math.MinInt64)},
		{"long of nine bytes", []byte{opLong1, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0}, int64(math.MaxInt64)},
		{"bytes of Python 2", []byte{opString1, 2, 'a', 0xe9}, "aé"},
		{"float", []byte{opFloat, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0}, 0.5},
	} {
		v, err := (&machine{in: newSource(bytes.NewReader(append(c.p, opStop)), int64(len(c.p)+1))}).run()
		if err != nil || v != c.want {
			t.Errorf("%s: %v and %v, expected %v", c.name, v, err, c.want)
		}
	}
	minus := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 70))
	b := []byte{opLong1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0, opStop}
	v, err := (&machine{in: newSource(bytes.NewReader(b), int64(len(b)))}).run()
	if n, ok := v.(*big.Int); err != nil || !ok || n.Cmp(minus) != 0 {
		t.Errorf("%v and %v, expected -2⁷⁰", v, err)
	}
}

// streamed writes the layout before torch 1.6.
func streamed(p pickle, keys []string, storages map[string][]byte, facts byte) []byte {
	b := append(pickle{opProto, 2, opLong1, 10}, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19).stop()
	b = append(b, begin().int(streamVersion).stop()...)
	b = append(b, begin().op(opEmptyDict).text("little_endian").op(facts, opSetItem).stop()...)
	b = append(b, p...)
	list := begin().op(opEmptyList, opMark)
	for _, k := range keys {
		list = list.text(k)
	}
	b = append(b, list.op(opAppends).stop()...)
	for _, k := range keys {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(storages[k])/4))
		b = append(b, storages[k]...)
	}
	return b
}

func TestStreamLayout(t *testing.T) {
	both := dictOf(func(p pickle) pickle {
		return p.tensor("b", 2, 0, []int{2}, []int{1}).tensor("a", 3, 1, []int{2}, []int{1})
	})
	storages := map[string][]byte{"a": floats(1, 2, 3), "b": floats(4, 5), "c": floats(9)}
	good := streamed(both, []string{"a", "b"}, storages, opTrue)
	for _, c := range []struct {
		name, says string
		file       []byte
	}{
		{"as it should be", "", good},
		{"big-endian", "little-endian", streamed(both, []string{"a", "b"}, storages, opFalse)},
		{"storage left out", `"b" is not in the file`, streamed(both, []string{"a"}, storages, opTrue)},
		{"storage of no tensor", `"c", which no tensor uses`, streamed(both, []string{"a", "b", "c"}, storages, opTrue)},
		{"storage twice", "listed before", streamed(both, []string{"a", "a"}, storages, opTrue)},
		{"other length", "has 3 values, its tensors expect 2", streamed(both, []string{"a", "b"}, map[string][]byte{"a": storages["a"], "b": storages["a"]}, opTrue)},
		{"cut in a storage", "cut off", good[:len(good)-3]},
		{"cut before a storage", "cut off", good[:len(good)-12]},
		{"any pickle", "not one of torch.save", begin().op(opEmptyDict).stop()},
	} {
		path := filepath.Join(t.TempDir(), "x.pth")
		if err := os.WriteFile(path, c.file, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, expected %q", c.name, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		defer f.Close()
		for name, want := range map[string][]float32{"a": {2, 3}, "b": {4, 5}} {
			got, err := f.Tensor(name)
			if err != nil || !slices.Equal(got.Data, want) {
				t.Errorf("%s: %s is %+v and %v, expected %v", c.name, name, got, err, want)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.pth")
	writeSome(f, path, []string{"a", "b"}, map[string]tensor{"a": {[]int{2}, []float32{1, 2}}, "b": {[]int{}, []float32{3}}})
	if b, err := os.ReadFile(path); err == nil {
		f.Add(b)
	}
	f.Add(streamed(dictOf(func(p pickle) pickle { return p.tensor("a", 2, 0, []int{2}, []int{1}) }), []string{"a"}, map[string][]byte{"a": floats(1, 2)}, opTrue))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "x.pth")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		checkReading(t, path, len(content))
	})
}

// FuzzPickle puts the pickle into a whole archive, so that the machine is
// reached past the archive's checksum.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(dictOf(func(p pickle) pickle { return p.tensor("w", 4, 1, []int{1, 2}, []int{2, 1}) })))
	f.Add([]byte(begin().text("os").text("system").op(opStackGlobal).stop()))
	f.Fuzz(func(t *testing.T, content []byte) {
		checkReading(t, archived(t, content, zip.Store, map[string][]byte{"w": floats(1, 2, 3, 4)}), len(content)+600)
	})
}

// checkReading reads all there is; what comes back keeps to the size of the file.
func checkReading(t *testing.T, path string, size int) {
	file, values, err := readAll(path)
	if err != nil {
		return
	}
	total := 0
	for _, v := range values {
		total += len(v)
	}
	if total > budgetFactor*size+budgetBase {
		t.Errorf("%d bytes from a file of %d", total, size)
	}
	if len(values) != len(file.Names()) {
		t.Errorf("%d tensors, %d names", len(values), len(file.Names()))
	}
}
