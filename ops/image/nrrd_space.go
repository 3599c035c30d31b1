package image

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// nrrdSpaces gives for each named space the signs that turn its axes into right, anterior, superior.
var nrrdSpaces = map[string][3]float64{
	"right-anterior-superior": {1, 1, 1}, "ras": {1, 1, 1},
	"left-anterior-superior": {-1, 1, 1}, "las": {-1, 1, 1},
	"left-posterior-superior": {-1, -1, 1}, "lps": {-1, -1, 1},
}

// place finds the channel axis, the spatial axes and the affine.
func (h *nrrdHeader) place(m *Image) error {
	n := len(h.sizes)
	spatial := make([]bool, n)
	for i := range spatial {
		spatial[i] = true
	}
	kinds := strings.Fields(strings.ToLower(h.fields["kinds"]))
	if len(kinds) > 0 && len(kinds) != n {
		return fmt.Errorf("%d kinds for dimension %d", len(kinds), n)
	}
	for i, kind := range kinds {
		spatial[i] = kind == "domain" || kind == "space" || kind == "???" || kind == "none"
	}
	vectors, err := parseVectors(h.fields["space directions"])
	if err != nil {
		return fmt.Errorf("space directions: %w", err)
	}
	if vectors != nil {
		if len(vectors) != n {
			return fmt.Errorf("%d space directions for dimension %d", len(vectors), n)
		}
		for i, v := range vectors {
			spatial[i] = v != nil
		}
	}
	var space []int // the axes of the grid
	for i := range spatial {
		switch {
		case spatial[i] && len(space) < 3:
			space = append(space, i)
		case i == 0:
			h.channel = true
		case i < n-1 && slices.Contains(spatial[i+1:], true) && len(space) < 3:
			return fmt.Errorf("axis %d is not spatial and lies between spatial axes; store it first (channels) or last (volumes)", i+1)
		}
	}
	if len(space) == 0 {
		return errors.New("no axis of the image is spatial")
	}
	m.Shape = h.sizes
	if h.channel {
		m.Channels, m.Shape = h.sizes[0], h.sizes[1:]
		if m.Channels > 4 {
			return fmt.Errorf("the first axis is not spatial and has %d entries; at most 4 channels are read", m.Channels)
		}
	}
	m.Shape = trimAxes(slices.Clone(m.Shape))
	return h.placeSpace(m, vectors, space)
}

func (h *nrrdHeader) placeSpace(m *Image, vectors [][]float64, space []int) error {
	// Without a space the axes are taken as ITK does, left, posterior, superior, but marked as unknown.
	signs := [3]float64{-1, -1, 1}
	m.Affine = identity()
	name := strings.ToLower(h.fields["space"])
	if known, ok := nrrdSpaces[name]; ok && vectors != nil {
		signs = known
		m.HasGeometry = true
	} else if name != "" && !ok {
		return fmt.Errorf("space %q is not patient space; left-posterior-superior, right-anterior-superior and left-anterior-superior are read", h.fields["space"])
	}
	scale := 1.0
	if units := strings.Fields(strings.ReplaceAll(h.fields["space units"], `"`, " ")); len(units) > 0 {
		known := map[string]float64{"mm": 1, "cm": 10, "m": 1000, "um": 1e-3, "µm": 1e-3}
		var ok bool
		if scale, ok = known[units[0]]; !ok {
			return fmt.Errorf("space units %q are not known; mm, cm, m and um are", h.fields["space units"])
		}
	}
	if vectors != nil {
		m.HasSpacing = true
		for j, axis := range space {
			for i, v := range vectors[axis] {
				m.Affine[i][j] = v * scale
			}
		}
		if origin, err := parseVectors(h.fields["space origin"]); err != nil || len(origin) > 1 {
			return fmt.Errorf("space origin %q is not one vector", h.fields["space origin"])
		} else if len(origin) == 1 {
			for i, v := range origin[0] {
				m.Affine[i][3] = v * scale
			}
		}
	} else if text := strings.Fields(h.fields["spacings"]); len(text) > 0 {
		if len(text) != len(h.sizes) {
			return fmt.Errorf("%d spacings for dimension %d", len(text), len(h.sizes))
		}
		m.HasSpacing = true
		for j, axis := range space {
			v, err := strconv.ParseFloat(text[axis], 64)
			if err != nil || !(v > 0) || math.IsInf(v, 0) {
				return fmt.Errorf("spacing %q of axis %d is not a length", text[axis], axis+1)
			}
			m.Affine[j][j] = v
		}
	}
	for i := range 3 {
		for j := range 4 {
			m.Affine[i][j] *= signs[i]
			if m.Affine[i][j] == 0 {
				m.Affine[i][j] = 0 // no negative zeros
			}
		}
	}
	if !m.HasGeometry {
		m.warn("the header gives no orientation: which side is left is unknown")
	}
	return checkAffine(m.Affine, "the matrix of space directions")
}

// parseVectors reads "(1,0,0) none (0,1,0)"; none gives nil.
func parseVectors(text string) ([][]float64, error) {
	var out [][]float64
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if rest, ok := strings.CutPrefix(text, "none"); ok {
			out, text = append(out, nil), rest
			continue
		}
		end := strings.IndexByte(text, ')')
		if text[0] != '(' || end < 0 {
			return nil, fmt.Errorf("%.40q is not a vector such as (1,0,0)", text)
		}
		var v []float64
		for part := range strings.SplitSeq(text[1:end], ",") {
			x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
			if err != nil {
				return nil, fmt.Errorf("%q is not a number", part)
			}
			v = append(v, x)
		}
		if len(v) > 3 {
			return nil, fmt.Errorf("vector of %d components; the space has at most 3", len(v))
		}
		out, text = append(out, v), text[end+1:]
	}
	return out, nil
}
