package graph

import (
	"context"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

// What an update replaces is freed, beside the next step as well as before it, and the numbers are the same.
func TestReplacedTensorsAreFreed(t *testing.T) {
	t.Cleanup(func() { discardAlways = false })
	eachBackend(t, func(t *testing.T, b *Backend) {
		var ends []map[string][]float32
		for _, discardAlways = range []bool{false, true} {
			st, device := started(t, b, StepConfig{Average: 0.9}, rowShapes(4), regression)
			for i := range uint64(6) {
				var old []*tensors.Tensor
				for _, s := range st.state {
					old = append(old, s)
				}
				for _, p := range device.resident {
					old = append(old, p.t)
				}
				if _, err := st.Run(context.Background(), 0.02, 0, rows(i, 4, 4)...); err != nil {
					t.Fatal(err)
				}
				st.freed.Wait()
				left := 0
				for _, o := range old {
					if o.CheckValid() == nil {
						left++
					}
				}
				if untrained := len(device.resident) - len(st.trained); len(old) < 4 || left > untrained {
					t.Errorf("step %d: %d of %d replaced tensors were not freed, %d are not trained", i, left, len(old), untrained)
				}
			}
			ends = append(ends, host(t, device))
		}
		if d := largestDifference(ends[0], ends[1]); d != 0 {
			t.Errorf("freeing beside the next step changes parameters by %g", d)
		}
	})
}
