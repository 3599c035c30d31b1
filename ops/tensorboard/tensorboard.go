// Package tensorboard writes the event files that TensorBoard draws curves from.
//
// An event file is a row of records, each a length, its checksum, a message and
// the message's checksum (TensorFlow's TFRecord framing; the checksums are
// CRC-32C, rotated and offset so that a file of checksums has others). A message
// is a protocol buffer of the type tensorflow.Event. Of its fields a writer of
// scalars needs six, which are put together here by hand: wall time, step, file
// version, the start of a session, and summaries of one tag and one float.
//
// Every event is handed to the operating system at once, so that a curve can be
// watched while it grows and nothing is lost with the process. A file is never
// appended to: a run that goes on opens another beside it, and the mark of its
// beginning makes TensorBoard forget what an earlier one, since lost, had drawn
// from that step on.
//
// Formats: tensorflow/core/lib/io/record_writer.cc, tensorflow/core/util/event.proto
// and tensorflow/core/framework/summary.proto.
package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Writer writes one event file.
type Writer struct {
	f     *os.File
	clock func() time.Time
}

// Scalar is a point of a curve.
type Scalar struct {
	Tag   string // curves whose tags agree up to the first slash are drawn together
	Value float64
}

// Create begins an event file in a folder, which is made if it is absent. step
// is the first that will be written: what other files of the folder hold from
// there on is to be forgotten.
func Create(dir string, step int) (*Writer, error) {
	return create(dir, step, time.Now)
}

func create(dir string, step int, clock func() time.Time) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	w := &Writer{clock: clock}
	// TensorBoard reads files in the order of their names.
	for n := 0; ; n++ {
		name := fmt.Sprintf("events.out.tfevents.%010d.mseg.%d", clock().Unix(), n)
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		w.f = f
		break
	}
	const start = 1 // SessionLog.START
	session := varint(nil, 1, start)
	if err := errors.Join(w.event(0, text(nil, 3, "brain.Event:2")), w.event(step, bytes(nil, 7, session))); err != nil {
		w.f.Close()
		return nil, err
	}
	return w, nil
}

// Write adds points of one step.
func (w *Writer) Write(step int, scalars ...Scalar) error {
	var summary []byte
	for _, s := range scalars {
		value := float(text(nil, 1, s.Tag), 2, float32(s.Value))
		summary = bytes(summary, 1, value)
	}
	return w.event(step, bytes(nil, 5, summary))
}

// Close ends the file.
func (w *Writer) Close() error { return w.f.Close() }

// event writes a record; what is the field of the Event that carries it.
func (w *Writer) event(step int, what []byte) error {
	seconds := float64(w.clock().UnixNano()) / 1e9
	e := double(nil, 1, seconds)
	if step != 0 {
		e = varint(e, 2, uint64(step))
	}
	_, err := w.f.Write(record(append(e, what...)))
	return err
}

// record frames a message.
func record(message []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(message)))
	out = binary.LittleEndian.AppendUint32(out, checksum(out))
	out = append(out, message...)
	return binary.LittleEndian.AppendUint32(out, checksum(message))
}

// castagnoli is made on first use: programs that draw no curves do not pay for it.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// checksum is TensorFlow's masked CRC-32C.
func checksum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli())
	return (c>>15 | c<<17) + 0xa282ead8
}

// Fields of a protocol buffer: a key of number and wire type, then the value.

func varint(to []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(key(to, field, 0), v)
}

func double(to []byte, field int, v float64) []byte {
	return binary.LittleEndian.AppendUint64(key(to, field, 1), math.Float64bits(v))
}

func bytes(to []byte, field int, v []byte) []byte {
	to = binary.AppendUvarint(key(to, field, 2), uint64(len(v)))
	return append(to, v...)
}

func text(to []byte, field int, v string) []byte { return bytes(to, field, []byte(v)) }

func float(to []byte, field int, v float32) []byte {
	return binary.LittleEndian.AppendUint32(key(to, field, 5), math.Float32bits(v))
}

func key(to []byte, field, wire int) []byte { return binary.AppendUvarint(to, uint64(field<<3|wire)) }
