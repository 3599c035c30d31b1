package engine

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// The losses of the library, once more, in Go: of logits z and reference t, both (N,H,W), one value each (N).
var referenceLosses = map[string]func(z, t *graph.Node) *graph.Node{
	"soft_dice": func(z, t *graph.Node) *graph.Node {
		p := gx.Sigmoid(z)
		return gx.OneMinus(gx.Div(gx.AddScalar(gx.MulScalar(total(gx.Mul(p, t)), 2), 1e-5), gx.AddScalar(gx.Add(total(gx.Square(p)), total(gx.Square(t))), 1e-5)))
	},
	"soft_iou": func(z, t *graph.Node) *graph.Node {
		p := gx.Sigmoid(z)
		both := total(gx.Mul(p, t))
		return gx.OneMinus(gx.Div(gx.AddScalar(both, 1e-5), gx.AddScalar(gx.Sub(gx.Add(total(p), total(t)), both), 1e-5)))
	},
	"cross_entropy": func(z, t *graph.Node) *graph.Node { return average(crossEntropy(z, t)) },
	"tversky":       func(z, t *graph.Node) *graph.Node { return tverskyOf(z, t, 0.3, 0.7) },
	"tversky(alpha: 0.6, beta: 0.2)": func(z, t *graph.Node) *graph.Node {
		return tverskyOf(z, t, 0.6, 0.2)
	},
	"focal": func(z, t *graph.Node) *graph.Node {
		p := gx.Sigmoid(z)
		foreground := gx.Mul(gx.Mul(gx.Square(gx.OneMinus(p)), t), gx.MulScalar(gx.Neg(gx.Log(p)), 0.25))
		background := gx.Mul(gx.Mul(gx.Square(p), gx.OneMinus(t)), gx.MulScalar(gx.Neg(gx.Log(gx.OneMinus(p))), 0.75))
		return average(gx.Add(foreground, background))
	},
	"focal_tversky": func(z, t *graph.Node) *graph.Node { return gx.PowScalar(tverskyOf(z, t, 0.3, 0.7), 0.75) },
	"boundary_bce(width: 5 px)": func(z, t *graph.Node) *graph.Node {
		// The window by a convolution with ones.
		d := t.Shape().Dimensions
		ones := gx.OnesLike(gx.Iota(t.Graph(), shapeOf(t, 5, 5, 1, 1), 0))
		mean := gx.DivScalar(gx.Convolve(gx.Reshape(t, d[0], d[1], d[2], 1), ones).PadSame().Done(), 25)
		w := gx.AddScalar(gx.MulScalar(gx.Abs(gx.Sub(gx.Reshape(mean, d...), t)), 5), 1)
		return gx.Div(total(gx.Mul(w, crossEntropy(z, t))), total(w))
	},
	"dice_bce(bce_weight: 0.5)": func(z, t *graph.Node) *graph.Node {
		p := gx.Sigmoid(z)
		dice := gx.OneMinus(gx.Div(gx.AddScalar(gx.MulScalar(total(gx.Mul(p, t)), 2), 1e-5), gx.AddScalar(gx.Add(total(gx.Square(p)), total(gx.Square(t))), 1e-5)))
		return gx.Add(dice, gx.MulScalar(average(crossEntropy(z, t)), 0.5))
	},
	"best_of_masks(soft_dice + cross_entropy)": nil, // against the builtins, below
	"boundary": func(z, t *graph.Node) *graph.Node {
		// The lesion of the test is the rectangle of rows 2 … 4 and columns 3 … 7.
		h, w := t.Shape().Dimensions[1], t.Shape().Dimensions[2]
		signed := make([][]float64, h)
		for y := range signed {
			signed[y] = make([]float64, w)
			for x := range signed[y] {
				dy, dx := max(2-y, y-4, 0), max(3-x, x-7, 0)
				if dy == 0 && dx == 0 {
					signed[y][x] = -float64(min(y-1, 5-y, x-2, 8-x))
				} else {
					signed[y][x] = math.Hypot(float64(dy), float64(dx))
				}
			}
		}
		return average(gx.Mul(gx.Sigmoid(z), gx.ConvertDType(gx.InsertAxes(gx.Const(z.Graph(), signed), 0), z.DType())))
	},
}

func total(x *graph.Node) *graph.Node   { return gx.ReduceSum(x, 1, 2) }
func average(x *graph.Node) *graph.Node { return gx.ReduceMean(x, 1, 2) }

func crossEntropy(z, t *graph.Node) *graph.Node {
	p := gx.Sigmoid(z)
	return gx.Neg(gx.Add(gx.Mul(t, gx.Log(p)), gx.Mul(gx.OneMinus(t), gx.Log(gx.OneMinus(p)))))
}

func tverskyOf(z, t *graph.Node, alpha, beta float64) *graph.Node {
	p := gx.Sigmoid(z)
	both := total(gx.Mul(p, t))
	wrong := gx.Add(gx.MulScalar(total(gx.Mul(p, gx.OneMinus(t))), alpha), gx.MulScalar(total(gx.Mul(gx.OneMinus(p), t)), beta))
	return gx.OneMinus(gx.Div(gx.AddScalar(both, 1e-5), gx.AddScalar(gx.Add(both, wrong), 1e-5)))
}

// Losses written in mseg have the values and the gradients of the same losses written in Go.
func TestLibraryLosses(t *testing.T) {
	const b, m, h, w = 2, 3, 8, 11
	logits, target := make([]float32, b*m*h*w), make([]float32, b*h*w)
	r := graph.Stream(7, "losses")
	for i := range logits {
		logits[i] = r.Float32()*6 - 3
	}
	for i := range target {
		if y, x := i/w%h, i%w; y >= 2 && y <= 4 && x >= 3 && x <= 7 {
			target[i] = 1
		}
	}
	for _, backend := range []string{"go", "xla"} {
		t.Run(backend, func(t *testing.T) {
			be := onbackend.Open(t, backend)
			none := be.Place(graph.NewParams())
			defer none.Free()
			for text, reference := range referenceLosses {
				t.Run(text, func(t *testing.T) {
					n := checked(t, "mseg 1\nuse losses (soft_dice, soft_iou, cross_entropy, tversky, focal, focal_tversky, boundary_bce, dice_bce, boundary)\nparam x: loss = "+text+"\n").Params[0].Value.(*ir.Node)
					declared := []graph.Shape{{Dims: []int{b, m, h, w}}, {Dims: []int{b, h, w}}}
					p, err := graph.NewProgram(be, graph.ProgramConfig{Name: text, Float64: true}, declared, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
						var mine, theirs *graph.Node
						if reference == nil {
							mine = sampleLoss(n, s, graph.Outputs{Masks: in[0]}, train.Target{Masks: in[1]})
							theirs, _ = graph.BestOfMasks(graph.DiceBCELoss(s, in[0], in[1]))
						} else {
							mine = maskLoss(n, s, in[0], train.Target{Masks: in[1]})
							spread := gx.BroadcastToDims(gx.Reshape(in[1], b, 1, h, w), b, m, h, w)
							theirs = gx.Reshape(reference(gx.Reshape(in[0], b*m, h, w), gx.Reshape(spread, b*m, h, w)), b, m)
						}
						return []*graph.Node{mine, theirs, gx.Gradient(gx.ReduceAllSum(mine), in[0])[0], gx.Gradient(gx.ReduceAllSum(theirs), in[0])[0]}
					})
					if err != nil {
						t.Fatal(err)
					}
					defer p.Free()
					got, err := p.Call(t.Context(), none, 0, graph.Floats(logits, b, m, h, w), graph.Floats(target, b, h, w))
					if err != nil {
						t.Fatal(err)
					}
					for i, what := range []string{"value", "gradient"} {
						mine, theirs := got.Outputs[2*i].Data, got.Outputs[2*i+1].Data
						scale := 0.0
						for _, v := range theirs {
							scale = max(scale, math.Abs(float64(v)))
						}
						if scale == 0 {
							t.Fatalf("the %s is zero everywhere: nothing is compared", what)
						}
						for k := range mine {
							if d := math.Abs(float64(mine[k] - theirs[k])); !(d <= 1e-6*scale) {
								t.Fatalf("%s %d is %g, in Go %g (largest %g)", what, k, mine[k], theirs[k], scale)
							}
						}
					}
				})
			}
		})
	}
}

// Every tensor builtin has a graph of the shape that the checker says, and the gradient of its values.
func TestTensorBuiltins(t *testing.T) {
	const h, w, c = 6, 8, 4
	x, y := make([]float32, 2*h*w*c), make([]float32, 2*h*w*c)
	r := graph.Stream(11, "builtins")
	for i := range x {
		x[i], y[i] = 0.2+0.7*r.Float32(), 0.2+0.7*r.Float32() // where every logarithm and root is smooth
	}
	count := 0
	for _, b := range builtin.All() {
		if !b.Result.IsTensor() {
			continue
		}
		count++
		text := b.ExampleScript()
		f, shape, ok := scopeOf(t, text).Fn("example")
		if !ok {
			t.Errorf("%s has mistakes", text)
			continue
		}
		for _, backend := range []string{"go", "xla"} {
			t.Run(b.Name+" "+backend, func(t *testing.T) {
				be := onbackend.Open(t, backend)
				dims := []int{2, h, w, c}
				build := func(s *graph.Scope, in []*graph.Node) []*graph.Node {
					return []*graph.Node{apply(s, f, pixels(in[0]), pixels(in[1])).node}
				}
				inputs := []graph.Value{graph.Floats(x, dims...), graph.Floats(y, dims...)}
				declared := []graph.Shape{{Dims: dims}, {Dims: dims}}
				specs, err := graph.Declare(declared, build)
				if err != nil {
					t.Fatal(err)
				}
				if (len(specs) > 0) != b.Learned {
					t.Errorf("%d weights, declared as learned: %t", len(specs), b.Learned)
				}
				params, err := graph.Initialise(specs, 5)
				if err != nil {
					t.Fatal(err)
				}
				p, err := graph.NewProgram(be, graph.ProgramConfig{Name: b.Name}, declared, build)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Free()
				out, err := p.Call(t.Context(), be.Place(params), 0, inputs...)
				if err != nil {
					t.Fatal(err)
				}
				want := dims[:1:1]
				for _, a := range shape.Axes {
					n := map[string]int{"": 1, "height": h, "width": w, "channel": c, "channel + 1": c + 1}[a.Size.Of]
					want = append(want, n*a.Size.Num/a.Size.Den)
				}
				if !slices.Equal(out.Outputs[0].Dims, want) {
					t.Errorf("shape %v, the checker says %v: %v", out.Outputs[0].Dims, shape, want)
				}
				diff, err := graph.CheckGradient(be, build, params, 3, false, inputs...)
				if b.Name == "stop_gradient" { // x - stop_gradient(x) is 0 for every x, and its gradient is 1
					if err != nil || diff < 1 {
						t.Errorf("the gradient is not stopped: difference %.1e, %v", diff, err)
					}
					return
				}
				if err != nil || !(diff <= 1e-6) {
					t.Errorf("gradient and central difference differ by %.1e: %v", diff, err)
				}
			})
		}
	}
	if count < len(primitives) {
		t.Errorf("%d builtins are declared, %d have graphs", count, len(primitives))
	}
	if !slices.Equal(check.TensorOps(), slices.Sorted(maps.Keys(primitives))) {
		t.Errorf("shape rules are of %v, graphs of %v", check.TensorOps(), slices.Sorted(maps.Keys(primitives)))
	}
}

func scopeOf(t *testing.T, text string) *check.Scope {
	t.Helper()
	s, diags := syntax.Parse(source.New("test.mseg", text), false)
	for _, d := range diags {
		t.Fatal(d)
	}
	return check.NewScope(s)
}

func shapeOf(like *graph.Node, dims ...int) shapes.Shape { return shapes.Make(like.DType(), dims...) }
