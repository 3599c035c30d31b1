package graph

import (
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/nn"
)

// Precision is the type in which matrix products and convolutions of a training
// step are computed. Parameters, the optimiser's tensors, activations between
// the layers, norms, softmax, losses and reductions are float32 in any case:
// factors are rounded before a product and the result is widened after it, in
// the gradient too. The rounding to half precision is the only difference
// (Micikevicius et al., Mixed Precision Training, 2018).
//
// GoMLX's interpreter cannot compute in halves; only XLA can. On a CPU halves
// are slower than float32, they are meant for accelerators.
type Precision string

const (
	Float32 Precision = "f32"  // the default
	BF16    Precision = "bf16" // 8 bits of mantissa, the range of float32
	F16     Precision = "f16"  // 11 bits of mantissa, up to 65504: the loss is scaled
)

// Check returns an error for a precision that is not known, or that a backend
// cannot compute in.
func (p Precision) Check(b *Backend) error {
	switch p {
	case "", Float32:
	case BF16, F16:
		if b.kind != "xla" {
			return fmt.Errorf("precision %s: the go backend computes in f32 only; use the backend xla, or precision f32", string(p))
		}
	default:
		return fmt.Errorf("precision %q is unknown; use f32, bf16 or f16", string(p))
	}
	return nil
}

// halves are the graphs under construction whose products are computed in half
// precision.
var halves sync.Map // *gx.Graph → dtypes.DType

// compute sets the precision of the graph's products.
func (c *construction) compute(p Precision) {
	switch p {
	case BF16:
		halves.Store(c.g, dtypes.BFloat16)
	case F16:
		halves.Store(c.g, dtypes.Float16)
	}
}

// half is the type of a graph's products, and whether it is a half type.
func half(g *gx.Graph) (dtypes.DType, bool) {
	d, ok := halves.Load(g)
	if !ok {
		return dtypes.InvalidDType, false
	}
	return d.(dtypes.DType), true
}

// product computes f of two factors, in half precision where the graph asks for
// it.
func product(a, b *Node, f func(a, b *Node) *Node) *Node {
	type_, ok := half(a.Graph())
	if !ok || a.DType() != dtypes.Float32 || b.DType() != dtypes.Float32 {
		return f(a, b)
	}
	return gx.ConvertDType(f(gx.ConvertDType(a, type_), gx.ConvertDType(b, type_)), dtypes.Float32)
}

// Einsum is the product of two tensors by Einstein's summation convention, in
// the precision of the step: "bqd,bkd->bqk". Layers use it for what is heavy;
// where every digit counts, GoMLX's own Einsum stays in float32.
func Einsum(equation string, a, b *Node) *Node {
	return product(a, b, func(a, b *Node) *Node {
		if a.DType().IsHalfPrecision() {
			return halfEinsum(equation, a, b)
		}
		return gx.Einsum(equation, a, b)
	})
}

// factors begin a product. GoMLX has products of halves added up in float32, as every library for a GPU does anyhow, but then widens their
// gradient's factors too and multiplies in float32, at a tenth of a GPU's speed. Without the wish the gradient's products are of halves.
func factors(a, b *Node) *gx.DotBuilder {
	return gx.Dot(a, b).WithAccumulatorDType(dtypes.InvalidDType)
}

// halfEinsum is [gx.Einsum], which knows no such wish, for axes that are summed over in both factors or in none.
func halfEinsum(equation string, a, b *Node) *Node {
	factorsPart, out, _ := strings.Cut(equation, "->")
	left, right, _ := strings.Cut(factorsPart, ",")
	var summed, shared [2][]int // axes of both factors
	order := ""                 // of the axes of the product, as it comes
	for i, axis := range left {
		if k := strings.IndexRune(right, axis); k >= 0 {
			to := &summed
			if strings.ContainsRune(out, axis) {
				to, order = &shared, order+string(axis)
			}
			to[0], to[1] = append(to[0], i), append(to[1], k)
		}
	}
	for _, axis := range left + right {
		if strings.ContainsRune(out, axis) && !strings.ContainsRune(order, axis) {
			order += string(axis)
		}
	}
	y := factors(a, b).General(summed[0], shared[0], summed[1], shared[1])
	if order == out {
		return y
	}
	axes := make([]int, len(out))
	for i, axis := range out {
		axes[i] = strings.IndexRune(order, axis)
	}
	return gx.TransposeAllAxes(y, axes...)
}

// dense multiplies rows by a weight (out,in) and adds the bias, if any.
func dense(x, weight, bias *Node) *Node {
	if _, ok := half(x.Graph()); !ok {
		return nn.Dense(x, weight, bias, compute.DenseLayoutOutputsInput)
	}
	y := product(x, weight, func(x, weight *Node) *Node {
		return factors(x, weight).General([]int{x.Rank() - 1}, nil, []int{1}, nil)
	})
	if bias == nil {
		return y
	}
	return gx.Add(y, gx.BroadcastPrefix(bias, y.Shape().Dimensions[:y.Rank()-1]...))
}

// LossScaling keeps gradients within the range of float16: the loss is
// multiplied by a scale before the gradient is taken and the gradient divided
// by it afterwards. Where the gradient overflows, the step is skipped and the
// scale halved; after Every steps without an overflow it is doubled, up to
// 2²⁴. An overflow at the scale 1 is no matter of scaling and ends the
// training. These are the rules of torch.cuda.amp.GradScaler, whose first
// scale 65536 and interval 2000 the zero value means.
type LossScaling struct {
	First float64 // a power of two
	Every int
}

const (
	firstScale = 65536
	scaleEvery = 2000
	maxScale   = 1 << 24
)

func (l LossScaling) check() error {
	if l.First == 0 && l.Every >= 0 {
		return nil
	}
	if m, _ := math.Frexp(l.First); m != 0.5 || l.First < 1 || l.Every < 0 {
		return fmt.Errorf("loss scaling from %g, doubled every %d steps, is not possible: the scale must be a power of two of at least 1", l.First, l.Every)
	}
	return nil
}

// scale is the state of the loss scaling; a value of 0 means there is none.
type scale struct {
	value float64
	good  int // steps since it was changed
	every int
}

func (cfg StepConfig) firstScale() scale {
	if cfg.Precision != F16 {
		return scale{}
	}
	s := scale{value: cfg.Scaling.First, every: cfg.Scaling.Every}
	if s.value == 0 {
		s.value = firstScale
	}
	if s.every == 0 {
		s.every = scaleEvery
	}
	return s
}

func (s scale) on() bool { return s.value > 0 }

func (s scale) numbers() []float32 {
	if !s.on() {
		return []float32{1, 1}
	}
	return []float32{float32(s.value), float32(1 / s.value)}
}

// lower halves the scale after an overflow; false if there is nothing to lower.
func (s *scale) lower() bool {
	if s.value <= 1 {
		return false
	}
	s.value, s.good = s.value/2, 0
	return true
}

// raise counts a step without overflow.
func (s *scale) raise() {
	if !s.on() {
		return
	}
	if s.good++; s.good >= s.every {
		s.good = 0
		s.value = min(2*s.value, max(maxScale, s.value))
	}
}
