//go:build cgo && linux

package graph

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph/gemm"
)

const wideRows, wide = 128, 512

// broad has blocks whose products are wide enough to be package gemm's, those with turned weights in quarters; shared is a weight that is read by something else as well.
func broad(s *Scope, in []*Node) []*Node {
	x := in[0]
	shared := s.Param("shared", Normal(0.05), wide, wide)
	for i := range 3 {
		x = s.Block(x)
		b := s.In("blocks.%d", i)
		h := GELU(Linear(b.In("up"), x, wide+16, true))
		h = Linear(b.In("down"), h, wide, true)
		h = gx.DotGeneral(h, []int{1}, nil, b.Param("turned", Normal(0.05), wide, wide), []int{0}, nil)
		x = gx.Add(h, gx.DotGeneral(x, []int{1}, nil, shared, []int{1}, nil))
	}
	x = s.Unblock(x)
	return []*Node{gx.Add(x, gx.Slice(shared, gx.AxisRange(0, wideRows)))}
}

func wideInput(seed float64) Value { return Floats(waves(seed, wideRows*wide), wideRows, wide) }

func waves(seed float64, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((int(seed)*(i+7)*2654435761)%1000)/500 - 1
	}
	return x
}

// withProduct skips a test of products that are not computed here; where they should be, it fails.
func withProduct(t *testing.T, b *Backend, here bool) {
	t.Helper()
	switch {
	case here:
	case gemm.Supported() && b.facts.PluginSHA256 == cpuLibrarySHA256 && os.Getenv(productVar) == "" && !userFlags():
		t.Fatal("this processor has AVX-512 and the plugin is the installed one, but the products are not this program's")
	default:
		t.Skip("products are XLA's here")
	}
}

// packing is a program of broad, with parameters on a device that packs.
func packing(t *testing.T) (b *Backend, p *Program, params *Params, call func(d *DeviceParams) []float32) {
	t.Helper()
	b = openForTest(t, "xla")
	withProduct(t, b, b.facts.OwnProduct)
	p, err := NewProgram(b, ProgramConfig{Name: t.Name()}, []Shape{F32(wideRows, wide)}, broad)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Free)
	params = mustInitialise(t, p.Specs(), 3)
	return b, p, params, func(d *DeviceParams) []float32 {
		t.Helper()
		r, err := p.Call(context.Background(), d, 0, wideInput(1))
		if err != nil {
			t.Fatal(err)
		}
		return r.Outputs[0].Data
	}
}

// TestPackedWeights: from a certain call on weights are packed, those alone that only products read, and no bit changes.
func TestPackedWeights(t *testing.T) {
	b, _, params, call := packing(t)
	d := b.Place(params)
	defer d.Free()
	want := call(d)
	for i := 2; i <= packAfter+2; i++ {
		if got := call(d); !slices.Equal(got, want) {
			t.Fatalf("call %d gives other numbers", i)
		}
		if some := len(d.products.kept) > 0; some != (i >= packAfter) {
			t.Fatalf("after call %d: packed %t", i, some)
		}
	}
	var names []string
	for key := range d.products.kept {
		names = append(names, key.name)
	}
	slices.Sort(names)
	var all []string
	for i := range 3 {
		all = append(all, fmt.Sprintf("blocks.%d.down.weight", i), fmt.Sprintf("blocks.%d.turned", i), fmt.Sprintf("blocks.%d.up.weight", i))
	}
	if !reflect.DeepEqual(names, all) {
		t.Errorf("packed are %v, wanted %v", names, all)
	}
	if packed, want := d.Packed(), int64(4*3*(2*wide*(wide+16)+wide*wide*7/4+16)); packed != want {
		t.Errorf("%d bytes are packed, wanted %d", packed, want)
	}
	d.Free()
	for range 100 {
		if mapped.Load() == 0 {
			break
		}
		runtime.GC() // what is freed goes when the collector has seen that nothing reads it
		time.Sleep(10 * time.Millisecond)
	}
	if bytes := mapped.Load(); d.Packed() != 0 || bytes != 0 {
		t.Errorf("after Free there are %d bytes still", bytes)
	}
	if !slices.Equal(call(d), want) {
		t.Error("after Free the same call gives other numbers")
	}
}

// TestPackedBesideOthers: calls at the same time, of which one packs, have the same bits.
func TestPackedBesideOthers(t *testing.T) {
	b, p, params, call := packing(t)
	want := call(b.Place(params))
	d := b.Place(params)
	defer d.Free()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range packAfter {
				r, err := p.Call(context.Background(), d, 0, wideInput(1))
				if err != nil || !slices.Equal(r.Outputs[0].Data, want) {
					t.Errorf("a call beside others gives other numbers, or %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	if d.Packed() == 0 {
		t.Error("nothing was packed")
	}
}

func packedSet(t *testing.T, b *Backend, params *Params, call func(d *DeviceParams) []float32) *DeviceParams {
	t.Helper()
	d := b.Place(params)
	t.Cleanup(d.Free)
	for range packAfter {
		call(d)
	}
	if d.Packed() == 0 {
		t.Fatal("nothing was packed")
	}
	return d
}

// TestPackedWeightsThatAreReplaced are not used any more.
func TestPackedWeightsThatAreReplaced(t *testing.T) {
	b, _, params, call := packing(t)
	d := packedSet(t, b, params, call)
	before := call(d)
	for _, name := range []string{"blocks.1.up.weight", "blocks.2.turned"} {
		old, _ := params.Get(name)
		if err := params.Set(name, &Tensor{Dims: old.Dims, Data: waves(5, len(old.Data))}); err != nil {
			t.Fatal(err)
		}
		want := call(b.Place(params))
		if slices.Equal(want, before) {
			t.Fatal("the test replaces nothing that matters")
		}
		for i := range packAfter + 1 {
			if got := call(d); !slices.Equal(got, want) {
				t.Fatalf("%s: call %d after it was replaced is not of the new values", name, i+1)
			}
		}
		if d.Packed() == 0 {
			t.Errorf("%s: the new values were not packed", name)
		}
		before = want
	}
}

// TestPackedWeightsThatAreTrained: a program that shares its parameters with a step sees every update, and those of averages.
func TestPackedWeightsThatAreTrained(t *testing.T) {
	b, _, params, call := packing(t)
	d := packedSet(t, b, params, call)
	first := call(d)
	st, err := NewStep(b, StepConfig{Name: t.Name(), Average: 0.9, Trainable: func(name string) bool { return name != "blocks.0.up.weight" }}, []Shape{F32(wideRows, wide)},
		func(s *Scope, in []*Node) (*Node, []*Node) {
			return gx.ReduceAllMean(gx.Square(broad(s, in)[0])), nil
		})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Free()
	if err := st.Start(d, nil); err != nil {
		t.Fatal(err)
	}
	if d.Packed() != 0 {
		t.Error("weights that are trained are packed still")
	}
	last := first
	for i := range packAfter + 2 {
		if _, err := st.Run(context.Background(), 0.01, 0, wideInput(2)); err != nil {
			t.Fatal(err)
		}
		got := call(d)
		for what, of := range map[string]*DeviceParams{"parameters": d, "averages": st.Averaged()} {
			now, err := of.Host()
			if err != nil {
				t.Fatal(err)
			}
			if want := call(b.Place(now)); !slices.Equal(call(of), want) {
				t.Fatalf("step %d: the program does not see the %s", i, what)
			}
		}
		if slices.Equal(got, last) {
			t.Fatalf("step %d changes nothing", i)
		}
		last = got
	}
	if d.Packed() != 0 {
		t.Error("weights that are trained were packed")
	}
	if !slices.Equal(call(b.Place(params)), first) {
		t.Error("the host's values have changed")
	}
}

// TestNothingIsPackedWithoutRoom: where memory is short calls go on as they are.
func TestNothingIsPackedWithoutRoom(t *testing.T) {
	b, _, params, call := packing(t)
	d := b.Place(params)
	defer d.Free()
	want := call(d)
	real := freeMemory
	defer func() { freeMemory = real }()
	freeMemory = func() int64 { return 1 << 20 }
	for range 2 * packAfter {
		if !slices.Equal(call(d), want) {
			t.Fatal("numbers have changed")
		}
	}
	if d.Packed() != 0 {
		t.Error("weights were packed without room for them")
	}
	// As much as is asked for counts what is packed, not the weights.
	all := 4 * int64(4*3*(2*wide*(wide+16)+wide*wide*7/4+16))
	freeMemory = func() int64 { return all - 1 }
	for range 2 * packAfter {
		call(d)
	}
	if d.Packed() != 0 {
		t.Error("weights were packed where a byte is missing")
	}
	freeMemory = func() int64 { return all }
	for range packAfter {
		call(d)
	}
	if d.Packed() != all/4 {
		t.Error("weights are not packed where there is just enough room")
	}
	d.Free()
	freeMemory = real
	for range packAfter {
		call(d)
	}
	if d.Packed() == 0 {
		t.Error("weights are not packed once there is room")
	}
}

// TestOthersSeeNoPackedWeights: programs that are not divided, and those in float64, read the same parameters as they are.
func TestOthersSeeNoPackedWeights(t *testing.T) {
	b, _, params, call := packing(t)
	d := packedSet(t, b, params, call)
	got := call(d)
	whole, err := NewProgram(b, ProgramConfig{Name: t.Name()}, []Shape{F32(wideRows, wide)}, func(s *Scope, in []*Node) []*Node {
		s.c.divide = false
		return broad(s, in)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Free()
	exact, err := NewProgram(b, ProgramConfig{Name: t.Name(), Float64: true}, []Shape{F32(wideRows, wide)}, broad)
	if err != nil {
		t.Fatal(err)
	}
	defer exact.Free()
	r, err := whole.Call(context.Background(), d, 0, wideInput(1))
	if err != nil {
		t.Fatal(err)
	}
	e, err := exact.Call64(context.Background(), d, 0, wideInput(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range got {
		if d := float64(x) - e[0][i]; !(max(d, -d) < 1e-3) || !(max(x-r.Outputs[0].Data[i], r.Outputs[0].Data[i]-x) < 1e-3) {
			t.Fatalf("number %d: packed %g, whole %g, in float64 %g", i, x, r.Outputs[0].Data[i], e[0][i])
		}
	}
}

// TestQuartersAreOfWeights: a product whose right side another segment has computed is left as it is; the same one with a weight is computed in quarters.
func TestQuartersAreOfWeights(t *testing.T) {
	b := openForTest(t, "xla")
	withProduct(t, b, b.facts.Winograd)
	for _, computed := range []bool{false, true} {
		p, err := NewProgram(b, ProgramConfig{Name: t.Name()}, []Shape{F32(wideRows, wide)}, func(s *Scope, in []*Node) []*Node {
			x, right := in[0], []*Node{s.Param("v", Normal(0.05), wide, wide), s.Param("w", Normal(0.05), wide, wide)}
			for i := range right { // two blocks alike, so that they are segments of their own
				if computed {
					right[i] = gx.Tanh(s.Block(right[i]))
				}
			}
			for _, w := range right {
				x = gx.DotGeneral(s.Block(x), []int{1}, nil, w, []int{1}, nil)
			}
			return []*Node{s.Unblock(x)}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Free()
		quarters := 0
		for _, operands := range p.code.exec.(*segmented).operands {
			for _, o := range operands {
				if o.Layout.Winograd {
					quarters++
				}
			}
		}
		if want := map[bool]int{false: 1, true: 0}[computed]; quarters != want {
			t.Errorf("right side computed: %t: %d products in quarters, wanted %d", computed, quarters, want)
		}
	}
}
