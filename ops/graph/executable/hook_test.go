//go:build cgo && linux

package executable_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/graph/executable"
)

// TestMain: only a new process loads what another has kept.
func TestMain(m *testing.M) { onbackend.Main(m, compute) }

// report is what a child process prints: bits of its results and what its
// compiler did.
type report struct {
	Bits             []uint32
	Loaded, Compiled int64
}

func compute(b *graph.Backend) (r report, err error) {
	note := func(xs []float32) {
		for _, x := range xs {
			r.Bits = append(r.Bits, math.Float32bits(x))
		}
	}
	image := graph.Value{Dims: []int{2, 16, 16, 3}, Floats: make([]float32, 2*16*16*3)}
	for i := range image.Floats {
		image.Floats[i] = float32(math.Sin(float64(i)))
	}
	network := func(s *graph.Scope, in []*graph.Node) *graph.Node {
		x := graph.Conv2d(s.In("conv"), in[0], 8, graph.Conv{Kernel: 3, Padding: 1})
		x = gx.MaxPool(gx.Tanh(x)).Window(2).Done()
		x = gx.Reshape(x, 2, -1)
		return graph.Linear(s.In("out"), x, 5, true)
	}
	forward := func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		y := network(s, in)
		return []*graph.Node{gx.Softmax(y), gx.Sort(y, -1, true), gx.ReduceAllSum(y)}
	}
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "forward"}, []graph.Shape{graph.F32(image.Dims...)}, forward)
	if err != nil {
		return r, err
	}
	params, err := graph.Initialise(p.Specs(), 1)
	if err != nil {
		return r, err
	}
	got, err := p.Call(context.Background(), b.Place(params), 0, image)
	if err != nil {
		return r, err
	}
	for _, o := range got.Outputs {
		note(o.Data)
	}
	step, err := graph.NewStep(b, graph.StepConfig{Name: "step"}, []graph.Shape{graph.F32(image.Dims...)},
		func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
			return gx.ReduceAllMean(gx.Square(network(s, in))), nil
		})
	if err != nil {
		return r, err
	}
	if err := step.Start(b.Place(params), nil); err != nil {
		return r, err
	}
	for range 3 {
		res, err := step.Run(context.Background(), 1e-2, 0, image)
		if err != nil {
			return r, err
		}
		note([]float32{float32(res.Loss), float32(res.GradientNorm)})
	}
	r.Loaded, r.Compiled = executable.Counts()
	return r, nil
}

func TestProgramsAreKept(t *testing.T) {
	plugin, err := graph.InstalledCPU()
	if err != nil {
		t.Skipf("not tested on xla: %v", err)
	}
	cache := t.TempDir()
	run := func(env ...string) report {
		t.Helper()
		return onbackend.Fresh[report](t, plugin, append([]string{"MSEG_CACHE=" + cache}, env...)...)
	}
	first := run()
	if first.Compiled == 0 || first.Loaded != 0 || len(first.Bits) < 20 {
		t.Fatalf("the first process compiled %d programs, loaded %d and printed %d numbers", first.Compiled, first.Loaded, len(first.Bits))
	}
	check := func(what string, r report, loaded int64) {
		t.Helper()
		if r.Loaded != loaded || r.Compiled != first.Compiled-loaded {
			t.Errorf("%s: %d programs were loaded and %d compiled, want %d and %d", what, r.Loaded, r.Compiled, loaded, first.Compiled-loaded)
		}
		if !reflect.DeepEqual(r.Bits, first.Bits) {
			t.Errorf("%s: the results are not those of the compiled programs", what)
		}
	}
	check("a second process", run(), first.Compiled)

	kept, err := filepath.Glob(filepath.Join(cache, "programs", "*.pjrt"))
	if err != nil || int64(len(kept)) != first.Compiled {
		t.Fatalf("%d programs are kept, want %d; %v", len(kept), first.Compiled, err)
	}
	// A whole file with a right checksum whose contents are no program.
	damaged, err := executable.Forge([]byte("no program at all"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept[0], damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	check("after one became unusable", run(), first.Compiled-1)
	check("after that was replaced", run(), first.Compiled)

	if r := run("XLA_FLAGS=--xla_cpu_multi_thread_eigen=true"); r.Loaded != 0 || r.Compiled != 0 {
		t.Errorf("with XLA_FLAGS set %d programs were loaded and %d kept", r.Loaded, r.Compiled)
	}
	threads := run("PJRT_NPROC=1")
	if threads.Loaded != 0 {
		t.Error("a program compiled for all threads was used for one")
	}

	if r := run("MSEG_COMPILER=thorough"); r.Loaded != 0 || r.Compiled != first.Compiled {
		t.Errorf("for other options of the compiler %d programs were loaded and %d compiled", r.Loaded, r.Compiled)
	}
	if out, err := onbackend.Process(plugin, "MSEG_COMPILER=fast").CombinedOutput(); err == nil || !strings.Contains(string(out), `MSEG_COMPILER is "fast", quick or thorough was expected`) {
		t.Errorf("MSEG_COMPILER=fast: %s", out)
	}

	readonly := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(readonly, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cache = readonly // a folder that cannot be made
	check("where nothing can be kept", run(), 0)
}
