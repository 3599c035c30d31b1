package engine

import (
	"context"
	"slices"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
)

// hostFn computes a fn of one sample on the host: in float64 on the embedded backend, so that metrics and preparation do not depend on the backend of a run. It
// opens the backend when it is first called, as a preparation that is kept calls none of its steps, and compiles once for each of the shapes that it met last.
type hostFn struct {
	name     string
	f        ir.Fn
	programs []hostProgram // the one called last is the last
	b        *graph.Backend
	none     *graph.DeviceParams
}

// hostProgram is a fn compiled for planes or images of one shape.
type hostProgram struct {
	shape []int
	*graph.Program
}

// hostPrograms bounds the programs that a fn keeps: images of a data set may all have sizes of their own.
const hostPrograms = 16

func newHostFn(n *ir.Node) (*hostFn, error) {
	f, ok := n.Fn()
	if !ok {
		return nil, fault(n.Span, "%s has no body", n.Op)
	}
	return &hostFn{name: n.Label, f: f}, nil
}

// call runs the fn on planes (height, width) or images (height, width, channels).
func (h *hostFn) call(ctx context.Context, shape []int, inputs ...[]float32) ([]float64, error) {
	if h.b == nil {
		b, err := graph.Open("go")
		if err != nil {
			return nil, err
		}
		h.b, h.none = b, b.Place(graph.NewParams())
	}
	p, err := h.program(shape, len(inputs))
	if err != nil {
		return nil, err
	}
	values := make([]graph.Value, len(inputs))
	for i, x := range inputs {
		values[i] = graph.Floats(x, append([]int{1}, shape...)...)
	}
	out, err := p.Call64(ctx, h.none, 0, values...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// program is the fn compiled for inputs of a shape; for one shape too many, what was not called for longest is dropped.
func (h *hostFn) program(shape []int, inputs int) (*graph.Program, error) {
	if i := slices.IndexFunc(h.programs, func(p hostProgram) bool { return slices.Equal(p.shape, shape) }); i >= 0 {
		p := h.programs[i]
		h.programs = append(slices.Delete(h.programs, i, i+1), p)
		return p.Program, nil
	}
	declared := make([]graph.Shape, inputs)
	for i := range declared {
		declared[i] = graph.Shape{Dims: append([]int{1}, shape...)}
	}
	p, err := graph.NewProgram(h.b, graph.ProgramConfig{Name: h.name, Float64: true}, declared, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		named := make([]tensor, len(in))
		for i, n := range in {
			if named[i] = pixels(n); len(shape) == 2 {
				named[i] = plane(n)
			}
		}
		return []*graph.Node{apply(s, h.f, named...).node}
	})
	if err != nil {
		return nil, err
	}
	if len(h.programs) == hostPrograms {
		h.programs[0].Free()
		h.programs = slices.Delete(h.programs, 0, 1)
	}
	h.programs = append(h.programs, hostProgram{slices.Clone(shape), p})
	return p, nil
}

// free releases what the fn holds. It may be called again; then it compiles anew.
func (h *hostFn) free() {
	for _, p := range h.programs {
		p.Free()
	}
	if h.none != nil {
		h.none.Free()
	}
	h.programs, h.b, h.none = nil, nil, nil
}
