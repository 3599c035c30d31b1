package graph

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Init draws the first values of a parameter on the host, in row-major order.
type Init func(r *rand.Rand, dims []int) []float32

// Spec is what a build function asked for under one name.
type Spec struct {
	Name string
	Dims []int
	Init Init
}

// Zeros is all zeros.
func Zeros(_ *rand.Rand, dims []int) []float32 { return make([]float32, size(dims)) }

// Ones is all ones.
func Ones(_ *rand.Rand, dims []int) []float32 { return filled(dims, 1) }

// Constant is v everywhere.
func Constant(v float32) Init {
	return func(_ *rand.Rand, dims []int) []float32 { return filled(dims, v) }
}

// Uniform draws from U(-bound, bound). PyTorch starts the bias of a Linear or
// Conv layer with bound = 1/sqrt(fanIn).
func Uniform(bound float64) Init {
	return func(r *rand.Rand, dims []int) []float32 {
		return drawn(dims, func() float64 { return (2*r.Float64() - 1) * bound })
	}
}

// Normal draws from N(0, std²).
func Normal(std float64) Init {
	return func(r *rand.Rand, dims []int) []float32 {
		return drawn(dims, func() float64 { return r.NormFloat64() * std })
	}
}

// TruncNormal draws from N(0, std²) cut off at -2 and 2, which is what
// torch.nn.init.trunc_normal_ does by default: the limits are absolute, not
// multiples of std.
func TruncNormal(std float64) Init {
	return func(r *rand.Rand, dims []int) []float32 {
		return drawn(dims, func() float64 {
			for {
				if v := r.NormFloat64() * std; v >= -2 && v <= 2 {
					return v
				}
			}
		})
	}
}

// KaimingUniform is PyTorch's default for the weight of a Linear (out,in),
// Conv (out,in,kh,kw) or transposed Conv (in,out,kh,kw) layer: He's uniform
// rule with a = sqrt(5), that is U(-1/sqrt(n), 1/sqrt(n)) with
// n = dims[1]·dims[2]·… (for the transposed convolution too).
func KaimingUniform(r *rand.Rand, dims []int) []float32 {
	n := 1
	if len(dims) > 1 {
		n = size(dims[1:])
	}
	return Uniform(1/math.Sqrt(float64(max(n, 1))))(r, dims)
}

// HeNormal is torch.nn.init.kaiming_normal_ for layers that a leaky ReLU of
// that slope follows: N(0, 2/((1+slope²)·n)) with n as for [KaimingUniform].
func HeNormal(slope float64) Init {
	return func(r *rand.Rand, dims []int) []float32 {
		n := 1
		if len(dims) > 1 {
			n = size(dims[1:])
		}
		return Normal(math.Sqrt(2/((1+slope*slope)*float64(max(n, 1)))))(r, dims)
	}
}

func filled(dims []int, v float32) []float32 {
	data := make([]float32, size(dims))
	for i := range data {
		data[i] = v
	}
	return data
}

func drawn(dims []int, draw func() float64) []float32 {
	data := make([]float32, size(dims))
	for i := range data {
		data[i] = float32(draw())
	}
	return data
}

// Stream is the random stream of one purpose: it is decided by the seed and
// the name alone, so streams of different names are independent and none
// depends on how often another was used.
func Stream(seed uint64, name string) *rand.Rand {
	var head [8]byte
	binary.LittleEndian.PutUint64(head[:], seed)
	h := sha256.New()
	h.Write(head[:])
	h.Write([]byte(name))
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum), binary.LittleEndian.Uint64(sum[8:])))
}

// Initialise draws first values for every spec, each from its own [Stream], so
// adding, removing or reordering parameters changes no other.
func Initialise(specs []Spec, seed uint64) (*Params, error) {
	p := NewParams()
	for _, s := range specs {
		t := &Tensor{Dims: s.Dims, Data: s.Init(Stream(seed, s.Name), s.Dims)}
		if _, twice := p.Get(s.Name); twice {
			return nil, fmt.Errorf("parameter %q is declared twice", s.Name)
		}
		if err := p.Set(s.Name, t); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Completed is Initialise where some parameters have values already: those of
// given are taken, shared and not copied, and only the others are drawn. Every
// parameter has its own stream, so a value does not depend on which others are
// given. The order is that of specs.
func Completed(given *Params, specs []Spec, seed uint64) (*Params, error) {
	var missing []Spec
	for _, s := range specs {
		if _, ok := given.Get(s.Name); !ok {
			missing = append(missing, s)
		}
	}
	drawn, err := Initialise(missing, seed)
	if err != nil {
		return nil, err
	}
	p := NewParams()
	for _, s := range specs {
		t, ok := given.Get(s.Name)
		if !ok {
			t, _ = drawn.Get(s.Name)
		}
		if !slices.Equal(t.Dims, s.Dims) {
			return nil, fmt.Errorf("parameter %q has shape %v, the network needs %v", s.Name, t.Dims, s.Dims)
		}
		if err := p.Set(s.Name, t); err != nil {
			return nil, err
		}
	}
	return p, nil
}
