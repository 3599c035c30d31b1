package pth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// What the stream layout begins with.
var magic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const streamVersion = 1001

// readStream reads the layout before torch 1.6: pickles of the magic number, a
// version, facts of the machine, the object, and the keys of its storages; then
// each storage as its length and its values, in the order of the keys.
func (f *File) readStream() (any, error) {
	in := newSource(io.NewSectionReader(f.f, 0, f.size), f.size)
	storages := map[string]*storage{}
	next := func(allowed func(tuple) (*storage, error)) (any, error) {
		m := machine{in: in, storage: allowed}
		return m.run()
	}
	none := func(tuple) (*storage, error) {
		return nil, errors.New("it names a storage before its object; the file is damaged")
	}

	v, err := next(none)
	if err != nil {
		return nil, err
	}
	if n, ok := v.(*big.Int); !ok || n.Cmp(magic) != 0 {
		return nil, fmt.Errorf("it is a pickle of %s, not one of torch.save", describe(v))
	}
	if v, err = next(none); err != nil {
		return nil, err
	}
	if v != int64(streamVersion) {
		return nil, fmt.Errorf("its version is %s, expected %d", text(v), streamVersion)
	}
	if v, err = next(none); err != nil {
		return nil, err
	}
	facts, ok := v.(*dict)
	if !ok || facts.get("little_endian") != true {
		return nil, errors.New("it does not say that its numbers are little-endian; only such files are read")
	}

	root, err := next(func(id tuple) (*storage, error) {
		s, err := storageOf(id)
		if err != nil {
			return nil, err
		}
		if known := storages[s.key]; known != nil {
			if known.dtype != s.dtype || known.size != s.size {
				return nil, fmt.Errorf("storage %q is described in two ways; the file is damaged", s.key)
			}
			return known, nil
		}
		if s.size > f.size {
			return nil, fmt.Errorf("storage %q needs %d bytes, the file has %d", s.key, s.size, f.size)
		}
		storages[s.key] = s
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	keys, err := next(none)
	if err != nil {
		return nil, err
	}
	return root, f.locate(keys, in.at, storages)
}

// locate finds the values of every storage behind the pickles.
func (f *File) locate(keys any, at int64, storages map[string]*storage) error {
	order, ok := keys.(*list)
	if !ok {
		return fmt.Errorf("the keys of its storages are %s, expected a list", describe(keys))
	}
	for _, k := range order.items {
		key, _ := k.(string)
		s := storages[key]
		if s == nil || s.at != 0 {
			return fmt.Errorf("it lists storage %s, which no tensor uses or which was listed before", text(k))
		}
		var word [8]byte
		if _, err := f.f.ReadAt(word[:], at); err != nil {
			return fmt.Errorf("it ends before storage %q; the file is cut off", key)
		}
		n := binary.LittleEndian.Uint64(word[:])
		if n != uint64(s.size/int64(s.dtype.width)) {
			return fmt.Errorf("storage %q has %d values, its tensors expect %d", key, n, s.size/int64(s.dtype.width))
		}
		s.at = at + 8
		at = s.at + s.size
		if at > f.size {
			return fmt.Errorf("storage %q needs %d bytes, %d are left; the file is cut off", key, s.size, f.size-s.at)
		}
	}
	for key, s := range storages {
		if s.at == 0 {
			return fmt.Errorf("storage %q is not in the file", key)
		}
	}
	return nil
}
