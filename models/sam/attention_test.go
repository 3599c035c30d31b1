package sam

import (
	"context"
	"fmt"
	"math"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

const testWidth, testHeads = 6, 2

// attentionBuild is the attention under test on a batch of 2.
func attentionBuild(window int, fold bool) graph.Build {
	return func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		return []*gx.Node{windowAttention(s, in[0], testHeads, window, fold)}
	}
}

// ways are the two forms of the attention.
var ways = map[string]bool{"laid out": false, "folded": true}

// literalAttention does what the reference's text says: zeros are added to the
// tokens before anything else, every pad is a token like the others, positions
// are added to the logits one by one, and pads are dropped at the end.
func literalAttention(window int) graph.Build {
	return func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		x := in[0]
		b, h, w := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2)
		size := window
		if window == 0 {
			size = h
		}
		rows, cols := (h+size-1)/size, (w+size-1)/size
		zeros := func(dims ...int) *gx.Node {
			return gx.BroadcastToDims(gx.ScalarZero(s.Graph(), s.DType()), dims...)
		}
		if rows*size > h {
			x = gx.Concatenate([]*gx.Node{x, zeros(b, rows*size-h, w, testWidth)}, 1)
		}
		if cols*size > w {
			x = gx.Concatenate([]*gx.Node{x, zeros(b, rows*size, cols*size-w, testWidth)}, 2)
		}
		d := testWidth / testHeads
		tableH, tableW := s.Param("rel_pos_h", graph.Zeros, 2*size-1, d), s.Param("rel_pos_w", graph.Zeros, 2*size-1, d)
		row := func(table *gx.Node, i int) *gx.Node { return gx.Reshape(gx.Slice(table, gx.AxisElem(i)), d, 1) }

		qkv := graph.Linear(s.In("qkv"), x, 3*testWidth, true)
		var stripes []*gx.Node
		for wy := range rows {
			var windows []*gx.Node
			for wx := range cols {
				cut := gx.Slice(qkv, gx.AxisRange(), gx.AxisRange(wy*size, wy*size+size), gx.AxisRange(wx*size, wx*size+size), gx.AxisRange())
				var heads []*gx.Node
				for head := range testHeads {
					part := func(i int) *gx.Node {
						from := i*testWidth + head*d
						return gx.Reshape(gx.SliceAxis(cut, 3, gx.AxisRange(from, from+d)), b, size*size, d)
					}
					q, k, v := part(0), part(1), part(2)
					logits := gx.MulScalar(gx.Einsum("bqd,bkd->bqk", q, k), 1/math.Sqrt(float64(d)))
					var lines []*gx.Node
					for i := range size * size {
						query := gx.Reshape(gx.SliceAxis(q, 1, gx.AxisElem(i)), b, d)
						var terms []*gx.Node
						for j := range size * size {
							up, along := i/size-j/size+size-1, i%size-j%size+size-1
							terms = append(terms, gx.Add(gx.MatMul(query, row(tableH, up)), gx.MatMul(query, row(tableW, along))))
						}
						lines = append(lines, gx.Concatenate(terms, 1))
					}
					weights := gx.Softmax(gx.Add(logits, gx.Stack(lines, 1)), -1)
					heads = append(heads, gx.Einsum("bqk,bkd->bqd", weights, v))
				}
				y := graph.Linear(s.In("proj"), gx.Concatenate(heads, -1), testWidth, true)
				windows = append(windows, gx.Reshape(y, b, size, size, testWidth))
			}
			stripes = append(stripes, gx.Concatenate(windows, 2))
		}
		y := gx.Concatenate(stripes, 1)
		return []*gx.Node{gx.Slice(y, gx.AxisRange(), gx.AxisRange(0, h), gx.AxisRange(0, w), gx.AxisRange())}
	}
}

var attentionCases = []struct{ grid, window int }{
	{4, 2}, // whole windows
	{3, 2}, // pads to the right and below
	{2, 3}, // one window, larger than the grid
	{3, 0}, // the whole grid
}

// attentionParts draws inputs and parameters that are not zero.
func attentionParts(t *testing.T, grid, window int) (*graph.Backend, *graph.Params, graph.Value) {
	t.Helper()
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	specs, err := graph.Declare([]graph.Shape{graph.F32(2, grid, grid, testWidth)}, attentionBuild(window, false))
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		specs[i].Init = graph.Normal(0.8)
	}
	params, err := graph.Initialise(specs, 5)
	if err != nil {
		t.Fatal(err)
	}
	r := graph.Stream(9, "tokens")
	data := make([]float32, 2*grid*grid*testWidth)
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return b, params, graph.Floats(data, 2, grid, grid, testWidth)
}

// Leaving out what pads compute changes neither the result nor any gradient.
func TestPadsAreTokensWithTheBias(t *testing.T) {
	forEachAttention(t, func(t *testing.T, grid, window int, fold bool) {
		b, params, x := attentionParts(t, grid, window)
		answer := func(build graph.Build) []*graph.Tensor {
			withGradients := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
				y := build(s, in)[0]
				wrt := []*gx.Node{in[0]}
				for _, name := range params.Names() {
					p, _ := params.Get(name)
					wrt = append(wrt, s.Param(name, nil, p.Dims...))
				}
				return append([]*gx.Node{y}, gx.Gradient(gx.ReduceAllSum(gx.Mul(y, gx.Sin(y))), wrt...)...)
			}
			p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name(), Float64: true}, []graph.Shape{graph.F32(x.Dims...)}, withGradients)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			placed := b.Place(params)
			defer placed.Free()
			r, err := p.Call(context.Background(), placed, 0, x)
			if err != nil {
				t.Fatal(err)
			}
			return r.Outputs
		}
		got, want := answer(attentionBuild(window, fold)), answer(literalAttention(window))
		for i := range want {
			for j, v := range want[i].Data {
				if diff := math.Abs(float64(got[i].Data[j] - v)); !(diff <= 1e-5*(1+math.Abs(float64(v)))) {
					t.Errorf("output %d differs at %d: %g, expected %g", i, j, got[i].Data[j], v)
					break
				}
			}
		}
	})
}

func forEachAttention(t *testing.T, test func(t *testing.T, grid, window int, fold bool)) {
	for _, c := range attentionCases {
		for way, fold := range ways {
			t.Run(fmt.Sprintf("grid %d window %d %s", c.grid, c.window, way), func(t *testing.T) { test(t, c.grid, c.window, fold) })
		}
	}
}

func TestGradientOfAttention(t *testing.T) {
	forEachAttention(t, func(t *testing.T, grid, window int, fold bool) {
		b, params, x := attentionParts(t, grid, window)
		diff, err := graph.CheckGradient(b, attentionBuild(window, fold), params, 3, false, x)
		if err != nil {
			t.Fatal(err)
		}
		if !(diff <= 1e-6) {
			t.Errorf("gradient and central difference differ by %.1e of their size", diff)
		}
	})
}

// paddedAttention asks for every pad what it attends to, with the bias put in the place of pads after the projection.
func paddedAttention(window int) graph.Build {
	return func(s *graph.Scope, in []*gx.Node) []*gx.Node {
		x := in[0]
		b, h, w := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2)
		d := testWidth / testHeads
		qkv := graph.Linear(s.In("qkv"), x, 3*testWidth, true)
		qkv = padToWindows(qkv, s.In("qkv").Param("bias", graph.Zeros, 3*testWidth), window)
		a := attention{heads: testHeads, size: window, pad: s.In("qkv").Param("bias", graph.Zeros, 3*testWidth),
			rh: relativePositions(s.Param("rel_pos_h", graph.Zeros, 2*window-1, d), window),
			rw: relativePositions(s.Param("rel_pos_w", graph.Zeros, 2*window-1, d), window)}
		y := a.region(qkv, window, window)
		y = gx.Slice(y, gx.AxisRange(0, b), gx.AxisRange(0, h), gx.AxisRange(0, w), gx.AxisRange())
		return []*gx.Node{graph.Linear(s.In("proj"), y, testWidth, true)}
	}
}

// Not asking what pads attend to changes at most the order in which a product sums; folding them changes what float32 rounds away.
func TestAttentionInSinglePrecision(t *testing.T) {
	for _, c := range attentionCases {
		if c.window == 0 {
			continue
		}
		t.Run(fmt.Sprintf("grid %d window %d", c.grid, c.window), func(t *testing.T) {
			b, params, x := attentionParts(t, c.grid, c.window)
			answer := func(build graph.Build) []float32 {
				p, err := graph.NewProgram(b, graph.ProgramConfig{Name: t.Name()}, []graph.Shape{graph.F32(x.Dims...)}, build)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Free()
				placed := b.Place(params)
				defer placed.Free()
				r, err := p.Call(context.Background(), placed, 0, x)
				if err != nil {
					t.Fatal(err)
				}
				return r.Outputs[0].Data
			}
			want, laidOut, folded := answer(paddedAttention(c.window)), answer(attentionBuild(c.window, false)), answer(attentionBuild(c.window, true))
			largest := 0.0
			for _, v := range want {
				largest = max(largest, math.Abs(float64(v)))
			}
			for i, v := range want {
				if diff := math.Abs(float64(laidOut[i] - v)); !(diff <= 1e-6*largest) {
					t.Fatalf("laid out: %g at %d, expected %g", laidOut[i], i, v)
				}
				if diff := math.Abs(float64(folded[i] - v)); !(diff <= 1e-4*largest) {
					t.Fatalf("folded: %g at %d, expected %g", folded[i], i, v)
				}
			}
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	good := Base()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(c *Config){
		"image":           func(c *Config) { c.Image = 1000 },
		"heads":           func(c *Config) { c.Heads = 7 },
		"decoder heads":   func(c *Config) { c.DecoderHeads = 3 },
		"global block":    func(c *Config) { c.Global = []int{12} },
		"no depth":        func(c *Config) { c.Depth = 0 },
		"patch of 12":     func(c *Config) { c.Patch, c.Image, c.KeepResolution = 12, 144, true },
		"prompt width":    func(c *Config) { c.Prompt, c.DecoderHeads = 4, 1 },
		"mask channels":   func(c *Config) { c.MaskChannels = 6 },
		"normalisation":   func(c *Config) { c.Pixels = 7 },
		"prompt too thin": func(c *Config) { c.Prompt, c.DecoderHeads, c.KeepResolution = 16, 8, true },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if err := c.Validate(); err == nil {
				t.Errorf("accepted %+v", c)
			}
		})
	}
}
