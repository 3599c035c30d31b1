package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/ir"
)

// Reasons say what a run of a value would compute, and what of it was changed by hand and what only follows.
type Reasons struct {
	Causes  []Cause `json:"causes"`  // stages that differ themselves from the last run
	Follow  []Cause `json:"follow"`  // stages that are computed again since what they use is
	Kept    []Cause `json:"kept"`    // stages that are done
	Targets int     `json:"targets"` // stages looked at
}

// Cause is a stage, with all its own differences from the last run of the stage of its name: old value → new value.
type Cause struct {
	Stage string   `json:"stage"`
	Op    string   `json:"op"`
	Why   []string `json:"why,omitempty"`
}

// Why explains a value of a program: what of it would run, and for which changes of the script, of files or of this program. Nothing is run; what the last run was is
// known from what it has left in the store. Without a name it explains everything that a run is for. The error is one of the script's files, or says that there is no such name.
func (e *Engine) Why(p *ir.Program, script, name string) (*Reasons, error) {
	e.Use(p, script)
	nodes := targets(p)
	if name != "" {
		base, _, _ := strings.Cut(name, "[")
		b, ok := p.Lookup(base)
		if !ok {
			return nil, fmt.Errorf("the script binds no %q", base)
		}
		nodes = nodesIn(b.Value)
		if base != name {
			nodes = slices.DeleteFunc(leaves(ir.List{Items: []ir.Value{b.Value}}), func(n *ir.Node) bool { return n.Label != name })
			if len(nodes) == 0 {
				return nil, fmt.Errorf("the script has no item %s", name)
			}
		}
	}
	last := e.lastRun()
	steps, err := e.planOf(nodes, last)
	if err != nil {
		return nil, err
	}
	out := &Reasons{Causes: []Cause{}, Follow: []Cause{}, Kept: []Cause{}, Targets: len(steps)}
	for _, s := range steps {
		c := Cause{Stage: s.Label, Op: s.Op}
		if s.Cached {
			out.Kept = append(out.Kept, c)
			continue
		}
		own, _ := e.differences(s.node, last)
		if c.Why = own; len(own) > 0 {
			out.Causes = append(out.Causes, c)
		} else {
			out.Follow = append(out.Follow, c)
		}
	}
	return out, nil
}
