package image

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// encodeNRRD writes an attached, gzip-encoded NRRD in space LPS.
func encodeNRRD(w io.Writer, m *Image) error {
	if m.scaled() || m.DType == Float16 || m.DType == Bool {
		return fmt.Errorf("type %s with slope %g and inter %g: NRRD has neither scaling nor this type; convert to float32 first", m.DType.Name(), m.Slope, m.Inter)
	}
	var types []string
	for _, name := range slices.Sorted(maps.Keys(nrrdTypes)) {
		if nrrdTypes[name] == m.DType {
			types = append(types, name)
		}
	}
	var head strings.Builder
	sizes := m.Shape
	if m.Channels > 1 {
		sizes = append([]int{m.Channels}, m.Shape...)
	}
	fmt.Fprintf(&head, "NRRD0005\ntype: %s\ndimension: %d\nsizes: %s\n", types[0], len(sizes), strings.Trim(fmt.Sprint(sizes), "[]"))
	if m.HasGeometry {
		vector := func(j int) string {
			return fmt.Sprintf("(%s,%s,%s)", number(-m.Affine[0][j]), number(-m.Affine[1][j]), number(m.Affine[2][j]))
		}
		var dirs []string
		if m.Channels > 1 {
			dirs = append(dirs, "none")
		}
		for j := range m.Shape {
			if j < 3 {
				dirs = append(dirs, vector(j))
			} else {
				dirs = append(dirs, "none")
			}
		}
		fmt.Fprintf(&head, "space: left-posterior-superior\nspace directions: %s\nspace origin: %s\n", strings.Join(dirs, " "), vector(3))
	}
	if m.Channels > 1 {
		fmt.Fprintf(&head, "kinds: vector%s\n", strings.Repeat(" domain", len(m.Shape)))
	}
	fmt.Fprintf(&head, "endian: little\nencoding: gzip\n\n")
	if _, err := io.WriteString(w, head.String()); err != nil {
		return err
	}
	data := m.data
	if m.Channels > 1 {
		data = interleave(data, m.Channels, m.DType.Size())
	}
	z := gzip.NewWriter(w)
	if _, err := z.Write(data); err != nil {
		return err
	}
	return z.Close()
}

func number(v float64) string {
	if v == 0 {
		v = 0 // no "-0" in a header
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
