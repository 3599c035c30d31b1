package graph

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// narrowCases cover every form that a convolution between few channels takes
// on XLA's CPU, and those that keep their own.
var narrowCases = []struct {
	dims   []int // of the map
	out    int
	cfg    Conv
	n      int // columns at once; 0 for a convolution as it stands
	filter int // channels of the filter in the gradient of the weight
}{
	{[]int{2, 4, 6, 3}, 16, Conv{Kernel: 3, Padding: 1}, 2, 32},
	{[]int{1, 4, 4, 16}, 16, Conv{Kernel: 3, Padding: 1, NoBias: true}, 2, 32},
	{[]int{2, 5, 8, 5}, 6, Conv{Kernel: 3, Padding: 1}, 4, 24},
	{[]int{1, 3, 8, 16}, 3, Conv{Kernel: 3, Padding: 1}, 8, 32}, // the map given is the filter
	{[]int{1, 3, 6, 16}, 12, Conv{Kernel: 3, Padding: 1}, 2, 32},
	{[]int{1, 7, 12, 4}, 9, Conv{Kernel: 5}, 2, 18},
	{[]int{3, 2, 2, 9}, 9, Conv{Kernel: 3, Padding: 2}, 2, 18},
	{[]int{1, 2, 16, 3}, 3, Conv{Kernel: 7, Padding: 3}, 8, 24},
	{[]int{2, 4, 5, 20}, 18, Conv{Kernel: 3, Padding: 1}, 1, 20},
	{[]int{1, 6, 5, 18}, 7, Conv{Kernel: 5, Padding: 1}, 1, 18},
	{[]int{1, 4, 6, 16}, 20, Conv{Kernel: 3, Padding: 1}, 0, 20},               // wide enough
	{[]int{1, 4, 4, 40}, 34, Conv{Kernel: 3, Padding: 1, NoBias: true}, 0, 34}, // many filters
	{[]int{1, 4, 5, 4}, 16, Conv{Kernel: 3, Padding: 1}, 0, 16},                // an odd width
	{[]int{2, 4, 5, 3}, 20, Conv{Kernel: 3, Padding: 1}, 1, 20},                // an odd number of channels
	{[]int{1, 3, 7, 16}, 12, Conv{Kernel: 3, Padding: 0}, 1, 16},               // an odd width of the result
	{[]int{1, 4, 8, 3}, 1, Conv{Kernel: 3, Padding: 1}, 1, 24},                 // forwards it would take too many columns
	{[]int{1, 4, 6, 3}, 16, Conv{Kernel: 3, Padding: 1, Stride: 2}, 0, 16},
}

func TestNarrowConvolutionsOnXLA(t *testing.T) {
	b := openForTest(t, "xla")
	for i, c := range narrowCases {
		t.Run(fmt.Sprint(c.dims, c.out, c.cfg), func(t *testing.T) {
			x := random(uint64(i), c.dims...)
			build := conv(c.out, c.cfg)

			got, params := evaluate(t, b, build, x)
			w, _ := params.Get("weight")
			bias, _ := params.Get("bias")
			d, k, stride := c.dims, c.cfg.Kernel, c.cfg.stride()
			dims := []int{d[0], (d[1]+2*c.cfg.Padding-k)/stride + 1, (d[2]+2*c.cfg.Padding-k)/stride + 1, c.out}
			sameTensor(t, got[0], dims, func(p []int) float64 {
				sum := 0.0
				if bias != nil {
					sum = float64(bias.Data[p[3]])
				}
				for i := range k {
					for j := range k {
						for ch := range d[3] {
							sum += element(x.Floats, d, p[0], p[1]*stride+i-c.cfg.Padding, p[2]*stride+j-c.cfg.Padding, ch) * element(w.Data, w.Dims, p[3], ch, i, j)
						}
					}
				}
				return sum
			}, 1e-5)

			off, err := CheckGradient(b, build, params, 3, true, x)
			if err != nil {
				t.Fatal(err)
			}
			if !(off <= 1e-6) {
				t.Errorf("gradient and central difference differ by %.2g of their size", off)
			}
		})
	}
}

// What the graphs are made of: without this the test above could pass because
// nothing of it is used.
func TestNarrowConvolutionsTakeColumnsTogether(t *testing.T) {
	b := openForTest(t, "xla")
	for _, c := range narrowCases {
		t.Run(fmt.Sprint(c.dims, c.out, c.cfg), func(t *testing.T) {
			g := gx.NewGraph(b.engine, "test")
			defer g.Finalize()
			made := newConstruction(g, "xla", dtypes.Float32)
			made.cpu = true
			s := made.root()
			y := Conv2d(s, made.inputs([]Shape{F32(c.dims...)})[0], c.out, c.cfg)
			n := atOnce(g)
			gx.Gradient(Mean(s, gx.Square(y)), made.params["weight"])
			filter := 0
			for _, node := range g.Nodes() {
				if node.Type() == gx.NodeTypeConvGeneral {
					filter = lastDim(node.Inputs()[1]) // the gradient of the weight comes last
				}
			}
			if n != c.n || filter != c.filter {
				t.Errorf("the convolution takes %d columns at once and has %d filters for the gradient of its weight, expected %d and %d", n, filter, c.n, c.filter)
			}
		})
	}
	// Whether programs are built so depends on the backend.
	n := 0
	st, err := NewStep(b, StepConfig{}, []Shape{F32(1, 2, 4, 3)}, func(s *Scope, in []*Node) (*Node, []*Node) {
		y := Conv2d(s, in[0], 16, Conv{Kernel: 3, Padding: 1})
		n = atOnce(s.Graph())
		return Mean(s, y), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Free()
	if n != 2 {
		t.Errorf("a step's convolution takes %d columns at once, expected 2", n)
	}
}

// atOnce is how many columns the first convolution of a graph takes at once; 0 if it is one as it stands.
func atOnce(g *gx.Graph) int {
	for _, node := range g.Nodes() {
		if node.Type() == gx.NodeTypeConvGeneral {
			var in, n int
			_, _ = fmt.Sscanf(node.GetAlias(), cpuAlias, &in, &n)
			return n
		}
	}
	return 0
}

// A block of a U-Net, computed again for the gradient, has the same gradient.
func TestRecomputedConvolutionsAndNorms(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		deep := func(s *Scope, in []*Node) (*Node, []*Node) {
			x := in[0]
			for i := range 3 {
				x = s.Block(x)
				p := s.In(fmt.Sprint("block", i))
				x = Conv2d(p.In("conv"), x, 12, Conv{Kernel: 3, Padding: 1, NoBias: true})
				x = LeakyReLU(InstanceNorm(p.In("norm"), x, 1e-5, true), 0.01)
			}
			y := Conv2d(s.In("head"), s.Unblock(x), 1, Conv{Kernel: 1})
			return Mean(s, gx.Square(gx.Sub(y, gx.Slice(in[0], gx.AxisRange(), gx.AxisRange(), gx.AxisRange(), gx.AxisRange(0, 1))))), nil
		}
		shapes := []Shape{F32(2, 6, 8, 5)}
		kept, keptParams := started(t, b, StepConfig{}, shapes, deep)
		again, againParams := started(t, b, StepConfig{Recompute: true}, shapes, deep)
		if a, z := kept.Nodes(), again.Nodes(); z < a+40 {
			t.Errorf("the step has %d nodes with recomputation, %d without: nothing is computed again", z, a)
		}
		for i := range uint64(3) {
			x := random(i, 2, 6, 8, 5)
			a, err := kept.Run(context.Background(), 0.01, i, x)
			if err != nil {
				t.Fatal(err)
			}
			z, err := again.Run(context.Background(), 0.01, i, x)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(a.Loss-z.Loss) <= 1e-5) || !(math.Abs(a.GradientNorm-z.GradientNorm) <= 1e-4*a.GradientNorm) {
				t.Errorf("step %d: loss %.8g and gradient norm %.8g, without recomputation %.8g and %.8g", i+1, z.Loss, z.GradientNorm, a.Loss, a.GradientNorm)
			}
		}
		if d := largestDifference(host(t, keptParams), host(t, againParams)); !(d <= 1e-4) {
			t.Errorf("parameters differ by %g", d)
		}
	})
}
