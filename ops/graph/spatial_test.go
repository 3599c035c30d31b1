package graph

import (
	"math"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// positions calls f with every position of an array.
func positions(dims []int, f func(at []int)) {
	at := make([]int, len(dims))
	for k := range size(dims) {
		for a := len(dims) - 1; a >= 0; a-- {
			at[a], k = k%dims[a], k/dims[a]
		}
		f(at)
	}
}

// The definitions of convolution and transposed convolution, over two and three axes, with unequal kernels and strides.
func TestSpatialLayersAreWhatTheyAreDefinedAs(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, c := range []struct {
			name           string
			kernel, stride []int
			x              Value
		}{
			{"2-D square", []int{3, 3}, []int{2, 2}, random(1, 2, 6, 4, 3)},
			{"2-D unequal", []int{1, 3}, []int{1, 2}, random(2, 2, 3, 6, 3)},
			{"3-D", []int{3, 3, 3}, nil, random(3, 2, 3, 4, 2, 2)},
			{"3-D unequal", []int{1, 3, 3}, []int{1, 2, 2}, random(4, 1, 3, 5, 4, 3)},
		} {
			const out = 2
			n := len(c.kernel)
			stride := c.stride
			if stride == nil {
				stride = slices.Repeat([]int{1}, n)
			}
			t.Run("convolution "+c.name, func(t *testing.T) {
				got, params := evaluate(t, b, one(func(s *Scope, x *Node) *Node {
					return ConvSame(s, x, out, SameConv{Kernel: c.kernel, Stride: c.stride})
				}), c.x)
				w, _ := params.Get("weight")
				bias, _ := params.Get("bias")
				d := c.x.Dims
				dims := []int{d[0]}
				for a := range n {
					dims = append(dims, (d[1+a]+stride[a]-1)/stride[a])
				}
				sameTensor(t, got[0], append(dims, out), func(p []int) float64 {
					sum := float64(bias.Data[p[n+1]])
					positions(c.kernel, func(k []int) {
						for ch := range d[n+1] {
							from := []int{p[0]}
							for a := range n {
								from = append(from, p[1+a]*stride[a]+k[a]-(c.kernel[a]-1)/2)
							}
							sum += element(c.x.Floats, d, append(from, ch)...) * element(w.Data, w.Dims, slices.Concat([]int{p[n+1], ch}, k)...)
						}
					})
					return sum
				}, 1e-5)
			})
			t.Run("enlarging "+c.name, func(t *testing.T) {
				got, params := evaluate(t, b, one(func(s *Scope, x *Node) *Node { return Upsample(s, x, out, stride, nil) }), c.x)
				w, _ := params.Get("weight")
				bias, _ := params.Get("bias")
				d := c.x.Dims
				dims := []int{d[0]}
				for a := range n {
					dims = append(dims, d[1+a]*stride[a])
				}
				sameTensor(t, got[0], append(dims, out), func(p []int) float64 {
					sum := float64(bias.Data[p[n+1]])
					from, k := []int{p[0]}, []int{}
					for a := range n {
						from, k = append(from, p[1+a]/stride[a]), append(k, p[1+a]%stride[a])
					}
					for ch := range d[n+1] {
						sum += element(c.x.Floats, d, slices.Concat(from, []int{ch})...) * element(w.Data, w.Dims, slices.Concat([]int{ch, p[n+1]}, k)...)
					}
					return sum
				}, 1e-5)
			})
		}
		t.Run("average pooling", func(t *testing.T) {
			x := random(5, 1, 4, 6, 2, 2)
			got, _ := evaluate(t, b, one(func(s *Scope, x *Node) *Node { return AvgPool(s, x, []int{2, 3, 1}) }), x)
			sameTensor(t, got[0], []int{1, 2, 2, 2, 2}, func(p []int) float64 {
				sum := 0.0
				positions([]int{2, 3, 1}, func(k []int) {
					sum += element(x.Floats, x.Dims, p[0], p[1]*2+k[0], p[2]*3+k[1], p[3]+k[2], p[4])
				})
				return sum / 6
			}, 1e-6)
		})
		t.Run("enlarged and cropped", func(t *testing.T) {
			x := random(6, 1, 2, 3, 2)
			got, _ := evaluate(t, b, func(s *Scope, in []*Node) []*Node {
				wide := Enlarged(s, in[0], []int{4, 3})
				return []*Node{wide, Cropped(s, wide, []int{2, 3})}
			}, x)
			sameTensor(t, got[0], []int{1, 4, 3, 2}, func(p []int) float64 { return element(x.Floats, x.Dims, p...) }, 0)
			sameTensor(t, got[1], []int{1, 2, 3, 2}, func(p []int) float64 { return element(x.Floats, x.Dims, p...) }, 0)
		})
		t.Run("instance norm of volumes", func(t *testing.T) {
			x := random(7, 2, 3, 4, 2, 3)
			got, _ := evaluate(t, b, one(func(s *Scope, x *Node) *Node { return InstanceNorm(s, x, 1e-5, false) }), x)
			sameTensor(t, got[0], x.Dims, func(p []int) float64 {
				sum, square := 0.0, 0.0
				positions(x.Dims[1:4], func(k []int) {
					v := element(x.Floats, x.Dims, p[0], k[0], k[1], k[2], p[4])
					sum, square = sum+v/24, square+v*v/24
				})
				return (element(x.Floats, x.Dims, p...) - sum) / math.Sqrt(square-sum*sum+1e-5)
			}, 1e-5)
		})
	})
}

var spatialGradients = []struct {
	name  string
	build Build
	x     Value
}{
	{"convolution 3-D", one(func(s *Scope, x *Node) *Node {
		return ConvSame(s, x, 3, SameConv{Kernel: []int{3, 3, 3}, Stride: []int{2, 2, 2}})
	}), random(1, 2, 4, 2, 4, 2)},
	{"convolution 2-D, unequal", one(func(s *Scope, x *Node) *Node {
		return ConvSame(s, x, 3, SameConv{Kernel: []int{1, 3}, Stride: []int{1, 2}, NoBias: true})
	}), random(2, 2, 3, 4, 3)},
	{"enlarging 2-D", one(func(s *Scope, x *Node) *Node { return Upsample(s, x, 3, []int{2, 1}, HeNormal(0.01)) }), random(3, 2, 2, 3, 2)},
	{"enlarging 3-D", one(func(s *Scope, x *Node) *Node { return Upsample(s, x, 3, []int{1, 2, 2}, nil) }), random(4, 2, 2, 2, 3, 2)},
	{"average pooling", one(func(s *Scope, x *Node) *Node { return AvgPool(s, x, []int{2, 1, 2}) }), random(5, 2, 4, 3, 2, 2)},
	{"instance norm 3-D", one(func(s *Scope, x *Node) *Node { return InstanceNorm(s, x, 1e-5, true) }), random(6, 2, 3, 2, 4, 2)},
	{"enlarged and cropped", one(func(s *Scope, x *Node) *Node {
		return Cropped(s, gx.Square(Enlarged(s, x, []int{4, 5})), []int{3, 3})
	}), random(7, 2, 3, 3, 2)},
}

func TestGradientsOfSpatialLayers(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, c := range spatialGradients {
			t.Run(c.name, func(t *testing.T) {
				specs, err := Declare([]Shape{F32(c.x.Dims...)}, c.build)
				if err != nil {
					t.Fatal(err)
				}
				for i := range specs {
					specs[i].Init = Normal(1)
				}
				params, err := Initialise(specs, 7)
				if err != nil {
					t.Fatal(err)
				}
				off, err := CheckGradient(b, c.build, params, 11, true, c.x)
				if err != nil {
					t.Fatal(err)
				}
				if !(off <= 1e-6) {
					t.Errorf("gradient and central difference differ by %.2g of their size", off)
				}
			})
		}
	})
}

func TestSpatialLayersRefuse(t *testing.T) {
	for want, build := range map[string]Build{
		"even side":            one(func(s *Scope, x *Node) *Node { return ConvSame(s, x, 2, SameConv{Kernel: []int{2, 3}}) }),
		"over 2 axes":          one(func(s *Scope, x *Node) *Node { return ConvSame(s, x, 2, SameConv{Kernel: []int{3, 3, 3}}) }),
		"cannot be divided by": one(func(s *Scope, x *Node) *Node { return AvgPool(s, x, []int{2, 2}) }),
		"factors [2]":          one(func(s *Scope, x *Node) *Node { return Upsample(s, x, 2, []int{2}, nil) }),
	} {
		if _, err := Declare([]Shape{F32(1, 3, 3, 2)}, build); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected an error with %q", err, want)
		}
	}
}

func TestHeNormalHasItsVariance(t *testing.T) {
	dims := []int{64, 32, 3, 3}
	sum := 0.0
	values := HeNormal(0.01)(Stream(1, "he"), dims)
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	want := 2 / ((1 + 0.01*0.01) * 32 * 9)
	if got := sum / float64(len(values)); !(math.Abs(got/want-1) <= 0.03) {
		t.Errorf("variance %g, expected %g", got, want)
	}
}
