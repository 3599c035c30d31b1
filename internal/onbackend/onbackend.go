// Package onbackend opens the backends that tests run on: go everywhere, xla where its plugin is installed and the build has it. It is for tests only.
package onbackend

import (
	"os"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/ops/graph"
)

// PluginVar holds the path of a PJRT plugin that tests on xla are to run with in the place of the installed one: that of a GPU.
const PluginVar = "MSEG_TEST_PLUGIN"

// Open is a backend by name. A test on xla is skipped, with the reason, where the machine or the build lacks it; any other fault fails the test.
func Open(t testing.TB, name string) *graph.Backend {
	t.Helper()
	plugin := os.Getenv(PluginVar)
	switch {
	case name == "xla" && plugin != "":
		name = "xla:" + plugin
	case name == "xla":
		if _, err := graph.InstalledCPU(); err != nil {
			t.Skipf("not tested on xla: %v", err)
		}
	}
	b, err := graph.Open(name)
	if err != nil && strings.HasPrefix(name, "xla") && strings.Contains(err.Error(), "built without XLA") {
		t.Skipf("not tested on xla: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Each runs a test on every backend.
func Each(t *testing.T, test func(t *testing.T, b *graph.Backend)) {
	t.Helper()
	for _, name := range []string{"go", "xla"} {
		t.Run(name, func(t *testing.T) { test(t, Open(t, name)) })
	}
}
