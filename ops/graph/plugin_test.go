package graph

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	if b, err := Open("go"); err != nil || b.Name() != "go" || b.Provenance().Threads < 1 || b.Description() == "" {
		t.Errorf("go: %+v, %v", b, err)
	}
	for _, c := range []struct{ spec, says string }{
		{"cuda", `backend "cuda" is unknown`},
		{"xla:", "path of a PJRT plugin"},
		{"xla:/nowhere/cpu.so", ""},
		{"xla:" + t.TempDir(), ""},
	} {
		if _, err := Open(c.spec); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", c.spec, err, c.says)
		}
	}
}

func TestWithoutPluginAutoIsGoAndXLAAnError(t *testing.T) {
	t.Setenv(cacheVar, t.TempDir())
	b, err := Open("")
	if err != nil || b.Name() != "go" || !strings.HasPrefix(b.Reason(), "go: ") || len(b.Reason()) < 10 {
		t.Errorf("auto: %v, %v", b, err)
	}
	_, err = Open("xla")
	var absent *NotInstalledError
	if !errors.As(err, &absent) || !strings.Contains(err.Error(), "backend go") {
		t.Errorf("xla: %v", err)
	}
}

func TestDamagedPluginIsRefusedBeforeItIsOpened(t *testing.T) {
	if xlaMissing != "" {
		t.Skip(xlaMissing)
	}
	cache := t.TempDir()
	t.Setenv(cacheVar, cache)
	library := filepath.Join(cache, "plugins", cpuFolder, filepath.Base(cpuLibrary))
	if err := os.MkdirAll(filepath.Dir(library), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, []byte("\x7fELF short"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{"", "xla"} {
		if _, err := Open(spec); err == nil || !strings.Contains(err.Error(), "is damaged: it has 10 bytes") {
			t.Errorf("%q, short file: %v", spec, err)
		}
	}
	if err := os.Truncate(library, cpuLibrarySize); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{"", "xla"} {
		if _, err := Open(spec); err == nil || !strings.Contains(err.Error(), "is damaged: its SHA-256") {
			t.Errorf("%q, other bytes: %v", spec, err)
		}
	}
	// Of an unknown library a child process finds out.
	if _, err := Open("xla:" + library); err == nil || !strings.Contains(err.Error(), "is not usable") || strings.Contains(err.Error(), "\n") {
		t.Errorf("by path: %v", err)
	}
	if notes, _ := filepath.Glob(filepath.Join(cache, "plugins", "probed", "*")); len(notes) != 0 {
		t.Errorf("a plugin that cannot be used was remembered as sound: %v", notes)
	}
}

func TestUnknownPluginIsTriedAndRemembered(t *testing.T) {
	known := openForTest(t, "xla").Provenance().Plugin
	cache := t.TempDir()
	t.Setenv(cacheVar, cache)
	// The same library with a byte behind its end is sound but not known.
	bytes, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(cache, "other_cpu.so")
	if err := os.WriteFile(library, append(bytes, '\n'), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := Open("xla:" + library)
	if err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(cache, "plugins", "probed", b.Provenance().PluginSHA256)
	if text, err := os.ReadFile(note); err != nil || !strings.HasPrefix(string(text), "PJRT 0.") {
		t.Errorf("the note says %q, %v", text, err)
	}
}

func TestInstallSaysWhatIsMissing(t *testing.T) {
	t.Setenv(cacheVar, t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if err := InstallCPU(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "no python3 on the PATH") {
		t.Errorf("without python3: %v", err)
	}
	python := filepath.Join(os.Getenv("PATH"), "python3")
	if err := os.WriteFile(python, []byte("#!/bin/sh\necho 'some advice' >&2\necho 'ERROR: no matching distribution' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := InstallCPU(context.Background(), nil); err == nil || !strings.HasSuffix(err.Error(), ": no matching distribution") {
		t.Errorf("with a pip that fails: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv(cacheVar), "plugins", "download-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
