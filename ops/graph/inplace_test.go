package graph

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// everything a step has, to be compared to the bit.
func everything(t *testing.T, st *Step, d *DeviceParams) map[string][]float32 {
	t.Helper()
	all := host(t, d)
	state, err := st.State()
	if err != nil {
		t.Fatal(err)
	}
	for kind, set := range state.Slots {
		for _, name := range set.Names() {
			v, _ := set.Get(name)
			all[kind+" of "+name] = slices.Clone(v.Data)
		}
	}
	all["count"] = []float32{float32(state.Count)}
	return all
}

func same(a, b map[string][]float32) bool {
	return maps.EqualFunc(a, b, func(x, y []float32) bool {
		return slices.EqualFunc(x, y, func(p, q float32) bool { return math.Float32bits(p) == math.Float32bits(q) })
	})
}

// cusp is regression and the length of a weight times a number: for 0 the loss is finite and the gradient is not.
func cusp(s *Scope, in []*Node) (*Node, []*Node) {
	loss, out := regression(s, in)
	w := gx.Mul(s.In("one").Param("weight", Normal(1), 6, 3), in[3])
	return gx.Add(loss, gx.Sqrt(Sum(s, gx.Square(w)))), out
}

func cuspRows(seed uint64, factor float32) []Value {
	return append(rows(seed, 4, 4), Floats([]float32{factor}))
}

// A step whose loss or gradient is not finite leaves every bit of parameters, moments and averages, and the next is the one that would have been without it.
func TestStepThatIsNotFiniteLeavesEverything(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for name, parts := range map[string]bool{"at once": false, "in parts": true} {
			t.Run(name, func(t *testing.T) {
				cfg := StepConfig{Average: 0.9, ClipNorm: 1, Parts: parts}
				step := func(st *Step, in []Value) error {
					if !parts {
						_, err := st.Run(context.Background(), 0.01, 0, in...)
						return err
					}
					if _, err := st.Accumulate(context.Background(), 1, 0, in...); err != nil {
						return err
					}
					_, err := st.Update(context.Background(), 0.01)
					return err
				}
				shapes := append(rowShapes(4), F32())
				st, device := started(t, b, cfg, shapes, cusp)
				plain, plainDevice := started(t, b, cfg, shapes, cusp)
				for i := range uint64(3) {
					if err := errors.Join(step(st, cuspRows(i, 0.1)), step(plain, cuspRows(i, 0.1))); err != nil {
						t.Fatal(err)
					}
				}
				before := everything(t, st, device)
				for what, factor := range map[string]float32{"loss": float32(math.NaN()), "gradient": 0} {
					if err := step(st, cuspRows(9, factor)); !errors.Is(err, ErrNotFinite) {
						t.Fatalf("%s: a number that is none gives %v", what, err)
					}
					if !same(before, everything(t, st, device)) {
						t.Errorf("%s: something has changed", what)
					}
				}
				if err := errors.Join(step(st, cuspRows(3, 0.1)), step(plain, cuspRows(3, 0.1))); err != nil {
					t.Fatal(err)
				}
				after := everything(t, st, device)
				if same(before, after) {
					t.Error("the step after it has changed nothing")
				}
				if !same(everything(t, plain, plainDevice), after) {
					t.Error("the step after it is another than without it")
				}
			})
		}
	})
}

// corner is a number in the corner of a table of 4 TiB that depends on x and has to be there as a whole, because it is sorted.
func corner(x *Node) *Node {
	table := gx.Mul(gx.BroadcastToDims(x, 1<<20, 1<<20), gx.Sin(gx.Iota(x.Graph(), shapes.Make(x.DType(), 1<<20, 1<<20), 0)))
	return gx.Reshape(gx.Slice(gx.Sort(table, 0, true), gx.AxisRange(0, 1), gx.AxisRange(0, 1)))
}

// greedy is a loss whose gradient needs memory that no machine has.
func greedy(s *Scope, in []*Node) (*Node, []*Node) {
	w := s.Param("w", Normal(1), 4)
	return Sum(s, gx.Square(gx.Sub(w, in[0]))), []*Node{corner(gx.ReduceAllSum(gx.Mul(w, in[0])))}
}

// A gradient for which there is no room leaves everything, and the step can be taken again.
func TestGradientWithoutRoomLeavesEverything(t *testing.T) {
	b := openForTest(t, "xla")
	for name, parts := range map[string]bool{"at once": false, "in parts": true} {
		t.Run(name, func(t *testing.T) {
			st, device := started(t, b, StepConfig{Parts: parts}, []Shape{F32(4)}, greedy)
			before := everything(t, st, device)
			for range 2 {
				var err error
				if parts {
					_, err = st.Accumulate(context.Background(), 1, 0, Floats([]float32{1, 2, 3, 4}, 4))
				} else {
					_, err = st.Run(context.Background(), 0.1, 0, Floats([]float32{1, 2, 3, 4}, 4))
				}
				var want *MemoryError
				if !errors.As(err, &want) || errors.Is(err, ErrLost) {
					t.Fatalf("a gradient of 4 TiB gives %v", err)
				}
				if !same(before, everything(t, st, device)) {
					t.Error("something has changed")
				}
			}
		})
	}
}

// hungry is gradient descent that asks for memory that no machine has, as no rule does.
type hungry struct{ SGD }

func (o hungry) update(p, grad *Node, state []*Node, decayed bool, scalar func(i int) *Node) (*Node, []*Node) {
	p, state = o.SGD.update(p, grad, state, decayed, scalar)
	return gx.Add(p, corner(gx.ReduceAllSum(p))), state
}

// An update that fails takes the parameters with it. Nobody is given the first values for them, and Start begins anew.
func TestUpdateThatFailsSaysThatAllIsLost(t *testing.T) {
	b := openForTest(t, "xla")
	st, device := started(t, b, StepConfig{Optimizer: hungry{}, Average: 0.9}, []Shape{F32(4)}, quadratic)
	program, err := NewProgram(b, ProgramConfig{Name: "reader"}, []Shape{F32(4)}, func(s *Scope, in []*Node) []*Node {
		return []*Node{gx.Mul(s.Param("w", Normal(1), 4), in[0])}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Free()
	in := Floats([]float32{1, 2, 3, 4}, 4)
	if _, err := program.Call(context.Background(), device, 0, in); err != nil {
		t.Fatal(err)
	}
	first, err := device.Host()
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.Run(context.Background(), 0.1, 0, in)
	var want *MemoryError
	if !errors.Is(err, ErrLost) || !errors.As(err, &want) || !strings.Contains(err.Error(), "last checkpoint") {
		t.Fatalf("an update of 4 TiB gives %v", err)
	}
	for what, f := range map[string]func() error{
		"step":    func() error { _, err := st.Run(context.Background(), 0.1, 0, in); return err },
		"state":   func() error { _, err := st.State(); return err },
		"host":    func() error { _, err := device.Host(); return err },
		"average": func() error { _, err := st.Averaged().Host(); return err },
		"program": func() error { _, err := program.Call(context.Background(), device, 0, in); return err },
	} {
		if err := f(); !errors.Is(err, ErrLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	again := b.Place(first)
	defer again.Free()
	if err := st.Start(again, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := st.State(); err != nil {
		t.Errorf("after a new start: %v", err)
	}
	if _, err := program.Call(context.Background(), again, 0, in); err != nil {
		t.Errorf("after a new start: %v", err)
	}
}

// On XLA new tensors lie where the old ones were.
func TestUpdateIsInPlace(t *testing.T) {
	b := openForTest(t, "xla")
	st, device := started(t, b, StepConfig{Average: 0.9}, rowShapes(4), regression)
	at := func() map[string]*float32 {
		places := map[string]*float32{}
		for name := range host(t, device) {
			for _, kind := range append([]string{""}, st.Slots()...) {
				x := st.state[slot{kind, name}]
				if kind == "" {
					x = device.resident[residentKey{name, st.code.float}].t
				}
				buffer, err := x.Buffer(b.engine, 0)
				if err != nil {
					t.Fatal(err)
				}
				flat, err := buffer.(interface{ Data() (any, error) }).Data()
				if err != nil {
					t.Fatal(err)
				}
				places[kind+" of "+name] = &flat.([]float32)[0]
			}
		}
		return places
	}
	before, values := at(), everything(t, st, device)
	for i := range uint64(3) {
		if _, err := st.Run(context.Background(), 0.01, 0, rows(i, 4, 4)...); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(before, at()) {
		t.Error("tensors have moved")
	}
	if same(values, everything(t, st, device)) {
		t.Error("nothing was updated")
	}
}

// Weights that a device can read on the host are not copied, and training does not write into them.
func TestHostAndDeviceShareWeights(t *testing.T) {
	const n = 256
	b := openForTest(t, "xla")
	build := func(s *Scope, in []*Node) []*Node {
		return []*Node{gx.MatMul(in[0], gx.Add(s.Param("w", Normal(1), n, n), s.Param("small", Normal(1), 1, n)))}
	}
	program, err := NewProgram(b, ProgramConfig{Name: "reader"}, []Shape{F32(1, n)}, build)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Free()
	params := mustInitialise(t, program.Specs(), 1)
	copied := params.Clone()
	device := b.Place(params)
	defer device.Free()
	in := make([]float32, n)
	in[3] = 1
	answer := func() []float32 {
		t.Helper()
		r, err := program.Call(context.Background(), device, 0, Floats(in, 1, n))
		if err != nil {
			t.Fatal(err)
		}
		return r.Outputs[0].Data
	}
	answer()
	w, _ := params.Get("w")
	buffer, err := device.resident[residentKey{"w", program.code.float}].t.Buffer(b.engine, 0)
	if err != nil {
		t.Fatal(err)
	}
	flat, err := buffer.(interface{ Data() (any, error) }).Data()
	if err != nil || &flat.([]float32)[0] != &w.Data[0] {
		t.Errorf("the device has a copy of a weight of %d values (%v)", n*n, err)
	}
	st, err := NewStep(b, StepConfig{Name: "trainer"}, []Shape{F32(1, n)}, func(s *Scope, in []*Node) (*Node, []*Node) {
		return Mean(s, gx.Square(build(s, in)[0])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Free()
	if err := st.Start(device, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := st.Run(context.Background(), 0.1, 0, Floats(in, 1, n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range copied.Names() {
		want, _ := copied.Get(name)
		if got, _ := params.Get(name); !slices.Equal(got.Data, want.Data) {
			t.Errorf("training has changed %s of the host", name)
		}
	}
	trained := host(t, device)
	for i, got := range answer() {
		if want := trained["w"][3*n+i] + trained["small"][i]; got != want {
			t.Fatalf("the program reads %g where training left %g", got, want)
		}
	}
	fresh := b.Place(copied)
	defer fresh.Free()
	if slices.Equal(host(t, fresh)["w"], trained["w"]) {
		t.Error("nothing was trained")
	}
}

// What has been fetched in turn is what has been fetched at once; a finished step keeps the parameters and their averages alone.
func TestFetchedInTurn(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		st, device := started(t, b, StepConfig{Average: 0.9}, rowShapes(4), regression)
		for i := range uint64(3) {
			if _, err := st.Run(context.Background(), 0.01, 0, rows(i, 4, 4)...); err != nil {
				t.Fatal(err)
			}
		}
		want, averages := everything(t, st, device), host(t, st.Averaged())
		counters, err := st.Counters()
		if err != nil || counters.Count != 3 || counters.Slots != nil {
			t.Errorf("counters are %+v, %v", counters, err)
		}
		got := map[string][]float32{"count": want["count"]}
		for _, name := range st.Trained() {
			p, err := device.Fetch(name)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = p.Data
			for _, kind := range st.Slots() {
				s, err := st.Slot(kind, name)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.Dims, p.Dims) {
					t.Errorf("%s of %s has shape %v", kind, name, s.Dims)
				}
				got[kind+" of "+name] = s.Data
			}
		}
		if !same(want, got) {
			t.Error("tensors differ")
		}
		if _, err := device.Fetch("nothing"); err == nil {
			t.Error("a parameter that is none was fetched")
		}
		if _, err := st.Slot("adamw.third", st.Trained()[0]); err == nil {
			t.Error("a third moment was fetched")
		}
		st.Finish()
		if !same(averages, host(t, st.Averaged())) {
			t.Error("averages have changed with the end of the step")
		}
		for name, v := range host(t, device) {
			if !slices.Equal(v, want[name]) {
				t.Errorf("%s has changed with the end of the step", name)
			}
		}
		_, err = st.Run(context.Background(), 0.01, 0, rows(1, 4, 4)...)
		_, noState := st.State()
		if err == nil || noState == nil {
			t.Errorf("a finished step runs (%v) or has a state (%v)", err, noState)
		}
		device.Free()
		if _, err := device.Host(); err == nil || !strings.Contains(err.Error(), "has been freed") {
			t.Errorf("trained values that were freed give %v", err)
		}
	})
}
