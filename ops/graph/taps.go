package graph

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// Activation is a named intermediate of a network and its shape.
type Activation struct {
	Name string
	Dims []int
}

// Taps lists what a network names with Scope.Tap, in order of creation,
// without compiling anything.
func Taps(inputs []Shape, build Build) ([]Activation, error) {
	var out []Activation
	err := caught(func() {
		g := gx.NewGraph(interpreter(), "taps")
		defer g.Finalize()
		c := newConstruction(g, "go", dtypes.Float32)
		c.wantTap = AllTaps
		build(c.root(), c.inputs(inputs))
		for _, t := range c.taps {
			out = append(out, Activation{t.name, slices.Clone(t.node.Shape().Dimensions)})
		}
	})
	return out, err
}
