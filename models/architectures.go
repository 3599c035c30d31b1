package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/models/unet"
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

	build func(a *Architecture, cfg Config) (*Model, error)
	part  func(name string) string
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
		Name: "medsam", Image: 1024, build: promptable(medsam), part: promptablePart,
		Doc: "MedSAM ViT-B as published; 1024 px, pixels stretched to 0..1, one mask.",
	},
	{
		Name: "sam_med2d", Image: 256, build: promptable(samMed2D), part: promptablePart,
		Doc: "SAM-Med2D ViT-B: a convolutional adapter beside the MLP of every block; 256 px, masks painted at a quarter of it.",
	},
	{
		Name: "unet", Image: 256, build: plainUNet, part: unetPart,
		Doc: "Plain U-Net with instance norm, one mask; the box prompt is a fourth input channel.",
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
		if cfg.NoPrompt || cfg.Base != 0 || cfg.Levels != 0 {
			return nil, fmt.Errorf("prompt, base and levels can be set on unet only; leave them out")
		}
		c := preset()
		c.Image, c.Experts = cfg.Image, cfg.Experts
		if cfg.Patch != 0 {
			c.Patch = cfg.Patch
		}
		if err := c.Validate(); err != nil {
			return nil, err
		}
		m := &Model{Architecture: a, Config: cfg, Network: c.Network(), Masks: c.Masks(), Halves: halvesOf(c)}
		for i := range c.Depth {
			if c.Experts != nil && c.Experts.In(i) {
				m.Blocks = append(m.Blocks, i)
			}
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

// plainUNet: 16 channels and five levels unless told otherwise.
func plainUNet(a *Architecture, cfg Config) (*Model, error) {
	if cfg.Experts != nil {
		return nil, fmt.Errorf("it has no transformer blocks that experts could adapt; use one of the vit models or tiny")
	}
	if cfg.Base == 0 {
		cfg.Base = 16
	}
	if cfg.Levels == 0 {
		cfg.Levels = 5
	}
	c := unet.Config{Image: cfg.Image, Base: cfg.Base, Depth: cfg.Levels}
	if cfg.NoPrompt {
		c.Prompt = unet.None
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Model{Architecture: a, Config: cfg, Network: c.Network(), Masks: 1}, nil
}

func unetPart(name string) string {
	if strings.HasPrefix(name, "down.") {
		return Encoder
	}
	return Decoder
}
