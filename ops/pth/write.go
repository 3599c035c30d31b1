package pth

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/google/renameio/v2"
)

// alignment of the values in a file, as torch has it, so that they can be
// mapped into memory.
const alignment = 64

// Write stores the named tensors as a state dict of float32 that torch.load
// reads since torch 1.6, with weights_only too: an OrderedDict in the given
// order, each tensor with a storage of its own. get returns a tensor's
// dimensions and values; what it returns must not change until Write returns.
//
// The file appears under its name only when it is complete and on the disk;
// after an error what was there before is still there. Equal arguments give
// equal bytes.
func Write(path string, names []string, get func(name string) (dims []int, data []float32)) error {
	pending, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer pending.Cleanup()
	w := bufio.NewWriterSize(pending, 1<<20)
	err = write(w, names, get)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = pending.CloseAtomicallyReplace()
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func write(w io.Writer, names []string, get func(string) ([]int, []float32)) error {
	pickle, err := stateDict(names, get)
	if err != nil {
		return err
	}
	a := archive{out: &counter{w: w}}
	a.zip = zip.NewWriter(a.out)
	a.add("data.pkl", int64(len(pickle)), func(w io.Writer) error {
		_, err := w.Write(pickle)
		return err
	})
	a.add("byteorder", 6, func(w io.Writer) error {
		_, err := io.WriteString(w, "little")
		return err
	})
	for i, name := range names {
		_, data := get(name)
		a.add("data/"+strconv.Itoa(i), 4*int64(len(data)), func(w io.Writer) error { return writeFloats(w, data) })
	}
	a.add("version", 2, func(w io.Writer) error {
		_, err := io.WriteString(w, "3\n")
		return err
	})
	if a.err != nil {
		return a.err
	}
	return a.zip.Close()
}

// archive adds entries that are stored as they are; after the first error it
// does nothing more.
type archive struct {
	out *counter
	zip *zip.Writer
	err error
}

// add calls fill twice: for the checksum, which comes before the bytes, and for
// the bytes.
func (a *archive) add(name string, size int64, fill func(io.Writer) error) {
	if a.err != nil {
		return
	}
	h := &zip.FileHeader{Name: "archive/" + name, Method: zip.Store, CompressedSize64: uint64(size), UncompressedSize64: uint64(size)}
	sum := crc32.NewIEEE()
	if a.err = fill(sum); a.err != nil {
		return
	}
	h.CRC32 = sum.Sum32()
	if a.err = a.zip.Flush(); a.err != nil {
		return
	}
	// A field that readers skip fills up to the next multiple.
	const local = 30 // bytes of a local header without name and extra field
	begin := a.out.n + local + int64(len(h.Name)) + 4
	padding := (alignment - begin%alignment) % alignment
	h.Extra = append([]byte{'F', 'B', byte(padding), 0}, bytes.Repeat([]byte{'Z'}, int(padding))...)
	to, err := a.zip.CreateRaw(h)
	if err == nil {
		err = fill(to)
	}
	a.err = err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func writeFloats(w io.Writer, data []float32) error {
	buffer := make([]byte, 0, min(chunk, 4*len(data)))
	for i, v := range data {
		buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		if len(buffer) == cap(buffer) || i == len(data)-1 {
			if _, err := w.Write(buffer); err != nil {
				return err
			}
			buffer = buffer[:0]
		}
	}
	return nil
}

// Slots of the memo for what every tensor repeats.
const (
	slotOrderedDict = iota
	slotRebuild
	slotKind
	slotFloat
	slotCPU
)

// stateDict is the pickle of an OrderedDict of tensors, protocol 2.
func stateDict(names []string, get func(string) ([]int, []float32)) ([]byte, error) {
	p := []byte{opProto, 2}
	p = importAs(p, "collections", "OrderedDict", slotOrderedDict)
	p = append(p, opEmptyTuple, opReduce, opMark)
	seen := map[string]bool{}
	for i, name := range names {
		dims, data := get(name)
		switch {
		case !utf8.ValidString(name):
			return nil, fmt.Errorf("%q cannot be the name of a tensor", name)
		case seen[name]:
			return nil, fmt.Errorf("tensor %q is given twice", name)
		}
		seen[name] = true
		n := 1
		for _, d := range dims {
			n *= d
		}
		if n != len(data) {
			return nil, fmt.Errorf("tensor %q has shape %v but %d values", name, dims, len(data))
		}
		p = text4(p, name)
		p = once(p, i == 0, slotRebuild, func(p []byte) []byte {
			return importAs(p, "torch._utils", "_rebuild_tensor_v2", slotRebuild)
		})
		p = append(p, opMark, opMark) // its arguments; the storage's description
		p = once(p, i == 0, slotKind, func(p []byte) []byte { return append(text4(p, "storage"), opPut1, slotKind) })
		p = once(p, i == 0, slotFloat, func(p []byte) []byte { return importAs(p, "torch", "FloatStorage", slotFloat) })
		p = text4(p, strconv.Itoa(i))
		p = once(p, i == 0, slotCPU, func(p []byte) []byte { return append(text4(p, "cpu"), opPut1, slotCPU) })
		p = append(integer(p, len(data)), opTuple, opPersistent)
		p = integer(p, 0) // offset
		p = append(p, opMark)
		for _, d := range dims {
			p = integer(p, d)
		}
		p = append(p, opTuple, opMark)
		for j := range dims {
			stride := 1
			for _, d := range dims[j+1:] {
				stride *= max(d, 1)
			}
			p = integer(p, stride)
		}
		p = append(p, opTuple, opFalse, opGet1, slotOrderedDict, opEmptyTuple, opReduce, opTuple, opReduce) // requires_grad, hooks
	}
	p = append(p, opSetItems, opStop)
	if len(p) > maxPickle {
		return nil, errors.New("there are more tensors than the format's readers expect")
	}
	return p, nil
}

// once writes a value the first time, and refers to it afterwards.
func once(p []byte, first bool, slot byte, write func([]byte) []byte) []byte {
	if first {
		return write(p)
	}
	return append(p, opGet1, slot)
}

func importAs(p []byte, module, name string, slot byte) []byte {
	p = append(p, opGlobal)
	p = append(p, module+"\n"+name+"\n"...)
	return append(p, opPut1, slot)
}

func text4(p []byte, s string) []byte {
	p = binary.LittleEndian.AppendUint32(append(p, opText4), uint32(len(s)))
	return append(p, s...)
}

func integer(p []byte, n int) []byte {
	if n <= math.MaxInt32 {
		return binary.LittleEndian.AppendUint32(append(p, opInt4), uint32(n))
	}
	return binary.LittleEndian.AppendUint64(append(p, opLong1, 8), uint64(n))
}
