package graph

import (
	"context"
	"math"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// evaluate runs a build function once on its own random parameters.
func evaluate(t *testing.T, b *Backend, build Build, inputs ...Value) ([]*Tensor, *Params) {
	t.Helper()
	declared := make([]Shape, len(inputs))
	for i, v := range inputs {
		declared[i] = Shape{Dims: v.Dims, Integer: v.Ints != nil}
	}
	p, err := NewProgram(b, ProgramConfig{Name: "test"}, declared, build)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	params, err := Initialise(p.Specs(), 5)
	if err != nil {
		t.Fatal(err)
	}
	device := b.Place(params)
	defer device.Free()
	r, err := p.Call(context.Background(), device, 1, inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return r.Outputs, params
}

// sameTensor compares with a reference given as a function of the position.
func sameTensor(t *testing.T, got *Tensor, dims []int, want func(i []int) float64, tolerance float64) {
	t.Helper()
	if len(got.Dims) != len(dims) || size(dims) != len(got.Data) {
		t.Fatalf("shape %v, want %v", got.Dims, dims)
	}
	at := make([]int, len(dims))
	for k, v := range got.Data {
		rest := k
		for a := len(dims) - 1; a >= 0; a-- {
			at[a], rest = rest%dims[a], rest/dims[a]
		}
		if w := want(at); !(math.Abs(float64(v)-w) <= tolerance) {
			t.Fatalf("at %v: %g, want %g", at, v, w)
		}
	}
}

// element reads a row-major array, 0 outside of it.
func element(data []float32, dims []int, at ...int) float64 {
	k := 0
	for a, i := range at {
		if i < 0 || i >= dims[a] {
			return 0
		}
		k = k*dims[a] + i
	}
	return float64(data[k])
}

func TestConvolutionIsTheSumItIsDefinedAs(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, c := range []struct {
			name string
			cfg  Conv
			x    Value
		}{
			{"1×1", Conv{Kernel: 1}, random(1, 2, 3, 4, 5)},
			{"3×3", Conv{Kernel: 3, Padding: 1}, random(2, 2, 5, 4, 3)},
			{"3×3 many channels", Conv{Kernel: 3, Padding: 1, Stride: 2}, random(3, 1, 6, 5, 17)},
			{"4×4 stride 2", Conv{Kernel: 4, Stride: 2, Padding: 1}, random(4, 1, 6, 8, 3)},
			{"2×2 patches", Conv{Kernel: 2, Stride: 2, NoBias: true}, random(5, 2, 5, 6, 3)},
		} {
			t.Run(c.name, func(t *testing.T) {
				const out = 4
				got, params := evaluate(t, b, conv(out, c.cfg), c.x)
				w, _ := params.Get("weight")
				bias, _ := params.Get("bias")
				d, k, stride := c.x.Dims, c.cfg.Kernel, c.cfg.stride()
				dims := []int{d[0], (d[1]+2*c.cfg.Padding-k)/stride + 1, (d[2]+2*c.cfg.Padding-k)/stride + 1, out}
				sameTensor(t, got[0], dims, func(p []int) float64 {
					sum := 0.0
					if bias != nil {
						sum = float64(bias.Data[p[3]])
					}
					for i := range k {
						for j := range k {
							for ch := range d[3] {
								sum += element(c.x.Floats, d, p[0], p[1]*stride+i-c.cfg.Padding, p[2]*stride+j-c.cfg.Padding, ch) *
									element(w.Data, w.Dims, p[3], ch, i, j)
							}
						}
					}
					return sum
				}, 1e-5)
			})
		}
	})
}

func TestTransposedConvolutionScatters(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, c := range []struct {
			name string
			cfg  Conv
		}{
			{"2×2 stride 2", Conv{Kernel: 2, Stride: 2}},
			{"4×4 stride 2 padding 1", Conv{Kernel: 4, Stride: 2, Padding: 1}},
			{"3×3 stride 2", Conv{Kernel: 3, Stride: 2, NoBias: true}},
		} {
			t.Run(c.name, func(t *testing.T) {
				const out = 5
				x := random(7, 2, 3, 4, 3)
				got, params := evaluate(t, b, convT(out, c.cfg), x)
				w, _ := params.Get("weight")
				bias, _ := params.Get("bias")
				d, k, stride, pad := x.Dims, c.cfg.Kernel, c.cfg.Stride, c.cfg.Padding
				dims := []int{d[0], (d[1]-1)*stride - 2*pad + k, (d[2]-1)*stride - 2*pad + k, out}
				want := NewTensor(dims...)
				for n := range d[0] {
					for y := range d[1] {
						for z := range d[2] {
							for ch := range d[3] {
								for i := range k {
									for j := range k {
										oy, oz := y*stride+i-pad, z*stride+j-pad
										if oy < 0 || oz < 0 || oy >= dims[1] || oz >= dims[2] {
											continue
										}
										for o := range out {
											want.Data[((n*dims[1]+oy)*dims[2]+oz)*out+o] += float32(element(x.Floats, d, n, y, z, ch) * element(w.Data, w.Dims, ch, o, i, j))
										}
									}
								}
							}
						}
					}
				}
				sameTensor(t, got[0], dims, func(p []int) float64 {
					v := element(want.Data, dims, p...)
					if bias != nil {
						v += float64(bias.Data[p[3]])
					}
					return v
				}, 1e-5)
			})
		}
	})
}

func TestResizeReadsPixelCentres(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		x := random(8, 2, 5, 6, 3)
		for _, side := range [][2]int{{10, 12}, {3, 4}, {5, 9}, {1, 1}} {
			got, _ := evaluate(t, b, one(func(s *Scope, x *Node) *Node { return Resize(s, x, side[0], side[1]) }), x)
			axis := func(i, out, in int) (lo, hi int, w float64) {
				at := min(max((float64(i)+0.5)*float64(in)/float64(out)-0.5, 0), float64(in-1))
				lo = int(at)
				return lo, min(lo+1, in-1), at - float64(lo)
			}
			sameTensor(t, got[0], []int{2, side[0], side[1], 3}, func(p []int) float64 {
				y0, y1, wy := axis(p[1], side[0], 5)
				x0, x1, wx := axis(p[2], side[1], 6)
				v := func(y, z int) float64 { return element(x.Floats, x.Dims, p[0], y, z, p[3]) }
				return (1-wy)*((1-wx)*v(y0, x0)+wx*v(y0, x1)) + wy*((1-wx)*v(y1, x0)+wx*v(y1, x1))
			}, 2e-6)
		}
	})
}

func TestNormsGiveMeanZeroAndVarianceOne(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		x := random(9, 2, 4, 5, 6)
		for i := range x.Floats {
			x.Floats[i] = 3*x.Floats[i] + 20
		}
		for _, c := range []struct {
			name  string
			norm  func(s *Scope, x *Node) *Node
			group func(at []int) int // which elements are normalised together
		}{
			{"layer", func(s *Scope, x *Node) *Node { return LayerNorm(s, x, 1e-6) }, func(p []int) int { return (p[0]*4+p[1])*5 + p[2] }},
			{"group", func(s *Scope, x *Node) *Node { return GroupNorm(s, x, 3, 1e-6) }, func(p []int) int { return p[0]*3 + p[3]/2 }},
			{"instance", func(s *Scope, x *Node) *Node { return InstanceNorm(s, x, 1e-6, false) }, func(p []int) int { return p[0]*6 + p[3] }},
		} {
			got, _ := evaluate(t, b, one(c.norm), x)
			sum, square, n := map[int]float64{}, map[int]float64{}, map[int]float64{}
			sameTensor(t, got[0], x.Dims, func(p []int) float64 {
				v, g := element(got[0].Data, x.Dims, p...), c.group(p)
				sum[g], square[g], n[g] = sum[g]+v, square[g]+v*v, n[g]+1
				return v
			}, 0)
			for g := range n {
				if m, v := sum[g]/n[g], square[g]/n[g]; !(math.Abs(m) <= 1e-5) || !(math.Abs(v-1) <= 1e-4) {
					t.Errorf("%s norm: group %d has mean %g and variance %g", c.name, g, m, v)
				}
			}
		}
	})
}

func TestMeanOfAManyPixels(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		const n = 1 << 20
		data := make([]float32, n)
		for i := range data {
			data[i] = 0.1
		}
		for _, dims := range [][]int{{n}, {1024, 1024}, {1, 1024, 1024, 1}} {
			got, _ := evaluate(t, b, one(func(s *Scope, x *Node) *Node { return Mean(s, x) }), Floats(data, dims...))
			if v := float64(got[0].Data[0]); !(math.Abs(v-0.1) <= 1e-7) {
				t.Errorf("the mean of %v times 0.1 is %.8f", dims, v)
			}
		}
	})
}

func TestMaxPoolGivesTiesToTheFirstPixel(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		got, _ := evaluate(t, b, one(func(s *Scope, x *Node) *Node {
			return gx.Gradient(gx.ReduceAllSum(MaxPool2(s, x)), x)[0]
		}), Floats([]float32{0, 0, 1, 2, 0, 0, 2, 2}, 1, 2, 4, 1))
		want := []float64{1, 0, 0, 1, 0, 0, 0, 0}
		sameTensor(t, got[0], []int{1, 2, 4, 1}, func(p []int) float64 { return want[p[1]*4+p[2]] }, 0)
	})
}

func TestDropoutKeepsTheExpectedValue(t *testing.T) {
	run := func(b *Backend, training bool, seed uint64) []float32 {
		build := one(func(s *Scope, x *Node) *Node { return Dropout(s, "drop", x, 0.25) })
		p, err := NewProgram(b, ProgramConfig{Training: training}, []Shape{F32(100, 100)}, build)
		if err != nil {
			t.Fatal(err)
		}
		ones := NewTensor(100, 100)
		for i := range ones.Data {
			ones.Data[i] = 1
		}
		r, err := p.Call(context.Background(), nil, seed, Floats(ones.Data, 100, 100))
		if err != nil {
			t.Fatal(err)
		}
		return r.Outputs[0].Data
	}
	first := map[string]float32{}
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, v := range run(b, false, 1) {
			if v != 1 {
				t.Fatal("dropout acts outside of training")
			}
		}
		sum, same := 0.0, true
		one, two := run(b, true, 1), run(b, true, 2)
		hash := float32(0)
		for i, v := range one {
			if v != 0 && !(math.Abs(float64(v)-1/0.75) <= 1e-6) {
				t.Fatalf("value %g, want 0 or 4/3", v)
			}
			sum += float64(v)
			same = same && v == two[i]
			hash = hash*0.9 + v*float32(i%7)
		}
		if !(math.Abs(sum/1e4-1) <= 0.03) || same {
			t.Errorf("mean %g, equal for two seeds: %v", sum/1e4, same)
		}
		first[b.Name()] = hash
	})
	if len(first) == 2 && first["go"] != first["xla"] {
		t.Error("the backends drop different elements for the same seed")
	}
}
