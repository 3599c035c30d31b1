package image

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// source is an open file, inflated if its content is gzip, whatever its name says.
type source struct {
	file *os.File
	size int64 // bytes on disk
	raw  *bufio.Reader
	zip  *gzip.Reader // nil for a plain file
	read int64        // bytes handed out, after inflation
}

func openSource(path string) (*source, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	s := &source{file: f, size: size, raw: bufio.NewReaderSize(f, 1<<16)}
	if head, _ := s.raw.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		if s.zip, err = gzip.NewReader(s.raw); err != nil {
			f.Close()
			return nil, fmt.Errorf("gzip header: %w", err)
		}
		s.zip.Multistream(false)
	}
	return s, nil
}

func (s *source) close() { s.file.Close() }

// Read inflates member after member. The end of a member verifies its checksum.
func (s *source) Read(p []byte) (int, error) {
	if s.zip == nil {
		n, err := s.raw.Read(p)
		s.read += int64(n)
		return n, err
	}
	for {
		n, err := s.zip.Read(p)
		s.read += int64(n)
		if err != nil && err != io.EOF {
			return n, gzipError(err)
		}
		if n > 0 || err == nil {
			return n, nil // at the end of a member, the next call goes on with the next one
		}
		if head, _ := s.raw.Peek(2); len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
			return 0, io.EOF
		}
		if err := s.zip.Reset(s.raw); err != nil {
			return 0, gzipError(err)
		}
		s.zip.Multistream(false)
	}
}

func gzipError(err error) error {
	switch {
	case errors.Is(err, gzip.ErrChecksum):
		return errors.New("gzip checksum is wrong: the file is damaged")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("gzip stream ends early: the file is cut")
	}
	return fmt.Errorf("gzip: %w", err)
}

// holds tells whether n more bytes can be there, before any memory is taken for them.
func (s *source) holds(n int64) error {
	limit := s.size
	if s.zip != nil {
		limit = s.size * deflateLimit
	}
	if n > limit-s.read {
		return fmt.Errorf("the header asks for %d bytes of voxels, the file can hold at most %d: it is cut, or the header is wrong", n, max(0, limit-s.read))
	}
	return nil
}

func (s *source) bytes(n int64) ([]byte, error) {
	if err := s.holds(n); err != nil {
		return nil, err
	}
	return readGrowing(s, n)
}

func (s *source) skip(n int64) error {
	if err := s.holds(n); err != nil {
		return err
	}
	if got, err := io.CopyN(io.Discard, s, n); err != nil {
		if err == io.EOF {
			return fmt.Errorf("file ends after %d bytes, before its voxels", got)
		}
		return err
	}
	return nil
}

// finish reads a compressed file to its end, so that its checksums are compared, and tells what follows the stream.
func (s *source) finish() (warning string, err error) {
	if s.zip == nil {
		return "", nil
	}
	if _, err := io.Copy(io.Discard, s); err != nil {
		return "", err
	}
	// Padding with zeros, as tapes leave it, means nothing; other bytes deserve a word.
	rest, junk := 0, false
	for {
		b, err := s.raw.ReadByte()
		if err != nil {
			break
		}
		rest++
		junk = junk || b != 0
	}
	if junk {
		return fmt.Sprintf("%d bytes after the gzip stream were ignored", rest), nil
	}
	return "", nil
}

// beside gives the path of a data file named in a header. A name that leaves the header's folder is refused: opening a
// scan must not read other files of the user.
func beside(header, name string) (string, error) {
	if name == "" || filepath.IsAbs(name) || strings.Contains(name, `\`) || !filepath.IsLocal(name) {
		return "", fmt.Errorf("data file %q lies outside the folder of its header; put both into one folder", name)
	}
	return filepath.Join(filepath.Dir(header), name), nil
}

// behind is how many bytes of voxels may follow a header of so many bytes in the same file.
func (s *source) behind(header int64) int64 {
	if s.zip != nil {
		return s.size*deflateLimit - header
	}
	return s.size - header
}

// detached opens the one data file that a header names, with its size; the caller closes it.
func detached(header, name string) (*os.File, int64, error) {
	if strings.HasPrefix(name, "LIST") || strings.Contains(name, "%") {
		return nil, 0, fmt.Errorf("the voxels are spread over several files (%q); only one data file is read, join them first", name)
	}
	path, err := beside(header, name)
	if err != nil {
		return nil, 0, err
	}
	f, size, err := openRegular(path)
	if err != nil {
		return nil, 0, fmt.Errorf("data file: %w", err)
	}
	return f, size, nil
}
