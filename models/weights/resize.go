package weights

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Resized adapts a state dict to a model of another image size: position
// tables that the model wants in another size are interpolated, as MedSegX does
// to bring SAM from 1024 to 256 pixels. The absolute positions (pos_embed) are
// scaled along both sides of the grid, the relative ones (rel_pos_h, rel_pos_w)
// along their rows; those of windows have the same size for all images and
// stay. Interpolation is bilinear between the centres of the cells (PyTorch's
// align_corners=False) without smoothing: from 64 to 16 every value is the mean
// of two of the four rows it stands for.
//
// Returns a set that shares all other tensors with from, and the names of what
// was resized.
func Resized(from *graph.Params, specs []graph.Spec) (*graph.Params, []string, error) {
	from = Names(from)
	wanted := map[string][]int{}
	for _, s := range specs {
		wanted[s.Name] = s.Dims
	}
	out := graph.NewParams()
	var names []string
	for _, name := range from.Names() {
		t, _ := from.Get(name)
		if dims := wanted[name]; isPositions(name, t.Dims, dims) {
			t = resizeTable(t, dims)
			names = append(names, name)
		}
		if err := out.Set(name, t); err != nil {
			return nil, nil, err
		}
	}
	return out, names, nil
}

// isPositions is true for a table of positions that is wanted in another size
// and has the same width.
func isPositions(name string, found, wanted []int) bool {
	if len(wanted) == 0 || len(found) != len(wanted) || slices.Equal(found, wanted) || found[len(found)-1] != wanted[len(wanted)-1] {
		return false
	}
	switch {
	case strings.HasSuffix(name, ".pos_embed"):
		return len(found) == 4 && found[0] == 1 && wanted[0] == 1
	case strings.HasSuffix(name, ".rel_pos_h"), strings.HasSuffix(name, ".rel_pos_w"):
		return len(found) == 2
	}
	return false
}

// resizeTable interpolates along every axis whose length changes.
func resizeTable(t *graph.Tensor, dims []int) *graph.Tensor {
	for axis := range dims {
		if t.Dims[axis] != dims[axis] {
			t = resizeAxis(t, axis, dims[axis])
		}
	}
	return t
}

func resizeAxis(t *graph.Tensor, axis, length int) *graph.Tensor {
	dims := slices.Clone(t.Dims)
	dims[axis] = length
	before, after := 1, 1
	for i, d := range t.Dims {
		if i < axis {
			before *= d
		} else if i > axis {
			after *= d
		}
	}
	n := t.Dims[axis]
	step := float64(float32(n) / float32(length)) // rounded as in PyTorch; it shows in the sixth digit
	out := graph.NewTensor(dims...)
	for i := range length {
		at := min(max(step*(float64(i)+0.5)-0.5, 0), float64(n-1))
		low := int(at)
		high, part := min(low+1, n-1), at-float64(low)
		for b := range before {
			a, c := t.Data[(b*n+low)*after:], t.Data[(b*n+high)*after:]
			to := out.Data[(b*length+i)*after:]
			for k := range after {
				to[k] = float32(float64(a[k])*(1-part) + float64(c[k])*part)
			}
		}
	}
	return out
}
