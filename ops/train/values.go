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
	params := graph.NewParams()
	for _, name := range given.Names() {
		t, _ := given.Get(name)
		if err := params.Set(name, t); err != nil {
			return nil, err
		}
	}
	var missing []graph.Spec
	for _, spec := range specs {
		switch t, ok := params.Get(spec.Name); {
		case !ok:
			missing = append(missing, spec)
		case !slices.Equal(t.Dims, spec.Dims):
			return nil, fmt.Errorf("parameter %q has shape %v, the network needs %v", spec.Name, t.Dims, spec.Dims)
		}
	}
	first, err := graph.Initialise(missing, seed)
	if err != nil {
		return nil, err
	}
	for _, spec := range missing {
		t, _ := first.Get(spec.Name)
		if err := params.Set(spec.Name, t); err != nil {
			return nil, err
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
