package onbackend

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/mseg-lang/mseg/ops/graph"
)

// childVar holds the plugin with which a test program computes and prints instead of testing.
const childVar = "MSEG_TEST_CHILD"

// Main is for the TestMain of a package whose tests need processes of their own: how a plugin computes is settled when it is opened, and only a
// new process finds what another has kept. Such a process calls compute, and its result is what Fresh returns.
func Main[T any](m *testing.M, compute func(b *graph.Backend) (T, error)) {
	if len(os.Args) == 3 && os.Args[1] == graph.ProbeFlag {
		os.Exit(graph.ProbeMain(os.Args[2]))
	}
	plugin := os.Getenv(childVar)
	if plugin == "" {
		os.Exit(m.Run())
	}
	b, err := graph.Open("xla:" + plugin)
	if err == nil {
		var result T
		if result, err = compute(b); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(result)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Process is a new one that computes with a plugin, in an environment with some more variables.
func Process(plugin string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childVar+"="+plugin), env...)
	return cmd
}

// Fresh is what a new process computes; see Main.
func Fresh[T any](t testing.TB, plugin string, env ...string) (result T) {
	t.Helper()
	cmd := Process(plugin, env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return result
}
