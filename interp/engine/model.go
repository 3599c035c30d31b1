package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// Model is the value of the kind model: an architecture with its weights, or a baseline.
type Model struct {
	Baseline string // box_fill or box_ellipse; then nothing else is set
	Built    *models.Model
	Params   *graph.Params
	Groups   []string // what training changes
	Balance  float64  // weight of the load-balance loss of a top-k gate

	History   []train.Record
	BestEpoch int
	// TrainedOn lists the patients whose images have changed the weights, and those that chose the checkpoint.
	TrainedOn, ChosenOn []string
	// QualityTrained says that the predicted IoU has been trained, so that choosing a mask by it means something.
	QualityTrained bool

	encoder string // see encoderKey
}

func init() {
	for op, arch := range map[string]string{"sam_tiny": "tiny", "sam_vit_b": "vit_b", "unet": "unet"} {
		register(op, stage{version: 2, contents: weightsContents, value: newModel(arch)})
	}
	for _, b := range []string{"box_fill", "box_ellipse"} {
		register(b, stage{value: func(context.Context, *Engine, *ir.Node) (any, error) { return &Model{Baseline: b}, nil }})
	}
	register("adapt", stage{version: 2, tree: true, value: adaptValue})
}

func weightsContents(e *Engine, n *ir.Node) (string, error) {
	f := n.Text("weights")
	if f == "" {
		return "", nil
	}
	h, err := e.hashes.Of(e.find(f))
	return h, at(n.ArgSpan("weights"), err)
}

func newModel(arch string) func(context.Context, *Engine, *ir.Node) (any, error) {
	return func(_ context.Context, e *Engine, n *ir.Node) (any, error) {
		cfg := models.Config{Architecture: arch, Image: n.Int("image"), Patch: n.Int("patch"), Base: n.Int("base"), Levels: n.Int("depth")}
		f := n.Text("weights")
		if f == "" {
			m, err := build(cfg, nil, uint64(n.Int("seed")))
			if err != nil {
				return nil, err
			}
			m.Groups = []string{models.All}
			return m, nil
		}
		built, err := models.Build(cfg)
		if err != nil {
			return nil, err
		}
		from, err := weights.Read(e.find(f))
		if err != nil {
			return nil, at(n.ArgSpan("weights"), err)
		}
		found := graph.NewParams()
		report, err := weights.Fit(found, built.Parameters, from, weights.Allowed{})
		if err != nil {
			return nil, at(n.ArgSpan("weights"), fmt.Errorf("%s: %w", f, err))
		}
		params, err := graph.Completed(found, built.Parameters, uint64(n.Int("seed")))
		if err != nil {
			return nil, err
		}
		m := &Model{Built: built, Params: params, Groups: []string{models.All}}
		e.cfg.Events(Event{Kind: "note", Stage: e.label(n), Text: fmt.Sprintf("%s: %s", f, report)})
		m.QualityTrained = true
		return m, nil
	}
}

// build settles an architecture and draws first values for the parameters that from does not have.
func build(cfg models.Config, from *graph.Params, seed uint64) (*Model, error) {
	built, err := models.Build(cfg)
	if err != nil {
		return nil, err
	}
	given := graph.NewParams()
	if from != nil {
		if _, err := weights.Load(given, built.Parameters, from); err != nil {
			return nil, err
		}
	}
	params, err := graph.Completed(given, built.Parameters, seed)
	if err != nil {
		return nil, err
	}
	return &Model{Built: built, Params: params}, nil
}

// Count is the number of parameters, or of those that training changes.
func (m *Model) Count(trainable bool) (float64, error) {
	if m.Baseline != "" {
		return 0, nil
	}
	if !trainable {
		return float64(m.Built.Count(nil)), nil
	}
	keep, err := m.trainable()
	if err != nil {
		return 0, err
	}
	return float64(m.Built.Count(keep)), nil
}

func (m *Model) trainable() (func(string) bool, error) {
	var keep []func(string) bool
	for _, g := range m.Groups {
		f, err := m.Built.Group(g)
		if err != nil {
			return nil, err
		}
		keep = append(keep, f)
	}
	return func(name string) bool {
		return slices.ContainsFunc(keep, func(f func(string) bool) bool { return f(name) })
	}, nil
}

// experts returns the mixture of a model, or nil.
func (m *Model) experts() *experts.Config {
	if m.Built == nil {
		return nil
	}
	return m.Built.Config.Experts
}

func (e *Engine) modelArg(ctx context.Context, n *ir.Node, name string) (*Model, error) {
	in := n.Node(name)
	if in == nil {
		return nil, fault(n.Span, "%s has no %s", n.Op, name)
	}
	v, err := e.Value(ctx, in)
	if err != nil {
		return nil, err
	}
	m, ok := v.(*Model)
	if !ok {
		return nil, fault(n.ArgSpan(name), "this is no model")
	}
	return m, nil
}

func adaptValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	base, err := e.modelArg(ctx, n, "model")
	if err != nil {
		return nil, err
	}
	if base.Baseline != "" {
		return nil, fault(n.Span, "%s has no blocks to adapt", base.Baseline)
	}
	if base.experts() != nil {
		return nil, fault(n.Span, "this model has experts already")
	}
	cfg, balance, err := e.expertsOf(n.Node("experts"))
	if err != nil {
		return nil, err
	}
	for _, b := range n.Items("blocks") {
		cfg.Blocks = append(cfg.Blocks, int(b.(ir.Number).V))
	}
	mc := base.Built.Config
	mc.Experts = cfg
	// The seed of the experts' first values is that of the model they are put into.
	m, err := build(mc, base.Params, seedOf(n))
	if err != nil {
		return nil, at(n.ArgSpan("experts"), err)
	}
	m.Balance, m.QualityTrained = balance, base.QualityTrained
	m.TrainedOn, m.ChosenOn = base.TrainedOn, base.ChosenOn
	for _, g := range n.Items("train") {
		m.Groups = append(m.Groups, g.(ir.Word).Text)
	}
	if _, err := m.trainable(); err != nil {
		return nil, at(n.ArgSpan("train"), err)
	}
	return m, nil
}

// seedOf looks for the seed of the model that a chain of adapt, train … begins with.
func seedOf(n *ir.Node) uint64 {
	for m := n; m != nil; m = m.Node("model") {
		if s, ok := m.Arg("seed").(ir.Number); ok && m.Node("model") == nil {
			return uint64(s.V)
		}
	}
	return 0
}

// tables are the sizes of the embedding tables that the script's taxonomy asks for.
func (e *Engine) tables() experts.Taxonomy {
	return experts.Taxonomy{Modalities: len(e.tree.Modalities), Levels: []int{len(e.tree.BodyParts), len(e.tree.Subregions), len(e.tree.Organs)}, Tasks: e.tree.Rows()}
}

func (e *Engine) expertsOf(n *ir.Node) (*experts.Config, float64, error) {
	if n.Op == "route" {
		c, err := e.routeOf(n)
		return c, 0, err
	}
	c := &experts.Config{Experts: n.Int("count"), Bottleneck: n.Int("bottleneck"), Embedding: n.Int("embedding"),
		Scale: n.Num("scale"), Dropout: n.Num("dropout"), Taxonomy: e.tables()}
	gate := n.Node("gate")
	balance := 0.0
	if gate.Op == "top" {
		c.Top, balance = gate.Int("k"), gate.Num("balance")
		gate = gate.Node("of")
		if gate.Op == "top" {
			return nil, 0, fault(gate.Span, "top of top: the inner gate must be soft")
		}
	}
	if gate.Text("version") == "v1" {
		c.Gate = experts.Flat
	}
	if terms := gate.Items("terms"); len(terms) > 0 {
		has := func(t string) bool {
			return slices.ContainsFunc(terms, func(v ir.Value) bool { return v.(ir.Word).Text == t })
		}
		c.Terms = experts.Terms{WithoutOrgan: !has("organ"), WithoutTask: !has("task"), WithoutModality: !has("modality"), WithoutImage: !has("image")}
	}
	return c, balance, nil
}

// Route is one line of the table task → expert that plans show.
type Route struct {
	Path   string // of the subtree; "" for all other tasks
	Expert int
	Tasks  []string
}

// routes divides the tasks of the tree among the entries of a route: the longest listed path above a task wins.
func (e *Engine) routes(n *ir.Node) []Route {
	m, _ := n.Arg("entries").(ir.Map)
	out := make([]Route, 0, len(m.Entries)+1)
	for i, en := range m.Entries {
		out = append(out, Route{Path: en.Key, Expert: i})
	}
	out = append(out, Route{Expert: len(m.Entries)})
	for _, t := range e.tree.Tasks {
		best := len(out) - 1
		if !t.Spare {
			for i, r := range out[:len(out)-1] {
				if taxonomy.Within(t.Path, r.Path) && (best == len(out)-1 || strings.Count(r.Path, "/") > strings.Count(out[best].Path, "/")) {
					best = i
				}
			}
		}
		out[best].Tasks = append(out[best].Tasks, t.Name)
	}
	return out
}

func (e *Engine) routeOf(n *ir.Node) (*experts.Config, error) {
	m, _ := n.Arg("entries").(ir.Map)
	width := func(v ir.Value) int {
		x, ok := v.(*ir.Node)
		if !ok || x.Op == "shared" {
			return 16
		}
		return x.Int("bottleneck")
	}
	c := &experts.Config{Experts: len(m.Entries) + 1, Embedding: 16, Scale: 0.1, Dropout: 0.1, Gate: experts.Route, Taxonomy: e.tables()}
	for _, en := range m.Entries {
		c.Widths = append(c.Widths, width(en.Value))
	}
	c.Widths = append(c.Widths, width(n.Arg("else")))
	c.Bottleneck = slices.Max(c.Widths)
	owner := map[string]int{}
	for _, r := range e.routes(n) {
		for _, t := range r.Tasks {
			owner[t] = r.Expert
		}
	}
	for _, t := range e.tree.Tasks {
		if !t.Spare {
			c.Table = append(c.Table, oneHot(owner[t.Name], c.Experts))
		}
	}
	c.Table = append(c.Table, oneHot(c.Experts-1, c.Experts)) // tasks outside the tree
	return c, nil
}

func oneHot(i, n int) []float64 {
	out := make([]float64, n)
	out[i] = 1
	return out
}
