// Package models is the list of network architectures, by the names scripts
// use, and what can be said about each before it is run: which sizes it takes,
// how many parameters it has, and which of them belong to which part.
//
// [Build] turns a [Config] into a [Model]: a function that builds the network
// ([graph.Network]) together with the list of its parameters. Every model reads
// the same inputs and gives the same outputs, so training, evaluation and
// prediction need not know which one they run. Listing parameters compiles
// nothing and allocates nothing, so a plan can print counts for networks that
// the machine could not run.
//
// Parameters fall into parts (encoder, adapters, embeddings, prompt, decoder);
// [Model.Group] turns the name of a part into a predicate over parameter names,
// which is how a script says what to train. To add an architecture, add an
// entry to the list in architectures.go.
package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Config chooses an architecture and what can be set on it. Zero values mean
// the architecture's defaults.
type Config struct {
	Architecture string
	Image        int             // side of the square image, or width of another, in pixels
	Height       int             // U-Nets: of an image that is not square; 0: it is
	Patch        int             // side of a patch in pixels; 0: the architecture's own
	Experts      *experts.Config // adapts the blocks of the encoder, or the levels of a U-Net's; nil: none

	Size     string // vit: tiny, vit_b, vit_l or vit_h
	NoPrompt bool   // vit and U-Nets: the network is not shown the box

	// U-Nets only.
	Base, Levels int              // channels of the first level, number of levels
	Convolutions []int            // residual blocks of each level
	Deep         bool             // answers at lower resolutions, for deep supervision
	Plan         *unet.Plan       // of nnunet
	Intensities  []unet.Intensity // of nnunet: modalities whose values enter by fixed numbers

	// Own: what a script has written, for the experts it is to have, and how many places for them it has.
	Own    func(x *experts.Config) graph.Network
	Places int
}

// Model is an architecture with its sizes settled.
type Model struct {
	Architecture *Architecture
	Config       Config // with defaults filled in
	Network      graph.Network
	Masks        int          // candidate masks for each image
	Quality      bool         // it predicts the quality of its masks
	Points       bool         // it takes point prompts, not boxes alone
	NeedsBox     bool         // it cannot do without a box
	MaskSide     int          // side of the grid of its mask prompts; 0: it takes none
	Blocks       []int        // encoder blocks with experts, in the order of Outputs.Gates
	Parameters   []graph.Spec // in order of declaration
	Halves       *Halves      // nil where the network has no embedding that its prompts come to later
}

// Build settles an architecture's sizes and lists its parameters. Errors name
// what was found and what is possible.
func Build(cfg Config) (*Model, error) {
	a, err := Find(cfg.Architecture)
	if err != nil {
		return nil, err
	}
	if cfg.Image == 0 {
		cfg.Image = a.Image
	}
	if cfg.Height == cfg.Image {
		cfg.Height = 0
	}
	if cfg.Height != 0 && (cfg.Height < 0 || !a.rectangular) {
		return nil, fmt.Errorf("model %s: images of %d×%d px are not possible; U-Nets alone take images that are not square", a.Name, cfg.Image, cfg.Height)
	}
	m, err := a.build(a, cfg)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", a.Name, err)
	}
	shapes := InputShapes(1, m.Config.Image)
	if h := m.Config.Height; h > 0 {
		shapes[0] = graph.F32(1, h, m.Config.Image, 3)
	}
	m.Parameters, err = graph.Declare(shapes, Flat(func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		out := m.Network(s, in)
		m.Quality = out.IoU != nil
		return out
	}))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", a.Name, err)
	}
	return m, nil
}

// InputShapes are the shapes of graph.Inputs for a batch, in the order of its
// fields.
func InputShapes(batch, image int) []graph.Shape {
	return []graph.Shape{graph.F32(batch, image, image, 3), graph.F32(batch, 4), graph.I32(batch), graph.I32(batch, 4)}
}

// Flat turns a network into a build function over the inputs of [InputShapes];
// its outputs are the masks, the predicted IoU if there is one, and the gates.
func Flat(n graph.Network) graph.Build {
	return func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		out := n(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]})
		nodes := []*graph.Node{out.Masks}
		if out.IoU != nil {
			nodes = append(nodes, out.IoU)
		}
		return append(nodes, out.Gates...)
	}
}

// Group names a set of parameters that can be trained or frozen together: a
// part, or experts (adapters and embeddings), or all. Constants such as the
// random frequencies of the prompt encoder belong to no group. The error lists
// the groups that the model has.
func (m *Model) Group(group string) (func(name string) bool, error) {
	groups := m.Groups()
	if !slices.Contains(groups, group) {
		return nil, fmt.Errorf("model %s has no group of parameters %q; it has %s", m.Architecture.Name, group, strings.Join(groups, ", "))
	}
	part := m.Architecture.part
	switch group {
	case All:
		return func(name string) bool { return part(name) != Constants }, nil
	case Experts:
		return func(name string) bool { p := part(name); return p == Adapters || p == Embeddings }, nil
	}
	return func(name string) bool { return part(name) == group }, nil
}

// Groups lists the groups that hold at least one of the model's parameters.
func (m *Model) Groups() []string {
	have := map[string]bool{All: true}
	for _, p := range m.Parameters {
		part := m.Architecture.part(p.Name)
		have[part] = true
		if part == Adapters || part == Embeddings {
			have[Experts] = true
		}
	}
	var groups []string
	for _, g := range []string{Encoder, Adapters, Embeddings, Experts, Prompt, Decoder, All} {
		if have[g] {
			groups = append(groups, g)
		}
	}
	return groups
}

// Count is the number of values in all parameters for which keep is true; nil
// keeps all. Constants are not counted, nor are they by PyTorch.
func (m *Model) Count(keep func(name string) bool) int {
	n := 0
	for _, p := range m.Parameters {
		if m.Architecture.part(p.Name) == Constants || keep != nil && !keep(p.Name) {
			continue
		}
		values := 1
		for _, d := range p.Dims {
			values *= d
		}
		n += values
	}
	return n
}
