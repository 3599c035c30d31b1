// Package engine runs a checked script: it turns the graph of ir.Node into a plan of stages, computes those whose result is not in the store
// yet, and keeps every result under the identity of the value it is.
//
// A stage (stages.go and the files named after what they compute) is the implementation of one builtin: it is given its node and may ask the engine for the
// values of other nodes. Cheap ones (where, take, +) are computed in memory whenever they are needed; kept ones write an artefact. A value is
// computed at most once in a run and never reaches back into the script: mistakes found on the way carry the place by value.
//
// The identity of a node is the hash of its canonical form, of the version of its implementation and of the contents of the files it reads.
// So comments, names, order, titles and batch sizes of evaluations change nothing, and everything else does. The backend is no part of it.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Config is what a run needs beside the script.
type Config struct {
	Dir     string         // folder of the script: relative files are looked for here first
	Data    string         // data folder, searched second; "" means none
	Store   string         // folder of results; "" means Dir/.mseg
	Out     string         // folder reports are copied to; "" means Dir/<script>.out
	Backend string         // go, xla, xla:PATH or "" (see graph.Open)
	Opened  *graph.Backend // one that is open already, instead of Backend; nil: none
	Script  string         // text of the script, shown in reports; "" in the REPL
	Events  func(Event)

	// TensorBoard is a folder for event files of trainings; "" means none. It has no influence on any result.
	TensorBoard string
}

// Event tells what a run is doing. Subscribers (terminal bar, JSON lines) must not block.
type Event struct {
	Kind  string  `json:"event"` // start, progress, done, cached, failed, note
	Stage string  `json:"stage,omitempty"`
	Op    string  `json:"op,omitempty"`
	Key   string  `json:"key,omitempty"`
	Done  int     `json:"done,omitempty"`
	Total int     `json:"total,omitempty"`
	Unit  string  `json:"unit,omitempty"` // of Done and Total: steps, cases, images
	Loss  float64 `json:"loss,omitempty"`
	Rate  float64 `json:"rate,omitempty"` // images a second
	Busy  float64 `json:"busy,omitempty"` // part of the time that the device computed, 0 to 1; of a training
	Text  string  `json:"text,omitempty"`
}

// Engine runs one program at a time; the REPL and the watcher keep one for many programs.
type Engine struct {
	cfg    Config
	store  *store.Store
	hashes *store.Hashes

	tree     *taxonomy.Tree
	name     string          // of the script
	unplaced map[string]bool // tasks declared to be outside the tree
	params   []ir.ParamValue

	hasher  *ir.Hasher
	derived map[*ir.Node]*ir.Node
	values  map[string]any
	faults  map[*ir.Node]error // of the identity: files that cannot be read
	said    map[string]bool    // remarks about a sweep as a whole, see noteOnce

	backendOnce sync.Once
	backend     *graph.Backend
	backendErr  error
}

// New opens the store.
func New(cfg Config) (*Engine, error) {
	if cfg.Dir == "" {
		cfg.Dir = "."
	}
	if cfg.Store == "" {
		cfg.Store = filepath.Join(cfg.Dir, ".mseg")
	}
	if cfg.Events == nil {
		cfg.Events = func(Event) {}
	}
	s, err := store.Open(cfg.Store)
	if err != nil {
		cause := err
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			cause = p.Err // its path is one within the store
		}
		return nil, fmt.Errorf("results cannot be kept in %s: %w; --store and MSEG_STORE name another folder", cfg.Store, cause)
	}
	return &Engine{cfg: cfg, store: s, hashes: s.Hashes(), values: map[string]any{}, derived: map[*ir.Node]*ir.Node{}}, nil
}

// Use sets the program that following calls are about. Values of equal identity stay in memory.
func (e *Engine) Use(p *ir.Program, script string) {
	e.tree, e.name, e.params = p.Tree, strings.TrimSuffix(filepath.Base(p.Name), ".mseg"), p.Params
	e.cfg.Script = script
	e.unplaced = map[string]bool{}
	e.faults, e.said = map[*ir.Node]error{}, map[string]bool{}
	for v := range ir.Walk(p.Values()...) {
		if w, ok := v.(ir.Word); ok && w.Place != nil && w.Place.Unplaced {
			e.unplaced[w.Text] = true
		}
	}
	e.hasher = ir.NewHasher(e.extra)
}

// Fault is a stage that failed, with the place in the script it belongs to.
type Fault struct {
	Span source.Span
	Err  error
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// Diagnostic words a fault for the place it belongs to; what stands behind the first line break of its message is the help.
func (f *Fault) Diagnostic() diag.Diagnostic {
	text, help, _ := strings.Cut(f.Err.Error(), "\n")
	return diag.Diagnostic{Code: diag.RunFailed, Severity: diag.Error, Summary: text, Span: f.Span, Help: help}
}

func fault(span source.Span, format string, args ...any) error {
	return &Fault{span, fmt.Errorf(format, args...)}
}

// at gives an error a place unless it has one already.
func at(span source.Span, err error) error {
	var f *Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return &Fault{span, err}
}

// Key is the identity of a node.
func (e *Engine) Key(n *ir.Node) string { return e.hasher.Hash(n) }

// extra is what the identity holds beside the canonical form.
func (e *Engine) extra(n *ir.Node) string {
	version, tree, files := e.circumstances(n)
	return strings.Join(slices.DeleteFunc([]string{version, tree, files}, func(s string) bool { return s == "" }), " ")
}

// circumstances are what a result depends on that no argument says: the version of the implementation, the taxonomy, the contents of files.
// Each is "" where it plays no part.
func (e *Engine) circumstances(n *ir.Node) (version, tree, files string) {
	st, ok := stages[n.Op]
	if !ok {
		return "", "", ""
	}
	version = fmt.Sprintf("v%d", st.version)
	if n.Op == "adapt" && e.routesAdded(n.Node("experts")) {
		version += ", added tasks routed"
	}
	if (n.Op == "train" || n.Op == "finetune") && balances(n.Node("model")) {
		version += ", fillers of a batch not balanced"
	}
	if (n.Op == "train" || n.Op == "finetune") && dropsInBlocks(n.Node("model")) {
		version += ", not on embeddings that nothing was dropped from"
	}
	if (n.Op == "train" || n.Op == "finetune") && n.Node("sampling") != nil || (n.Op == "predict" || n.Op == "evaluate") && n.Node("inference") != nil {
		version += ", samples standardised before they are cut"
	}
	if p := n.Text("precision"); (n.Op == "train" || n.Op == "finetune") && (p == string(graph.BF16) || p == string(graph.F16)) {
		version += ", gradients of halves in halves"
	}
	if (n.Op == "predict" || n.Op == "evaluate") && n.Node("prompt") != nil && promptOf(n.Node("prompt")).drawn() {
		version += ", prompts of a stream by seed and part"
	}
	if n.Op == "nnunet" && !n.Flag("box") {
		version += ", patches as planned"
	}
	if n.Op == "evaluate" && slices.ContainsFunc(n.Items("metrics"), isOwn) {
		version += ", own metrics in float64"
	}
	if st.tree {
		tree = "tree " + e.treeHash()
	}
	if st.contents != nil {
		var err error
		if files, err = st.contents(e, n); err != nil {
			e.faults[n] = at(n.Span, err)
			files = "unreadable"
		}
	}
	return version, tree, files
}

func (e *Engine) treeHash() string { return ir.NewHasher(nil).Hash(ir.Taxonomy{Tree: e.tree}) }

// Value computes a node, from the store where its result is kept.
func (e *Engine) Value(ctx context.Context, n *ir.Node) (any, error) {
	key := e.Key(n)
	if err := e.faults[n]; err != nil {
		return nil, err
	}
	if v, ok := e.values[key]; ok {
		return v, nil
	}
	st, ok := stages[n.Op]
	if !ok {
		return nil, fault(n.Span, "%s has no value of its own", n.Op)
	}
	var v any
	var err error
	if st.run == nil {
		v, err = st.value(ctx, e, n)
	} else {
		v, err = e.kept(ctx, st, n, key)
	}
	if err != nil {
		return nil, at(n.Span, err)
	}
	e.values[key] = v
	return v, nil
}

// kept opens the artefact of a node or makes it.
func (e *Engine) kept(ctx context.Context, st *stage, n *ir.Node, key string) (v any, err error) {
	job := &Job{Engine: e, Node: n, Key: key, Label: e.label(n)}
	if e.store.Has(key) {
		a, err := e.store.Get(key)
		switch {
		case err == nil && st.fresh != nil && !st.fresh(job, a.Notes):
			if err := e.store.Remove(key); err != nil {
				return nil, err
			}
		case err == nil:
			job.event(Event{Kind: "cached"})
			return st.load(ctx, job, a)
		case errors.Is(err, store.ErrDamaged):
			job.event(Event{Kind: "note", Text: err.Error() + "; it is made again"})
			if err := e.store.Remove(key); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
	// Inputs first, so that their events come before this stage's start.
	for _, in := range e.inputs(n) {
		if computed(in) {
			if _, err := e.Value(ctx, in); err != nil {
				return nil, err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal fault in %s: %v", n.Op, r)
		}
		if err != nil {
			job.event(Event{Kind: "failed", Text: firstLine(err)})
		}
	}()
	job.event(Event{Kind: "start"})
	w, err := e.store.Create()
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	notes, err := st.run(ctx, job, w)
	if err != nil {
		return nil, err
	}
	a, err := w.Commit(store.Meta{Key: key, Op: n.Op, Canonical: e.hasher.Canonical(n), Notes: notes})
	if err != nil {
		return nil, err
	}
	if n.Op == "train" || n.Op == "finetune" {
		if err := e.store.Join(e.lineage(n), n.Int("epochs"), key); err != nil {
			return nil, err
		}
	}
	if err := e.store.Done(key); err != nil {
		return nil, err
	}
	job.event(Event{Kind: "done"})
	return st.load(ctx, job, a)
}

// computed says whether a node has a value of its own; losses, prompts and other settings are read by the stage they belong to.
func computed(n *ir.Node) bool {
	switch n.T.Base {
	case "data", "split", "model", "eval", "compare", "figure", "report":
		_, ok := stages[n.Op]
		return ok
	}
	return false
}

// label is how people know a node: the name it was bound to, or what it does.
func (e *Engine) label(n *ir.Node) string {
	if n.Label != "" {
		return n.Label
	}
	return n.Op
}

// Backend opens the backend on first use.
func (e *Engine) Backend() (*graph.Backend, error) {
	e.backendOnce.Do(func() {
		if e.backend = e.cfg.Opened; e.backend == nil {
			e.backend, e.backendErr = graph.Open(e.cfg.Backend)
		}
		if e.backendErr == nil {
			e.cfg.Events(Event{Kind: "note", Text: "backend: " + e.backend.Reason()})
		}
	})
	return e.backend, e.backendErr
}

// root is the folder that a relative file or pattern of the script starts at: the script's own, unless only the data folder has the part
// before the first {name}. It is "" for an absolute one.
func (e *Engine) root(pattern string) string {
	if filepath.IsAbs(pattern) {
		return ""
	}
	fixed := pattern
	if i := strings.IndexByte(fixed, '{'); i >= 0 {
		fixed = filepath.Dir(fixed[:i] + "x")
	}
	if _, err := os.Stat(filepath.Join(e.cfg.Dir, fixed)); err == nil || e.cfg.Data == "" {
		return e.cfg.Dir
	}
	if _, err := os.Stat(filepath.Join(e.cfg.Data, fixed)); err == nil {
		return e.cfg.Data
	}
	return e.cfg.Dir
}

// find is the path of a file of the script.
func (e *Engine) find(file string) string { return filepath.Join(e.root(file), file) }

// Retain forgets every value that the program in use cannot reach, so that a session of many edits does not keep every network it has trained in memory.
// What is forgotten is still in the store.
func (e *Engine) Retain(p *ir.Program) {
	keep, reached := map[string]bool{}, map[*ir.Node]bool{}
	var use func(roots ...ir.Value)
	use = func(roots ...ir.Value) {
		for n := range ir.Nodes(roots...) {
			if reached[n] {
				continue
			}
			reached[n] = true
			// A page also shows what is no part of its identity: it is looked at again in the store each time (see stage.fresh).
			if st, ok := stages[n.Op]; !ok || st.fresh == nil {
				keep[e.Key(n)] = true
			}
			if n.Op == "evaluate" {
				use(e.prediction(n))
			}
		}
	}
	use(p.Values()...)
	for key := range e.values {
		if !keep[key] {
			delete(e.values, key)
		}
	}
	for n := range e.derived {
		if !reached[n] {
			delete(e.derived, n)
		}
	}
}

// Close writes back what is remembered between runs.
func (e *Engine) Close() error { return e.hashes.Save() }

func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}
