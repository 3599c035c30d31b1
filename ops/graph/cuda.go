package graph

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A CUDA plugin is XLA's library for NVIDIA GPUs, as the Python packages jax-cuda12-pjrt and jax-cuda13-pjrt hold it. It brings no CUDA: it opens
// NVIDIA's libraries by name when it needs them, from where the packages nvidia-… put them beside it (its RPATH says
// $ORIGIN/../../nvidia/…/lib), or from where the system's loader looks. What it does not find shows late and badly, in the first program that
// needs it; CUDALibraries tells before.

func cpuPlugin(path string) bool {
	return strings.Contains(strings.ToLower(filepath.Base(path)), "cpu")
}

// CUDAPlugin says whether the file is by its name a PJRT plugin for NVIDIA GPUs. go-xla, which lowers some products otherwise for these, goes by
// the same words.
func CUDAPlugin(path string) bool {
	name := strings.ToLower(path)
	return !cpuPlugin(path) && (strings.Contains(name, "cuda") || strings.Contains(name, "nvidia"))
}

const (
	tf32Var       = "NVIDIA_TF32_OVERRIDE"
	cudaChecksVar = "GOPJRT_CUDA_CHECKS"
)

// prepareCUDA sets what NVIDIA's libraries read from the environment when they are opened.
//
// XLA is asked for full float32 products one by one, but go-xla lets convolutions have its default, which is TF32 on GPUs that know it. NVIDIA's
// own switch forbids it to cuDNN and cuBLAS as a whole.
func prepareCUDA(path string, tf32 bool) error {
	set, given := os.LookupEnv(tf32Var)
	switch {
	case tf32 && given && set == "0":
		return fmt.Errorf("tf32 was asked for, but the environment variable %s is 0, which forbids it", tf32Var)
	case !tf32 && given && set != "0":
		return fmt.Errorf("full float32 products were asked for, but the environment variable %s is %q; unset it, or set it to 0", tf32Var, set)
	case !tf32:
		if err := os.Setenv(tf32Var, "0"); err != nil {
			return err
		}
	}
	// go-xla looks for the libraries in one place only and prints a page where they are elsewhere.
	if _, given := os.LookupEnv(cudaChecksVar); !given && !isDir(filepath.Join(filepath.Dir(path), "..", "nvidia")) {
		return os.Setenv(cudaChecksVar, "0")
	}
	return nil
}

// quickCUDA keeps Triton out of what XLA compiles for a GPU: products are NVIDIA's library's, loops are XLA's own. With Triton XLA looks for the
// best of dozens of kernels for each product, and weighs tilings of everything around a softmax or a norm: for the training step of MedSegX-B,
// which has 153 different products, that takes minutes. docs/performance.md has the measurements.
const quickCUDA = "--xla_gpu_enable_triton_gemm=false --xla_disable_hlo_passes=triton-softmax-rewriter"

// chooseCUDA sets options for the GPU's compiler, unless the user has set any, and returns them. A plugin reads them once, and ends the process if it
// does not know one, so known is asked before. ptxas is looked for where the Python packages put it, which XLA does not do by itself.
func chooseCUDA(plugin, choice string, known func(flags string) (bool, error)) (flags string, err error) {
	switch {
	case userFlags():
		return os.Getenv(flagsVar), nil
	case choice == "thorough":
		return "", os.Unsetenv(flagsVar) // a process that this one was started by may have set it
	}
	flags = quickCUDA
	for _, l := range CUDALibraries(plugin) {
		if l.Name == "ptxas" && l.Path != "" && !strings.ContainsAny(l.Path, " \t\n") { // which XLA would take for the end of the option
			flags += " --xla_gpu_cuda_data_dir=" + filepath.Dir(filepath.Dir(l.Path))
		}
	}
	if ok, err := known(flags); err != nil || !ok {
		return "", errors.Join(err, os.Unsetenv(flagsVar))
	}
	return flags, os.Setenv(flagsVar, flags)
}

// cudaSetting is what decides about a program for a GPU besides the plugin: the GPU and its driver, NVIDIA's libraries, and options. "" means
// that it cannot be found out.
func cudaSetting(plugin, flags string, tf32 bool) string {
	g, err := NVIDIA(context.Background())
	if err != nil {
		return ""
	}
	setting := []string{g.String(), flags, fmt.Sprint("tf32 ", tf32)}
	for _, l := range CUDALibraries(plugin) {
		s, err := os.Stat(l.Path)
		if err != nil {
			return ""
		}
		setting = append(setting, fmt.Sprintf("%s %d %d", l.Path, s.Size(), s.ModTime().UnixNano()))
	}
	return strings.Join(setting, "\n")
}

func isDir(path string) bool {
	s, err := os.Stat(path)
	return err == nil && s.IsDir()
}

// Library is one that a CUDA plugin opens by name, or a program that it calls.
type Library struct {
	Name   string // libcublas.so
	Path   string // where it was found; "" means nowhere
	Driver bool   // it comes with the driver and no Python package holds it
}

// cudaLibraries are those that segmentation networks need.
var cudaLibraries = []Library{
	{Name: "libcuda.so.1", Driver: true},
	{Name: "libcudart.so"}, {Name: "libcublas.so"}, {Name: "libcublasLt.so"}, {Name: "libcudnn.so.9"}, {Name: "libcufft.so"}, {Name: "libcusparse.so"},
	{Name: "libcupti.so"}, {Name: "libnvJitLink.so"}, {Name: "libnvrtc.so"}, {Name: "libnccl.so.2"},
	{Name: "ptxas"}, // a program: XLA assembles with it what it compiles
}

// CUDALibraries looks for what a CUDA plugin needs besides itself, where the plugin and the system's loader would look. It opens nothing.
func CUDALibraries(plugin string) []Library {
	dir := filepath.Dir(plugin)
	var libs, bins []string
	for _, root := range []string{filepath.Join(dir, "..", "..", "nvidia"), filepath.Join(dir, "..", "nvidia")} {
		found, _ := filepath.Glob(filepath.Join(root, "*", "lib"))
		libs = append(libs, found...)
		found, _ = filepath.Glob(filepath.Join(root, "*", "bin"))
		bins = append(bins, found...)
	}
	libs = append(libs, filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...)
	libs = append(libs, systemLibraries()...)
	bins = append(append(bins, filepath.SplitList(os.Getenv("PATH"))...), "/usr/local/cuda/bin")

	out := slices.Clone(cudaLibraries)
	for i := range out {
		in, pattern := libs, out[i].Name+"*"
		if !strings.HasPrefix(out[i].Name, "lib") {
			in, pattern = bins, out[i].Name
		}
		for _, d := range in {
			if d == "" {
				continue
			}
			if found, _ := filepath.Glob(filepath.Join(d, pattern)); len(found) > 0 {
				out[i].Path = filepath.Clean(found[0])
				break
			}
		}
	}
	return out
}

// systemLibraries are the folders of the system's loader on the distributions that NVIDIA supports, and CUDA's own. Replaced by tests.
var systemLibraries = func() []string {
	dirs := []string{"/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib", "/usr/local/lib",
		"/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"}
	files, _ := filepath.Glob("/etc/ld.so.conf.d/*.conf")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
				dirs = append(dirs, line)
			}
		}
	}
	return dirs
}
