//go:build !(cgo && linux)

package graph

import (
	"errors"
	"fmt"
	"io"

	"github.com/gomlx/compute"
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// xlaMissing says why this program cannot use XLA, if it cannot.
const xlaMissing = "this program was built without XLA, which needs Linux and cgo (CGO_ENABLED=1 and a C compiler)"

func openXLA(path string, _ bool, _ string, _ Options) (*Backend, error) {
	return nil, fmt.Errorf("opening plugin %s: %w", path, errors.New(xlaMissing))
}

func probe(io.Writer, string) error { return errors.New(xlaMissing) }

func inPlace(*gx.Graph, []alias) error { return errors.New(xlaMissing) }

func underway(*gx.Graph) (int, error) { return 0, errors.New(xlaMissing) }

func (b *Backend) segments(*gx.Graph, []*Node, []int, []bool) (compute.Executable, error) {
	return nil, errors.New(xlaMissing)
}

func (b *Backend) view([]float32, []int) (*tensors.Tensor, bool, error) { return nil, false, nil }

func (b *Backend) packed([]operand) ([]*tensors.Tensor, error) { return nil, errors.New(xlaMissing) }
