package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/models/vit"
)

// Parts of a network, and the groups [Experts] and [All] made of them.
const (
	Encoder    = "encoder"
	Adapters   = "adapters"   // experts and their gates, or convolutional adapters
	Embeddings = "embeddings" // of modality, organ and task
	Prompt     = "prompt"
	Decoder    = "decoder"
	Constants  = "constants" // stored with the weights, never trained

	Experts = "experts" // adapters and embeddings
	All     = "all"     // all but constants
)

// Architecture is one entry of the list.
type Architecture struct {
	Name  string
	Doc   string // one sentence
	Image int    // default side of the image in pixels

	build       func(a *Architecture, cfg Config) (*Model, error)
	rectangular bool // images need not be square
	part        func(name string) string
}

// architectures in the order in which they are listed to users.
var architectures = []*Architecture{
	{
		Name: "tiny", Image: 128, build: promptable(tiny), part: promptablePart,
		Doc: "SAM's architecture at a size that trains from scratch on a laptop: patches of 8 px, four blocks of width 96, masks at full resolution.",
	},
	{
		Name: "vit_b", Image: 256, build: promptable(fullResolution(sam.Base)), part: promptablePart,
		Doc: "SAM ViT-B with masks painted at full resolution, as MedSegX uses it; 256 px.",
	},
	{
		Name: "vit_l", Image: 256, build: promptable(fullResolution(sam.Large)), part: promptablePart,
		Doc: "SAM ViT-L with masks painted at full resolution; 256 px.",
	},
	{
		Name: "vit_h", Image: 256, build: promptable(fullResolution(sam.Huge)), part: promptablePart,
		Doc: "SAM ViT-H with masks painted at full resolution; 256 px.",
	},
	{
		Name: "sam_plain", Image: 1024, build: promptable(sam.Base), part: promptablePart,
		Doc: "SAM ViT-B as published; 1024 px, masks painted at a quarter of it.",
	},
	{
		Name: "sam_plain_l", Image: 1024, build: promptable(sam.Large), part: promptablePart,
		Doc: "SAM ViT-L as published; 1024 px, masks painted at a quarter of it.",
	},
	{
		Name: "sam_plain_h", Image: 1024, build: promptable(sam.Huge), part: promptablePart,
		Doc: "SAM ViT-H as published; 1024 px, masks painted at a quarter of it.",
	},
	{
		Name: "medsam", Image: 1024, build: promptable(medsam), part: promptablePart,
		Doc: "MedSAM ViT-B as published; 1024 px, pixels stretched to 0..1, one mask.",
	},
	{
		Name: "sam_med2d", Image: 256, build: promptable(samMed2D), part: promptablePart,
		Doc: "SAM-Med2D ViT-B: a convolutional adapter beside the MLP of every block; 256 px, masks painted at a quarter of it.",
	},
	{
		Name: "vit", Image: 256, build: plainViT, part: vitPart,
		Doc: "SAM's encoder in one of its sizes with a convolutional decoder, one mask; the box prompt is a channel of the decoder.",
	},
	{
		Name: "unet", Image: 256, build: plainUNet, part: unetPart, rectangular: true,
		Doc: "Plain U-Net with instance norm, one mask; the box prompt is a fourth input channel.",
	},
	{
		Name: "own", Image: 128, build: ownNetwork, part: ownPart,
		Doc: "A network that a script has written; one mask.",
	},
	{
		Name: "residual_unet", Image: 256, build: residualUNet, part: unetPart, rectangular: true,
		Doc: "Residual U-Net: nnU-Net's residual encoder, one mask; the box prompt is a fourth input channel.",
	},
	{
		Name: "nnunet", build: plannedUNet, part: unetPart, rectangular: true,
		Doc: "A U-Net whose stages nnU-Net's rules decided from the data, one mask; the box prompt is a fourth input channel.",
	},
}

// All architectures, in the order in which they are listed to users.
func Architectures() []*Architecture { return slices.Clone(architectures) }

// Find is the architecture of that name.
func Find(name string) (*Architecture, error) {
	var known []string
	for _, a := range architectures {
		if a.Name == name {
			return a, nil
		}
		known = append(known, a.Name)
	}
	return nil, fmt.Errorf("architecture %q is not known; choose one of %s", name, strings.Join(known, ", "))
}

// tiny keeps every idea of the large network: windows and global attention,
// relative positions, the two-way decoder, three candidate masks. At 128 px it
// has the same 16×16 tokens as the paper's network at 256 px.
func tiny() sam.Config {
	return sam.Config{
		Image: 128, Patch: 8, Window: 8, Dim: 96, Depth: 4, Heads: 4, Global: []int{1, 3}, MLP: 4,
		Prompt: 128, MaskChannels: 16, DecoderDepth: 2, DecoderHeads: 4, DecoderMLP: 256, IoUHidden: 64, IoUDepth: 3,
		KeepResolution: true, BoxAsMask: true, Fine: true,
	}
}

func fullResolution(size func() sam.Config) func() sam.Config {
	return func() sam.Config {
		c := size()
		c.KeepResolution = true
		return c
	}
}

func medsam() sam.Config {
	c := sam.Base()
	c.OneMask, c.Pixels = true, sam.MinMax
	return c
}

func samMed2D() sam.Config {
	c := sam.Base()
	c.Convolutional = true
	return c
}

func promptable(preset func() sam.Config) func(*Architecture, Config) (*Model, error) {
	return func(a *Architecture, cfg Config) (*Model, error) {
		if cfg.NoPrompt || cfg.Base != 0 || cfg.Levels != 0 || cfg.Deep || cfg.Convolutions != nil || cfg.Plan != nil {
			return nil, fmt.Errorf("prompt, base, levels, convolutions and deep supervision can be set on a unet only; leave them out")
		}
		c := preset()
		c.Image, c.Experts = cfg.Image, cfg.Experts
		if cfg.Patch != 0 {
			c.Patch = cfg.Patch
		}
		if err := c.Validate(); err != nil {
			return nil, err
		}
		m := &Model{Architecture: a, Config: cfg, Network: c.Network(), Masks: c.Masks(), Points: !c.OneMask, NeedsBox: c.OneMask || c.BoxAsMask || c.Fine, Quality: true, Halves: halvesOf(c), Blocks: adapted(c.Experts, c.Depth)}
		if !c.OneMask {
			m.MaskSide = c.LowSide()
		}
		return m, nil
	}
}

func promptablePart(name string) string {
	switch {
	case strings.HasSuffix(name, "positional_encoding_gaussian_matrix"):
		return Constants
	case strings.HasPrefix(name, "mask_decoder."):
		return Decoder
	case strings.HasPrefix(name, "prompt_encoder."):
		return Prompt
	case strings.Contains(name, ".adapter_"), strings.Contains(name, ".Adapter."):
		return Adapters
	case strings.HasPrefix(name, "image_encoder.modal_embed."), strings.HasPrefix(name, "image_encoder.organ_embed."):
		return Embeddings
	}
	return Encoder
}

// plainViT has the encoder of sam's sizes; tiny unless told otherwise.
func plainViT(a *Architecture, cfg Config) (*Model, error) {
	if cfg.Size == "" {
		cfg.Size = "tiny"
	}
	preset, ok := map[string]func() sam.Config{"tiny": tiny, "vit_b": sam.Base, "vit_l": sam.Large, "vit_h": sam.Huge}[cfg.Size]
	if !ok {
		return nil, fmt.Errorf("size %q is not known; choose one of tiny, vit_b, vit_l, vit_h", cfg.Size)
	}
	c := vit.Config{Encoder: preset(), NoBox: cfg.NoPrompt}
	c.Encoder.Image, c.Encoder.Experts = cfg.Image, cfg.Experts
	if cfg.Patch != 0 {
		c.Encoder.Patch = cfg.Patch
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Model{Architecture: a, Config: cfg, Network: c.Network(), Masks: 1, Blocks: adapted(cfg.Experts, c.Encoder.Depth)}, nil
}

func vitPart(name string) string {
	if strings.HasPrefix(name, "decoder.") {
		return Decoder
	}
	return promptablePart(name)
}

// plainUNet: 16 channels and five levels unless told otherwise.
func plainUNet(a *Architecture, cfg Config) (*Model, error) {
	cfg = unetDefaults(cfg)
	c := unet.Config{Image: cfg.Image, Height: cfg.Height, Base: cfg.Base, Depth: cfg.Levels, Prompt: unetPrompt(cfg), Experts: cfg.Experts}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Model{Architecture: a, Config: cfg, Network: c.Network(), Masks: 1, Blocks: adapted(cfg.Experts, c.Depth)}, nil
}

// residualUNet has the numbers of residual blocks that nnU-Net's preset has.
func residualUNet(a *Architecture, cfg Config) (*Model, error) {
	cfg = unetDefaults(cfg)
	rules := unet.RulesFor(2, true)
	if cfg.Convolutions == nil {
		for i := range cfg.Levels {
			cfg.Convolutions = append(cfg.Convolutions, rules.Encoder[min(i, len(rules.Encoder)-1)])
		}
	}
	if len(cfg.Convolutions) < cfg.Levels {
		return nil, fmt.Errorf("found numbers of residual blocks for %d levels, expected %d", len(cfg.Convolutions), cfg.Levels)
	}
	c, err := unet.Even(cfg.Image, cfg.Base, cfg.Levels)
	if err != nil {
		return nil, err
	}
	c.Size = cfg.size()
	c.Residual, c.Encoder = true, cfg.Convolutions[:cfg.Levels]
	return staged(a, cfg, c)
}

// plannedUNet is the network of a plan, which holds its stages.
func plannedUNet(a *Architecture, cfg Config) (*Model, error) {
	if cfg.Plan == nil {
		return nil, fmt.Errorf("it is decided from data; nothing was planned")
	}
	c := cfg.Plan.Staged(cfg.size())
	c.Intensities = cfg.Intensities
	return staged(a, cfg, c)
}

func staged(a *Architecture, cfg Config, c unet.Staged) (*Model, error) {
	c.Deep, c.Prompt, c.Experts = cfg.Deep, unetPrompt(cfg), cfg.Experts
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Model{Architecture: a, Config: cfg, Network: c.Network(), Masks: 1, Blocks: adapted(cfg.Experts, len(c.Features))}, nil
}

// size of the image along its axes, rows first.
func (cfg Config) size() []int {
	if cfg.Height > 0 {
		return []int{cfg.Height, cfg.Image}
	}
	return []int{cfg.Image, cfg.Image}
}

func unetDefaults(cfg Config) Config {
	if cfg.Base == 0 {
		cfg.Base = 16
	}
	if cfg.Levels == 0 {
		cfg.Levels = 5
	}
	return cfg
}

func unetPrompt(cfg Config) unet.Prompt {
	if cfg.NoPrompt {
		return unet.None
	}
	return unet.Box
}

// adapted lists the blocks of a network that have experts.
func adapted(x *experts.Config, depth int) []int {
	var blocks []int
	for i := range depth {
		if x != nil && x.In(i) {
			blocks = append(blocks, i)
		}
	}
	return blocks
}

// expertPart is the part of what experts bring into a network that has its tables at the root; empty for all else.
func expertPart(name string) string {
	switch {
	case strings.Contains(name, ".adapter_"):
		return Adapters
	case strings.HasPrefix(name, "modal_embed."), strings.HasPrefix(name, "organ_embed."):
		return Embeddings
	}
	return ""
}

func unetPart(name string) string {
	if part := expertPart(name); part != "" {
		return part
	}
	if strings.HasPrefix(name, "down.") || strings.HasPrefix(name, "encoder.") {
		return Encoder
	}
	return Decoder
}

// ownNetwork has no sizes but those of its layers.
func ownNetwork(a *Architecture, cfg Config) (*Model, error) {
	switch {
	case cfg.Own == nil:
		return nil, fmt.Errorf("it needs a network; write custom_network(…) in a script")
	case cfg.Experts != nil && cfg.Places == 0:
		return nil, fmt.Errorf("it has no place for experts; mark places in its fn with adaptable(x)")
	case cfg.Patch != 0 || cfg.Base != 0 || cfg.Levels != 0 || cfg.NoPrompt:
		return nil, fmt.Errorf("patch, base, levels and prompt are the fn's own affair; leave them out")
	}
	if cfg.Experts != nil {
		if err := cfg.Experts.Validate(cfg.Places); err != nil {
			return nil, err
		}
	}
	return &Model{Architecture: a, Config: cfg, Network: cfg.Own(cfg.Experts), Masks: 1, Blocks: adapted(cfg.Experts, cfg.Places)}, nil
}

// ownPart goes by the names that the script gives its layers.
func ownPart(name string) string {
	if part := expertPart(name); part != "" {
		return part
	}
	if strings.HasPrefix(name, Decoder) {
		return Decoder
	}
	return Encoder
}
