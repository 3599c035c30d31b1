package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
)

type doctorCmd struct {
	Backend string `help:"Backend to look at." env:"MSEG_BACKEND"`
	JSON    bool   `help:"Write JSON."`
}

// finding is one line of a diagnosis: what, what was found, whether it is well, what to do.
type finding struct {
	What  string `json:"what"`
	Found string `json:"found"`
	OK    bool   `json:"ok"`
	Do    string `json:"do,omitempty"`
}

func (c doctorCmd) Run(ctx context.Context) error {
	out := c.look(ctx)
	bad := false
	for _, f := range out {
		bad = bad || !f.OK
	}
	if c.JSON {
		if err := writeJSON(map[string]any{"findings": out}); err != nil {
			return err
		}
	} else {
		for _, f := range out {
			mark := "ok "
			if !f.OK {
				mark = "!! "
			}
			fmt.Printf("%s %-10s %s\n", mark, f.What, f.Found)
			if f.Do != "" {
				fmt.Printf("               → %s\n", f.Do)
			}
		}
	}
	if bad {
		return exit(1)
	}
	return nil
}

func (c doctorCmd) look(ctx context.Context) []finding {
	out := []finding{{What: "program", Found: engine.Version(), OK: true},
		{What: "machine", Found: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), memory()), OK: true},
		{What: "processor", Found: processor(), OK: true}}
	simd := finding{What: "SIMD", Found: "built in: the go backend multiplies matrices with vector instructions", OK: true}
	if !graph.SIMD() {
		simd.Found, simd.OK = "not built in: the go backend is 5 to 20 times slower", false
		simd.Do = "build with GOEXPERIMENT=simd (make does), on amd64"
	}
	out = append(out, simd)
	plugin := finding{What: "plugin", OK: true}
	if path, err := graph.InstalledCPU(); err == nil {
		plugin.Found = path
	} else {
		var absent *graph.NotInstalledError
		plugin.OK = errors.As(err, &absent) // the go backend does without; a damaged one stops runs
		plugin.Found, plugin.Do = "none: "+err.Error(), "mseg backend install cpu (7 to 100 times faster than the go backend)"
	}
	out = append(out, plugin)
	backend := finding{What: "backend", OK: true}
	b, err := graph.Open(c.Backend)
	if err != nil {
		backend.Found, backend.OK, backend.Do = err.Error(), false, "choose another with --backend go, or install: mseg backend install cpu"
		if plugin, ok := strings.CutPrefix(c.Backend, "xla:"); ok && graph.CUDAPlugin(plugin) {
			backend.Do = "see GPU and CUDA below, or choose another backend: xla, go"
		}
	} else {
		backend.Found = b.Description() + " (" + b.Reason() + ")"
	}
	out = append(out, backend)
	out = append(out, c.gpu(ctx, b)...)
	if dir, programs, size, err := graph.ProgramCache(); err == nil && programs > 0 {
		out = append(out, finding{What: "programs", OK: true,
			Found: fmt.Sprintf("%s compiled by XLA and kept, %.1f MB in %s", diag.Counted(programs, "program"), float64(size)/1e6, dir)})
	}
	python := finding{What: "python", OK: true}
	if b, err := exec.Command("python3", "-m", "pip", "--version").Output(); err == nil {
		python.Found = firstLine(string(b))
	} else {
		python.Found, python.Do = "python3 with pip not found", "needed only to fetch the plugin and sample data: apt-get install python3-pip python3-venv"
	}
	out = append(out, python)
	if dir, err := data.CacheDir(); err == nil {
		for _, e := range data.Catalogue() {
			f := finding{What: "data", Found: e.Name + ": " + filepath.Join(dir, e.Name), OK: true}
			if missing, err := e.Missing(filepath.Join(dir, e.Name)); err != nil || len(missing) > 0 {
				f.Found, f.Do = e.Name+": not fetched", "mseg data get "+e.Name
			}
			out = append(out, f)
		}
	}
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// memory reads what the kernel says is there; empty elsewhere than Linux.
func memory() string {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return "memory not known"
	}
	defer f.Close()
	var total, free int64
	for s := bufio.NewScanner(f); s.Scan(); {
		fmt.Sscanf(s.Text(), "MemTotal: %d kB", &total)
		fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &free)
	}
	return fmt.Sprintf("%.1f GiB memory, %.1f GiB free", float64(total)/(1<<20), float64(free)/(1<<20))
}

func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	name, flags := runtime.GOARCH, ""
	for _, line := range strings.Split(string(b), "\n") {
		k, v, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(k) {
		case "model name":
			name = strings.TrimSpace(v)
		case "flags":
			flags = v
		}
	}
	for _, f := range []string{"avx512f", "avx2"} {
		if strings.Contains(flags, " "+f) {
			return name + ", " + f
		}
	}
	return name
}
