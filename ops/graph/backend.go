package graph

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/gomlx/compute"
)

// Backend is where programs run.
type Backend struct {
	engine compute.Backend
	kind   string
	facts  Provenance
	reason string

	release func() // see tidy; nil where there is nothing to release
}

// tidy returns to the system what compiling a program, or a program that was freed, and the loading of weights before it have left behind:
// the room would be counted on top of what the next program needs.
func (b *Backend) tidy() {
	if b.release != nil {
		debug.FreeOSMemory()
		b.release()
	}
}

// Provenance is what results depend on besides the script: it belongs into
// every record of a run. On XLA the last bits depend on the thread count.
type Provenance struct {
	Backend       string `json:"backend"`                  // go or xla
	Description   string `json:"description"`              // for people
	Plugin        string `json:"plugin,omitempty"`         // path of the PJRT plugin
	PluginSHA256  string `json:"plugin_sha256,omitempty"`  // of the plugin
	PJRT          string `json:"pjrt_api,omitempty"`       // version of its interface
	Device        string `json:"device,omitempty"`         // what computes, where that is not the processor of the host
	TF32          bool   `json:"tf32,omitempty"`           // it may multiply float32 with 10 bits of mantissa
	OwnProduct    bool   `json:"own_product,omitempty"`    // wide matrix products of XLA's programs are computed by package gemm
	Winograd      bool   `json:"winograd,omitempty"`       // those with weights of a program that is only asked by seven products of quarters
	CompilerFlags string `json:"compiler_flags,omitempty"` // options of XLA's compiler for the CPU
	Threads       int    `json:"threads"`
	SIMD          bool   `json:"simd"` // of the go backend's matrix product
}

// Accelerated says whether programs run on a device of their own, beside the processor and memory of the host.
func (b *Backend) Accelerated() bool { return !b.onHost() }

// Name is "go" or "xla".
func (b *Backend) Name() string { return b.kind }

// Description is one line for people.
func (b *Backend) Description() string { return b.facts.Description }

// Reason says why this backend was chosen.
func (b *Backend) Reason() string { return b.reason }

// Provenance returns what is to be recorded with results.
func (b *Backend) Provenance() Provenance { return b.facts }

// Open opens a backend:
//
//	go        GoMLX's interpreter, always there
//	xla       the plugin that InstallCPU has put into the cache
//	xla:PATH  the PJRT plugin at PATH
//	""        xla if its plugin is installed and this program can use it, else
//	          go; Reason says which and why
//
// It never downloads anything. A plugin's checksum is verified before it is
// opened; one that is not known is first tried in a child process, since a
// damaged or too old library takes the process down with it.
func Open(spec string) (*Backend, error) { return OpenWith(spec, Options{}) }

// Options are what can be chosen about a backend besides which it is.
type Options struct {
	// TF32 lets an NVIDIA GPU multiply float32 with 10 bits of mantissa. Results
	// then differ from the CPU's in the fourth digit. Opening anything else with
	// it is an error.
	TF32 bool
}

// OpenWith is Open with options.
func OpenWith(spec string, opt Options) (*Backend, error) {
	b, err := open(spec, opt)
	if err == nil && opt.TF32 && !b.facts.TF32 {
		return nil, fmt.Errorf("tf32 is a format of NVIDIA GPUs; backend %s computes on something else", b.Description())
	}
	return b, err
}

func open(spec string, opt Options) (*Backend, error) {
	switch {
	case spec == "go":
		return openGo("asked for"), nil
	case spec == "xla":
		path, err := InstalledCPU()
		if err != nil {
			return nil, err
		}
		return openXLA(path, true, "asked for", opt)
	case strings.HasPrefix(spec, "xla:"):
		path := strings.TrimPrefix(spec, "xla:")
		if path == "" || strings.Contains(path, ",") {
			return nil, fmt.Errorf("backend %q: the path of a PJRT plugin was expected after xla: (without commas)", spec)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		return openXLA(path, false, "asked for", opt)
	case spec == "":
		return openAuto(opt)
	}
	return nil, fmt.Errorf("backend %q is unknown; use go, xla or xla:PATH", spec)
}

func openAuto(opt Options) (*Backend, error) {
	if xlaMissing != "" {
		return openGo(xlaMissing), nil
	}
	path, err := InstalledCPU()
	var absent *NotInstalledError
	switch {
	case errors.As(err, &absent):
		return openGo("no XLA plugin is installed in " + absent.Dir), nil
	case err != nil:
		return nil, err
	}
	return openXLA(path, true, "its plugin is installed", opt)
}

func openGo(reason string) *Backend {
	description := "GoMLX interpreter"
	if simd {
		description += ", SIMD"
	} else {
		description += ", built without SIMD (GOEXPERIMENT=simd makes it ten times as fast)"
	}
	threads := runtime.GOMAXPROCS(0)
	return &Backend{
		engine: interpreter(), kind: "go", reason: "go: " + reason,
		facts: Provenance{
			Backend: "go", Threads: threads, SIMD: simd,
			Description: fmt.Sprintf("%s, %d threads", description, threads),
		},
	}
}

// SIMD says whether the go backend of this build multiplies matrices with vector instructions (GOEXPERIMENT=simd on amd64).
func SIMD() bool { return simd }
