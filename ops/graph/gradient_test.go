package graph

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// random is an input of normally distributed values.
func random(seed uint64, dims ...int) Value {
	r := rand.New(rand.NewPCG(seed, 1))
	data := make([]float32, size(dims))
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return Floats(data, dims...)
}

// one makes a Build from a function of one node.
func one(f func(s *Scope, x *Node) *Node) Build {
	return func(s *Scope, in []*Node) []*Node { return []*Node{f(s, in[0])} }
}

func conv(out int, cfg Conv) Build {
	return one(func(s *Scope, x *Node) *Node { return Conv2d(s, x, out, cfg) })
}

func convT(out int, cfg Conv) Build {
	return one(func(s *Scope, x *Node) *Node { return ConvTranspose2d(s, x, out, cfg) })
}

var gradients = []struct {
	name  string
	build Build
	x     Value
}{
	{"linear", one(func(s *Scope, x *Node) *Node { return Linear(s, x, 4, true) }), random(1, 2, 5, 3)},
	{"linear without bias", one(func(s *Scope, x *Node) *Node { return Linear(s, x, 4, false) }), random(2, 6, 3)},
	{"layer norm", one(func(s *Scope, x *Node) *Node { return LayerNorm(s, x, 1e-6) }), random(3, 2, 3, 4, 5)},
	{"group norm", one(func(s *Scope, x *Node) *Node { return GroupNorm(s, x, 2, 1e-5) }), random(4, 2, 3, 4, 6)},
	{"instance norm", one(func(s *Scope, x *Node) *Node { return InstanceNorm(s, x, 1e-5, true) }), random(5, 2, 5, 4, 3)},
	{"gelu", one(func(_ *Scope, x *Node) *Node { return GELU(x) }), random(6, 40)},
	{"relu", one(func(_ *Scope, x *Node) *Node { return ReLU(x) }), random(7, 40)},
	{"leaky relu", one(func(_ *Scope, x *Node) *Node { return LeakyReLU(x, 0.01) }), random(7, 40)},
	{"softmax", one(func(_ *Scope, x *Node) *Node { return Softmax(x) }), random(8, 2, 3, 7)},
	{"dropout", one(func(s *Scope, x *Node) *Node { return Dropout(s, "drop", x, 0.4) }), random(9, 5, 7)},
	{"sum", one(func(s *Scope, x *Node) *Node { return Sum(s, gx.Square(x), 1, -1) }), random(10, 2, 1030, 3)},
	{"mean", one(func(s *Scope, x *Node) *Node { return Mean(s, gx.Square(x)) }), random(11, 2, 5, 3)},
	{"embedding", func(s *Scope, in []*Node) []*Node {
		return []*Node{gx.Mul(Embedding(s, in[1], 4, 3), in[0])}
	}, random(12, 5, 3)},

	{"conv 1×1", conv(4, Conv{Kernel: 1}), random(20, 2, 5, 6, 3)},
	{"conv 1×1 stride 2", conv(4, Conv{Kernel: 1, Stride: 2}), random(20, 2, 5, 6, 3)},
	{"conv 3×3", conv(4, Conv{Kernel: 3, Padding: 1}), random(21, 2, 5, 6, 3)},
	{"conv 3×3 many channels", conv(5, Conv{Kernel: 3, Padding: 1}), random(22, 1, 4, 5, 18)},
	{"conv 3×3 stride 2 no bias", conv(4, Conv{Kernel: 3, Stride: 2, Padding: 1, NoBias: true}), random(23, 2, 7, 6, 3)},
	{"conv 2×2 stride 2", conv(4, Conv{Kernel: 2, Stride: 2}), random(24, 2, 6, 4, 3)},
	{"conv 2×2 stride 2 odd map", conv(4, Conv{Kernel: 2, Stride: 2}), random(24, 2, 7, 5, 3)},
	{"conv 4×4 stride 2", conv(4, Conv{Kernel: 4, Stride: 2, Padding: 1}), random(25, 2, 6, 8, 3)},
	{"conv 4×4 stride 2 many channels", conv(4, Conv{Kernel: 4, Stride: 2, Padding: 1}), random(25, 1, 6, 8, 17)},
	{"conv 2×2 stride 1", conv(4, Conv{Kernel: 2}), random(26, 2, 5, 4, 3)},
	{"patch embedding", conv(6, Conv{Kernel: 4, Stride: 4}), random(27, 2, 8, 12, 3)},
	{"transposed conv 2×2", convT(4, Conv{Kernel: 2, Stride: 2}), random(28, 2, 3, 4, 3)},
	{"transposed conv 4×4 stride 2", convT(4, Conv{Kernel: 4, Stride: 2, Padding: 1}), random(29, 2, 3, 4, 3)},
	{"transposed conv 3×3 stride 1", convT(4, Conv{Kernel: 3, Padding: 1}), random(29, 2, 3, 4, 3)},

	{"resize up", one(func(s *Scope, x *Node) *Node { return Resize(s, x, 7, 12) }), random(30, 2, 3, 4, 2)},
	{"resize down", one(func(s *Scope, x *Node) *Node { return Resize(s, x, 3, 4) }), random(31, 2, 8, 7, 2)},
	{"resize masks", one(func(s *Scope, x *Node) *Node { return ResizeMasks(s, x, 6, 3) }), random(32, 2, 3, 4, 5)},
	{"max pool", one(func(s *Scope, x *Node) *Node { return MaxPool2(s, x) }), random(33, 2, 5, 6, 3)},

	{"dice loss", overTargets(DiceLoss), random(40, 2, 3, 5, 4)},
	{"bce loss", overTargets(BCELoss), random(41, 2, 3, 5, 4)},
	{"best of masks", overTargets(func(s *Scope, logits, target *Node) *Node {
		best, _ := BestOfMasks(gx.Add(DiceLoss(s, logits, target), BCELoss(s, logits, target)))
		return best
	}), random(42, 2, 3, 5, 4)},
	{"weighted mean", one(func(s *Scope, x *Node) *Node {
		return WeightedMean(x, gx.ConstAsDType(s.Graph(), s.DType(), []float64{1, 0, 2, 0.5}))
	}), random(43, 4)},
}

// overTargets gives a loss over logits (B,M,H,W) a fixed target of zeros and ones.
func overTargets(loss func(s *Scope, logits, target *Node) *Node) Build {
	return one(func(s *Scope, x *Node) *Node {
		d := x.Shape().Dimensions
		wave := gx.Sin(gx.MulScalar(gx.Iota(s.Graph(), shapes.Make(s.DType(), d[0]*d[2]*d[3]), 0), 7))
		target := gx.ConvertDType(gx.GreaterThan(wave, gx.ZerosLike(wave)), x.DType())
		return loss(s, x, gx.Reshape(target, d[0], d[2], d[3]))
	})
}

func TestGradients(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, c := range gradients {
			t.Run(c.name, func(t *testing.T) {
				inputs := []Value{c.x}
				declared := []Shape{F32(c.x.Dims...)}
				if c.name == "embedding" {
					inputs = append(inputs, Ints([]int32{3, 0, 1, 3, 2}, 5))
					declared = append(declared, I32(5))
				}
				specs, err := Declare(declared, c.build)
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
				off, err := CheckGradient(b, c.build, params, 11, true, inputs...)
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

func TestGradientCheckSeesAWrongGradient(t *testing.T) {
	// A convolution with an even kernel whose gradient GoMLX gets wrong.
	wrong := one(func(s *Scope, x *Node) *Node {
		w := s.Param("weight", Normal(1), 2, 2, 3, 4)
		return gx.Convolve(x, w).Strides(1).NoPadding().Done()
	})
	b := openForTest(t, "go")
	specs, err := Declare([]Shape{F32(1, 5, 5, 3)}, wrong)
	if err != nil {
		t.Fatal(err)
	}
	params, err := Initialise(specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	off, err := CheckGradient(b, wrong, params, 1, true, random(1, 1, 5, 5, 3))
	if err == nil && off < 1e-3 {
		t.Errorf("a wrong gradient passes: differs by only %.2g", off)
	}
}

func TestGradientsMoveNoDataForNothing(t *testing.T) {
	_, err := NewStep(openForTest(t, "go"), StepConfig{Optimizer: DefaultAdamW()}, []Shape{F32(2, 6, 6, 3)}, func(s *Scope, in []*Node) (*Node, []*Node) {
		x := Conv2d(s.In("a"), in[0], 20, Conv{Kernel: 3, Padding: 1})
		x = Conv2d(s.In("b"), x, 4, Conv{Kernel: 3, Padding: 1})
		loss := Mean(s, gx.Square(Linear(s.In("c"), x, 2, true)))
		seen, products := 0, 0
		gx.Gradient(loss, s.c.params["a.weight"], s.c.params["c.weight"])
		feeds := map[*Node]bool{}
		for _, n := range s.Graph().Nodes() {
			for _, input := range n.Inputs() {
				feeds[input] = true
			}
		}
		for _, n := range s.Graph().Nodes() {
			if n.Type() == gx.NodeTypeDotGeneral {
				products++
			}
			if idleTransposition(n) && feeds[n] {
				seen++
			}
		}
		if products < 10 || seen > 0 {
			t.Errorf("the graph has %d products and uses %d idle transpositions", products, seen)
		}
		return loss, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
