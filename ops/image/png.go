package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	stdimage "image"
	"image/color"
	"image/png"
	"io"
)

// readPNG takes the samples as stored: an indexed image gives its indices (they are labels, the colours are decoration),
// 1-, 2- and 4-bit greys are not stretched to 255, alpha is dropped without being multiplied in, gamma is ignored.
func readPNG(path string, voxels bool) (*Image, error) {
	s, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer s.close()
	head, err := readGrowing(s, 33)
	if err != nil || string(head[:8]) != "\x89PNG\r\n\x1a\n" || string(head[12:16]) != "IHDR" {
		return nil, errors.New("not a PNG file")
	}
	width, height := binary.BigEndian.Uint32(head[16:]), binary.BigEndian.Uint32(head[20:])
	depth, kind := int64(head[24]), head[25]
	if width == 0 || height == 0 || width > 1<<30 || height > 1<<30 {
		return nil, fmt.Errorf("PNG of %d×%d pixels", width, height)
	}
	perPixel := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
	if perPixel == 0 {
		return nil, fmt.Errorf("PNG colour type %d is not in the standard", kind)
	}
	m := &Image{Shape: []int{int(width), int(height)}, Channels: 1, DType: Uint8, Slope: 1, Affine: identity(), Format: "PNG"}
	if depth == 16 {
		m.DType = Uint16
	}
	if kind == 2 || kind == 6 {
		m.Channels = 3
	}
	if row := (int64(width)*perPixel*depth + 7) / 8; row*int64(height) > s.size*deflateLimit {
		return nil, fmt.Errorf("the header says %d×%d pixels, the file of %d bytes cannot hold them", width, height, s.size)
	}
	if !voxels {
		return m, nil
	}
	img, err := png.Decode(io.MultiReader(bytes.NewReader(head), s))
	if err != nil {
		return nil, fmt.Errorf("PNG: %w", err)
	}
	m.data = pngSamples(img, m, depth)
	return m, nil
}

// pngSamples lays the decoded pixels out in planes, little endian.
func pngSamples(img stdimage.Image, m *Image, depth int64) []byte {
	w, h := m.Shape[0], m.Shape[1]
	plane := w * h * m.DType.Size()
	out := make([]byte, plane*m.Channels)
	for y := range h {
		for x := range w {
			i := y*w + x
			switch p := img.(type) {
			case *stdimage.Paletted:
				out[i] = p.ColorIndexAt(x, y)
			case *stdimage.Gray:
				out[i] = p.GrayAt(x, y).Y
				if depth < 8 {
					out[i] /= byte(255 / (1<<depth - 1))
				}
			case *stdimage.Gray16:
				le.PutUint16(out[2*i:], p.Gray16At(x, y).Y)
			default:
				for c, v := range straight(img.At(x, y)) {
					if c >= m.Channels {
						break
					}
					if m.DType == Uint16 {
						le.PutUint16(out[c*plane+2*i:], v)
					} else {
						out[c*plane+i] = byte(v >> 8)
					}
				}
			}
		}
	}
	return out
}

// straight gives the red, green and blue samples as stored, 8-bit ones in the high byte.
func straight(c color.Color) [3]uint16 {
	switch c := c.(type) {
	case color.NRGBA:
		return [3]uint16{uint16(c.R) << 8, uint16(c.G) << 8, uint16(c.B) << 8}
	case color.RGBA: // the decoder uses it for opaque pixels only
		return [3]uint16{uint16(c.R) << 8, uint16(c.G) << 8, uint16(c.B) << 8}
	case color.NRGBA64:
		return [3]uint16{c.R, c.G, c.B}
	}
	r, g, b, _ := c.RGBA()
	return [3]uint16{uint16(r), uint16(g), uint16(b)}
}

// encodePNG writes a 2-D image of type uint8 or uint16 with one or three channels.
func encodePNG(w io.Writer, m *Image) error {
	x, y, z := m.Size()
	if z*m.Volumes() != 1 || m.Channels != 1 && m.Channels != 3 || m.DType != Uint8 && m.DType != Uint16 || m.scaled() {
		return fmt.Errorf("shape %v, %d channels, type %s: PNG holds one slice of unscaled uint8 or uint16, grey or RGB", m.Shape, m.Channels, m.DType.Name())
	}
	size := m.DType.Size()
	data := m.data
	rect := stdimage.Rect(0, 0, x, y)
	var img stdimage.Image
	if size == 2 {
		data = bytes.Clone(data)
		swapBytes(data, 2) // the standard library keeps 16-bit samples big endian
	}
	switch {
	case m.Channels == 1 && size == 1:
		img = &stdimage.Gray{Pix: data, Stride: x, Rect: rect}
	case m.Channels == 1:
		img = &stdimage.Gray16{Pix: data, Stride: 2 * x, Rect: rect}
	default:
		opaque := append(bytes.Clone(data), bytes.Repeat([]byte{0xff}, x*y*size)...)
		pix := interleave(opaque, 4, size)
		if size == 1 {
			img = &stdimage.NRGBA{Pix: pix, Stride: 4 * x, Rect: rect}
		} else {
			img = &stdimage.NRGBA64{Pix: pix, Stride: 8 * x, Rect: rect}
		}
	}
	return png.Encode(w, img)
}
