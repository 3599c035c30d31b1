package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
)

// deviceReady opens the backend before any stage of a run starts where one of them will compute on it, so that a backend that is missing, or that lacks a precision, is told before hours
// of preparation and not behind them.
func (e *Engine) deviceReady(steps []Step) error {
	for _, s := range steps {
		st := stages[s.Op]
		if s.Cached || st.device == nil || !st.device(s.node) {
			continue
		}
		b, err := e.Backend()
		if err != nil {
			return err
		}
		if err := precisionOf(s.node).Check(b); err != nil {
			return fault(s.node.ArgSpan("precision"), "%w", err)
		}
	}
	return nil
}

// outReady refuses an output folder that cannot be one, before what is to be reported there is computed.
func (e *Engine) outReady(targets []*ir.Node) error {
	for _, n := range targets {
		if n.Op != "report" {
			continue
		}
		// The nearest that exists on the way to the folder; a run makes the rest.
		for dir := e.reportFolder(n); ; dir = filepath.Dir(dir) {
			st, err := os.Stat(dir)
			if err == nil && !st.IsDir() {
				return fmt.Errorf("reports cannot be written to %s: %s is a file; choose another folder with --out", e.reportFolder(n), dir)
			}
			if err == nil || dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return nil
}

// precisionOf is the precision that a stage was asked for; "" for that of numbers as they are.
func precisionOf(n *ir.Node) graph.Precision { return graph.Precision(n.Text("precision")) }

func always(*ir.Node) bool { return true }

// hasNetwork says whether the model of a stage is a network.
func hasNetwork(n *ir.Node) bool {
	m := n.Node("model")
	return m == nil || !slices.Contains(baselines, m.Op)
}
