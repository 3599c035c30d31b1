package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mseg-lang/mseg/lang/ir"
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
	Groups   []string // what training changes
	Balance  float64  // weight of the load-balance loss of a top-k gate

	History   []train.Record
	BestEpoch int
	// TrainedOn lists the patients whose images have changed the weights, and those that chose the checkpoint.
	TrainedOn, ChosenOn []string
	// QualityTrained says that the predicted IoU has been trained, so that choosing a mask by it means something.
	QualityTrained bool

	encoder string // see encoderKey
	drops   bool   // blocks that the script has written for experts drop values in training

	params func() (*graph.Params, error)
}

// Params are the model's weights. First values are drawn when they are asked for, not before: what a plan or an expectation says of a
// network (its size, what is trained) needs none of them, and those of ViT-H fill 2.5 GB.
func (m *Model) Params() (*graph.Params, error) { return m.params() }

// placed are the weights on a backend, to be freed by the caller.
func (m *Model) placed(b *graph.Backend) (*graph.DeviceParams, error) {
	params, err := m.Params()
	if err != nil {
		return nil, err
	}
	return b.Place(params), nil
}

// known are weights that are there already.
func known(p *graph.Params) func() (*graph.Params, error) {
	return func() (*graph.Params, error) { return p, nil }
}

func init() {
	for op, config := range architectures {
		register(op, stage{version: 2, contents: weightsContents, value: newModel(config)})
	}
	for _, b := range baselines {
		register(b, stage{value: func(context.Context, *Engine, *ir.Node) (any, error) { return &Model{Baseline: b}, nil }})
	}
	register("adapt", stage{version: 2, tree: true, value: adaptValue})
}

// baselines are the models that are no networks.
var baselines = []string{"box_fill", "box_ellipse"}

func weightsContents(e *Engine, n *ir.Node) (string, error) {
	f := n.Text("weights")
	if f == "" {
		return "", nil
	}
	path := e.find(f)
	h, err := e.hashes.Of(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no file of weights %s; it is looked for beside the script and in the data folder (--data)", f)
		if filepath.IsAbs(f) {
			err = fmt.Errorf("there is no file of weights %s", f)
		}
	}
	return h, at(n.ArgSpan("weights"), err)
}

// architectures gives the configuration that a builtin stands for.
var architectures = map[string]func(n *ir.Node) models.Config{
	"sam_tiny":  preset("tiny"),
	"sam_vit_b": preset("vit_b"),
	"sam_vit_l": preset("vit_l"),
	"sam_vit_h": preset("vit_h"),
	"medsam":    preset("medsam"),
	"sam_med2d": preset("sam_med2d"),
	"unet":      preset("unet"),
	"custom_network": func(n *ir.Node) models.Config {
		own, places := ownNetwork(n.Node("body"))
		return models.Config{Architecture: "own", Image: n.Int("image"), Own: own, Places: places}
	},
	"vit": func(n *ir.Node) models.Config {
		c := preset("vit")(n)
		c.Size, c.NoPrompt = n.Text("size"), !n.Flag("box")
		return c
	},
	"residual_unet": func(n *ir.Node) models.Config {
		c := preset("residual_unet")(n)
		c.Deep, c.NoPrompt = n.Flag("deep"), !n.Flag("box")
		for _, b := range n.Items("blocks") {
			c.Convolutions = append(c.Convolutions, int(b.(ir.Number).V))
		}
		return c
	},
	"sam": func(n *ir.Node) models.Config {
		return preset(map[string]string{"vit_b": "sam_plain", "vit_l": "sam_plain_l", "vit_h": "sam_plain_h"}[n.Text("size")])(n)
	},
}

// preset reads what can be set on an architecture; arguments that its builtin does not have are 0.
func preset(arch string) func(n *ir.Node) models.Config {
	return func(n *ir.Node) models.Config {
		return models.Config{Architecture: arch, Image: n.Int("image"), Height: n.Int("height"), Patch: n.Int("patch"), Base: n.Int("base"), Levels: n.Int("depth")}
	}
}

func newModel(config func(n *ir.Node) models.Config) func(context.Context, *Engine, *ir.Node) (any, error) {
	return func(_ context.Context, e *Engine, n *ir.Node) (any, error) {
		return e.model(n, config(n))
	}
}

// model builds the network of a node and reads the file of weights that it names.
func (e *Engine) model(n *ir.Node, cfg models.Config) (*Model, error) {
	seed := uint64(n.Int("seed"))
	m, err := build(cfg, nil, seed)
	if err != nil {
		return nil, at(n.ArgSpan("image"), err)
	}
	m.Groups = []string{models.All}
	f := n.Text("weights")
	if f == "" {
		return m, nil
	}
	// A file that does not fit is told before anything is trained, so it is read now.
	from, err := weights.Read(e.find(f))
	if err != nil {
		return nil, at(n.ArgSpan("weights"), err)
	}
	fitted, allowed := graph.NewParams(), weights.Allowed{}
	if cfg.Architecture == "vit" {
		// SAM's file has the encoder alone for it.
		if encoder := weights.Encoder(from); encoder != nil {
			from = encoder
			allowed.Missing = func(name string) bool { return strings.HasPrefix(name, "decoder.") }
		}
	}
	report, err := weights.Fit(fitted, m.Built.Parameters, from, allowed)
	if err != nil {
		return nil, at(n.ArgSpan("weights"), fmt.Errorf("%s: %w", f, err))
	}
	e.cfg.Events(Event{Kind: "note", Stage: e.label(n), Text: fmt.Sprintf("%s: %s", f, report)})
	params, err := graph.Completed(fitted, m.Built.Parameters, seed)
	if err != nil {
		return nil, err
	}
	m.QualityTrained, m.params = true, known(params)
	return m, nil
}

// build settles an architecture. Its weights are those that from has for it, and first values elsewhere; from may be nil.
func build(cfg models.Config, from func() (*graph.Params, error), seed uint64) (*Model, error) {
	built, err := models.Build(cfg)
	if err != nil {
		return nil, err
	}
	first := func() (*graph.Params, error) {
		fitted := graph.NewParams()
		if from != nil {
			given, err := from()
			if err != nil {
				return nil, err
			}
			if _, err := weights.Load(fitted, built.Parameters, given); err != nil {
				return nil, err
			}
		}
		return graph.Completed(fitted, built.Parameters, seed)
	}
	return &Model{Built: built, params: sync.OnceValues(first)}, nil
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
	var cfg *experts.Config
	balance := 0.0
	if x := n.Node("experts"); x != nil {
		if cfg, balance, err = e.expertsOf(x); err != nil {
			return nil, err
		}
	}
	for _, b := range n.Items("blocks") {
		if cfg != nil {
			cfg.Blocks = append(cfg.Blocks, int(b.(ir.Number).V))
		}
	}
	mc := base.Built.Config
	mc.Experts = cfg
	// The seed of the experts' first values is that of the model they are put into.
	m, err := build(mc, base.Params, seedOf(n))
	if err != nil {
		return nil, at(n.ArgSpan("experts"), err)
	}
	if x := n.Node("experts"); x != nil {
		m.params = startedAs(m.params, e.starts(x))
	}
	m.Balance, m.QualityTrained, m.drops = balance, base.QualityTrained, dropsInBlocks(n.Node("experts"))
	m.TrainedOn, m.ChosenOn = base.TrainedOn, base.ChosenOn
	for _, g := range n.Items("train") {
		// Where there are no experts, none can be trained: a sweep of counts that begins at 0 says the same of all of its members.
		name := g.(ir.Word).Text
		if name != models.Experts || slices.Contains(m.Built.Groups(), models.Experts) {
			m.Groups = append(m.Groups, name)
		}
	}
	if len(m.Groups) == 0 {
		return nil, fault(n.ArgSpan("train"), "there are no experts, and nothing else is to be trained; expected one of %s", strings.Join(m.Built.Groups(), ", "))
	}
	if _, err := m.trainable(); err != nil {
		return nil, at(n.ArgSpan("train"), err)
	}
	return m, nil
}

// dropsInBlocks says whether a block that the script has written for experts has a dropout of its own.
func dropsInBlocks(of *ir.Node) bool {
	for x := range ir.Nodes(of) {
		b := x.Node("block")
		if b == nil {
			continue
		}
		if f, ok := b.Fn(); ok && contains(f.Body, "dropout") {
			return true
		}
	}
	return false
}

// balances says whether a model has a gate with a balance loss. Images that only fill a batch were once counted by it: the identity tells the two apart.
func balances(model *ir.Node) bool {
	for x := range ir.Nodes(model) {
		if x.Op == "top" && x.Num("balance") > 0 {
			return true
		}
	}
	return false
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

// expertsOf reads a mixture or a route, and the weight of its balance loss. A mixture of 0 experts is nil: no adapter.
func (e *Engine) expertsOf(n *ir.Node) (*experts.Config, float64, error) {
	if n.Op == "route" {
		return e.routeOf(n)
	}
	if n.Int("count") == 0 {
		return nil, 0, nil
	}
	return e.mixtureOf(n)
}

func (e *Engine) mixtureOf(n *ir.Node) (*experts.Config, float64, error) {
	c := &experts.Config{Experts: n.Int("count"), Bottleneck: n.Int("bottleneck"), Embedding: n.Int("embedding"),
		Scale: n.Num("scale"), Dropout: n.Num("dropout"), Taxonomy: e.tables()}
	gate := n.Node("gate")
	balance := 0.0
	if gate.Op == "top" {
		c.Top, balance = gate.Int("k"), gate.Num("balance")
		gate = gate.Node("of")
		if gate.Op != "soft" {
			return nil, 0, fault(gate.Span, "top of %s: the inner gate must be soft", gate.Op)
		}
	}
	if b := n.Node("block"); b != nil {
		c.Block, c.Form = experts.Alike(ownBlock(b)), ir.NewHasher(nil).Hash(b)
	}
	if gate.Op == "equal" {
		c.Terms = experts.Terms{WithoutOrgan: true, WithoutTask: true, WithoutModality: true, WithoutImage: true}
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
