//go:build cgo && linux

package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph/executable"
	"github.com/mseg-lang/mseg/ops/graph/gemm"
)

// xlaMissing says why this program cannot use XLA, if it cannot.
const xlaMissing = ""

// threadsVar sets the CPU client's thread count when the client is created. If
// it is unset the plugin takes the number of usable cores, which the record of
// a run would then not know.
const threadsVar = "PJRT_NPROC"

// oldestPJRT is the interface go-xla was written against; an older plugin
// lacks functions it calls.
const oldestPJRT = 104

func openXLA(path string, installed bool, reason string, opt Options) (*Backend, error) {
	sum, err := verifyPlugin(path, installed)
	if err != nil {
		return nil, err
	}
	opening.Lock() // go-xla's list of plugins has no lock for those handed to it
	defer opening.Unlock()
	c, err := chosenCompiler()
	if err != nil {
		return nil, err
	}
	flags := ""
	if CUDAPlugin(path) {
		known := func(flags string) (bool, error) { return knownFlags(path, sum, flags) }
		if flags, err = chooseCUDA(path, os.Getenv(compilerVar), known); err != nil {
			return nil, err
		}
		if err := prepareCUDA(path, opt.TF32); err != nil {
			return nil, err
		}
	}
	stands, own, err := standIn(path, sum, flags, opt)
	if err != nil {
		return nil, err
	}
	b, err := openVerified(path, opt)
	if err != nil {
		return nil, err
	}
	b.facts.CompilerFlags = flags
	if cpuPlugin(path) {
		if b.facts.CompilerFlags, err = b.chooseOptions(c, path, stands); err != nil {
			return nil, err
		}
	}
	b.reason = "xla: " + reason
	b.facts.PluginSHA256 = sum
	if b.facts.OwnProduct = own; own {
		b.facts.Description += ", wide products by mseg"
		if b.facts.Winograd = os.Getenv(productVar) == ""; !b.facts.Winograd {
			b.facts.Description += ", plain"
		}
	}
	return b, nil
}

var (
	opening    sync.Mutex
	registered bool // go-xla has the table of the one plugin whose compiler is stood in for
	multiplies bool // and its programs call the product of package gemm
)

// chooseOptions lets every program for the CPU be compiled with what suits it, unless the user has set options, and says what was chosen. That
// takes a table of ours (stands) and a plugin that tells its options. Where one is missing programs are compiled as the plugin would, and to ask for quick is a mistake.
func (b *Backend) chooseOptions(c compiler, path string, stands bool) (record string, err error) {
	if userFlags() {
		return strings.TrimSpace(os.Getenv(flagsVar) + " " + os.Getenv(debugVar)), nil
	}
	fault := errors.New("the compiler of another plugin is stood in for")
	if stands {
		fault = executable.Choose(c.choose(b.facts.Threads), b.compileText)
	}
	switch {
	case fault == nil:
		return c.record, nil
	case c.asked:
		return "", fmt.Errorf("%s is set, but plugin %s cannot be given options: %w", compilerVar, path, fault)
	}
	return "", nil
}

// compileText compiles a program that is not run.
func (b *Backend) compileText(program string) error {
	client, ok := field[*pjrt.Client](b.engine, "client")
	if !ok {
		return errors.New("go-xla keeps its client elsewhere: its version does not fit this program")
	}
	p, err := (*client).Compile().WithStableHLO([]byte(program)).Done()
	if err != nil {
		return err
	}
	return p.Destroy()
}

// productVar set to xla leaves all products to XLA, plain all of ours as they are written, without Winograd's variant of Strassen's algorithm.
const productVar = "MSEG_PRODUCT"

// standIn takes the place of the compiler of XLA: compiled programs stay for the next process, and wide products on the CPU are computed by package
// gemm if own says so. Under a user's own XLA_FLAGS the plugin is used as it is, since they may ask to see how it compiles.
func standIn(path, sum, flags string, opt Options) (stands, own bool, err error) {
	product := os.Getenv(productVar)
	if product != "" && product != "xla" && product != "plain" {
		return false, false, fmt.Errorf("the environment variable %s is %q, xla, plain or nothing was expected", productVar, product)
	}
	if !cpuPlugin(path) && !CUDAPlugin(path) || userFlags() {
		return false, false, nil
	}
	threads, err := clientThreads()
	if err != nil {
		return false, false, err
	}
	setting := strconv.Itoa(threads)
	if CUDAPlugin(path) {
		if setting = cudaSetting(path, flags, opt.TF32); setting == "" {
			return false, false, nil
		}
	}
	dir, err := programDir()
	if err != nil {
		dir = "" // no place to keep anything
	}
	table, err := executable.Table(path, sum, setting, executable.Store{Dir: dir})
	if err != nil {
		return false, false, nil // go-xla opens the plugin itself
	}
	if registered {
		return true, multiplies, nil
	}
	// How functions are made known belongs to the version of the plugin.
	if product != "xla" && sum == cpuLibrarySHA256 && gemm.Supported() && gemm.Register(table) == nil {
		executable.Rewrite(gemm.Rewrite)
		multiplies = true
	}
	registered = pjrt.RegisterPreloadedPlugin(path, table) == nil
	return registered, multiplies && registered, nil
}

// openVerified opens a plugin that is known to be sound, after prepareCUDA if it is a GPU's.
func openVerified(path string, opt Options) (*Backend, error) {
	threads, err := clientThreads()
	if err != nil {
		return nil, err
	}
	config, options := path, pjrt.NamedValuesMap{}
	switch {
	case cpuPlugin(path):
		// One device: with several, the CPU client splits its threads.
		options["cpu_device_count"] = int64(1)
	case CUDAPlugin(path):
		config += fmt.Sprintf(",tf32=%t", opt.TF32)
	}
	b := &Backend{kind: "xla", release: giveBackMemory}
	var version string
	fault := caught(func() {
		plugin, e := pjrt.GetPlugin(path)
		if e != nil {
			err = e
			return
		}
		major, minor := plugin.Version()
		version = fmt.Sprintf("%d.%d", major, minor)
		if major != 0 || minor < oldestPJRT {
			err = fmt.Errorf("its PJRT interface is version %s, 0.%d or newer is needed", version, oldestPJRT)
			return
		}
		engine, e := xla.NewWithOptions(config, options)
		if e != nil {
			err = e
			return
		}
		b.engine = engine
	})
	if err == nil {
		err = fault
	}
	if err != nil {
		return nil, fmt.Errorf("opening PJRT plugin %s: %w", path, firstLine(err))
	}
	b.facts = Provenance{
		Backend: "xla", Plugin: path, PJRT: version, Threads: threads, SIMD: simd,
		Description: fmt.Sprintf("XLA through PJRT %s, %d threads (%s)", version, threads, filepath.Base(path)),
	}
	if b.Accelerated() {
		b.facts.Device, b.facts.TF32 = deviceName(b.engine, path), CUDAPlugin(path) && opt.TF32
		b.facts.Description = fmt.Sprintf("%s through PJRT %s (%s)", b.facts.Device, version, filepath.Base(path))
	}
	return b, nil
}

// clientThreads is the number of threads the client will use; it is set in the
// environment, where the plugin looks for it, unless the user has set it.
func clientThreads() (int, error) {
	if text := os.Getenv(threadsVar); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("the environment variable %s is %q, a number of threads was expected", threadsVar, text)
		}
		return n, nil
	}
	n := runtime.NumCPU()
	return n, os.Setenv(threadsVar, strconv.Itoa(n))
}

// probe opens a plugin and lets it add 2 and 2.
func probe(w io.Writer, path string) error {
	if CUDAPlugin(path) {
		if err := prepareCUDA(path, false); err != nil {
			return err
		}
	}
	b, err := openVerified(path, Options{})
	if err != nil {
		return err
	}
	double := func(_ *Scope, in []*Node) []*Node { return []*Node{gx.Add(in[0], in[0])} }
	p, err := NewProgram(b, ProgramConfig{Name: "probe"}, []Shape{F32()}, double)
	if err != nil {
		return err
	}
	r, err := p.Call(context.Background(), nil, 0, Floats([]float32{2}))
	if err != nil {
		return err
	}
	sum := r.Outputs[0].Data[0]
	if sum != 4 {
		return fmt.Errorf("plugin %s adds 2 and 2 to %g", path, sum)
	}
	fmt.Fprintf(w, "PJRT %s\n", b.facts.PJRT)
	return nil
}

// deviceName is that of the first device: the driver's name for an NVIDIA GPU, else what the plugin calls it.
func deviceName(engine compute.Backend, path string) string {
	if CUDAPlugin(path) {
		if g, err := NVIDIA(context.Background()); err == nil {
			return g.String()
		}
	}
	name, _, _ := strings.Cut(engine.DeviceDescription(0), " [processId=")
	name, _, _ = strings.Cut(name, "\n")
	return name
}
