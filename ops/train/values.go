package train

import (
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/ops/graph"
)

// completed adds first values for the parameters that are not given.
func completed(given *graph.Params, specs []graph.Spec, seed uint64) (*graph.Params, error) {
	if given == nil {
		return graph.Initialise(specs, seed)
	}
	whole, err := graph.Completed(given, specs, seed)
	if err != nil {
		return nil, err
	}
	params := graph.NewParams() // in the order given, and with what the network does not ask for: a part of one may be trained
	for _, from := range []*graph.Params{given, whole} {
		for _, name := range from.Names() {
			if _, there := params.Get(name); there {
				continue
			}
			t, _ := from.Get(name)
			if err := params.Set(name, t); err != nil {
				return nil, err
			}
		}
	}
	return params, nil
}

// replaced is a set in which the tensors of another take the place of its own.
func replaced(params, by *graph.Params) (*graph.Params, error) {
	out := graph.NewParams()
	for _, name := range params.Names() {
		t, _ := params.Get(name)
		if other, ok := by.Get(name); ok {
			if !slices.Equal(other.Dims, t.Dims) {
				return nil, fmt.Errorf("the checkpoint's parameter %q has shape %v, the network needs %v", name, other.Dims, t.Dims)
			}
			t = other
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// trained are the tensors of a set that training changes.
func (r *run) trained(params *graph.Params) (*graph.Params, error) {
	out := graph.NewParams()
	for _, name := range r.step.Trained() {
		t, ok := params.Get(name)
		if !ok {
			return nil, fmt.Errorf("parameter %q is missing", name)
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}
