package tensorfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/google/renameio/v2"
)

// Write stores the named tensors as F32, in the given order, with the metadata
// strings. get returns a tensor's dimensions and values, and must return the
// same until Write returns.
//
// The file appears under its name only when it is complete and on the disk;
// after an error (a full disk, say) what was there before is still there. Equal
// arguments give equal bytes.
func Write(path string, names []string, get func(name string) (dims []int, data []float32), meta map[string]string) error {
	dims := func(name string) []int {
		dims, _ := get(name)
		return dims
	}
	return WriteInTurn(path, names, dims, func(name string) ([]float32, error) {
		_, data := get(name)
		return data, nil
	}, meta)
}

// WriteInTurn is Write for tensors that are not all at hand: get is asked for
// their values one after the other, and each may be forgotten before the next
// comes. An error of get's ends the writing, as any other does.
func WriteInTurn(path string, names []string, dims func(name string) []int, get func(name string) ([]float32, error), meta map[string]string) error {
	if err := write(path, names, dims, get, meta); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func write(path string, names []string, dims func(string) []int, get func(string) ([]float32, error), meta map[string]string) error {
	header, err := layout(names, dims, meta)
	if err != nil {
		return err
	}
	pending, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer pending.Cleanup()
	w := bufio.NewWriterSize(pending, 1<<20)
	// bufio keeps the first error; Flush reports it.
	binary.Write(w, binary.LittleEndian, uint64(len(header)))
	w.Write(header)
	var word [4]byte
	for _, name := range names {
		data, err := get(name)
		if err != nil {
			return err
		}
		if shape := dims(name); count(shape) != int64(len(data)) {
			return fmt.Errorf("tensor %q has shape %v but %d values", name, shape, len(data))
		}
		for _, v := range data {
			binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
			w.Write(word[:])
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return pending.CloseAtomicallyReplace()
}

func count(dims []int) int64 {
	n := int64(1)
	for _, d := range dims {
		n *= int64(d)
	}
	return n
}

// layout writes the header, padded with spaces so that the data begins at a
// multiple of 8 bytes.
func layout(names []string, dims func(string) []int, meta map[string]string) ([]byte, error) {
	var h bytes.Buffer
	h.WriteByte('{')
	if len(meta) > 0 {
		text, err := json.Marshal(meta)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&h, "%q:%s", metadataKey, text)
	}
	seen := map[string]bool{}
	offset := int64(0)
	for _, name := range names {
		if err := validName(name); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("tensor %q is given twice", name)
		}
		seen[name] = true
		of := dims(name)
		shape, n := make([]int64, len(of)), count(of)
		for i, d := range of {
			shape[i] = int64(d)
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(entry{DType: "F32", Shape: shape, Offsets: []int64{offset, offset + 4*n}})
		if err != nil {
			return nil, err
		}
		if h.Len() > 1 {
			h.WriteByte(',')
		}
		h.Write(key)
		h.WriteByte(':')
		h.Write(text)
		offset += 4 * n
	}
	h.WriteByte('}')
	for h.Len()%8 != 0 {
		h.WriteByte(' ')
	}
	if h.Len() > maxHeader {
		return nil, fmt.Errorf("the header of %d tensors is larger than the %d bytes a reader accepts", len(names), maxHeader)
	}
	return h.Bytes(), nil
}
