package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// gpu says what there is of an NVIDIA GPU and of what a program needs to compute on it: the driver, a plugin, NVIDIA's libraries. It opens
// none of them. opened is the backend that was chosen, nil where it could not be opened.
func (c doctorCmd) gpu(ctx context.Context, opened *graph.Backend) []finding {
	plugin, named := strings.CutPrefix(c.Backend, "xla:")
	wanted := named && graph.CUDAPlugin(plugin)
	driver := finding{What: "GPU", OK: true}
	g, err := graph.NVIDIA(ctx)
	switch {
	case err == nil:
		driver.Found = g.String()
	case errors.Is(err, graph.ErrNoNVIDIA) && !wanted:
		driver.Found = "none of NVIDIA's: " + err.Error()
	default:
		driver.Found, driver.OK = err.Error(), !wanted
		driver.Do = "install NVIDIA's driver; in a container, start it with the GPU (docker run --gpus all)"
	}
	out := []finding{driver}
	if err == nil && !wanted && (opened == nil || !opened.Accelerated()) {
		unused := finding{What: "CUDA", Found: "the GPU is not used: the backend is another one", OK: true}
		if found := installedCUDAPlugin(ctx); found != "" {
			unused.Do = "use it with --backend xla:" + found + ", or MSEG_BACKEND=xla:" + found
		} else {
			unused.Do = cudaInstall(newestCUDA(g.Driver)) + " (Python 3.12 or later), then mseg doctor again; docs/performance.md says more"
		}
		out = append(out, unused)
	}
	if wanted {
		out = append(out, cudaFinding(plugin))
	}
	return out
}

// cudaFinding looks at what a CUDA plugin needs beside itself.
func cudaFinding(plugin string) finding {
	f := finding{What: "CUDA"}
	if _, err := os.Stat(plugin); err != nil {
		f.Found, f.Do = err.Error(), "name the plugin of the Python package jax-cuda12-pjrt or jax-cuda13-pjrt: …/site-packages/jax_plugins/xla_cuda12/xla_cuda_plugin.so"
		return f
	}
	var missing []string
	packages, driver := false, false
	for _, l := range graph.CUDALibraries(plugin) {
		if l.Path == "" {
			missing = append(missing, l.Name)
			driver, packages = driver || l.Driver, packages || !l.Driver
		}
	}
	if len(missing) == 0 {
		f.Found, f.OK = "all of NVIDIA's libraries are there", true
		return f
	}
	f.Found = "not found: " + strings.Join(missing, ", ")
	var do []string
	if packages {
		version := "12"
		if strings.Contains(plugin, "cuda13") {
			version = "13"
		}
		do = append(do, cudaInstall(version)+", in the Python environment of the plugin, which looks beside itself (…/site-packages/nvidia); or name their folders in LD_LIBRARY_PATH")
	}
	if driver {
		do = append(do, "libcuda.so.1 comes with NVIDIA's driver")
	}
	f.Do = strings.Join(do, "; ")
	return f
}

// newestCUDA is the newest that a driver runs: CUDA 13 asks for 580 (https://docs.nvidia.com/cuda/cuda-toolkit-release-notes).
func newestCUDA(driver string) string {
	major, _, _ := strings.Cut(driver, ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 580 {
		return "13"
	}
	return "12"
}

// cudaInstall gets a plugin and the libraries that belong to it.
func cudaInstall(version string) string {
	return "pip install 'jax-cuda" + version + "-plugin[with-cuda]'"
}

// installedCUDAPlugin is that of the Python environment on the PATH; "" if there is none.
func installedCUDAPlugin(ctx context.Context) string {
	b, err := exec.CommandContext(ctx, "python3", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").Output()
	if err != nil {
		return ""
	}
	found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(b)), "jax_plugins", "xla_cuda*", "xla_cuda_plugin.so"))
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1] // of the newest CUDA
}
