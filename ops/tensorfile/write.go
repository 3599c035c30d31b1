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
// strings. get returns a tensor's dimensions and values; it is called once for
// each name, and what it returns must not change until Write returns.
//
// The file appears under its name only when it is complete and on the disk;
// after an error (a full disk, say) what was there before is still there. Equal
// arguments give equal bytes.
func Write(path string, names []string, get func(name string) (dims []int, data []float32), meta map[string]string) error {
	header, tensors, err := layout(names, get, meta)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	pending, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer pending.Cleanup()
	w := bufio.NewWriterSize(pending, 1<<20)
	// bufio keeps the first error; Flush reports it.
	binary.Write(w, binary.LittleEndian, uint64(len(header)))
	w.Write(header)
	var word [4]byte
	for _, data := range tensors {
		for _, v := range data {
			binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
			w.Write(word[:])
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// layout writes the header, padded with spaces so that the data begins at a
// multiple of 8 bytes.
func layout(names []string, get func(string) ([]int, []float32), meta map[string]string) ([]byte, [][]float32, error) {
	var h bytes.Buffer
	var tensors [][]float32
	h.WriteByte('{')
	if len(meta) > 0 {
		text, err := json.Marshal(meta)
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(&h, "%q:%s", metadataKey, text)
	}
	seen := map[string]bool{}
	offset := int64(0)
	for _, name := range names {
		if err := validName(name); err != nil {
			return nil, nil, err
		}
		if seen[name] {
			return nil, nil, fmt.Errorf("tensor %q is given twice", name)
		}
		seen[name] = true
		dims, data := get(name)
		shape := make([]int64, len(dims))
		n := int64(1)
		for i, d := range dims {
			shape[i] = int64(d)
			n *= int64(d)
		}
		if n != int64(len(data)) {
			return nil, nil, fmt.Errorf("tensor %q has shape %v but %d values", name, dims, len(data))
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, nil, err
		}
		text, err := json.Marshal(entry{DType: "F32", Shape: shape, Offsets: []int64{offset, offset + 4*n}})
		if err != nil {
			return nil, nil, err
		}
		if h.Len() > 1 {
			h.WriteByte(',')
		}
		h.Write(key)
		h.WriteByte(':')
		h.Write(text)
		offset += 4 * n
		tensors = append(tensors, data)
	}
	h.WriteByte('}')
	for h.Len()%8 != 0 {
		h.WriteByte(' ')
	}
	if h.Len() > maxHeader {
		return nil, nil, fmt.Errorf("the header of %d tensors is larger than the %d bytes a reader accepts", len(names), maxHeader)
	}
	return h.Bytes(), tensors, nil
}
