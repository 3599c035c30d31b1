package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
)

// Step is a line of a plan: a kept stage and whether it must run.
type Step struct {
	Label  string `json:"stage"`
	Op     string `json:"op"`
	Key    string `json:"key"`
	Cached bool   `json:"cached"`
	Why    string `json:"why"`
	Err    string `json:"error,omitempty"`

	node *ir.Node
}

// targets are the values a run is for: evals, comparisons, figures, reports, trained models, and what is expected; all data when there is nothing else.
func targets(p *ir.Program) []*ir.Node {
	var out, data []*ir.Node
	add := func(list *[]*ir.Node, v ir.Value) {
		for _, n := range nodesIn(v) {
			if !slices.Contains(*list, n) {
				*list = append(*list, n)
			}
		}
	}
	for _, b := range p.Bindings {
		switch b.Kind {
		case "model":
			if n, ok := b.Value.(*ir.Node); ok && (n.Op == "train" || n.Op == "finetune") {
				add(&out, n)
			}
		case "eval", "compare", "figure", "report":
			add(&out, b.Value)
		case "data", "split":
			add(&data, b.Value)
		}
	}
	for _, x := range p.Expects {
		add(&out, x.Condition)
	}
	if len(out) == 0 {
		return data
	}
	return out
}

// nodesIn lists the outermost nodes of a value that stages compute: operators and selections are looked through.
func nodesIn(v ir.Value) []*ir.Node {
	switch v := v.(type) {
	case *ir.Node:
		if _, ok := stages[v.Op]; ok {
			return []*ir.Node{v}
		}
		var out []*ir.Node
		for _, a := range v.Args {
			out = append(out, nodesIn(a.Value)...)
		}
		return out
	case ir.List:
		var out []*ir.Node
		for _, x := range v.Items {
			out = append(out, nodesIn(x)...)
		}
		return out
	}
	return nil
}

// Plan lists the kept stages that a program needs, inputs before what uses them, without running anything. Files are hashed.
func (e *Engine) Plan(p *ir.Program, script string) ([]Step, error) {
	e.Use(p, script)
	return e.planOf(targets(p), e.lastRun())
}

// planOf lists the stages that some values need.
func (e *Engine) planOf(nodes []*ir.Node, last record) ([]Step, error) {
	var steps []Step
	var fault error // of a file that a value reads which is no stage, such as a network's weights
	seen := map[string]bool{}
	for n := range ir.InputsFirst(e.inputs, nodes...) {
		key := e.Key(n)
		st, ok := stages[n.Op]
		if !ok || st.run == nil || seen[key] {
			if fault == nil && ok && st.run == nil {
				fault = e.faults[n]
			}
			continue
		}
		seen[key] = true
		s := Step{Label: e.label(n), Op: n.Op, Key: key, node: n}
		if err := e.faults[n]; err != nil {
			s.Err = firstLine(err)
			s.Why = s.Err
		} else if s.Cached = e.store.Has(key); s.Cached {
			s.Why = "done before"
		} else {
			s.Why = e.why(n, last)
			if p := e.prolongation(n); p != "" {
				s.Why += "; " + p
			}
		}
		steps = append(steps, s)
	}
	for _, s := range steps {
		if s.Err != "" {
			return steps, e.faults[s.node]
		}
	}
	return steps, fault
}

// inputs are the nodes a node is computed from, derived ones included.
func (e *Engine) inputs(n *ir.Node) []*ir.Node {
	in := n.Inputs()
	if n.Op == "evaluate" {
		in = append(in, e.prediction(n))
	}
	return in
}

// record is what a finished run leaves for the next one to explain itself: the canonical arguments of every kept stage by label.
type record struct {
	Stages map[string]recordedStage `json:"stages"`
}

type recordedStage struct {
	Key     string            `json:"key"`
	Args    map[string]string `json:"args"`
	Version string            `json:"version"`
	Tree    string            `json:"tree,omitempty"`
	Files   string            `json:"files,omitempty"`
}

func (e *Engine) recordPath() string {
	return filepath.Join(e.store.Root(), "runs", e.name+".json")
}

func (e *Engine) lastRun() record {
	var r record
	if b, err := os.ReadFile(e.recordPath()); err == nil {
		_ = json.Unmarshal(b, &r) // a damaged record only makes explanations shorter
	}
	return r
}

func (e *Engine) describe(n *ir.Node) recordedStage {
	r := recordedStage{Key: e.Key(n), Args: map[string]string{}}
	r.Version, r.Tree, r.Files = e.circumstances(n)
	for _, a := range n.Args {
		if a.Cosmetic {
			continue
		}
		if len(nodesIn(a.Value)) > 0 && !described(a.Value) {
			r.Args[a.Name] = "#" + e.hasher.Hash(a.Value)
		} else {
			r.Args[a.Name] = setting(a.Value)
		}
		for name, body := range ownFns(a.Value) {
			r.Args["fn "+name] = "#" + ir.NewHasher(nil).Hash(body)
		}
	}
	return r
}

// ownFns are the functions over tensors in a setting, by name: a changed body is told apart from a changed argument.
func ownFns(v ir.Value) map[string]ir.Fn {
	out := map[string]ir.Fn{}
	var visit func(ir.Value)
	visit = func(v ir.Value) {
		switch v := v.(type) {
		case *ir.Node:
			if f, ok := v.Fn(); ok {
				out[v.Label] = f
			}
			if len(nodesIn(v)) > 0 && !described(v) { // results have a line of their own
				return
			}
			for _, a := range v.Args {
				visit(a.Value)
			}
		case ir.List:
			for _, x := range v.Items {
				visit(x)
			}
		}
	}
	visit(v)
	return out
}

// described says that a value is a description, written in a line, though operators in it are computed like those of numbers: a loss, a metric. A prompt that shows
// predictions is more than can be written in a line.
func described(v ir.Value) bool {
	n, ok := v.(*ir.Node)
	if ok && n.T.Base == "prompt" && len(nodesIn(n)) > 0 {
		return false
	}
	return ok && slices.Contains([]string{"loss", "metric", "optimizer", "schedule", "prompt", "gate", "expert", "experts", "keep", "stop", "augment", "sampling", "inference", "prep", "block", "network"}, n.T.Base)
}

func (e *Engine) remember(steps []Step) error {
	r := e.lastRun()
	if r.Stages == nil {
		r.Stages = map[string]recordedStage{}
	}
	for _, s := range steps {
		r.Stages[s.Op+" "+s.Label] = e.describe(s.node)
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(e.recordPath()), 0o755); err != nil {
		return err
	}
	return store.WriteFile(e.recordPath(), b)
}

// why explains why a stage must run: the first differences from the last run of the stage of that name.
func (e *Engine) why(n *ir.Node, last record) string {
	own, inherited := e.differences(n, last)
	why := append(own, inherited...)
	slices.Sort(why)
	return strings.Join(why[:min(3, len(why))], "; ")
}

// differences from the last run of the stage of that name: its own, and those that come with what it is computed from.
func (e *Engine) differences(n *ir.Node, last record) (own, inherited []string) {
	old, ok := last.Stages[n.Op+" "+e.label(n)]
	if !ok {
		return []string{"not run before"}, nil
	}
	now := e.describe(n)
	if old.Key == now.Key {
		return []string{"its result was removed"}, nil
	}
	var names []string
	for _, a := range n.Args {
		if !a.Cosmetic {
			names = append(names, a.Name)
		}
	}
	for _, name := range sorted(now.Args) {
		if strings.HasPrefix(name, "fn ") {
			names = append(names, name)
		}
	}
	for _, name := range names {
		o, had := old.Args[name]
		x := now.Args[name]
		switch {
		case !had:
			if !strings.HasPrefix(name, "fn ") {
				own = append(own, fmt.Sprintf("%s: %s is new", name, plain(x)))
			}
		case o == x:
		case strings.HasPrefix(x, "#") && strings.HasPrefix(o, "#"):
			if strings.HasPrefix(name, "fn ") {
				own = append(own, fmt.Sprintf("its %s changed", name))
			} else {
				inherited = append(inherited, fmt.Sprintf("its %s changed", name))
			}
		default:
			own = append(own, fmt.Sprintf("%s: %s → %s", name, plain(o), plain(x)))
		}
	}
	for _, name := range sorted(old.Args) {
		if _, still := now.Args[name]; !still && !strings.HasPrefix(name, "fn ") {
			own = append(own, name+" was left out")
		}
	}
	for _, c := range []struct{ old, now, text string }{
		{old.Files, now.Files, "the contents of its files changed"},
		{old.Tree, now.Tree, "the taxonomy changed"},
		{old.Version, now.Version, "this program computes it in another way"},
	} {
		if c.old != c.now {
			own = append(own, c.text)
		}
	}
	if len(own)+len(inherited) == 0 {
		inherited = []string{"changed"}
	}
	return own, inherited
}

func plain(s string) string {
	if strings.HasPrefix(s, "#") {
		return "another value"
	}
	return s
}

// Outcome is what a run gives.
type Outcome struct {
	Sweeps  []Sweep
	Steps   []Step
	Reports []string // paths of the pages
	Expects []ExpectResult
}

// ExpectResult is one checked expectation.
type ExpectResult struct {
	Expect ir.Expect
	Holds  bool
	Found  string // the two sides as numbers
}

// Run computes a program.
func (e *Engine) Run(ctx context.Context, p *ir.Program, script string) (*Outcome, error) {
	steps, err := e.Plan(p, script)
	if err != nil {
		return nil, err
	}
	if err := e.outReady(targets(p)); err != nil {
		return nil, err
	}
	if err := e.deviceReady(steps); err != nil {
		return nil, err
	}
	out := &Outcome{Steps: steps}
	// Everything that only reads headers comes first: a mistake in the data is found before any training starts.
	for _, s := range steps {
		if st := stages[s.Op]; st.contents != nil && s.Op != "prep" {
			if _, err := e.Value(ctx, s.node); err != nil {
				return out, err
			}
		}
	}
	for _, t := range targets(p) {
		v, err := e.Value(ctx, t)
		if err != nil {
			return out, err
		}
		if r, ok := v.(*ReportFiles); ok {
			path, err := e.export(t, r)
			if err != nil {
				return out, at(t.Span, err)
			}
			out.Reports = append(out.Reports, path)
		}
	}
	if out.Sweeps, err = e.sweeps(ctx, p); err != nil {
		return out, err
	}
	for _, x := range p.Expects {
		r, err := e.Expect(ctx, x)
		if err != nil {
			return out, err
		}
		out.Expects = append(out.Expects, r)
	}
	return out, e.remember(steps)
}
