package weights

import (
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Difference is the largest difference between two tensors of one name.
type Difference struct {
	Name  string  `json:"name"`
	Max   float64 `json:"max_abs"`   // largest |a-b|; +Inf where one value is NaN or infinite and the other is another
	Scale float64 `json:"scale"`     // largest |a|
	Count int     `json:"different"` // values that differ by more than the tolerance
	Size  int     `json:"size"`
}

// Differences says how two state dicts differ. Names are sorted; values by the
// largest difference first.
type Differences struct {
	Same       int // tensors that differ by no more than the tolerance
	OnlyA      []string
	OnlyB      []string
	Mismatched []Mismatch // Found in a, Expected in b
	Values     []Difference
}

// Equal is true if nothing differs.
func (d Differences) Equal() bool {
	return len(d.OnlyA)+len(d.OnlyB)+len(d.Mismatched)+len(d.Values) == 0
}

// Diff compares two state dicts value by value; prefixes that training programs
// put before the names do not matter. Values differ if |a-b| is above the
// tolerance; NaN equals NaN.
func Diff(a, b *graph.Params, tolerance float64) Differences {
	a, b = Names(a), Names(b)
	var d Differences
	for _, name := range a.Names() {
		x, _ := a.Get(name)
		y, ok := b.Get(name)
		switch {
		case !ok:
			d.OnlyA = append(d.OnlyA, name)
		case !slices.Equal(x.Dims, y.Dims):
			d.Mismatched = append(d.Mismatched, Mismatch{Name: name, Found: x.Dims, Expected: y.Dims})
		default:
			if v := difference(name, x.Data, y.Data, tolerance); v.Count > 0 {
				d.Values = append(d.Values, v)
			} else {
				d.Same++
			}
		}
	}
	for _, name := range b.Names() {
		if _, ok := a.Get(name); !ok {
			d.OnlyB = append(d.OnlyB, name)
		}
	}
	slices.Sort(d.OnlyA)
	slices.Sort(d.OnlyB)
	slices.SortFunc(d.Mismatched, func(x, y Mismatch) int { return strings.Compare(x.Name, y.Name) })
	slices.SortStableFunc(d.Values, func(x, y Difference) int {
		if x.Max != y.Max {
			if x.Max > y.Max {
				return -1
			}
			return 1
		}
		return strings.Compare(x.Name, y.Name)
	})
	return d
}

func difference(name string, a, b []float32, tolerance float64) Difference {
	d := Difference{Name: name, Size: len(a)}
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		if !math.IsNaN(x) {
			d.Scale = max(d.Scale, math.Abs(x))
		}
		if x == y || math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		off := math.Abs(x - y)
		if math.IsNaN(off) {
			off = math.Inf(1)
		}
		d.Max = max(d.Max, off)
		if off > tolerance {
			d.Count++
		}
	}
	return d
}
