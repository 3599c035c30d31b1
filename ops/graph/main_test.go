package graph

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == ProbeFlag {
		os.Exit(ProbeMain(os.Args[2]))
	}
	os.Exit(m.Run())
}

// eachBackend runs a test on go and, where its plugin is installed, on xla.
func eachBackend(t *testing.T, test func(t *testing.T, b *Backend)) {
	t.Helper()
	for _, name := range []string{"go", "xla"} {
		t.Run(name, func(t *testing.T) { test(t, openForTest(t, name)) })
	}
}

func openForTest(t *testing.T, name string) *Backend {
	t.Helper()
	if name == "xla" {
		if xlaMissing != "" {
			t.Skip("not tested on xla: " + xlaMissing)
		}
		if _, err := InstalledCPU(); err != nil {
			t.Skipf("not tested on xla: %v", err)
		}
	}
	b, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden is the path of a file of reference numbers; the test is skipped where
// the folder is absent.
func golden(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	folder := filepath.Join(dir, "..", "shared", "golden")
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("reference numbers are not here: %v", err)
	}
	return filepath.Join(folder, name)
}
