//go:build cgo && linux

package graph

import (
	"fmt"

	gx "github.com/gomlx/gomlx/core/graph"
)

// inPlace tells XLA that results of a graph take the memory of arguments. A
// program says so by an attribute of the argument, as JAX's programs do:
// tf.aliasing_output is the number of the result. To give a buffer away when
// the program is run is not enough, the result is then still written elsewhere.
// Neither GoMLX nor go-xla offers the attribute on their way to the program
// under construction.
func inPlace(g *gx.Graph, aliases []alias) error {
	fn, err := underConstruction(g)
	if err != nil {
		return err
	}
	inputs := fn.Inputs
	for _, p := range aliases {
		if p.feed < 0 || p.feed >= len(inputs) {
			return fmt.Errorf("result %d is to take the memory of argument %d, there are %d", p.result, p.feed, len(inputs))
		}
		if inputs[p.feed].Attributes == nil {
			inputs[p.feed].Attributes = map[string]any{}
		}
		inputs[p.feed].Attributes["tf.aliasing_output"] = int32(p.result)
	}
	return nil
}
