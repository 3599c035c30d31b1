package engine

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/ops/graph"
)

// What tensor builtins compute, once more with loops: of features x and y, (h,w,c) each. Layers are tested in ops/graph.
func TestTensorBuiltinValues(t *testing.T) {
	const h, w, c = 4, 6, 3
	x, y := make([]float32, h*w*c), make([]float32, h*w*c)
	r := graph.Stream(13, "values")
	for i := range x {
		x[i], y[i] = r.Float32()*4-2, r.Float32()*4-2
	}
	at := func(v []float32, row, col, k int) float64 { return float64(v[(row*w+col)*c+k]) }
	inside := func(row, col int) bool { return row >= 0 && row < h && col >= 0 && col < w }
	each := func(f func(a, b float64) float64) []float64 {
		out := make([]float64, len(x))
		for i := range x {
			out[i] = f(float64(x[i]), float64(y[i]))
		}
		return out
	}
	one := func(f func(a float64) float64) []float64 { return each(func(a, _ float64) float64 { return f(a) }) }
	pixel := func(f func(row, col, k int) float64) []float64 {
		var out []float64
		for row := range h {
			for col := range w {
				for k := range c {
					out = append(out, f(row, col, k))
				}
			}
		}
		return out
	}
	window := func(start float64, f func(a, v float64) float64) []float64 {
		return pixel(func(row, col, k int) float64 {
			a := start
			for i := -1; i <= 1; i++ {
				for j := -1; j <= 1; j++ {
					if inside(row+i, col+j) {
						a = f(a, at(x, row+i, col+j, k))
					}
				}
			}
			return a
		})
	}
	// over reduces x along the axes that are true.
	over := func(rows, cols, channels bool, start float64, f func(a, v float64) float64) []float64 {
		size := func(gone bool, n int) int {
			if gone {
				return 1
			}
			return n
		}
		H, W, C := size(rows, h), size(cols, w), size(channels, c)
		out := slices.Repeat([]float64{start}, H*W*C)
		for row := range h {
			for col := range w {
				for k := range c {
					i := (row%H*W+col%W)*C + k%C
					out[i] = f(out[i], at(x, row, col, k))
				}
			}
		}
		return out
	}
	add := func(a, v float64) float64 { return a + v }
	scaled := func(v []float64, by float64) []float64 {
		out := slices.Clone(v)
		for i := range out {
			out[i] *= by
		}
		return out
	}
	softmax := func(along func(row, col, k, i int) float64, n int) []float64 {
		return pixel(func(row, col, k int) float64 {
			sum := 0.0
			for i := range n {
				sum += math.Exp(along(row, col, k, i))
			}
			return math.Exp(at(x, row, col, k)) / sum
		})
	}
	kernel := [3][3]float64{{1, 0, -2}, {0.5, 3, 0}, {0, -1, 4}}
	pooled := func(f func(row, col, k int) float64) []float64 {
		var out []float64
		for row := 0; row < h; row += 2 {
			for col := 0; col < w; col += 2 {
				for k := range c {
					out = append(out, f(row, col, k))
				}
			}
		}
		return out
	}
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	cases := map[string][]float64{
		"abs(x)": one(math.Abs), "exp(x)": one(math.Exp), "tanh(x)": one(math.Tanh),
		"log(abs(x) + 1)":  one(func(a float64) float64 { return math.Log(math.Abs(a) + 1) }),
		"sqrt(abs(x) + 1)": one(func(a float64) float64 { return math.Sqrt(math.Abs(a) + 1) }),
		"sigmoid(x)":       one(func(a float64) float64 { return 1 / (1 + math.Exp(-a)) }),
		"relu(x)":          one(func(a float64) float64 { return max(a, 0) }),
		"gelu(x)":          one(func(a float64) float64 { return a * 0.5 * (1 + math.Erf(a/math.Sqrt2)) }),
		"softplus(x)":      one(func(a float64) float64 { return math.Log(1 + math.Exp(a)) }),
		"softplus(90 * x)": one(func(a float64) float64 { return max(90*a, 0) + math.Log1p(math.Exp(-math.Abs(90*a))) }),
		"pow(abs(x), y)":   each(func(a, b float64) float64 { return math.Pow(math.Abs(a), b) }),
		"pow(x, 2)":        one(func(a float64) float64 { return a * a }),
		"pow(x, 1)":        one(func(a float64) float64 { return a }),
		"pow(abs(x), 0.5)": one(func(a float64) float64 { return math.Sqrt(math.Abs(a)) }),
		"maximum(x, y)":    each(math.Max), "minimum(x, y)": each(math.Min), "minimum(0.5, x)": one(func(a float64) float64 { return min(a, 0.5) }),
		"clip(x, -0.5 .. 1)":  one(func(a float64) float64 { return min(max(a, -0.5), 1) }),
		"where(x > y, 1, -x)": each(func(a, b float64) float64 { return truth(a > b) + (1-truth(a > b))*-a }),
		"stop_gradient(x)":    one(func(a float64) float64 { return a }), "adaptable(x)": one(func(a float64) float64 { return a }),
		"dropout(x, 50 %)": one(func(a float64) float64 { return a }), // outside training
		"x + y":            each(add), "x - y": each(func(a, b float64) float64 { return a - b }), "x * y": each(func(a, b float64) float64 { return a * b }),
		"x / y": each(func(a, b float64) float64 { return a / b }), "-x": one(func(a float64) float64 { return -a }),
		"x < y": each(func(a, b float64) float64 { return truth(a < b) }), "x <= y": each(func(a, b float64) float64 { return truth(a <= b) }),
		"x > y": each(func(a, b float64) float64 { return truth(a > b) }), "x >= y": each(func(a, b float64) float64 { return truth(a >= b) }),
		"x < x": one(func(float64) float64 { return 0 }), "x <= x": one(func(float64) float64 { return 1 }),
		"x > x": one(func(float64) float64 { return 0 }), "x >= x": one(func(float64) float64 { return 1 }),
		"x == x": one(func(float64) float64 { return 1 }), "x != x": one(func(float64) float64 { return 0 }),

		"sum(x)":                         over(true, true, true, 0, add),
		"sum(x, over: height)":           over(true, false, false, 0, add),
		"mean(x, over: channel)":         scaled(over(false, false, true, 0, add), 1.0/c),
		"max(x, over: [height, width])":  over(true, true, false, math.Inf(-1), math.Max),
		"min(x, over: [channel, width])": over(false, true, true, math.Inf(1), math.Min),
		"softmax(x)":                     softmax(func(row, col, _, i int) float64 { return at(x, row, col, i) }, c),
		"softmax(x, over: height)":       softmax(func(_, col, k, i int) float64 { return at(x, i, col, k) }, h),
		"softmax(x, over: width)":        softmax(func(row, _, k, i int) float64 { return at(x, row, i, k) }, w),
		"average(x, 3 px)":               scaled(window(0, add), 1.0/9),
		"dilate(x, 3 px)":                window(math.Inf(-1), math.Max),
		"erode(x, 3 px)":                 window(math.Inf(1), math.Min),
		"x * rows(x)":                    pixel(func(row, col, k int) float64 { return at(x, row, col, k) * float64(row) }),
		"x * columns(x)":                 pixel(func(row, col, k int) float64 { return at(x, row, col, k) * float64(col) }),
		"x * max(y, over: [height, width])": pixel(func(row, col, k int) float64 {
			largest := math.Inf(-1)
			for i := range h {
				for j := range w {
					largest = max(largest, at(y, i, j, k))
				}
			}
			return at(x, row, col, k) * largest
		}),
		"shift(x, 1 px, -2 px)": pixel(func(row, col, k int) float64 {
			if !inside(row-1, col+2) {
				return 0
			}
			return at(x, row-1, col+2, k)
		}),
		"convolve(x, [[1, 0, -2], [0.5, 3, 0], [0, -1, 4]])": pixel(func(row, col, k int) float64 {
			sum := 0.0
			for i := range 3 {
				for j := range 3 {
					if inside(row+i-1, col+j-1) {
						sum += kernel[i][j] * at(x, row+i-1, col+j-1, k)
					}
				}
			}
			return sum
		}),
		"max_pool(x)": pooled(func(row, col, k int) float64 {
			return max(at(x, row, col, k), at(x, row+1, col, k), at(x, row, col+1, k), at(x, row+1, col+1, k))
		}),
		"resize(x, 0.5)": pooled(func(row, col, k int) float64 {
			return (at(x, row, col, k) + at(x, row+1, col, k) + at(x, row, col+1, k) + at(x, row+1, col+1, k)) / 4
		}),
		"concat(x, mean(y, over: channel))": func() []float64 {
			var out []float64
			for row := range h {
				for col := range w {
					mean := 0.0
					for k := range c {
						out = append(out, at(x, row, col, k))
						mean += at(y, row, col, k) / c
					}
					out = append(out, mean)
				}
			}
			return out
		}(),
		"instance_norm(x)": func() []float64 {
			mean := scaled(over(true, true, false, 0, add), 1.0/(h*w))
			variance := make([]float64, c)
			for i, v := range x {
				variance[i%c] += math.Pow(float64(v)-mean[i%c], 2) / (h * w)
			}
			return pixel(func(row, col, k int) float64 { return (at(x, row, col, k) - mean[k]) / math.Sqrt(variance[k]+1e-5) })
		}(),
		"distance(max(x, over: channel))": func() []float64 {
			peak := over(false, false, true, math.Inf(-1), math.Max)
			var out []float64
			for i := range peak {
				nearest := math.Hypot(h, w)
				for j, v := range peak {
					if v > 0.5 {
						nearest = min(nearest, math.Hypot(float64(i/w-j/w), float64(i%w-j%w)))
					}
				}
				out = append(out, nearest)
			}
			return out
		}(),
	}
	for _, b := range builtin.All() {
		if b.Result.IsTensor() && !b.Learned && !slices.ContainsFunc(slices.Collect(maps.Keys(cases)), func(text string) bool { return strings.Contains(text, b.Name+"(") }) {
			t.Errorf("%s is not compared", b.Name)
		}
	}
	for text, want := range cases {
		f, _, ok := scopeOf(t, "fn example(x: features, y: features) -> tensor = "+text+"\n").Fn("example")
		if !ok {
			t.Errorf("%s has mistakes", text)
			continue
		}
		b, err := graph.Open("go")
		if err != nil {
			t.Fatal(err)
		}
		declared := []graph.Shape{{Dims: []int{1, h, w, c}}, {Dims: []int{1, h, w, c}}}
		p, err := graph.NewProgram(b, graph.ProgramConfig{Name: text, Float64: true}, declared, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
			return []*graph.Node{apply(s, f, pixels(in[0]), pixels(in[1])).node}
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Call(t.Context(), b.Place(graph.NewParams()), 0, graph.Floats(x, 1, h, w, c), graph.Floats(y, 1, h, w, c))
		p.Free()
		if err != nil {
			t.Fatal(err)
		}
		data := got.Outputs[0].Data
		if len(data) != len(want) {
			t.Errorf("%s has %d values, expected %d", text, len(data), len(want))
			continue
		}
		for i, v := range data {
			if !(math.Abs(float64(v)-want[i]) <= 2e-6*max(1, math.Abs(want[i]))) {
				t.Errorf("%s: value %d is %g, expected %g", text, i, v, want[i])
				break
			}
		}
	}
}
