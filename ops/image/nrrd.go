package image

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// nrrdTypes are the names of sample types in the NRRD format definition.
var nrrdTypes = map[string]DType{}

func init() {
	for dtype, names := range map[DType]string{
		Int8:   "signed char|int8|int8_t",
		Uint8:  "uchar|unsigned char|uint8|uint8_t",
		Int16:  "short|short int|signed short|signed short int|int16|int16_t",
		Uint16: "ushort|unsigned short|unsigned short int|uint16|uint16_t",
		Int32:  "int|signed int|int32|int32_t",
		Uint32: "uint|unsigned int|uint32|uint32_t",
		Int64:  "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
		Uint64: "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",

		Float32: "float", Float64: "double",
	} {
		for name := range strings.SplitSeq(names, "|") {
			nrrdTypes[name] = dtype
		}
	}
}

// nrrdHeader is what the lines of a header say: the fields by lower-case name, and those that decide the samples.
type nrrdHeader struct {
	fields   map[string]string
	sizes    []int
	channel  bool // the first axis holds the channels of a voxel
	dtype    DType
	encoding string
	big      bool
}

func readNRRD(path string, voxels bool) (*Image, error) {
	s, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer s.close()
	in := bufio.NewReaderSize(s, 1<<16)
	h, headerBytes, err := parseNRRDHeader(in)
	if err != nil {
		return nil, err
	}
	m := &Image{Channels: 1, Slope: 1, Format: "NRRD", DType: h.dtype}
	if err := h.place(m); err != nil {
		return nil, err
	}
	var data io.Reader = in
	available := s.behind(headerBytes)
	if name, apart := h.fields["data file"]; apart {
		f, size, err := detached(path, name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, available = bufio.NewReaderSize(f, 1<<16), size
	} else if Extension(path) == ".nhdr" {
		return nil, errors.New("a .nhdr header without a data file")
	}
	return m, h.load(m, data, available, voxels)
}

// parseNRRDHeader reads lines up to the empty one.
func parseNRRDHeader(in *bufio.Reader) (h nrrdHeader, used int64, err error) {
	h.fields = map[string]string{}
	line := func() (string, error) {
		var text []byte
		for {
			part, err := in.ReadSlice('\n')
			used += int64(len(part))
			if text = append(text, part...); len(text) > 1<<20 {
				return "", errors.New("a header line is longer than a megabyte")
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			return strings.TrimRight(string(text), "\r\n"), err
		}
	}
	magic, err := line()
	if err != nil && err != io.EOF || !strings.HasPrefix(magic, "NRRD000") || len(magic) != 8 || magic[7] < '1' || magic[7] > '6' {
		return h, used, fmt.Errorf("not NRRD: the file starts with %.20q; NRRD0001 to NRRD0006 are known", magic)
	}
	for {
		text, err := line()
		if err != nil && err != io.EOF {
			return h, used, err
		}
		if text == "" {
			break // a detached header may also simply end
		}
		if text[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return h, used, fmt.Errorf("header line %.60q is neither a field nor a comment", text)
		}
		if strings.HasPrefix(value, "=") {
			continue // a key/value pair of the user
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if short, ok := nrrdSynonyms[name]; ok {
			name = short
		}
		if _, twice := h.fields[name]; twice {
			return h, used, fmt.Errorf("field %q is there twice", name)
		}
		h.fields[name] = strings.TrimSpace(value)
		if err == io.EOF {
			break
		}
	}
	return h, used, h.parse()
}

var nrrdSynonyms = map[string]string{
	"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip", "axismins": "axis mins", "blocksize": "block size",
}

func (h *nrrdHeader) parse() error {
	for _, need := range []string{"dimension", "type", "encoding", "sizes"} {
		if h.fields[need] == "" {
			return fmt.Errorf("the header has no %q", need)
		}
	}
	n, err := strconv.Atoi(h.fields["dimension"])
	if err != nil || n < 1 || n > 16 {
		return fmt.Errorf("dimension is %q; 1 to 16 is possible", h.fields["dimension"])
	}
	for text := range strings.FieldsSeq(h.fields["sizes"]) {
		d, err := strconv.Atoi(text)
		if err != nil || d < 1 || d > math.MaxInt32 {
			return fmt.Errorf("sizes are %q; every axis has at least one sample", h.fields["sizes"])
		}
		h.sizes = append(h.sizes, d)
	}
	if len(h.sizes) != n {
		return fmt.Errorf("%d sizes for dimension %d", len(h.sizes), n)
	}
	var ok bool
	if h.dtype, ok = nrrdTypes[strings.ToLower(strings.Join(strings.Fields(h.fields["type"]), " "))]; !ok {
		return fmt.Errorf("type %q is not a real number; convert it to a type such as short or float", h.fields["type"])
	}
	switch h.encoding = strings.ToLower(h.fields["encoding"]); h.encoding {
	case "raw":
	case "gzip", "gz":
		h.encoding = "gzip"
	case "bzip2", "bz2":
		h.encoding = "bzip2"
	case "ascii", "text", "txt":
		h.encoding = "ascii"
	case "hex":
	default:
		return fmt.Errorf("encoding %q is not known; raw, gzip, bzip2, ascii and hex are", h.fields["encoding"])
	}
	switch endian := strings.ToLower(h.fields["endian"]); {
	case endian == "big":
		h.big = true
	case endian == "little":
	case endian != "":
		return fmt.Errorf("endian is %q; little or big is possible", endian)
	case h.dtype.Size() > 1 && h.encoding != "ascii":
		return fmt.Errorf("the header does not say the byte order (endian) of type %q", h.fields["type"])
	}
	return nil
}

// load reads the voxels, or with voxels false only checks that they can be there.
func (h *nrrdHeader) load(m *Image, in io.Reader, available int64, voxels bool) error {
	size := h.dtype.Size()
	need, ok := checkedProduct(h.sizes, size)
	if !ok {
		return fmt.Errorf("sizes %v are too large", h.sizes)
	}
	skip, lines := 0, 0
	for field, value := range map[string]*int{"byte skip": &skip, "line skip": &lines} {
		if text := h.fields[field]; text != "" {
			var err error
			if *value, err = strconv.Atoi(text); err != nil || *value < -1 || *value == -1 && (field == "line skip" || h.encoding != "raw") {
				return fmt.Errorf("%s is %q", field, text)
			}
		}
	}
	limit := available
	switch h.encoding {
	case "gzip":
		limit = available * deflateLimit
	case "bzip2":
		limit = available * 45_000_000 / 40 // an empty 900 kB block takes about 40 bytes
	case "ascii":
		limit = available * int64(size)
	case "hex":
		limit = available / 2
	}
	if need > limit {
		return fmt.Errorf("the header asks for %d bytes of voxels, the file can hold at most %d: it is cut, or the header is wrong", need, max(0, limit))
	}
	if !voxels {
		return nil
	}
	data := bufio.NewReader(in)
	for range lines {
		if _, err := data.ReadString('\n'); err != nil {
			return errors.New("line skip goes beyond the end of the file")
		}
	}
	var stream io.Reader = data
	var err error
	switch h.encoding {
	case "gzip":
		if stream, err = gzip.NewReader(data); err != nil {
			return gzipError(err)
		}
	case "bzip2":
		stream = bzip2.NewReader(data)
	case "ascii":
		m.data, err = parseASCII(data, need/int64(size), h.dtype)
		if err == nil && h.channel {
			m.data = deinterleave(m.data, m.Channels, size)
		}
		return err
	case "hex":
		stream = hex.NewDecoder(&skipSpace{data})
	}
	if skip == -1 {
		skip = int(available - need)
	}
	if _, err := io.CopyN(io.Discard, stream, int64(skip)); err != nil {
		return fmt.Errorf("byte skip of %d goes beyond the end of the data", skip)
	}
	if m.data, err = readGrowing(stream, need); err != nil {
		return err
	}
	if h.encoding == "gzip" { // the checksum comes at the end
		if _, err := io.Copy(io.Discard, stream); err != nil && !errors.Is(err, gzip.ErrHeader) {
			return gzipError(err)
		}
	}
	if h.big {
		swapBytes(m.data, size)
	}
	if h.channel {
		m.data = deinterleave(m.data, m.Channels, size)
	}
	return nil
}
