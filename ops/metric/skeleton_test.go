package metric_test

import (
	"math"
	"testing"

	"github.com/mseg-lang/mseg/ops/metric"
)

func TestSkeletonKeepsTopology(t *testing.T) {
	// A ring with a bar through it and a separate blob: two parts, two holes.
	const n = 40
	m := metric.Mask{Data: make([]uint8, n*n), Shape: []int{n, n}}
	for y := range n {
		for x := range n {
			d := math.Hypot(float64(y-15), float64(x-15))
			if d < 13 && d > 7 || d < 13 && x > 12 && x < 18 || y > 32 && x > 30 {
				m.Data[y*n+x] = 1
			}
		}
	}
	s, err := metric.Skeleton(m)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"parts": 2, "holes": 2} {
		if got := regions(s, name == "holes"); got != want {
			t.Errorf("skeleton has %d %s, expected %d", got, name, want)
		}
	}
	for i, v := range s.Data {
		if v != 0 && m.Data[i] == 0 {
			t.Fatal("the skeleton leaves the mask")
		}
	}
	if area := regionsArea(s); area > 130 {
		t.Errorf("skeleton has %d pixels, expected a thin line", area)
	}
}

func regionsArea(m metric.Mask) (n int) {
	for _, v := range m.Data {
		n += int(v)
	}
	return n
}

// regions counts 8-connected parts, or 4-connected regions of background without
// the outer one.
func regions(m metric.Mask, background bool) int {
	h, w := m.Shape[0], m.Shape[1]
	seen := make([]bool, len(m.Data))
	count := 0
	for start := range m.Data {
		if seen[start] || (m.Data[start] == 0) != background {
			continue
		}
		count++
		stack := []int{start}
		seen[start] = true
		for len(stack) > 0 {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					y, x := p/w+dy, p%w+dx
					if background && dy != 0 && dx != 0 || y < 0 || y >= h || x < 0 || x >= w {
						continue
					}
					if q := y*w + x; !seen[q] && (m.Data[q] == 0) == background {
						seen[q] = true
						stack = append(stack, q)
					}
				}
			}
		}
	}
	if background {
		count--
	}
	return count
}
