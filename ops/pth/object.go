package pth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// global is a name that a pickle asks Python for, as module.name. Only names
// that [resolve] knows come to be.
type global string

// placeholder stands for an object that is not read: the name of its class.
type placeholder string

// numpyType is a numpy.dtype of a scalar.
type numpyType string

// object carries out the opcodes with which pickles import, call and fill
// objects: here the few constructors of tensors, containers and numbers.
func (m *machine) object(op byte) error {
	switch op {
	case opGlobal:
		module, err := m.in.line()
		if err != nil {
			return err
		}
		name, err := m.in.line()
		if err != nil {
			return err
		}
		return m.then(resolve(module, name))
	case opStackGlobal:
		names, err := m.last(2)
		if err != nil {
			return err
		}
		module, ok1 := names[0].(string)
		name, ok2 := names[1].(string)
		if !ok1 || !ok2 {
			return fmt.Errorf("its pickle imports %s from %s; the file is damaged", describe(names[1]), describe(names[0]))
		}
		return m.then(resolve(module, name))
	case opPersistent:
		id, err := m.pop()
		if err != nil {
			return err
		}
		t, ok := id.(tuple)
		if !ok {
			return fmt.Errorf("a storage is given by %s, expected a tuple of kind, type, key, place and length", describe(id))
		}
		return m.then(m.storage(t))
	case opBuild:
		taken, err := m.last(2)
		if err != nil {
			return err
		}
		return m.then(build(taken[0], taken[1]))
	}
	n := 2 // function and arguments
	if op == opNewObjectKeywords {
		n = 3
	}
	taken, err := m.last(n)
	if err != nil {
		return err
	}
	f, ok := taken[0].(global)
	args, isTuple := taken[1].(tuple)
	if !ok || !isTuple {
		return fmt.Errorf("its pickle calls %s with %s; the file is damaged", describe(taken[0]), describe(taken[1]))
	}
	if isInert(string(f)) {
		return m.push(placeholder(f))
	}
	if op == opNewObjectKeywords {
		return fmt.Errorf("its pickle makes a %s with keywords, which files of weights do not", f)
	}
	if err := m.charge(args); err != nil {
		return err
	}
	return m.then(call(f, args))
}

// charge counts what a call copies as if it had been pushed, so that a short
// pickle cannot copy a long list many times.
func (m *machine) charge(args tuple) error {
	for _, a := range args {
		items, _ := elements(tuple{a})
		m.pushed += len(items)
		if s, ok := a.(string); ok {
			m.pushed += len(s) / 16
		}
	}
	if m.pushed > maxValues {
		return errValues
	}
	return nil
}

// modules that have had other names.
var renamed = map[string]string{"__builtin__": "builtins", "numpy._core.multiarray": "numpy.core.multiarray"}

// resolve knows a name, or refuses it.
func resolve(module, name string) (global, error) {
	if now, ok := renamed[module]; ok {
		module = now
	}
	full := module + "." + name
	if _, ok := constructors[global(full)]; ok || storageTypes[full].width > 0 || elementTypes[full].width > 0 || isInert(full) {
		return global(full), nil
	}
	return "", refused(module, name)
}

// refused says what a file wanted, and what to do about it.
func refused(module, name string) error {
	full := fmt.Sprintf("%.100q", module+"."+name)
	const why = "only tensors, containers, numbers and text are read, so nothing was executed"
	switch first, _, _ := strings.Cut(module, "."); {
	case first == "builtins" || first == "os" || first == "posix" || first == "nt" || first == "subprocess" || first == "sys":
		return fmt.Errorf("it asks Python for %s, as files do that were made to do harm; %s; do not load it with torch", full, why)
	case name != "" && name[0] >= 'A' && name[0] <= 'Z':
		return fmt.Errorf("it holds an object of class %s; %s; if it is a model, load it where it was made and save model.state_dict()", full, why)
	}
	return fmt.Errorf("it asks Python for %s; %s; save plain tensors, such as model.state_dict()", full, why)
}

// isInert is true for optimisers and schedules, which SAM-Med2D's trainer
// pickles as objects beside the weights.
func isInert(full string) bool {
	rest, ok := strings.CutPrefix(full, "torch.optim.")
	if !ok {
		return false
	}
	for _, part := range strings.Split(rest, ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			return false
		}
	}
	class := rest[strings.LastIndexByte(rest, '.')+1:]
	return class[0] >= 'A' && class[0] <= 'Z'
}

// constructors are the functions and classes that stand for data.
var constructors map[global]func(args tuple) (any, error)

func init() {
	constructors = map[global]func(tuple) (any, error){
		"collections.OrderedDict":                    makeDict,
		"builtins.dict":                              makeDict,
		"collections.defaultdict":                    func(tuple) (any, error) { return &dict{}, nil }, // the factory makes values that are absent
		"builtins.list":                              makeList,
		"builtins.set":                               makeList,
		"builtins.frozenset":                         makeList,
		"builtins.tuple":                             makeTuple,
		"builtins.int":                               notCalled,
		"builtins.float":                             notCalled,
		"builtins.bool":                              notCalled,
		"builtins.str":                               notCalled,
		"builtins.bytes":                             makeBytes,
		"builtins.bytearray":                         makeBytes,
		"_codecs.encode":                             encodeText,
		"torch.Size":                                 makeSize,
		"torch.device":                               makeDevice,
		"torch._utils._rebuild_tensor":               rebuildTensor(4),
		"torch._utils._rebuild_tensor_v2":            rebuildTensor(6),
		"torch._utils._rebuild_tensor_v3":            rebuildTensor(7),
		"torch._utils._rebuild_parameter":            rebuildParameter,
		"torch._utils._rebuild_parameter_with_state": rebuildParameter,
		"numpy.dtype":                                makeNumpyType,
		"numpy.core.multiarray.scalar":               makeNumpyScalar,
	}
}

func call(f global, args tuple) (any, error) {
	make, ok := constructors[f]
	if !ok {
		return nil, fmt.Errorf("its pickle calls %s, which is a type of values and no function", f)
	}
	v, err := make(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return v, nil
}

// build fills an object with its state: here that is left out where it holds
// no data, such as the version numbers of a state dict.
func build(object, state any) (any, error) {
	switch o := object.(type) {
	case placeholder:
		return o, nil
	case *dict:
		switch state.(type) {
		case nil, *dict, tuple:
			return o, nil
		}
	case numpyType:
		t, ok := state.(tuple)
		if !ok || len(t) < 2 {
			return nil, errors.New("the state of a numpy type is damaged")
		}
		if order, _ := t[1].(string); order != "<" && order != "|" && order != "=" {
			return nil, errors.New("it holds numbers in big-endian order; only little-endian files are read")
		}
		return o, nil
	}
	return nil, fmt.Errorf("its pickle gives a state to %s; the file is damaged or not one of weights", describe(object))
}

var errArguments = errors.New("called with arguments that torch does not write; the file is damaged")

func notCalled(tuple) (any, error) { return nil, errArguments }

// makeDict is dict(), or dict of a list of pairs.
func makeDict(args tuple) (any, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := elements(args)
	if !ok {
		return nil, errArguments
	}
	for _, p := range pairs {
		pair, ok := elements(tuple{p})
		if !ok || len(pair) != 2 {
			return nil, errArguments
		}
		d.set(pair[0], pair[1])
	}
	return d, nil
}

func makeList(args tuple) (any, error) {
	if len(args) == 0 {
		return &list{}, nil
	}
	items, ok := elements(args)
	if !ok {
		return nil, errArguments
	}
	return &list{append([]any{}, items...)}, nil
}

func makeTuple(args tuple) (any, error) {
	if len(args) == 0 {
		return tuple{}, nil
	}
	items, ok := elements(args)
	if !ok {
		return nil, errArguments
	}
	return append(tuple{}, items...), nil
}

// elements are those of a call's only argument, a list or tuple.
func elements(args tuple) ([]any, bool) {
	if len(args) != 1 {
		return nil, false
	}
	switch a := args[0].(type) {
	case *list:
		return a.items, true
	case tuple:
		return a, true
	}
	return nil, false
}

func makeBytes(args tuple) (any, error) {
	if len(args) == 0 {
		return []byte{}, nil
	}
	b, ok := args[0].([]byte)
	if !ok || len(args) != 1 {
		return nil, errArguments
	}
	return b, nil
}

// encodeText is how protocol 2 writes bytes: as text of the code points 0 to 255.
func encodeText(args tuple) (any, error) {
	if len(args) != 2 || args[1] != "latin1" && args[1] != "latin-1" {
		return nil, errArguments
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, errArguments
	}
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, errArguments
		}
		out = append(out, byte(r))
	}
	return out, nil
}

func makeSize(args tuple) (any, error) {
	if len(args) != 1 {
		return nil, errArguments
	}
	dims, err := integers(args[0])
	return size(dims), err
}

// makeDevice is "cuda:0".
func makeDevice(args tuple) (any, error) {
	if len(args) == 0 || len(args) > 2 {
		return nil, errArguments
	}
	name, ok := args[0].(string)
	if !ok {
		return nil, errArguments
	}
	if len(args) == 2 {
		i, ok := args[1].(int64)
		if !ok {
			return nil, errArguments
		}
		name = fmt.Sprintf("%s:%d", name, i)
	}
	return name, nil
}

func makeNumpyType(args tuple) (any, error) {
	if len(args) == 0 {
		return nil, errArguments
	}
	name, ok := args[0].(string)
	if !ok {
		return nil, errArguments
	}
	return numpyType(name), nil
}

// makeNumpyScalar is the number that a type and its bytes stand for.
func makeNumpyScalar(args tuple) (any, error) {
	if len(args) != 2 {
		return nil, errArguments
	}
	kind, ok1 := args[0].(numpyType)
	b, ok2 := args[1].([]byte)
	if !ok1 || !ok2 {
		return nil, errArguments
	}
	width := map[numpyType]int{"f8": 8, "f4": 4, "i8": 8, "i4": 4, "i2": 2, "i1": 1, "u8": 8, "u4": 4, "u2": 2, "u1": 1, "b1": 1}[kind]
	if width == 0 {
		return nil, fmt.Errorf("a numpy scalar of type %q is not read, only numbers", kind)
	}
	if len(b) != width {
		return nil, fmt.Errorf("a numpy scalar of type %s has %d bytes, expected %d", kind, len(b), width)
	}
	var word [8]byte
	copy(word[:], b)
	bits := binary.LittleEndian.Uint64(word[:])
	switch kind {
	case "f8":
		return math.Float64frombits(bits), nil
	case "f4":
		return float64(math.Float32frombits(uint32(bits))), nil
	case "i4":
		return int64(int32(bits)), nil
	case "i2":
		return int64(int16(bits)), nil
	case "i1":
		return int64(int8(bits)), nil
	case "b1":
		return bits != 0, nil
	case "u8":
		return long(append(b[:8:8], 0)), nil
	}
	return int64(bits), nil
}
