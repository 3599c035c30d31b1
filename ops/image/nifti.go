package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
)

// niftiTypes are the datatype codes of the NIfTI standard that hold real numbers or colours.
var niftiTypes = map[int]struct {
	dtype    DType
	channels int
}{
	2: {Uint8, 1}, 256: {Int8, 1}, 4: {Int16, 1}, 512: {Uint16, 1}, 8: {Int32, 1}, 768: {Uint32, 1},
	1024: {Int64, 1}, 1280: {Uint64, 1}, 16: {Float32, 1}, 64: {Float64, 1}, 128: {Uint8, 3}, 2304: {Uint8, 4},
}

var niftiRefused = map[int]string{
	0: "unknown", 1: "1-bit binary", 32: "complex64", 1536: "float128", 1792: "complex128", 2048: "complex256",
}

// niftiHeader holds what both versions of the header say, in the wider types of version 2.
type niftiHeader struct {
	version          int
	order            binary.ByteOrder
	magic            string
	dim              [8]int64
	datatype, bitpix int
	pixdim           [8]float64
	voxOffset        float64
	slope, inter     float64
	qform, sform     int
	quatern, qoffset [3]float64
	srow             [3][4]float64
	units            int
	isPair           bool
}

func readNIfTI(path string, voxels bool) (*Image, error) {
	header := path
	if ext := Extension(path); strings.HasPrefix(ext, ".img") {
		var err error
		if header, err = partner(path, ext, ".hdr"); err != nil {
			return nil, err
		}
	}
	s, err := openSource(header)
	if err != nil {
		return nil, err
	}
	defer s.close()
	h, err := readNIfTIHeader(s)
	if err != nil {
		return nil, err
	}
	m, channels, err := h.image()
	if err != nil {
		return nil, err
	}
	data := s
	if h.isPair {
		ext := Extension(header)
		if !strings.HasPrefix(ext, ".hdr") {
			return nil, fmt.Errorf("the header says that the voxels are in a separate .img file, but the file ends in %q and not in .hdr", ext)
		}
		img, err := partner(header, ext, ".img")
		if err != nil {
			return nil, err
		}
		if data, err = openSource(img); err != nil {
			return nil, err
		}
		defer data.close()
	}
	offset, err := h.dataOffset(m)
	if err != nil {
		return nil, err
	}
	shape := append([]int{channels}, m.Shape...)
	need, ok := checkedProduct(shape, m.DType.Size())
	if !ok || need > math.MaxInt64-offset {
		return nil, fmt.Errorf("dimensions %v are too large", m.Shape)
	}
	if err := data.holds(offset - data.read + need); err != nil {
		return nil, err
	}
	if !voxels {
		return m, nil
	}
	if err := data.skip(offset - data.read); err != nil {
		return nil, err
	}
	if m.data, err = data.bytes(need); err != nil {
		return nil, err
	}
	if warning, err := data.finish(); err != nil {
		return nil, err
	} else if warning != "" {
		m.warn("%s", warning)
	}
	if h.order == binary.BigEndian {
		swapBytes(m.data, m.DType.Size())
	}
	if channels > 1 {
		m.data = deinterleave(m.data, channels, 1)
	}
	return m, nil
}

// partner finds the other file of a .hdr/.img pair, which may be compressed independently.
func partner(path, ext, want string) (string, error) {
	stem := path[:len(path)-len(ext)]
	for _, candidate := range []string{want, want + ".gz", strings.ToUpper(want)} {
		if _, err := os.Stat(stem + candidate); err == nil {
			return stem + candidate, nil
		}
	}
	return "", fmt.Errorf("the pair is incomplete: no %s or %s.gz beside it", stem+want, stem+want)
}

func readNIfTIHeader(s *source) (h niftiHeader, err error) {
	b, err := readGrowing(s, 4)
	if err != nil {
		return h, errors.New("file is too short for a NIfTI header")
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(b) {
		case 348:
			h.version, h.order = 1, order
		case 540:
			h.version, h.order = 2, order
		}
	}
	if h.version == 0 {
		return h, fmt.Errorf("not NIfTI: the header size is %d in neither byte order 348 (NIfTI-1) nor 540 (NIfTI-2)", le.Uint32(b))
	}
	size := 348
	if h.version == 2 {
		size = 540
	}
	rest, err := readGrowing(s, int64(size-4))
	if err != nil {
		return h, fmt.Errorf("file is too short for a NIfTI-%d header: %w", h.version, err)
	}
	b = append(b, rest...)
	if h.version == 1 {
		h.parse1(b)
	} else {
		h.parse2(b)
	}
	return h, h.checkMagic()
}

func (h *niftiHeader) f32(b []byte) float64 { return float64(math.Float32frombits(h.order.Uint32(b))) }
func (h *niftiHeader) f64(b []byte) float64 { return math.Float64frombits(h.order.Uint64(b)) }
func (h *niftiHeader) i16(b []byte) int     { return int(int16(h.order.Uint16(b))) }
func (h *niftiHeader) i32(b []byte) int     { return int(int32(h.order.Uint32(b))) }

// parse1 takes the fields at the byte offsets of nifti1.h.
func (h *niftiHeader) parse1(b []byte) {
	h.magic = string(b[344:348])
	for i := range h.dim {
		h.dim[i] = int64(h.i16(b[40+2*i:]))
		h.pixdim[i] = h.f32(b[76+4*i:])
	}
	h.datatype, h.bitpix = h.i16(b[70:]), h.i16(b[72:])
	h.voxOffset, h.slope, h.inter = h.f32(b[108:]), h.f32(b[112:]), h.f32(b[116:])
	h.units = int(b[123])
	h.qform, h.sform = h.i16(b[252:]), h.i16(b[254:])
	for i := range 3 {
		h.quatern[i], h.qoffset[i] = h.f32(b[256+4*i:]), h.f32(b[268+4*i:])
		for j := range 4 {
			h.srow[i][j] = h.f32(b[280+16*i+4*j:])
		}
	}
}

// parse2 takes the fields at the byte offsets of nifti2.h.
func (h *niftiHeader) parse2(b []byte) {
	h.magic = string(b[4:12])
	h.datatype, h.bitpix = h.i16(b[12:]), h.i16(b[14:])
	for i := range h.dim {
		h.dim[i] = int64(h.order.Uint64(b[16+8*i:]))
		h.pixdim[i] = h.f64(b[104+8*i:])
	}
	h.voxOffset = float64(int64(h.order.Uint64(b[168:])))
	h.slope, h.inter = h.f64(b[176:]), h.f64(b[184:])
	h.qform, h.sform = h.i32(b[344:]), h.i32(b[348:])
	for i := range 3 {
		h.quatern[i], h.qoffset[i] = h.f64(b[352+8*i:]), h.f64(b[376+8*i:])
		for j := range 4 {
			h.srow[i][j] = h.f64(b[400+32*i+8*j:])
		}
	}
	h.units = h.i32(b[500:])
}

func (h *niftiHeader) checkMagic() error {
	single, pair := "n+1\x00", "ni1\x00"
	if h.version == 2 {
		single, pair = "n+2\x00\r\n\x1a\n", "ni2\x00\r\n\x1a\n"
	}
	switch h.magic {
	case single:
	case pair:
		h.isPair = true
	default:
		if h.version == 2 && strings.HasPrefix(h.magic, "n") {
			return fmt.Errorf("the NIfTI-2 magic is %q, damaged as by a text-mode transfer; copy the file again in binary mode", h.magic)
		}
		if strings.Trim(h.magic, "\x00") == "" {
			return errors.New("Analyze 7.5 header (no NIfTI magic): it does not say which side is left; convert it to NIfTI with its orientation checked")
		}
		return fmt.Errorf("the magic is %q; NIfTI-%d has %q or %q", h.magic, h.version, single, pair)
	}
	return nil
}

// image makes the Image without voxels and gives the number of interleaved channels.
func (h *niftiHeader) image() (*Image, int, error) {
	m := &Image{Channels: 1, Slope: 1, Format: fmt.Sprintf("NIfTI-%d", h.version), QFormCode: h.qform, SFormCode: h.sform}
	n := h.dim[0]
	if n < 1 || n > 7 {
		return nil, 0, fmt.Errorf("dim[0] is %d; the number of dimensions is 1 to 7", n)
	}
	for i := 1; i <= int(n); i++ {
		if h.dim[i] < 1 || h.dim[i] > math.MaxInt32 {
			return nil, 0, fmt.Errorf("dim[%d] is %d; every dimension is at least 1", i, h.dim[i])
		}
		m.Shape = append(m.Shape, int(h.dim[i]))
	}
	m.Shape = trimAxes(m.Shape)
	t, ok := niftiTypes[h.datatype]
	if !ok {
		name, known := niftiRefused[h.datatype]
		if !known {
			name = "not in the standard"
		}
		return nil, 0, fmt.Errorf("datatype %d (%s) cannot be read as an image; convert it to a real type such as int16 or float32", h.datatype, name)
	}
	m.DType, m.Channels = t.dtype, t.channels
	if bits := 8 * t.dtype.Size() * t.channels; h.bitpix != bits {
		m.warn("bitpix is %d, but datatype %d has %d bits; the datatype was followed", h.bitpix, h.datatype, bits)
	}
	// The standard: a slope of zero means that there is no scaling at all. NaN and infinity are what tools write for "unset".
	if h.slope != 0 && !math.IsNaN(h.slope) && !math.IsInf(h.slope, 0) && t.channels == 1 {
		if math.IsNaN(h.inter) || math.IsInf(h.inter, 0) {
			return nil, 0, fmt.Errorf("scl_slope is %v but scl_inter is %v; the values are not defined", h.slope, h.inter)
		}
		m.Slope, m.Inter = h.slope, h.inter
	} else if math.IsInf(h.slope, 0) {
		m.warn("scl_slope is infinite; the values were taken unscaled")
	}
	return m, t.channels, h.place(m)
}

// dataOffset is where the voxels begin in the file that holds them.
func (h *niftiHeader) dataOffset(m *Image) (int64, error) {
	v := h.voxOffset
	if math.IsNaN(v) || v < 0 || v > 1<<50 || v != math.Trunc(v) {
		return 0, fmt.Errorf("vox_offset is %v; a byte position is needed", v)
	}
	if h.isPair {
		return int64(v), nil
	}
	least := int64(352)
	if h.version == 2 {
		least = 544
	}
	if v == 0 {
		m.warn("vox_offset is 0 in a single-file image; the voxels were taken from byte %d", least)
		return least, nil
	}
	if int64(v) < least {
		return 0, fmt.Errorf("vox_offset is %v, inside the header of %d bytes", v, least)
	}
	return int64(v), nil
}

// niftiCode finds the datatype code for a stored type; float16 and bool have none.
func niftiCode(d DType, channels int) (int, bool) {
	for _, code := range slices.Sorted(maps.Keys(niftiTypes)) {
		if t := niftiTypes[code]; t.dtype == d && t.channels == channels {
			return code, true
		}
	}
	return 0, false
}
