package main

import (
	"strings"
	"testing"
)

// The small example runs, and its plan says which experts its tasks use; the large one is run by make demo.
func TestTheExampleOfExpertsRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it trains for some seconds")
	}
	t.Setenv("MSEG_BACKEND", "go")
	where := []string{"--store", t.TempDir(), "--out", t.TempDir(), "--set", "epochs=1", "../../examples/experts.mseg"}
	stdout, stderr, code := mseg(t, append([]string{"plan"}, where...)...)
	if code != 2 || !strings.Contains(stdout, "experts both: route") {
		t.Fatalf("plan: exit code %d\n%s%s", code, stdout, stderr)
	}
	if stdout, stderr, code = mseg(t, append([]string{"run", "--quiet"}, where...)...); code != 0 || !strings.Contains(stdout, "2 expectations, 2 hold") {
		t.Errorf("run: exit code %d\n%s%s", code, stdout, stderr)
	}
}
