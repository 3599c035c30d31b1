package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const npyMagic = "\x93NUMPY"

// A header of a real array has about a hundred bytes; numpy itself refuses above 10,000 unless told to trust the file.
const npyMaxHeader = 1 << 20

type npyHeader struct {
	dtype     DType
	bigEndian bool
	fortran   bool
	shape     []int
}

// readNPY reads one array from r. available is the number of bytes the stream can give, an upper bound.
func readNPY(r io.Reader, available int64) (*Array, error) {
	h, used, err := readNPYHeader(r)
	if err != nil {
		return nil, err
	}
	need, ok := checkedProduct(h.shape, h.dtype.Size())
	if !ok || need > available-used {
		return nil, fmt.Errorf("shape %v of %s asks for more data than the %d bytes that follow the header", h.shape, h.dtype.Name(), max(0, available-used))
	}
	data, err := readGrowing(r, need)
	if err != nil {
		return nil, err
	}
	if h.bigEndian {
		swapBytes(data, h.dtype.Size())
	}
	if h.fortran {
		data = toCOrder(data, h.shape, h.dtype.Size())
	}
	return &Array{Shape: h.shape, DType: h.dtype, data: data}, nil
}

func readNPYHeader(r io.Reader) (h npyHeader, used int64, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return h, 0, errors.New("file ends inside the numpy header")
	}
	if string(head[:6]) != npyMagic {
		return h, 0, fmt.Errorf("not a numpy file: it starts with %q", head[:6])
	}
	width := 2
	switch head[6] {
	case 1:
	case 2, 3:
		width = 4
	default:
		return h, 0, fmt.Errorf("numpy format version %d.%d; versions 1, 2 and 3 are known", head[6], head[7])
	}
	size := make([]byte, 4)
	if _, err := io.ReadFull(r, size[:width]); err != nil {
		return h, 0, errors.New("file ends inside the numpy header")
	}
	length := int64(binary.LittleEndian.Uint32(size))
	if length > npyMaxHeader {
		return h, 0, fmt.Errorf("numpy header of %d bytes; at most %d are accepted", length, npyMaxHeader)
	}
	text, err := readGrowing(r, length)
	if err != nil {
		return h, 0, fmt.Errorf("numpy header: %w", err)
	}
	h, err = parseNPYHeader(string(text))
	return h, int64(8+width) + length, err
}

// parseNPYHeader understands the one Python literal a header may hold: a dict with the keys descr, fortran_order and
// shape. Nothing is evaluated.
func parseNPYHeader(text string) (h npyHeader, err error) {
	p := literal{s: text}
	if p.expect('{') != nil {
		return h, errors.New("numpy header is not a dictionary")
	}
	seen := map[string]bool{}
	for p.peek() != '}' {
		key, err := p.str()
		if err != nil {
			return h, fmt.Errorf("numpy header: %w", err)
		}
		if seen[key] {
			return h, fmt.Errorf("numpy header has %q twice", key)
		}
		seen[key] = true
		if err := p.expect(':'); err != nil {
			return h, fmt.Errorf("numpy header: %w", err)
		}
		switch key {
		case "descr":
			if p.peek() == '[' {
				return h, errors.New("structured array; an image or mask has one plain type, export the field you need")
			}
			descr, err := p.str()
			if err != nil {
				return h, fmt.Errorf("numpy header, descr: %w", err)
			}
			if h.dtype, h.bigEndian, err = parseDescr(descr); err != nil {
				return h, err
			}
		case "fortran_order":
			if h.fortran, err = p.boolean(); err != nil {
				return h, fmt.Errorf("numpy header, fortran_order: %w", err)
			}
		case "shape":
			if h.shape, err = p.tuple(); err != nil {
				return h, fmt.Errorf("numpy header, shape: %w", err)
			}
		default:
			return h, fmt.Errorf("numpy header has the unknown key %q", key)
		}
		if p.peek() == ',' {
			p.i++
		} else if p.peek() != '}' {
			return h, errors.New("numpy header: comma or } expected")
		}
	}
	p.i++
	if p.peek() != 0 {
		return h, errors.New("numpy header: text after the dictionary")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("numpy header lacks %q", key)
		}
	}
	for _, d := range h.shape {
		if d < 0 {
			return h, fmt.Errorf("negative size in shape %v", h.shape)
		}
	}
	return h, nil
}

func parseDescr(descr string) (DType, bool, error) {
	order, short := byte('|'), descr
	if descr != "" && strings.IndexByte("<>|=", descr[0]) >= 0 {
		order, short = descr[0], descr[1:]
	}
	if short == "?" {
		short = "b1"
	}
	d := DType(short)
	if d.Size() > 0 {
		if d.Size() > 1 && (order == '|' || order == '=') {
			return "", false, fmt.Errorf("type %q does not say its byte order", descr)
		}
		return d, order == '>', nil
	}
	kind := "type is not a real number"
	switch {
	case strings.HasPrefix(short, "O"):
		kind = "array of pickled Python objects, which are never loaded; save plain numbers"
	case strings.HasPrefix(short, "c"):
		kind = "complex numbers are not an image; save the magnitude"
	case strings.HasPrefix(short, "M"), strings.HasPrefix(short, "m"):
		kind = "dates are not an image"
	case strings.HasPrefix(short, "U"), strings.HasPrefix(short, "S"):
		kind = "text is not an image"
	case strings.HasPrefix(short, "V"):
		kind = "structured or opaque data is not an image"
	case strings.HasPrefix(short, "f"):
		kind = "extended floats are not supported; save as float64"
	}
	return "", false, fmt.Errorf("numpy type %q: %s", descr, kind)
}

// literal walks over a Python literal.
type literal struct {
	s string
	i int
}

func (p *literal) peek() byte {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n\x00", p.s[p.i]) >= 0 {
		p.i++
	}
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *literal) expect(c byte) error {
	if p.peek() != c {
		return fmt.Errorf("%q expected at byte %d", c, p.i)
	}
	p.i++
	return nil
}

func (p *literal) str() (string, error) {
	q := p.peek()
	if q != '\'' && q != '"' {
		return "", fmt.Errorf("a quoted string expected at byte %d", p.i)
	}
	end := strings.IndexByte(p.s[p.i+1:], q)
	if end < 0 {
		return "", errors.New("string without an end")
	}
	v := p.s[p.i+1 : p.i+1+end]
	p.i += end + 2
	return v, nil
}

func (p *literal) boolean() (bool, error) {
	p.peek()
	for word, v := range map[string]bool{"True": true, "False": false} {
		if strings.HasPrefix(p.s[p.i:], word) {
			p.i += len(word)
			return v, nil
		}
	}
	return false, errors.New("True or False expected")
}

func (p *literal) tuple() ([]int, error) {
	if err := p.expect('('); err != nil {
		return nil, err
	}
	out := []int{}
	for p.peek() != ')' {
		start := p.i
		if p.peek() == '-' {
			p.i++
		}
		for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
			p.i++
		}
		n, err := strconv.Atoi(p.s[start:p.i])
		if err != nil {
			return nil, fmt.Errorf("a whole number expected at byte %d", start)
		}
		if p.i < len(p.s) && p.s[p.i] == 'L' { // Python 2 wrote long integers so
			p.i++
		}
		out = append(out, n)
		if len(out) > 32 {
			return nil, errors.New("more than 32 axes")
		}
		switch p.peek() {
		case ',':
			p.i++
		case ')':
		default:
			return nil, fmt.Errorf("comma or ) expected at byte %d", p.i)
		}
	}
	p.i++
	return out, nil
}

// encodeNPY writes version 1.0, C order, little endian, padded to 64 bytes, as numpy does.
func encodeNPY(a *Array) []byte {
	order := "<"
	if a.DType.Size() == 1 {
		order = "|"
	}
	var shape strings.Builder
	for i, d := range a.Shape {
		if i > 0 {
			shape.WriteString(", ")
		}
		shape.WriteString(strconv.Itoa(d))
	}
	if len(a.Shape) == 1 {
		shape.WriteString(",")
	}
	head := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }", order, a.DType, shape.String())
	pad := 63 - (10+len(head))%64
	head += strings.Repeat(" ", pad) + "\n"
	var out bytes.Buffer
	out.Grow(10 + len(head) + len(a.data))
	out.WriteString(npyMagic + "\x01\x00")
	out.Write(le.AppendUint16(nil, uint16(len(head))))
	out.WriteString(head)
	out.Write(a.data)
	return out.Bytes()
}
