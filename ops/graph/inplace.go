//go:build cgo && linux

package graph

import (
	"fmt"
	"reflect"

	"github.com/gomlx/go-xla/stablehlo"
	gx "github.com/gomlx/gomlx/core/graph"
)

// inPlace tells XLA that results of a graph take the memory of arguments. A
// program says so by an attribute of the argument, as JAX's programs do:
// tf.aliasing_output is the number of the result. To give a buffer away when
// the program is run is not enough, the result is then still written elsewhere.
// Neither GoMLX nor go-xla offers the attribute on their way to the program
// under construction, so it is looked up in their fields.
func inPlace(g *gx.Graph, aliases []alias) error {
	v := reflect.ValueOf(g)
	for _, field := range []string{"builder", "mainFn", "fn"} {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || !v.FieldByName(field).IsValid() {
			return fmt.Errorf("go-xla has no field %q where the program under construction was: its version does not fit this program", field)
		}
		v = v.FieldByName(field)
	}
	if v.Type() != reflect.TypeFor[*stablehlo.Function]() {
		return fmt.Errorf("go-xla builds programs in a %s, %s was expected: its version does not fit this program", v.Type(), reflect.TypeFor[*stablehlo.Function]())
	}
	inputs := (*stablehlo.Function)(v.UnsafePointer()).Inputs
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
