package engine

import "testing"

// A training goes on where it was computed by the same kind of machine: XLA on a processor and XLA on a GPU are two.
func TestComputersThatATrainingGoesOnOn(t *testing.T) {
	const gpu, updated, other = "NVIDIA H100 80GB HBM3, 80 GiB, driver 550.1", "NVIDIA H100 80GB HBM3, 80 GiB, driver 560.2", "NVIDIA A100, 40 GiB, driver 550.1"
	for name, c := range map[string]struct {
		a, b [2]string
		same bool
	}{
		"go and go":                    {[2]string{"go", ""}, [2]string{"go", ""}, true},
		"go and xla":                   {[2]string{"go", ""}, [2]string{"xla", ""}, false},
		"xla on a processor and a GPU": {[2]string{"xla", ""}, [2]string{"xla", gpu}, false},
		"a driver that was updated":    {[2]string{"xla", gpu}, [2]string{"xla", updated}, true},
		"two kinds of GPU":             {[2]string{"xla", gpu}, [2]string{"xla", other}, false},
	} {
		if got := computer(c.a[0], c.a[1]) == computer(c.b[0], c.b[1]); got != c.same {
			t.Errorf("%s are the same: %t", name, got)
		}
	}
}
