package graph

import (
	"math"

	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
)

// Linear is torch.nn.Linear on the last axis: (…,in) → (…,out), with the
// parameters weight (out,in) and, unless withBias is false, bias (out).
func Linear(s *Scope, x *Node, out int, withBias bool) *Node {
	in := lastDim(x)
	w := s.Param("weight", KaimingUniform, out, in)
	var b *Node
	if withBias {
		b = s.Param("bias", torchBias(in), out)
	}
	return dense(x, w, b)
}

// torchBias is how PyTorch starts the bias of a layer that sums fanIn products.
func torchBias(fanIn int) Init { return Uniform(1 / math.Sqrt(float64(fanIn))) }

// Embedding looks up rows of the parameter weight (rows,cols) of the scope:
// ids (…) int32 → (…,cols). It starts at N(0,1), as torch.nn.Embedding does.
// An id outside the table is not noticed: it reads the nearest row.
func Embedding(s *Scope, ids *Node, rows, cols int) *Node {
	table := s.Param("weight", Normal(1), rows, cols)
	return gx.Gather(table, gx.ExpandAxes(ids, -1))
}

// GELU is x·Φ(x) with the exact Gaussian distribution function.
func GELU(x *Node) *Node { return activation.Gelu(x) }

// ReLU is max(x, 0); its gradient at 0 is 0, as in PyTorch.
func ReLU(x *Node) *Node {
	positive := gx.GreaterThan(x, gx.ScalarZero(x.Graph(), x.DType()))
	return gx.Where(positive, x, gx.ZerosLike(x))
}

// LeakyReLU is x where positive, slope·x elsewhere.
func LeakyReLU(x *Node, slope float64) *Node {
	positive := gx.GreaterThan(x, gx.ScalarZero(x.Graph(), x.DType()))
	return gx.Where(positive, x, gx.MulScalar(x, slope))
}

// Softmax is taken over the last axis.
func Softmax(x *Node) *Node { return gx.Softmax(x, -1) }

// Dropout sets elements to zero with probability p and divides the others by
// 1-p while training; otherwise it returns x. The name keeps its random
// numbers apart from those of other layers. It is a fault unless 0 ≤ p < 1.
func Dropout(s *Scope, name string, x *Node, p float64) *Node {
	if !(p >= 0 && p < 1) {
		s.Failf("dropout %q has probability %g; it must be at least 0 and below 1", s.join(name), p)
	}
	if !s.Training() || p == 0 {
		return x
	}
	u := s.Uniform(name, x.Shape().Dimensions...)
	keep := gx.GreaterOrEqual(u, gx.Scalar(x.Graph(), x.DType(), p))
	return gx.Where(keep, gx.DivScalar(x, 1-p), gx.ZerosLike(x))
}

func lastDim(x *Node) int {
	dims := x.Shape().Dimensions
	return dims[len(dims)-1]
}
