package image

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
)

// skipSpace drops white space, which hex data may contain anywhere.
type skipSpace struct{ r io.Reader }

func (s *skipSpace) Read(p []byte) (int, error) {
	for {
		n, err := s.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if !bytes.ContainsRune([]byte(" \t\r\n"), rune(c)) {
				p[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// parseASCII reads numbers separated by white space or commas.
func parseASCII(in *bufio.Reader, count int64, d DType) ([]byte, error) {
	words := bufio.NewScanner(in)
	words.Buffer(make([]byte, 0, 4096), 1<<20)
	words.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		separator := func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == ',' }
		start := bytes.IndexFunc(data, func(r rune) bool { return !separator(r) })
		if start < 0 {
			return len(data), nil, nil
		}
		if end := bytes.IndexFunc(data[start:], separator); end >= 0 {
			return start + end, data[start : start+end], nil
		}
		if atEOF {
			return len(data), data[start:], nil
		}
		return start, nil, nil
	})
	var out []byte
	for n := range count {
		if !words.Scan() {
			return nil, fmt.Errorf("text data end after %d of %d numbers", n, count)
		}
		var err error
		if out, err = appendText(out, words.Text(), d); err != nil {
			return nil, fmt.Errorf("number %d is %q: not a %s", n+1, words.Text(), d.Name())
		}
	}
	return out, nil
}

func appendText(out []byte, text string, d DType) ([]byte, error) {
	bits := 8 * d.Size()
	var raw uint64
	switch d[0] {
	case 'f':
		v, err := strconv.ParseFloat(text, bits)
		if err != nil {
			return nil, err
		}
		if raw = math.Float64bits(v); bits == 32 {
			raw = uint64(math.Float32bits(float32(v)))
		}
	case 'i':
		v, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return nil, err
		}
		raw = uint64(v)
	default:
		v, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return nil, err
		}
		raw = v
	}
	return append(out, le.AppendUint64(nil, raw)[:d.Size()]...), nil
}
