package image

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Read opens an image with its voxels. The format follows from the name; gzip is recognised by content.
//
// A .npy array of two axes is (rows, columns); of three axes with the last of length 3 it is a colour image (rows, columns,
// channels), otherwise a volume (slices, rows, columns).
func Read(path string) (*Image, error) { return open(path, true) }

// ReadHeader opens an image without its voxels: shape, type, geometry. The sizes are checked against the file, the
// checksums of compressed data are not.
func ReadHeader(path string) (*Image, error) { return open(path, false) }

// Extensions lists the endings of file names that Read accepts.
func Extensions() []string {
	return []string{".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".png", ".npy"}
}

func open(path string, voxels bool) (*Image, error) {
	var read func(string, bool) (*Image, error)
	switch ext := Extension(path); ext {
	case ".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz":
		read = readNIfTI
	case ".nrrd", ".nhdr":
		read = readNRRD
	case ".mha", ".mhd":
		read = readMetaImage
	case ".png":
		read = readPNG
	case ".npy":
		read = readNPYImage
	case ".npz":
		return nil, fmt.Errorf("read %s: an archive of several arrays is not one image; save the array as .npy", path)
	case ".dcm":
		return nil, fmt.Errorf("read %s: DICOM is not read; convert the series to NIfTI first, for example with dcm2niix", path)
	default:
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		return nil, fmt.Errorf("read %s: no known image format ends in %q; known are %s", path, ext, strings.Join(Extensions(), ", "))
	}
	m, err := read(path, voxels)
	if err != nil {
		if pe, ok := err.(*fs.PathError); ok && pe.Path == path {
			return nil, err
		}
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

// Extension gives the ending of an image's file name in lower case, with .gz joined to what precedes it.
func Extension(path string) string {
	base := strings.ToLower(filepath.Base(path))
	ext := filepath.Ext(base)
	if ext == ".gz" {
		if inner := filepath.Ext(strings.TrimSuffix(base, ext)); slices.Contains([]string{".nii", ".hdr", ".img"}, inner) {
			ext = inner + ext
		}
	}
	return ext
}

func readNPYImage(path string, voxels bool) (*Image, error) {
	s, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer s.close()
	m := &Image{Channels: 1, Slope: 1, Affine: identity(), Format: "npy"}
	var a *Array
	if voxels {
		a, err = readNPY(s, s.size)
	} else {
		var h npyHeader
		h, _, err = readNPYHeader(s)
		a = &Array{Shape: h.shape, DType: h.dtype}
	}
	if err != nil {
		return nil, err
	}
	shape, data := slices.Clone(a.Shape), a.data
	if len(shape) < 2 || len(shape) > 3 || slices.Contains(shape, 0) {
		return nil, fmt.Errorf("array of shape %v is not an image; (rows, columns), (rows, columns, 3) or (slices, rows, columns) is needed", shape)
	}
	if len(shape) == 3 && shape[2] == 3 {
		m.Channels, shape = 3, shape[:2]
		data = deinterleave(data, 3, a.DType.Size())
	}
	slices.Reverse(shape)
	m.Shape, m.DType = shape, a.DType
	if voxels {
		m.data = data
	} else if n, ok := checkedProduct(a.Shape, a.DType.Size()); !ok || n > s.size {
		return nil, fmt.Errorf("shape %v of %s asks for more data than the file holds", a.Shape, a.DType.Name())
	}
	return m, nil
}
