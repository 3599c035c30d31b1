package bench

import (
	"fmt"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Setting is what can be chosen about a case.
type Setting struct {
	Batch     int    // 0: the case's own
	Precision string // one of Precisions; "": f32
}

// Precisions are the types in which matrix products and convolutions can be computed: float32; float32 multiplied with 10 bits of mantissa, on
// NVIDIA GPUs; and halves, on XLA. Everything else is float32 in any case (see graph.Precision).
var Precisions = []string{"f32", "tf32", "bf16", "f16"}

// Numbers is the precision by its name.
func (s Setting) Numbers() string {
	if s.Precision == "" {
		return "f32"
	}
	return s.Precision
}

// Options is how the backend is to be opened.
func (s Setting) Options() graph.Options { return graph.Options{TF32: s.Precision == "tf32"} }

// halves is the precision of a graph.
func (s Setting) halves() graph.Precision {
	switch s.Precision {
	case "bf16", "f16":
		return graph.Precision(s.Precision)
	}
	return graph.Float32
}

// Settings are those of the case for batches and precisions that were asked for; without any its own batch and f32. A case of which neither can
// be chosen has one setting or, where f32 was not asked for, none.
func (c Case) Settings(batches []int, precisions []string) []Setting {
	if len(batches) == 0 || c.Fixed {
		batches = []int{c.Batch}
	}
	if len(precisions) == 0 {
		precisions = []string{"f32"}
	}
	var out []Setting
	for _, b := range batches {
		for _, p := range precisions {
			if !c.Fixed || p == "f32" {
				out = append(out, Setting{Batch: b, Precision: p})
			}
		}
	}
	return out
}

func (s Setting) String() string { return fmt.Sprintf("B=%d %s", s.Batch, s.Numbers()) }
