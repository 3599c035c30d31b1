//go:build cgo && linux

package executable_test

import (
	"bytes"
	"context"
	"errors"
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
	Record, Flags    string // the options in the record of a run, and XLA_FLAGS, which processes started from here would inherit
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
	gelu, err := graph.NewStep(b, graph.StepConfig{Name: "gelu"}, []graph.Shape{graph.F32(image.Dims...)},
		func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
			x := graph.Linear(s.In("narrow"), in[0], 8, true)
			return gx.ReduceAllMean(gx.Square(graph.GELU(x))), nil
		})
	if err != nil {
		return r, err
	}
	gelu.Free()
	r.Loaded, r.Compiled = executable.Counts()
	r.Record, r.Flags = b.Provenance().CompilerFlags, os.Getenv("XLA_FLAGS")
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
	const noUnrolling, noMLIR = "xla_cpu_disable_loop_unrolling", "xla_cpu_disable_new_fusion_emitters"
	count := func(option string) (n int64) {
		t.Helper()
		kept, err := filepath.Glob(filepath.Join(cache, "programs", "*.pjrt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range kept {
			program, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(program, []byte(option)) {
				n++
			}
		}
		return n
	}
	if asked, err := filepath.Glob(filepath.Join(cache, "programs", "*.options")); err != nil || len(asked) != 1 {
		t.Errorf("the plugin's options are kept in %d files, want one; %v", len(asked), err)
	}
	// The plugin writes down what it was given. The gradient of GELU along eight channels is the one program that is compiled through MLIR.
	if all, without := count(noUnrolling), count(noMLIR); all != first.Compiled || without != first.Compiled-1 {
		t.Errorf("of %d programs %d were compiled without unrolled loops and %d without MLIR, want all and all but one", first.Compiled, all, without)
	}
	if !strings.Contains(first.Record, noUnrolling) || !strings.Contains(first.Record, "alone where loops repeat") || first.Flags != "" {
		t.Errorf("the record says %q, XLA_FLAGS is %q", first.Record, first.Flags)
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

	if r := run("XLA_DEBUG_OPTIONS=xla_backend_optimization_level: 3 xla_cpu_parallel_codegen_split_count: 4"); r.Loaded != 0 || r.Compiled != 0 || !strings.Contains(r.Record, "split_count: 4") {
		t.Errorf("with XLA_DEBUG_OPTIONS set %d programs were loaded and %d kept, the record says %q", r.Loaded, r.Compiled, r.Record)
	}

	if r := run("MSEG_COMPILER=quick"); r.Loaded != first.Compiled-1 || r.Compiled != 1 || r.Record != noUnrolling+","+noMLIR {
		t.Errorf("quick: %d programs were loaded and %d compiled, the record says %q", r.Loaded, r.Compiled, r.Record)
	}
	if r := run("MSEG_COMPILER=thorough"); r.Loaded != 0 || r.Compiled != first.Compiled || r.Record != "" {
		t.Errorf("thorough: %d programs were loaded and %d compiled, the record says %q", r.Loaded, r.Compiled, r.Record)
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

func TestOptionsNeedAPluginThatTellsItsOwn(t *testing.T) {
	never := func([]byte) executable.Options { t.Error("options were chosen"); return executable.Options{} }
	refuses := errors.New("refused")
	if err := executable.Choose(never, func(string) error { return refuses }); !errors.Is(err, refuses) {
		t.Errorf("a plugin that compiles nothing: %v", err)
	}
	if err := executable.Choose(never, func(string) error { return nil }); err == nil || err.Error() != "the plugin cannot write programs" {
		t.Errorf("a plugin that writes nothing: %v", err)
	}
}
