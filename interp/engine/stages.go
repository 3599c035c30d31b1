package engine

import (
	"context"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
)

// stage implements one builtin. Either value computes it in memory, or run writes an artefact and load reads it.
type stage struct {
	version  int  // raised when the numbers that the implementation gives change
	tree     bool // the taxonomy's rows are part of the identity
	contents func(e *Engine, n *ir.Node) (string, error)
	device   func(n *ir.Node) bool // whether it computes on the backend of the run; nil: never

	value func(ctx context.Context, e *Engine, n *ir.Node) (any, error)
	run   func(ctx context.Context, j *Job, w *store.Writer) (notes map[string]any, err error)
	load  func(ctx context.Context, j *Job, a *store.Artefact) (any, error)
	// fresh, where it is set, says whether a kept result may be used though its identity is right: see reportFresh.
	fresh func(j *Job, notes map[string]any) bool
}

// stages by the name of the builtin; filled by the init functions of this package's files.
var stages = map[string]*stage{}

func register(op string, s stage) {
	if _, ok := stages[op]; ok {
		panic("stage " + op + " registered twice")
	}
	stages[op] = &s
}

// Implements says whether the engine can compute a builtin.
func Implements(op string) bool { _, ok := stages[op]; return ok }
