package unet

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// reference is a network of nnU-Net's library with the numbers it answered in float64 (torch 2.15, dynamic-network-architectures 0.4.4).
// Parameter k in the order of names has the values 0.3·sin(1.7i+0.9k), plus 1 for weights of norms; the input of two channels, channels last,
// has sin(0.7i)+cos(0.013i)/2.
type reference struct {
	Residual           bool
	Size, Features     []int
	Kernels, Strides   [][]int
	Encoder, Decoder   []int
	Params, Keys       int
	FeatureMapSize     int `json:"feature_map_size_plain"`
	FeatureMapSizeDeep int `json:"feature_map_size"`
	Outputs            []struct {
		Shape        []int
		First        []float64
		Sum, Squares float64
	}
}

func (r reference) config() Staged {
	return Staged{Size: r.Size, Features: r.Features, Kernels: r.Kernels, Strides: r.Strides, Encoder: r.Encoder, Decoder: r.Decoder, Residual: r.Residual, Deep: true}
}

func references(t *testing.T) map[string]reference {
	t.Helper()
	b, err := os.ReadFile("testdata/staged.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]reference
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("%d references", len(all))
	}
	return all
}

func (c Staged) build() graph.Build {
	return func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		answers, _ := c.Answers(s, graph.Inputs{}, in[0])
		return answers
	}
}

// The same parameters, names and answers as nnU-Net's networks, over two and three axes.
func TestStagedIsTheNetworkOfTheReference(t *testing.T) {
	onbackend.Each(t, func(t *testing.T, b *graph.Backend) {
		for name, r := range references(t) {
			t.Run(name, func(t *testing.T) {
				c := r.config()
				if err := c.Validate(); err != nil {
					t.Fatal(err)
				}
				shape := slices.Concat([]int{2}, r.Size, []int{2})
				specs, err := graph.Declare([]graph.Shape{graph.F32(shape...)}, c.build())
				if err != nil {
					t.Fatal(err)
				}
				slices.SortFunc(specs, func(a, b graph.Spec) int { return strings.Compare(a.Name, b.Name) })
				params, count := graph.NewParams(), 0
				for k, spec := range specs {
					v := graph.NewTensor(spec.Dims...)
					for i := range v.Data {
						x := 0.3 * math.Sin(1.7*float64(i)+0.9*float64(k))
						if strings.HasSuffix(spec.Name, "norm.weight") {
							x++
						}
						v.Data[i] = float32(x)
					}
					count += len(v.Data)
					if err := params.Set(spec.Name, v); err != nil {
						t.Fatal(err)
					}
				}
				if len(specs) != r.Keys || count != r.Params {
					t.Errorf("%d tensors of %d values, the reference has %d of %d", len(specs), count, r.Keys, r.Params)
				}
				n := 1
				for _, d := range shape {
					n *= d
				}
				x := make([]float32, n)
				for i := range x {
					x[i] = float32(math.Sin(0.7*float64(i)) + 0.5*math.Cos(0.013*float64(i)))
				}
				p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name(), Float64: true}, []graph.Shape{graph.F32(shape...)}, c.build())
				if err != nil {
					t.Fatal(err)
				}
				defer p.Free()
				got, err := p.Call(context.Background(), b.Place(params), 0, graph.Floats(x, shape...))
				if err != nil {
					t.Fatal(err)
				}
				if want := max(1, len(r.Outputs)-1); len(got.Outputs) != want { // the coarsest does not count
					t.Fatalf("%d answers, expected %d", len(got.Outputs), want)
				}
				for i, out := range got.Outputs {
					want := r.Outputs[i]
					if !slices.Equal(out.Dims, want.Shape) {
						t.Fatalf("answer %d has shape %v, expected %v", i, out.Dims, want.Shape)
					}
					sum, squares := 0.0, 0.0
					for k, v := range out.Data {
						sum, squares = sum+float64(v), squares+float64(v)*float64(v)
						if k < len(want.First) && !(math.Abs(float64(v)-want.First[k]) <= 1e-5) {
							t.Errorf("answer %d, value %d is %g, expected %g", i, k, v, want.First[k])
						}
					}
					if !(math.Abs(squares-want.Squares) <= 1e-5*want.Squares) || !(math.Abs(sum-want.Sum) <= 1e-5*math.Sqrt(want.Squares*float64(len(out.Data)))) {
						t.Errorf("answer %d: sum %g and sum of squares %g, expected %g and %g", i, sum, squares, want.Sum, want.Squares)
					}
				}
			})
		}
	})
}

// The layers are checked one by one in ops/graph; here it is whether they are put together rightly, experts included.
func TestGradientOfStages(t *testing.T) {
	mixture := experts.Config{Experts: 2, Bottleneck: 2, Embedding: 2, Scale: 0.1, Taxonomy: experts.Taxonomy{Modalities: 2, Levels: []int{2, 2, 2}, Tasks: 2}}
	plain := Staged{Size: []int{4, 8}, Features: []int{2, 2, 3}, Kernels: threes(3, 2), Strides: halves(3, 2), Encoder: []int{2, 2, 1}, Decoder: []int{1, 2}, Deep: true}
	residual := Staged{Size: []int{4, 4}, Features: []int{2, 3}, Kernels: threes(2, 2), Strides: halves(2, 2), Encoder: []int{2, 2}, Decoder: []int{1}, Residual: true, Experts: &mixture}
	volumes := Staged{Size: []int{2, 4, 4}, Features: []int{2, 3}, Kernels: threes(2, 3), Strides: halves(2, 3), Encoder: []int{1, 2}, Decoder: []int{1}, Residual: true, Experts: &mixture}
	onbackend.Each(t, func(t *testing.T, b *graph.Backend) {
		for name, c := range map[string]Staged{"plain": plain, "residual with experts": residual, "volumes": volumes} {
			if b.Name() == "xla" && name != "residual with experts" {
				continue // compiling takes most of the time
			}
			t.Run(name, func(t *testing.T) {
				shape := slices.Concat([]int{2}, c.Size, []int{2})
				build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
					answers, gates := c.Answers(s, graph.Inputs{Box: in[0], Modality: in[1], Organ: in[2]}, in[0])
					return append(answers, gates...)
				}
				shapes := []graph.Shape{graph.F32(shape...), graph.I32(2), graph.I32(2, 4)}
				specs, err := graph.Declare(shapes, build)
				if err != nil {
					t.Fatal(err)
				}
				for i := range specs {
					specs[i].Init = graph.Normal(0.7)
				}
				params, err := graph.Initialise(specs, 5)
				if err != nil {
					t.Fatal(err)
				}
				n := 1
				for _, d := range shape {
					n *= d
				}
				diff, err := graph.CheckGradient(b, build, params, 2, true, graph.Floats(noise(3, n, 2), shape...),
					graph.Ints([]int32{0, 1}, 2), graph.Ints([]int32{0, 1, 1, 0, 1, 0, 0, 1}, 2, 4))
				if err != nil {
					t.Fatal(err)
				}
				if !(diff <= 1e-6) {
					t.Errorf("gradient and central difference differ by %.1e of their size", diff)
				}
			})
		}
	})
}

// A side between two multiples of the strides is filled up with zeros and cut off again.
// A residual network begins as one without blocks: the last norm of each is zero, and nothing else is.
func TestResidualBlocksBeginAtZero(t *testing.T) {
	c, err := Even(16, 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	c.Residual = true
	specs, err := graph.Declare([]graph.Shape{graph.F32(1, 16, 16, 3), graph.F32(1, 4), graph.I32(1), graph.I32(1, 4)}, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		return []*graph.Node{c.Network()(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]}).Masks}
	})
	if err != nil {
		t.Fatal(err)
	}
	params, err := graph.Initialise(specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	zeros := 0
	for _, name := range params.Names() {
		if !strings.HasSuffix(name, "norm.weight") {
			continue
		}
		v, _ := params.Get(name)
		last := strings.HasSuffix(name, "conv2.norm.weight")
		if (v.Data[0] == 0) != last {
			t.Errorf("%s begins at %g", name, v.Data[0])
		}
		if last {
			zeros++
		}
	}
	if zeros != 4 {
		t.Errorf("%d blocks begin at zero, expected 4", zeros)
	}
}

func TestSizesBetweenTheStrides(t *testing.T) {
	c := Staged{Size: []int{10, 10}, Features: []int{2, 3, 4}, Kernels: threes(3, 2), Strides: halves(3, 2), Encoder: []int{1, 1, 1}, Decoder: []int{1, 1}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	b := backend(t)
	net := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		return []*gx.Node{c.Network()(s, graph.Inputs{Image: in[0], Box: in[1]}).Masks}
	}
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, inputShapes(1, 10), net)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	params, err := graph.Initialise(p.Specs(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Call(context.Background(), b.Place(params), 0, graph.Floats(noise(1, 300, 255), 1, 10, 10, 3), graph.Floats([]float32{2, 2, 6, 7}, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Outputs[0].Dims, []int{1, 1, 10, 10}) {
		t.Errorf("masks have shape %v", r.Outputs[0].Dims)
	}
}

// Images of a modality with fixed numbers enter with these, others standardised one by one.
func TestIntensitiesByModality(t *testing.T) {
	c := Staged{Intensities: []Intensity{{Modality: 4, Low: 10, High: 200, Mean: 100, Deviation: 50}}}
	b := backend(t)
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(2, 2, 2, 1), graph.I32(2)},
		func(s *graph.Scope, in []*gx.Node) []*gx.Node {
			return []*gx.Node{c.entering(s, graph.Inputs{Image: in[0], Modality: in[1]})}
		})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	r, err := p.Call(context.Background(), nil, 0, graph.Floats([]float32{0, 100, 150, 255, 0, 100, 200, 100}, 2, 2, 2, 1), graph.Ints([]int32{4, 3}, 2))
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{-1.8, 0, 1, 2, -math.Sqrt2, 0, math.Sqrt2, 0}
	for i, v := range r.Outputs[0].Data {
		if !(math.Abs(float64(v)-want[i]) <= 1e-5) {
			t.Errorf("values %v, expected %v", r.Outputs[0].Data, want)
			break
		}
	}
}

func TestStagedRefuses(t *testing.T) {
	good := func() Staged {
		return Staged{Size: []int{8, 8}, Features: []int{2, 3}, Kernels: threes(2, 2), Strides: halves(2, 2), Encoder: []int{1, 1}, Decoder: []int{1}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(c *Staged){
		"4 spatial axes":                func(c *Staged) { c.Size = []int{8, 8, 8, 8} },
		"1 stages":                      func(c *Staged) { c.Features = []int{2} },
		"2 and 2 numbers":               func(c *Staged) { c.Decoder = []int{1, 1} },
		"no channels":                   func(c *Staged) { c.Features[1] = 0 },
		"expected odd kernels":          func(c *Staged) { c.Kernels[1][0] = 2 },
		"strides of at least 1 that be": func(c *Staged) { c.Strides[0][0] = 2 },
		"block 2 does not exist":        func(c *Staged) { x := experts.Published(); x.Blocks = []int{2}; c.Experts = &x },
		"divided by 0":                  func(c *Staged) { c.Intensities = []Intensity{{High: 1}} },
	} {
		c := good()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected an error with %q", err, want)
		}
	}
}
