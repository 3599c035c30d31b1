package graph

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPluginsAreKnownByTheirNames(t *testing.T) {
	for path, want := range map[string]struct{ cpu, cuda bool }{
		"/x/pjrt_c_api_cpu_plugin.so":                         {true, false},
		"/home/cpu/jax_plugins/xla_cuda12/xla_cuda_plugin.so": {false, true},
		"/cuda/pjrt_c_api_cpu_plugin.so":                      {true, false},
		"/x/pjrt_c_api_rocm_plugin.so":                        {false, false},
	} {
		if cpuPlugin(path) != want.cpu || CUDAPlugin(path) != want.cuda {
			t.Errorf("%s: cpu %v, cuda %v", path, cpuPlugin(path), CUDAPlugin(path))
		}
	}
}

// Full float32 is full everywhere: go-xla asks it of products only, so NVIDIA's switch is set for the rest.
func TestTF32IsForbiddenUnlessAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		before string // "-": unset
		tf32   bool
		after  string
		says   string
	}{
		"full":                             {"-", false, "0", ""},
		"full, as set":                     {"0", false, "0", ""},
		"full, but the environment is not": {"1", false, "1", "unset it, or set it to 0"},
		"tf32":                             {"-", true, "-", ""},
		"tf32, but forbidden":              {"0", true, "0", "which forbids it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(tf32Var, c.before)
			t.Setenv(cudaChecksVar, "")
			if c.before == "-" {
				os.Unsetenv(tf32Var)
			}
			err := prepareCUDA("/x/cuda.so", c.tf32)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, expected %q", err, c.says)
			}
			after, set := os.LookupEnv(tf32Var)
			if !set {
				after = "-"
			}
			if after != c.after {
				t.Errorf("the variable is %q, expected %q", after, c.after)
			}
		})
	}
}

func TestTF32IsForNVIDIAOnly(t *testing.T) {
	for _, spec := range []string{"go", "xla"} {
		b := openForTest(t, spec)
		if b.Accelerated() || b.Provenance().Device != "" || b.Provenance().TF32 {
			t.Errorf("%s: %+v", spec, b.Provenance())
		}
		if _, err := OpenWith(spec, Options{TF32: true}); err == nil || !strings.Contains(err.Error(), "tf32 is a format of NVIDIA GPUs") {
			t.Errorf("%s with tf32: %v", spec, err)
		}
	}
}

// Libraries are found beside the plugin, where pip puts them, before anywhere else.
func TestLibrariesOfACUDAPlugin(t *testing.T) {
	root := t.TempDir()
	plugin := filepath.Join(root, "jax_plugins", "xla_cuda12", "xla_cuda_plugin.so")
	touch := func(parts ...string) string {
		t.Helper()
		path := filepath.Join(append([]string{root}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cublas := touch("nvidia", "cublas", "lib", "libcublas.so.12")
	ptxas := touch("nvidia", "cuda_nvcc", "bin", "ptxas")
	driver := touch("driver", "libcuda.so.1")
	cudnn := touch("own", "libcudnn.so.9")
	touch("own", "libcublas.so.12")
	touch("own", "libcufft_static.a")
	before := systemLibraries
	t.Cleanup(func() { systemLibraries = before })
	systemLibraries = func() []string { return []string{filepath.Join(root, "driver")} }
	t.Setenv("LD_LIBRARY_PATH", ":"+filepath.Join(root, "own"))
	t.Setenv("PATH", "")

	found := map[string]string{}
	var missing []string
	for _, l := range CUDALibraries(plugin) {
		if found[l.Name] = l.Path; l.Path == "" {
			missing = append(missing, l.Name)
		}
	}
	for name, want := range map[string]string{"libcublas.so": cublas, "ptxas": ptxas, "libcuda.so.1": driver, "libcudnn.so.9": cudnn} {
		if found[name] != want {
			t.Errorf("%s was found as %q, expected %q", name, found[name], want)
		}
	}
	if !slices.Contains(missing, "libcufft.so") || !slices.Contains(missing, "libcublasLt.so") || len(missing) != len(cudaLibraries)-4 {
		t.Errorf("missing: %v", missing)
	}
}

// smi puts a program called nvidia-smi on the PATH.
func smi(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestWhatTheDriverSays(t *testing.T) {
	os.Unsetenv("CUDA_VISIBLE_DEVICES")
	t.Setenv("PATH", t.TempDir())
	if _, err := NVIDIA(context.Background()); !errors.Is(err, ErrNoNVIDIA) {
		t.Errorf("without nvidia-smi: %v", err)
	}
	smi(t, `case "$*" in *--id=0*) echo "81559, 570.86.15, NVIDIA H100 80GB HBM3";; *) echo "No devices were found"; exit 6;; esac`)
	g, err := NVIDIA(context.Background())
	if err != nil || g != (GPU{ID: "0", Name: "NVIDIA H100 80GB HBM3", Driver: "570.86.15", MiB: 81559}) {
		t.Errorf("%+v, %v", g, err)
	}
	if want := "NVIDIA H100 80GB HBM3, 80 GiB, driver 570.86.15"; g.String() != want {
		t.Errorf("%q, expected %q", g, want)
	}
	t.Setenv("CUDA_VISIBLE_DEVICES", "3,0")
	if _, err := NVIDIA(context.Background()); err == nil || !strings.Contains(err.Error(), "no usable GPU 3: No devices were found") {
		t.Errorf("another device: %v", err)
	}
	t.Setenv("CUDA_VISIBLE_DEVICES", "")
	if _, err := NVIDIA(context.Background()); err == nil || !strings.Contains(err.Error(), "hides every GPU") {
		t.Errorf("none visible: %v", err)
	}
	t.Setenv("CUDA_VISIBLE_DEVICES", "0")
	smi(t, `echo "[N/A], 1, X"`)
	if _, err := NVIDIA(context.Background()); err == nil || !strings.Contains(err.Error(), "expected memory, driver and name") {
		t.Errorf("an answer that is none: %v", err)
	}
}

// Options for the GPU's compiler are ours, unless the user has some, and a process that inherits them does not take them for the user's.
func TestOptionsOfTheGPUsCompiler(t *testing.T) {
	systemBefore := systemLibraries
	systemLibraries = func() []string { return nil }
	t.Cleanup(func() { systemLibraries = systemBefore })
	t.Setenv("PATH", "")
	t.Setenv("LD_LIBRARY_PATH", "")
	t.Setenv(debugVar, "")
	root := t.TempDir()
	plugin := filepath.Join(root, "jax_plugins", "xla_cuda13", "xla_cuda_plugin.so")
	for _, c := range []struct{ before, choice, want string }{
		{"", "", quickCUDA},
		{"", "quick", quickCUDA},
		{"", "thorough", ""},
		{quickCUDA + " --xla_gpu_cuda_data_dir=/elsewhere", "", quickCUDA},
		{quickCUDA, "thorough", ""},
		{"--xla_dump_to=/tmp/x", "", "--xla_dump_to=/tmp/x"},
		{"--xla_dump_to=/tmp/x", "thorough", "--xla_dump_to=/tmp/x"},
	} {
		t.Setenv(flagsVar, c.before)
		got, err := chooseCUDA(plugin, c.choice, func(string) (bool, error) { return true, nil })
		if err != nil || got != c.want || os.Getenv(flagsVar) != c.want {
			t.Errorf("%q, %q: %q, the variable is %q, %v; expected %q", c.before, c.choice, got, os.Getenv(flagsVar), err, c.want)
		}
	}
	ptxas := filepath.Join(root, "nvidia", "cu13", "bin", "ptxas")
	if err := os.MkdirAll(filepath.Dir(ptxas), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ptxas, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(flagsVar, "")
	want := quickCUDA + " --xla_gpu_cuda_data_dir=" + filepath.Join(root, "nvidia", "cu13")
	asked := ""
	if got, err := chooseCUDA(plugin, "", func(flags string) (bool, error) { asked = flags; return true, nil }); err != nil || got != want || asked != want {
		t.Errorf("with ptxas beside the plugin: %q, %v, the plugin was asked for %q; expected %q", got, err, asked, want)
	}
	if userFlags() {
		t.Error("our own options are taken for the user's")
	}
	if got, err := chooseCUDA(plugin, "", func(string) (bool, error) { return false, nil }); err != nil || got != "" || os.Getenv(flagsVar) != "" {
		t.Errorf("options that the plugin does not know: %q, %v, the variable is %q", got, err, os.Getenv(flagsVar))
	}
}

// The plugin is tried with options once, in a process of its own: one that it does not know would end this one.
func TestOptionsThatAPluginDoesNotKnow(t *testing.T) {
	b := openForTest(t, "xla")
	plugin := b.Provenance().Plugin
	t.Setenv(cacheVar, t.TempDir())
	for flags, want := range map[string]bool{quickCUDA: true, "--xla_no_such_option=1": false} {
		for _, when := range []string{"tried", "remembered"} {
			if got, err := knownFlags(plugin, "sum", flags); err != nil || got != want {
				t.Errorf("%s, %s: %v, %v; expected %v", flags, when, got, err, want)
			}
		}
	}
	notes, err := os.ReadDir(filepath.Join(os.Getenv(cacheVar), "plugins", "probed"))
	if err != nil || len(notes) != 2 {
		t.Errorf("%d notes, %v; expected 2", len(notes), err)
	}
}
