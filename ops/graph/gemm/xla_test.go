//go:build cgo && linux && amd64

package gemm_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"sync"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/graph/gemm"
)

func TestMain(m *testing.M) { onbackend.Main(m, compute) }

type report struct {
	Own      bool
	Winograd bool
	Products []float32 // the three products of a layer: forward, and both gradients
	Packed   bool      // weights of a network that was called some times are packed
	First    []float32 // what it gives then, and at first
	Last     []float32
	Quarters [2][]float32 // the same of a network whose products are large enough for quarters
}

// A layer of 100 tokens: sizes of an odd number of tiles and strips.
const tokens, in, out = 100, 600, 1000

func compute(b *graph.Backend) (rep report, err error) {
	// y = x wᵀ, and the gradients of the sum of y g.
	layer := func(_ *graph.Scope, v []*graph.Node) []*graph.Node {
		x, w, g := v[0], v[1], v[2]
		y := gx.DotGeneral(x, []int{1}, nil, w, []int{1}, nil)
		return append([]*graph.Node{y}, gx.Gradient(gx.ReduceAllSum(gx.Mul(y, g)), x, w)...)
	}
	shapes := []graph.Shape{graph.F32(tokens, in), graph.F32(out, in), graph.F32(tokens, out)}
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "layer"}, shapes, layer)
	if err != nil {
		return rep, err
	}
	call := func() ([]float32, error) {
		r, err := p.Call(context.Background(), nil, 0, values(1, tokens, in), values(2, out, in), values(3, tokens, out))
		if err != nil {
			return nil, err
		}
		var all []float32
		for _, o := range r.Outputs {
			all = append(all, o.Data...)
		}
		return all, nil
	}
	rep.Own, rep.Winograd = b.Provenance().OwnProduct, b.Provenance().Winograd
	if rep.Products, err = call(); err != nil {
		return rep, err
	}
	// Several at once share XLA's threads.
	var group sync.WaitGroup
	faults := make([]error, 4)
	for i := range faults {
		group.Go(func() {
			for range 8 {
				again, err := call()
				if err == nil && !reflect.DeepEqual(again, rep.Products) {
					err = errors.New("a product computed beside others has other bits")
				}
				faults[i] = errors.Join(faults[i], err)
			}
		})
	}
	group.Wait()
	var err1, err2 error
	rep.First, rep.Last, rep.Packed, err1 = blocks(b, tokens)
	var packed bool
	rep.Quarters[0], rep.Quarters[1], packed, err2 = blocks(b, manyTokens)
	rep.Packed = rep.Packed && packed
	return rep, errors.Join(append(faults, err1, err2)...)
}

// manyTokens are enough for products of quarters.
const manyTokens = 144

// blocks calls a network of two blocks until its weights are packed.
func blocks(b *graph.Backend, tokens int) (first, last []float32, packed bool, err error) {
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "blocks"}, []graph.Shape{graph.F32(tokens, 640)}, func(s *graph.Scope, v []*graph.Node) []*graph.Node {
		x := v[0]
		for i := range 2 {
			block := s.In("blocks.%d", i)
			x = graph.Linear(block.In("down"), gx.Tanh(graph.Linear(block.In("up"), s.Block(x), 800, true)), 640, true)
		}
		return []*graph.Node{s.Unblock(x)}
	})
	if err != nil {
		return nil, nil, false, err
	}
	params, err := graph.Initialise(p.Specs(), 1)
	if err != nil {
		return nil, nil, false, err
	}
	placed := b.Place(params)
	for range 10 {
		r, err := p.Call(context.Background(), placed, 0, values(1, tokens, 640))
		if err != nil {
			return nil, nil, false, err
		}
		if last = r.Outputs[0].Data; first == nil {
			first = last
		}
	}
	return first, last, placed.Packed() > 0, nil
}

func values(seed float64, rows, columns int) graph.Value {
	x := make([]float32, rows*columns)
	for i := range x {
		x[i] = float32(math.Sin(seed * float64(i)))
	}
	return graph.Floats(x, rows, columns)
}

func TestInXLA(t *testing.T) {
	plugin, err := graph.InstalledCPU()
	if err != nil {
		t.Skipf("not tested on xla: %v", err)
	}
	if !gemm.Supported() {
		t.Skip("this processor has no AVX-512")
	}
	cache := t.TempDir()
	run := func(env ...string) report {
		t.Helper()
		return onbackend.Fresh[report](t, plugin, append(env, "MSEG_CACHE="+cache)...)
	}
	own := run()
	if !own.Own {
		t.Fatal("the backend does not say that products are mseg's")
	}
	if !own.Packed {
		t.Error("no weights were packed")
	}
	if !reflect.DeepEqual(own.First, own.Last) || !reflect.DeepEqual(own.Quarters[0], own.Quarters[1]) {
		t.Error("packed weights give other bits")
	}
	for i, want := range layer() {
		if d := math.Abs(want - float64(own.Products[i])); d > 2e-4 {
			t.Fatalf("number %d is %g, want %g", i, own.Products[i], want)
		}
	}
	if !reflect.DeepEqual(own, run()) {
		t.Error("the program kept from before gives other bits")
	}
	if !reflect.DeepEqual(own, run("PJRT_NPROC=1")) || !reflect.DeepEqual(own, run("PJRT_NPROC=5")) {
		t.Error("bits depend on the number of threads")
	}
	// Plain products are other ones of the same numbers; small ones are the same.
	plain := run("MSEG_PRODUCT=plain")
	if !own.Winograd || plain.Winograd || !plain.Own || !plain.Packed || !reflect.DeepEqual(own.First, plain.First) || !reflect.DeepEqual(own.Products, plain.Products) {
		t.Error("MSEG_PRODUCT=plain does more or less than computing without quarters")
	}
	if reflect.DeepEqual(own.Quarters, plain.Quarters) {
		t.Error("no product was computed in quarters, or all with MSEG_PRODUCT=plain")
	}
	if !reflect.DeepEqual(plain.Quarters[0], plain.Quarters[1]) {
		t.Error("packed weights give other bits, if products are plain")
	}
	theirs := run("MSEG_PRODUCT=xla")
	if theirs.Own || theirs.Winograd || theirs.Packed || reflect.DeepEqual(own.Products, theirs.Products) || reflect.DeepEqual(own.First, theirs.First) {
		t.Error("MSEG_PRODUCT=xla does not leave products to XLA: weights are packed, or all bits are the same")
	}
	for _, of := range [][2][]float32{{theirs.Products, own.Products}, {theirs.Last, own.Last}, {theirs.Quarters[1], own.Quarters[1]}, {theirs.Quarters[1], plain.Quarters[1]}} {
		for i, x := range of[0] {
			if d := math.Abs(float64(x - of[1][i])); !(d <= 2e-4) {
				t.Fatalf("number %d: XLA has %g, mseg %g", i, x, of[1][i])
			}
		}
	}
	if out, err := onbackend.Process(plugin, "MSEG_PRODUCT=fast").CombinedOutput(); err == nil || len(out) == 0 {
		t.Errorf("MSEG_PRODUCT=fast was accepted: %s", out)
	}
}

// layer is what compute does, in float64.
func layer() []float64 {
	x, w, g := values(1, tokens, in).Floats, values(2, out, in).Floats, values(3, tokens, out).Floats
	y, dx, dw := make([]float64, tokens*out), make([]float64, tokens*in), make([]float64, out*in)
	for t := range tokens {
		for o := range out {
			sum, adjoint := 0.0, float64(g[t*out+o])
			for i := range in {
				sum += float64(x[t*in+i]) * float64(w[o*in+i])
				dx[t*in+i] += adjoint * float64(w[o*in+i])
				dw[o*in+i] += adjoint * float64(x[t*in+i])
			}
			y[t*out+o] = sum
		}
	}
	return append(append(y, dx...), dw...)
}
