// Package sam is the Segment Anything Model and what the medical field made of
// it: SAM itself, MedSAM (box prompt, one mask), and MedSegX, which works at
// 256 pixels, answers masks at full resolution, and adapts a frozen encoder
// with a mixture of experts ([experts.Config]).
//
// Read the files in the order of the data: encoder.go turns the image into a
// map of features (attention.go and position.go hold its attention),
// prompt.go turns boxes, points and masks into tokens, decoder.go lets both
// meet (transformer.go) and paints the masks.
//
// Given an image with values 0..255 and a box in its pixels, the network
// normalises the pixels itself and answers logits of the candidate masks at the
// size of the image, the predicted IoU of each, and the weights of the experts
// in every adapted block. [Config.Encode] and [Config.Decode] are its two
// halves: the first depends on the image alone, so that its answer can be kept
// when several prompts, or only a decoder, are of interest.
//
// Parameters have the names of the published state dicts
// (image_encoder.…, prompt_encoder.…, mask_decoder.…) and load without a
// translation. First values follow the reference implementations; where those
// expect pretrained weights (positions are zeros there), training from scratch
// starts from small truncated normals.
//
// Sources: Kirillov et al. 2023, github facebookresearch/segment-anything at
// dca509f; Ma et al. 2024, github bowang-lab/MedSAM at d71e8a1; Cheng et al. 2023, github OpenGVLab/SAM-Med2D at bfd2b93; MedSegX, github MedSegX/MedSegX-code at
// fcad7ff. Activations, gradients and optimiser steps are tested against them.
package sam

import (
	"fmt"
	"math/bits"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Pixels says how pixel values 0..255 enter the encoder.
type Pixels int

const (
	// ImageNet subtracts the mean and divides by the standard deviation of
	// each colour in ImageNet (SAM, MedSegX).
	ImageNet Pixels = iota
	// MinMax stretches each image to 0..1 (MedSAM).
	MinMax
)

// Config describes one network of the family.
type Config struct {
	Image  int // side of the square image in pixels
	Patch  int // side of a patch; the token grid has Image/Patch tokens a side
	Window int // side of an attention window in tokens
	Dim    int // width of the encoder
	Depth  int // blocks of the encoder
	Heads  int
	Global []int // blocks that attend to the whole grid
	MLP    int   // hidden units of a block's MLP, as a multiple of Dim

	Prompt       int // width of prompts and decoder
	MaskChannels int // channels inside the encoder of mask prompts
	DecoderDepth int
	DecoderHeads int
	DecoderMLP   int // hidden units of the decoder's MLPs
	IoUHidden    int // hidden units of the quality head
	IoUDepth     int // layers of the quality head

	// KeepResolution paints masks at the size of the image, with one doubling
	// for each factor of two in Patch. Otherwise masks are painted at four
	// times the token grid, and enlarged.
	KeepResolution bool
	// OneMask answers the single mask of token 0 instead of the three
	// candidates for an ambiguous prompt.
	OneMask bool
	Pixels  Pixels
	// BoxAsMask shows the box prompt a second time as a mask prompt, inside and
	// outside painted on the grid that former answers come on. The published
	// networks learnt from a million images what two corner tokens mean; one
	// that starts from nothing is told more plainly. What it gains has not been
	// measured apart from other changes. A mask prompt takes its place.
	BoxAsMask bool
	// Fine adds features of single pixels where masks are painted (fine.go);
	// needs KeepResolution.
	Fine bool

	// Experts adapts the encoder's blocks; nil leaves them as they are.
	Experts *experts.Config
	// Convolutional puts SAM-Med2D's adapter beside the MLP of every block;
	// the token grid must have an even number of tokens on each side.
	Convolutional bool
}

// candidates is the number of mask tokens: one for unambiguous prompts and
// three for whole, part and subpart.
const candidates = 4

// Base, Large and Huge are the published sizes, at 1024 pixels.
func Base() Config  { return published(768, 12, 12, []int{2, 5, 8, 11}) }
func Large() Config { return published(1024, 24, 16, []int{5, 11, 17, 23}) }
func Huge() Config  { return published(1280, 32, 16, []int{7, 15, 23, 31}) }

func published(dim, depth, heads int, global []int) Config {
	return Config{
		Image: 1024, Patch: 16, Window: 14, Dim: dim, Depth: depth, Heads: heads, Global: global, MLP: 4,
		Prompt: 256, MaskChannels: 16, DecoderDepth: 2, DecoderHeads: 8, DecoderMLP: 2048, IoUHidden: 256, IoUDepth: 3,
	}
}

// Grid is the number of tokens on each side of the image.
func (c Config) Grid() int { return c.Image / c.Patch }

// Masks is the number of masks the network answers.
func (c Config) Masks() int {
	if c.OneMask {
		return 1
	}
	return candidates - 1
}

// Validate reports the first thing that is wrong.
func (c Config) Validate() error {
	positive := []struct {
		what  string
		value int
	}{
		{"image size", c.Image}, {"patch size", c.Patch}, {"window", c.Window}, {"encoder width", c.Dim}, {"encoder depth", c.Depth},
		{"encoder heads", c.Heads}, {"MLP ratio", c.MLP}, {"prompt width", c.Prompt}, {"mask prompt channels", c.MaskChannels},
		{"decoder depth", c.DecoderDepth}, {"decoder heads", c.DecoderHeads}, {"decoder MLP width", c.DecoderMLP},
		{"IoU head width", c.IoUHidden}, {"IoU head depth", c.IoUDepth},
	}
	for _, p := range positive {
		if p.value < 1 {
			return fmt.Errorf("sam: %s is %d, expected at least 1", p.what, p.value)
		}
	}
	switch {
	case c.Image%c.Patch != 0:
		return fmt.Errorf("sam: an image of %d px has no whole number of patches of %d px; use a multiple of %d", c.Image, c.Patch, c.Patch)
	case c.Dim%c.Heads != 0:
		return fmt.Errorf("sam: encoder width %d is not divisible by its %d heads", c.Dim, c.Heads)
	case c.Prompt%2 != 0 || (c.Prompt/2)%c.DecoderHeads != 0:
		return fmt.Errorf("sam: half the prompt width %d is not divisible by the %d heads of the decoder", c.Prompt, c.DecoderHeads)
	case c.MaskChannels%4 != 0:
		return fmt.Errorf("sam: found %d channels for mask prompts, expected a multiple of 4", c.MaskChannels)
	case c.KeepResolution && c.Patch&(c.Patch-1) != 0:
		return fmt.Errorf("sam: masks of the image's size need a patch size that is a power of two, found %d", c.Patch)
	case c.Fine && !c.KeepResolution:
		return fmt.Errorf("sam: features of single pixels need masks of the image's size")
	case c.Prompt%(4<<(c.doublings()-1)) != 0:
		return fmt.Errorf("sam: prompt width %d cannot be halved for %d doublings of the mask; expected a multiple of %d",
			c.Prompt, c.doublings(), 4<<(c.doublings()-1))
	case c.Convolutional && c.Grid()%2 != 0:
		return fmt.Errorf("sam: the convolutional adapter halves the grid of %d×%d tokens, which is odd; use an image of a multiple of %d px", c.Grid(), c.Grid(), 2*c.Patch)
	case c.Convolutional && c.Dim%4 != 0:
		return fmt.Errorf("sam: the convolutional adapter needs an encoder width that is a multiple of 4, found %d", c.Dim)
	case c.Pixels != ImageNet && c.Pixels != MinMax:
		return fmt.Errorf("sam: pixel normalisation %d is unknown", c.Pixels)
	}
	for _, i := range c.Global {
		if i < 0 || i >= c.Depth {
			return fmt.Errorf("sam: global block %d does not exist, expected 0 to %d", i, c.Depth-1)
		}
	}
	if c.Experts != nil {
		return c.Experts.Validate(c.Depth)
	}
	return nil
}

// LowSide is the side of the grid that mask prompts come on: four times the
// token grid.
func (c Config) LowSide() int { return 4 * c.Grid() }

// low brings masks (B,M,h,w) to the grid of mask prompts: as they were painted
// where that is its size, as SAM feeds its answers back, else by the mean
// logit of the pixels in each of its cells.
func (c Config) low(s *graph.Scope, masks *graph.Node) *graph.Node {
	d, side := masks.Shape().Dimensions, c.LowSide()
	if d[2]%side != 0 { // patches of fewer than 4 px
		return graph.ResizeMasks(s, masks, side, side)
	}
	if d[2] == side {
		return masks
	}
	pooled := graph.AvgPool(s, gx.Reshape(masks, d[0]*d[1], d[2], d[3], 1), []int{d[2] / side, d[3] / side})
	return gx.Reshape(pooled, d[0], d[1], side, side)
}

// doublings is how often the decoder doubles the token grid: four times the
// grid in SAM, the whole image where the resolution is kept.
func (c Config) doublings() int {
	if c.KeepResolution {
		return max(1, bits.Len(uint(c.Patch))-1)
	}
	return 2
}

// Network builds the whole network for a box prompt. The configuration must be
// valid.
func (c Config) Network() graph.Network {
	return func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		embedding, gates := c.Encode(s, in)
		out := c.Answer(s, embedding, in)
		out.Gates = gates
		return out
	}
}

// Answer is what follows the encoder: masks for the prompts of in on images
// whose embedding is given. It looks at the image again where [Config.Fine] is
// set, and at nothing else of it.
//
// embedding: (B,G,G,Prompt).
func (c Config) Answer(s *graph.Scope, embedding *graph.Node, in graph.Inputs) graph.Outputs {
	prompts := Prompts{Box: in.Box, Points: in.Points, Labels: in.Labels, Mask: in.Mask}
	if in.Box == nil && (c.BoxAsMask || c.Fine) {
		s.Failf("this network is shown its box as a map too and cannot do without one; give it a box")
	}
	if c.BoxAsMask && in.Mask == nil {
		prompts.Mask = c.boxMask(s, in.Box, c.LowSide(), painted)
	}
	if c.Fine {
		prompts.fine = c.fine(s.In("mask_decoder"), c.pixels(in.Image), in.Box)
	}
	return c.Decode(s, embedding, prompts)
}
