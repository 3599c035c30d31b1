package graph

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/renameio/v2"
)

// The CPU plugin is the library in one pinned Python wheel. Both the wheel and
// the library in it are identified by their SHA-256.
const (
	cpuWheel         = "lammps-jax-pjrt-cpu==0.11.2"
	cpuWheelSHA256   = "1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1"
	cpuLibrary       = "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so"
	cpuLibrarySize   = 201600336
	cpuLibrarySHA256 = "ad1309ac822b1b24d51b7f9947c7c9fa9ef5d67f390584cbc3d1fa2428fed9c2"
	cpuFolder        = "cpu-0.11.2" // go-xla recognises a CPU plugin by "cpu" in its path
)

// NotInstalledError says that InstallCPU has not been run.
type NotInstalledError struct {
	Dir string // where the plugin would be
}

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("no XLA plugin is installed in %s; install it, name one with xla:PATH, or use backend go", e.Dir)
}

// InstalledCPU returns the path of the installed CPU plugin. It compares the
// size only; opening the plugin compares the checksum.
func InstalledCPU() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "plugins", cpuFolder)
	library := filepath.Join(dir, path.Base(cpuLibrary))
	stat, err := os.Stat(library)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &NotInstalledError{Dir: dir}
	case err != nil:
		return "", err
	case stat.Size() != cpuLibrarySize:
		return "", fmt.Errorf("the installed PJRT plugin %s is damaged: it has %d bytes, not %d; install it again or use backend go", library, stat.Size(), cpuLibrarySize)
	}
	return library, nil
}

// InstallCPU downloads the CPU plugin with pip (60 MB) and unpacks it, with its
// licences, into the cache (200 MB). Versions are pinned and checksums verified
// before anything gets its final name; an installed and sound plugin is left as
// it is. progress is told what happens, one line at a time; it may be nil.
func InstallCPU(ctx context.Context, progress func(line string)) error {
	say := func(format string, a ...any) {
		if progress != nil {
			progress(fmt.Sprintf(format, a...))
		}
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("the XLA plugin exists for linux/amd64 only, this is %s/%s; use backend go", runtime.GOOS, runtime.GOARCH)
	}
	if library, err := InstalledCPU(); err == nil {
		if sum, err := checksum(library); err == nil && sum == cpuLibrarySHA256 {
			say("%s is already installed", library)
			return nil
		}
		say("%s is damaged and will be replaced", library)
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	dir := filepath.Join(cache, "plugins", cpuFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	say("downloading %s (60 MB)", cpuWheel)
	wheel, err := downloadWheel(ctx, scratch)
	if err != nil {
		return err
	}
	say("unpacking into %s", dir)
	if err := unpackWheel(wheel, dir); err != nil {
		return fmt.Errorf("unpacking %s: %w", cpuWheel, err)
	}
	say("installed %s", filepath.Join(dir, path.Base(cpuLibrary)))
	return nil
}

// downloadWheel lets pip fetch the one wheel and verify its checksum.
func downloadWheel(ctx context.Context, into string) (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("installing the XLA plugin needs python3 with pip, and there is no python3 on the PATH; install it, or use backend go")
	}
	requirements := filepath.Join(into, "requirements.txt")
	pin := fmt.Sprintf("%s --hash=sha256:%s\n", cpuWheel, cpuWheelSHA256)
	if err := os.WriteFile(requirements, []byte(pin), 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", into, "--requirement", requirements)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("pip could not download %s: %s", cpuWheel, pipCause(string(said), err))
	}
	wheels, err := filepath.Glob(filepath.Join(into, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return "", fmt.Errorf("pip downloaded %d wheels for %s, one was expected", len(wheels), cpuWheel)
	}
	return wheels[0], nil
}

// pipCause picks the line of pip's output that says what went wrong.
func pipCause(said string, err error) string {
	for line := range strings.Lines(said) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "ERROR: "); ok {
			return text
		}
	}
	if line := lastLine(said); line != "" {
		return line
	}
	return err.Error()
}

// unpackWheel writes the licences and then the library; the library's presence
// under its name means that everything is there.
func unpackWheel(wheel, dir string) error {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer archive.Close()
	var library *zip.File
	for _, f := range archive.File {
		switch {
		case f.Name == cpuLibrary:
			library = f
		case strings.Contains(f.Name, ".dist-info/licenses/") && !strings.HasSuffix(f.Name, "/"):
			if f.UncompressedSize64 > 16<<20 {
				return fmt.Errorf("licence file %s has %d bytes", f.Name, f.UncompressedSize64)
			}
			if err := unpackFile(f, filepath.Join(dir, path.Base(f.Name)), 0o644, ""); err != nil {
				return err
			}
		}
	}
	if library == nil || library.UncompressedSize64 != cpuLibrarySize {
		return fmt.Errorf("the wheel holds no %s of %d bytes", cpuLibrary, cpuLibrarySize)
	}
	return unpackFile(library, filepath.Join(dir, path.Base(cpuLibrary)), 0o755, cpuLibrarySHA256)
}

// unpackFile writes one file of the archive; with a checksum, only if it has it.
func unpackFile(f *zip.File, to string, mode fs.FileMode, sum string) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	pending, err := renameio.NewPendingFile(to, renameio.WithPermissions(mode))
	if err != nil {
		return err
	}
	defer pending.Cleanup()
	if _, err := io.Copy(pending, io.LimitReader(r, int64(f.UncompressedSize64))); err != nil {
		return err
	}
	if sum != "" {
		have, err := checksum(pending.Name())
		if err != nil {
			return err
		}
		if have != sum {
			return fmt.Errorf("%s has SHA-256 %s, expected %s", f.Name, have, sum)
		}
	}
	return pending.CloseAtomicallyReplace()
}
