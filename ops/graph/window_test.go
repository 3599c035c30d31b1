package graph

import (
	"fmt"
	"math"
	"testing"
)

// neighbours computes an operation on windows the plain way, in float64: pixels of one plane after another.
func neighbours(x []float32, h, w, c int, at func(get func(y, x int) (float64, bool), py, px int) float64) []float64 {
	out := make([]float64, len(x))
	for b := range len(x) / (h * w * c) {
		for k := range c {
			get := func(y, q int) (float64, bool) {
				if y < 0 || y >= h || q < 0 || q >= w {
					return 0, false
				}
				return float64(x[((b*h+y)*w+q)*c+k]), true
			}
			for y := range h {
				for q := range w {
					out[((b*h+y)*w+q)*c+k] = at(get, y, q)
				}
			}
		}
	}
	return out
}

func TestWindows(t *testing.T) {
	const h, w, c = 7, 9, 2
	x := make([]float32, 2*h*w*c)
	r := Stream(3, "windows")
	for i := range x {
		x[i] = r.Float32()*4 - 2
	}
	kernel := [][]float64{{1, 0, -2}, {0.5, 3, 0}, {0, -1, 4}}
	reduce := func(size int, start float64, f func(a, b float64) float64) func(func(y, x int) (float64, bool), int, int) float64 {
		return func(get func(y, x int) (float64, bool), py, px int) float64 {
			a := start
			for i := -size / 2; i <= size/2; i++ {
				for j := -size / 2; j <= size/2; j++ {
					if v, in := get(py+i, px+j); in {
						a = f(a, v)
					}
				}
			}
			return a
		}
	}
	type op struct {
		name  string
		build func(s *Scope, x *Node) *Node
		want  []float64
	}
	var ops []op
	for _, size := range []int{1, 3, 5, 7, 13} {
		mean := neighbours(x, h, w, c, reduce(size, 0, func(a, b float64) float64 { return a + b }))
		for i := range mean {
			mean[i] /= float64(size * size)
		}
		ops = append(ops,
			op{fmt.Sprintf("mean %d", size), func(s *Scope, x *Node) *Node { return WindowMean(s, x, size) }, mean},
			op{fmt.Sprintf("max %d", size), func(s *Scope, x *Node) *Node { return WindowMax(s, x, size) }, neighbours(x, h, w, c, reduce(size, math.Inf(-1), math.Max))},
			op{fmt.Sprintf("min %d", size), func(s *Scope, x *Node) *Node { return WindowMin(s, x, size) }, neighbours(x, h, w, c, reduce(size, math.Inf(1), math.Min))})
	}
	for _, by := range [][2]int{{0, 0}, {2, -3}, {-1, 4}, {7, 0}, {0, -20}} {
		ops = append(ops, op{fmt.Sprint("shift ", by), func(s *Scope, x *Node) *Node { return Shift(s, x, by[0], by[1]) },
			neighbours(x, h, w, c, func(get func(y, x int) (float64, bool), py, px int) float64 {
				v, _ := get(py-by[0], px-by[1])
				return v
			})})
	}
	ops = append(ops, op{"kernel", func(s *Scope, x *Node) *Node { return Correlate(s, x, kernel) },
		neighbours(x, h, w, c, func(get func(y, x int) (float64, bool), py, px int) float64 {
			sum := 0.0
			for i, row := range kernel {
				for j, k := range row {
					v, _ := get(py+i-1, px+j-1)
					sum += k * v
				}
			}
			return sum
		})})
	eachBackend(t, func(t *testing.T, b *Backend) {
		none := NewParams()
		for _, o := range ops {
			build := func(s *Scope, in []*Node) []*Node { return []*Node{o.build(s, in[0])} }
			in := Floats(x, 2, h, w, c)
			p, err := NewProgram(b, ProgramConfig{Name: o.name}, []Shape{F32(2, h, w, c)}, build)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Call(t.Context(), b.Place(none), 0, in)
			p.Free()
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got.Outputs[0].Data {
				if !(math.Abs(float64(v)-o.want[i]) <= 2e-6*max(1, math.Abs(o.want[i]))) {
					t.Errorf("%s: element %d is %g, expected %g", o.name, i, v, o.want[i])
					break
				}
			}
			if o.name == "shift [7 0]" || o.name == "shift [0 -20]" {
				continue // nothing of the input is left
			}
			if diff, err := CheckGradient(b, build, none, 5, true, in); err != nil || !(diff <= 1e-6) {
				t.Errorf("%s: gradient and central difference differ by %.1e: %v", o.name, diff, err)
			}
		}
	})
}

func TestDistance(t *testing.T) {
	const h, w = 11, 14
	x := make([]float32, 3*h*w) // the last plane is empty
	for _, i := range []int{0, 3*w + 4, h*w + 10*w + 13} {
		x[i] = 1
	}
	eachBackend(t, func(t *testing.T, b *Backend) {
		p, err := NewProgram(b, ProgramConfig{Name: "distance"}, []Shape{F32(3, h, w)}, func(s *Scope, in []*Node) []*Node { return []*Node{Distance(s, in[0])} })
		if err != nil {
			t.Fatal(err)
		}
		defer p.Free()
		got, err := p.Call(t.Context(), b.Place(NewParams()), 0, Floats(x, 3, h, w))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got.Outputs[0].Data {
			plane, y, q := i/(h*w), i/w%h, i%w
			want := math.Hypot(h, w)
			for j := range h * w {
				if x[plane*h*w+j] == 1 {
					want = min(want, math.Hypot(float64(y-j/w), float64(q-j%w)))
				}
			}
			if !(math.Abs(float64(v)-want) <= 1e-5) {
				t.Fatalf("plane %d, pixel (%d, %d): distance %g, expected %g", plane, y, q, v, want)
			}
		}
	})
}
