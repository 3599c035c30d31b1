package watch

import (
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
)

// version is one text of the script that could be planned.
type version struct {
	loaded *script.Loaded
	steps  []engine.Step
	keys   map[string]bool // of the stages, short, as events name them
	mark   string          // equal marks: running one after the other gives the same
}

func newVersion(l *script.Loaded, steps []engine.Step) *version {
	v := &version{loaded: l, steps: steps, keys: map[string]bool{}}
	var b strings.Builder
	for _, s := range steps {
		v.keys[store.Short(s.Key)] = true
		fmt.Fprintln(&b, s.Key)
	}
	h := ir.NewHasher(nil)
	for _, x := range l.Program.Expects {
		fmt.Fprintln(&b, "expect", h.Hash(x.Condition))
	}
	// Titles and the names that reports show are no part of any key.
	for _, x := range l.Program.Bindings {
		n, ok := x.Value.(*ir.Node)
		if !ok || n.Op != "report" {
			continue
		}
		fmt.Fprintln(&b, "report", n.Label, n.Text("title"))
		for _, item := range n.Items("items") {
			if i, ok := item.(*ir.Node); ok {
				fmt.Fprintln(&b, "shows", i.Label)
			}
		}
	}
	v.mark = b.String()
	return v
}

// summary lists the stages of a plan: those to run with the reason, the others by name.
func (v *version) summary() string {
	var b strings.Builder
	var cached []string
	for _, s := range v.steps {
		if s.Cached {
			cached = append(cached, stageName(s.Label, s.Op))
			continue
		}
		fmt.Fprintf(&b, "run      %s: %s\n", stageName(s.Label, s.Op), s.Why)
	}
	if len(cached) > 0 {
		fmt.Fprintf(&b, "cached   %s\n", strings.Join(cached, ", "))
	}
	return b.String()
}

func stageName(label, op string) string {
	if label == op {
		return op
	}
	return label + " (" + op + ")"
}
