package image

import (
	"compress/gzip"
	"fmt"
	"io"
	"slices"
)

// Write stores an image atomically; the ending of the path chooses the format: .nii, .nii.gz, .nrrd, .npy or .png.
//
// NIfTI-1 keeps the stored type with slope and intercept, the affine as sform, and as qform too where its axes are at
// right angles; bool becomes uint8 and float16 float32, which loses nothing. An axis longer than 32,767 needs NIfTI-2 and
// is written so. NRRD is gzip-encoded in space LPS. A .npy array has the axes reversed, (slices, rows, columns), with
// channels last and the scale applied. PNG takes one slice of uint8 or uint16.
func Write(path string, m *Image) error {
	if !m.Loaded() {
		return fmt.Errorf("write %s: the image was opened for its header only", path)
	}
	switch ext := Extension(path); ext {
	case ".nii":
		return writeAtomic(path, func(w io.Writer) error { return encodeNIfTI(w, m) })
	case ".nii.gz":
		return writeAtomic(path, func(w io.Writer) error {
			z := gzip.NewWriter(w)
			if err := encodeNIfTI(z, m); err != nil {
				return err
			}
			return z.Close()
		})
	case ".nrrd":
		return writeAtomic(path, func(w io.Writer) error { return encodeNRRD(w, m) })
	case ".npy":
		return WriteNPY(path, m.array())
	case ".png":
		return writeAtomic(path, func(w io.Writer) error { return encodePNG(w, m) })
	default:
		return fmt.Errorf("write %s: images are written as .nii, .nii.gz, .nrrd, .npy or .png, not %q", path, ext)
	}
}

// array gives the image in numpy's order.
func (m *Image) array() *Array {
	s := m.samples()
	if m.scaled() {
		s = samplesOf(m.Float64())
	}
	shape := slices.Clone(m.Shape)
	slices.Reverse(shape)
	if m.Channels > 1 {
		shape = append(shape, m.Channels)
		s.b = interleave(s.b, m.Channels, s.dtype.Size())
	}
	return &Array{Shape: shape, DType: s.dtype, data: s.b}
}
