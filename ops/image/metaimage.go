package image

import (
	"bufio"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

var metaTypes = map[string]DType{
	"MET_CHAR": Int8, "MET_UCHAR": Uint8, "MET_SHORT": Int16, "MET_USHORT": Uint16, "MET_INT": Int32, "MET_UINT": Uint32,
	"MET_LONG_LONG": Int64, "MET_ULONG_LONG": Uint64, "MET_FLOAT": Float32, "MET_DOUBLE": Float64,
}

// readMetaImage reads .mha (voxels behind the header) and .mhd (voxels in a file beside it).
func readMetaImage(path string, voxels bool) (*Image, error) {
	s, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer s.close()
	in := bufio.NewReaderSize(s, 1<<16)
	fields, used, err := metaHeader(in)
	if err != nil {
		return nil, err
	}
	m, err := metaImage(fields)
	if err != nil {
		return nil, err
	}
	var data io.Reader = in
	available := s.behind(used)
	if name := fields["ElementDataFile"]; name != "LOCAL" && name != "Local" && name != "local" {
		f, size, err := detached(path, name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, available = bufio.NewReaderSize(f, 1<<16), size
	}
	return m, metaLoad(m, fields, data, available, voxels)
}

// metaHeader reads "Key = value" lines up to and with ElementDataFile, which by definition is the last.
func metaHeader(in *bufio.Reader) (fields map[string]string, used int64, err error) {
	fields = map[string]string{}
	for len(fields) < 200 {
		line, err := in.ReadSlice('\n')
		used += int64(len(line))
		if err == bufio.ErrBufferFull {
			return nil, 0, errors.New("not MetaImage: a header line is longer than 64 kB")
		}
		if err != nil && err != io.EOF {
			return nil, 0, err
		}
		key, value, ok := strings.Cut(string(line), "=")
		if !ok && strings.TrimSpace(string(line)) != "" {
			return nil, 0, fmt.Errorf("not MetaImage: header line %.40q is not of the form Key = value", line)
		}
		if ok {
			key = strings.TrimSpace(key)
			fields[key] = strings.TrimSpace(value)
			if key == "ElementDataFile" {
				return fields, used, nil
			}
		}
		if err == io.EOF {
			break
		}
	}
	return nil, 0, errors.New("the MetaImage header has no ElementDataFile")
}

func metaImage(fields map[string]string) (*Image, error) {
	m := &Image{Channels: 1, Slope: 1, Format: "MetaImage", Affine: identity()}
	if kind := fields["ObjectType"]; kind != "" && kind != "Image" {
		return nil, fmt.Errorf("ObjectType is %q; an Image is needed", kind)
	}
	n, err := strconv.Atoi(fields["NDims"])
	if err != nil || n < 1 || n > 7 {
		return nil, fmt.Errorf("NDims is %q; 1 to 7 is possible", fields["NDims"])
	}
	sizes, err := metaNumbers(fields, "DimSize", n)
	if err != nil || sizes == nil {
		return nil, fmt.Errorf("DimSize is %q; %d numbers are needed", fields["DimSize"], n)
	}
	for _, v := range sizes {
		if v < 1 || v > math.MaxInt32 || v != math.Trunc(v) {
			return nil, fmt.Errorf("DimSize is %q; every axis has at least one sample", fields["DimSize"])
		}
		m.Shape = append(m.Shape, int(v))
	}
	m.Shape = trimAxes(m.Shape)
	var ok bool
	if m.DType, ok = metaTypes[fields["ElementType"]]; !ok {
		return nil, fmt.Errorf("ElementType %q is not a real number of known size", fields["ElementType"])
	}
	if text := fields["ElementNumberOfChannels"]; text != "" {
		if m.Channels, err = strconv.Atoi(text); err != nil || m.Channels < 1 || m.Channels > 4 {
			return nil, fmt.Errorf("ElementNumberOfChannels is %q; 1 to 4 are read", text)
		}
	}
	return m, metaPlace(m, fields, n)
}

func metaNumbers(fields map[string]string, key string, n int) ([]float64, error) {
	text := strings.Fields(fields[key])
	if len(text) == 0 {
		return nil, nil
	}
	if len(text) != n {
		return nil, fmt.Errorf("%s has %d numbers; %d are needed", key, len(text), n)
	}
	out := make([]float64, n)
	for i := range out {
		v, err := strconv.ParseFloat(text[i], 64)
		if err != nil {
			return nil, fmt.Errorf("%s holds %q, which is not a number", key, text[i])
		}
		out[i] = v
	}
	return out, nil
}

// place: axis j of the grid points along row j of TransformMatrix, in LPS. AnatomicalOrientation is a comment that many
// writers leave at a default, so the matrix alone decides.
func metaPlace(m *Image, fields map[string]string, n int) error {
	first := func(size int, keys ...string) ([]float64, error) {
		for _, key := range keys {
			if v, err := metaNumbers(fields, key, size); v != nil || err != nil {
				return v, err
			}
		}
		return nil, nil
	}
	spacing, err := first(n, "ElementSpacing", "ElementSize")
	if err != nil {
		return err
	}
	matrix, err := first(n*n, "TransformMatrix", "Orientation", "Rotation")
	if err != nil {
		return err
	}
	offset, err := first(n, "Offset", "Origin", "Position")
	if err != nil {
		return err
	}
	m.HasSpacing = spacing != nil
	m.HasGeometry = m.HasSpacing && matrix != nil && n >= 3
	axes := min(n, 3)
	for j := range axes {
		step := 1.0
		if spacing != nil {
			if step = spacing[j]; !(step > 0) || math.IsInf(step, 0) {
				return fmt.Errorf("spacing %g of axis %d is not a length", step, j+1)
			}
		}
		for i := range axes {
			direction := m.Affine[i][j]
			if matrix != nil {
				direction = matrix[j*n+i]
			}
			m.Affine[i][j] = direction * step
		}
		if offset != nil {
			m.Affine[j][3] = offset[j]
		}
	}
	for i := range 2 { // LPS to RAS
		for j := range 4 {
			m.Affine[i][j] = 0 - m.Affine[i][j]
		}
	}
	if !m.HasGeometry && n >= 3 {
		m.warn("the header gives no orientation: which side is left is unknown")
	}
	return checkAffine(m.Affine, "the transform matrix")
}

func metaLoad(m *Image, fields map[string]string, in io.Reader, available int64, voxels bool) error {
	size := m.DType.Size()
	need, ok := checkedProduct(append([]int{m.Channels}, m.Shape...), size)
	if !ok {
		return fmt.Errorf("sizes %v are too large", m.Shape)
	}
	isTrue := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(fields[k], "true") })
	}
	compressed := isTrue("CompressedData")
	text := strings.EqualFold(fields["BinaryData"], "false")
	limit := available
	switch {
	case compressed:
		limit *= deflateLimit
	case text:
		limit *= int64(size)
	}
	if need > limit {
		return fmt.Errorf("the header asks for %d bytes of voxels, the file can hold at most %d: it is cut, or the header is wrong", need, max(0, limit))
	}
	skip := 0
	if v := fields["HeaderSize"]; v != "" {
		var err error
		if skip, err = strconv.Atoi(v); err != nil || skip < -1 || skip == -1 && (compressed || text) {
			return fmt.Errorf("HeaderSize is %q", v)
		}
		if skip == -1 {
			skip = int(available - need)
		}
	}
	if !voxels {
		return nil
	}
	if _, err := io.CopyN(io.Discard, in, int64(skip)); err != nil {
		return fmt.Errorf("HeaderSize of %d goes beyond the end of the data", skip)
	}
	var err error
	switch {
	case text:
		m.data, err = parseASCII(bufio.NewReader(in), need/int64(size), m.DType)
	case compressed:
		if v := fields["CompressedDataSize"]; v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 0 || n > available {
				return fmt.Errorf("CompressedDataSize is %q, %d bytes are there", v, available)
			}
			in = io.LimitReader(in, n)
		}
		m.data, err = inflateAll(in, need)
	default:
		m.data, err = readGrowing(in, need)
	}
	if err != nil {
		return err
	}
	if isTrue("BinaryDataByteOrderMSB", "ElementByteOrderMSB") && !text {
		swapBytes(m.data, size)
	}
	if m.Channels > 1 {
		m.data = deinterleave(m.data, m.Channels, size)
	}
	return nil
}

// inflateAll reads a zlib stream to its end, so that its checksum is compared.
func inflateAll(in io.Reader, need int64) ([]byte, error) {
	z, err := zlib.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("zlib data: %w", err)
	}
	b, err := readGrowing(z, need)
	if err == nil {
		_, err = io.Copy(io.Discard, z)
	}
	if err != nil {
		return nil, fmt.Errorf("zlib data: %w", err)
	}
	return b, nil
}
