package graph

import (
	"os"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"
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
	if name == "xla" && xlaMissing != "" {
		t.Skip("not tested on xla: " + xlaMissing)
	}
	plugin := os.Getenv("MSEG_TEST_PLUGIN") // see internal/onbackend
	switch {
	case name == "xla" && plugin != "":
		name = "xla:" + plugin
	case name == "xla":
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

// golden is a file of reference numbers.
func golden(t *testing.T, name string) string { return nearby.Path(t, "golden", name) }
