package pth

import (
	"archive/zip"
	"fmt"
	"hash/crc32"
	"io"
)

// chunk is how many bytes are read at a time; a multiple of every width.
const chunk = 1 << 18

func (s *storage) deflated() bool { return s.entry != nil && s.entry.Method != zip.Store }

// each reads the values of a window in row-major order, piece by piece. emit
// must not keep the bytes.
func (f *File) each(w *window, emit func([]byte) error) error {
	if w.count == 0 {
		return nil
	}
	width := int64(w.dtype.width)
	if w.contiguous() {
		return f.read(w.storage, w.offset*width, w.bytes(), emit)
	}
	// The part of the storage that the window touches; it has been compared
	// with the file.
	span := make([]byte, 0, w.span()*width)
	err := f.read(w.storage, w.offset*width, w.span()*width, func(b []byte) error {
		span = append(span, b...)
		return nil
	})
	if err != nil {
		return err
	}
	return w.gather(span, emit)
}

// gather collects the values of a window from the bytes that begin with its
// first one.
func (w *window) gather(span []byte, emit func([]byte) error) error {
	width := int64(w.dtype.width)
	out := make([]byte, 0, min(w.bytes(), chunk))
	index := make([]int64, len(w.dims))
	at := int64(0)
	for n := int64(0); n < w.count; n++ {
		out = append(out, span[at*width:(at+1)*width]...)
		if len(out)+int(width) > chunk || n == w.count-1 {
			if err := emit(out); err != nil {
				return err
			}
			out = out[:0]
		}
		for i := len(index) - 1; i >= 0; i-- {
			index[i]++
			at += w.strides[i]
			if index[i] < w.dims[i] {
				break
			}
			at -= w.strides[i] * w.dims[i]
			index[i] = 0
		}
	}
	return nil
}

// read passes on n bytes of a storage from position at. The first time, the
// whole storage is read, so that its checksum can be compared.
func (f *File) read(s *storage, at, n int64, emit func([]byte) error) error {
	start := s.at
	if s.entry != nil && !s.deflated() {
		var err error
		if start, err = s.entry.DataOffset(); err != nil {
			return err
		}
	}
	if !s.deflated() && (s.entry == nil || s.verified) {
		return pass(io.NewSectionReader(f.f, start+at, n), 0, n, emit)
	}
	var r io.Reader = io.NewSectionReader(f.f, start, s.size)
	if s.deflated() {
		z, err := s.entry.Open()
		if err != nil {
			return err
		}
		defer z.Close()
		r = z
	}
	sum := crc32.NewIEEE()
	tee := io.TeeReader(io.LimitReader(r, s.size), sum)
	if err := pass(tee, at, n, emit); err != nil {
		return fmt.Errorf("storage %q: %w", s.key, err)
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return fmt.Errorf("storage %q: %w", s.key, err)
	}
	// torch can be told to write no checksums; it writes zeros then.
	if s.entry.CRC32 != 0 && s.entry.CRC32 != sum.Sum32() {
		return fmt.Errorf("storage %q is damaged: its checksum is %08x, expected %08x", s.key, sum.Sum32(), s.entry.CRC32)
	}
	s.verified = true
	return nil
}

// pass skips the first bytes of a reader and passes on n more.
func pass(r io.Reader, skip, n int64, emit func([]byte) error) error {
	if _, err := io.CopyN(io.Discard, r, skip); err != nil {
		return short(err)
	}
	buffer := make([]byte, min(n, chunk))
	for n > 0 {
		b := buffer[:min(n, chunk)]
		if _, err := io.ReadFull(r, b); err != nil {
			return short(err)
		}
		if err := emit(b); err != nil {
			return err
		}
		n -= int64(len(b))
	}
	return nil
}

func short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
