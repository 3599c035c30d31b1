// Package unet holds the convolutional networks that every other model has to
// beat. [Config] is the plain U-Net: two convolutions a level, instance norm,
// leaky ReLU, max pooling on the way down, transposed convolutions on the way
// up, and a skip connection between the two at every level (Ronneberger et al.
// 2015; norm and activation as in nnU-Net, Isensee et al. 2021). [Staged] is
// nnU-Net's own network, plain or residual, stage by stage, and [PlanFor] is how
// nnU-Net decides on its stages from the data.
//
// Given an image with values 0..255 they answer the logits of one mask. They can
// be told where to look: with [Box] the box prompt enters as a fourth channel
// that is 1 inside the box and 0 outside. Of task, organ and modality they know
// only what experts tell them, which adapt the levels of the encoder: the map of
// features x of a level becomes x + scale·Σ gate·expert(x), which is what skip
// connection and next level see, and the gate sees the mean of the map.
package unet

import (
	"cmp"
	"fmt"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Prompt says what the network is told about where the target lies.
type Prompt int

const (
	Box  Prompt = iota // the box, filled, as a fourth channel
	None               // nothing
)

// Config describes one U-Net.
type Config struct {
	Image  int // side of the square image, or width of another, in pixels
	Height int // of an image that is not square; 0: it is
	Base   int // channels of the first level; doubled at each further one
	Depth  int // levels, at least 1
	Prompt Prompt

	Experts *experts.Config // adapts the levels of the encoder; nil: none
}

// instanceNormEps and slope are PyTorch's and nnU-Net's constants.
const (
	instanceNormEps = 1e-5
	slope           = 0.01
)

// Validate reports the first thing that is wrong.
func (c Config) Validate() error {
	switch {
	case c.Base < 1:
		return fmt.Errorf("unet: base is %d channels, expected at least 1", c.Base)
	case c.Depth < 1 || c.Depth > 10:
		return fmt.Errorf("unet: depth is %d levels, expected 1 to 10", c.Depth)
	case c.Height < 0 || c.Height%(1<<(c.Depth-1)) != 0:
		return fmt.Errorf("unet: a height of %d px cannot be halved %d times; use a multiple of %d", c.Height, c.Depth-1, 1<<(c.Depth-1))
	case c.Image < 1 || c.Image%(1<<(c.Depth-1)) != 0:
		return fmt.Errorf("unet: an image of %d px cannot be halved %d times; use a multiple of %d", c.Image, c.Depth-1, 1<<(c.Depth-1))
	case c.Prompt != Box && c.Prompt != None:
		return fmt.Errorf("unet: prompt kind %d is unknown", c.Prompt)
	}
	if c.Experts != nil {
		return c.Experts.Validate(c.Depth)
	}
	return nil
}

// Network builds the network. The configuration must be valid.
func (c Config) Network() graph.Network {
	return func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		x := standardised(s, in) // (B,S,S,3)
		if c.Prompt == Box {
			x = gx.Concatenate([]*gx.Node{x, filled(s, in.Box, cmp.Or(c.Height, c.Image), c.Image)}, -1) // (B,S,S,4)
		}
		s.Tap("input", x)
		var context experts.Context
		if c.Experts != nil {
			context = c.Experts.Look(s, in)
		}
		var gates []*gx.Node

		skips := make([]*gx.Node, c.Depth)
		for i := range c.Depth {
			if i > 0 {
				x = graph.MaxPool2(s, x)
			}
			down := s.In("down.%d", i)
			x = twice(down, x, c.Base<<i) // (B,S/2ⁱ,S/2ⁱ,base·2ⁱ)
			if c.Experts != nil && c.Experts.In(i) {
				var gate *gx.Node
				x, gate = c.Experts.Adapt(down, context, x, x)
				gates = append(gates, gate)
			}
			down.Tap("out", x)
			skips[i] = x
		}
		for i := c.Depth - 2; i >= 0; i-- {
			up := s.In("up.%d", i)
			x = graph.ConvTranspose2d(up.In("expand"), x, c.Base<<i, graph.Conv{Kernel: 2, Stride: 2})
			up.In("expand").Tap("out", x)
			x = twice(up, gx.Concatenate([]*gx.Node{skips[i], x}, -1), c.Base<<i)
			up.Tap("out", x)
		}
		logits := graph.Conv2d(s.In("head"), x, 1, graph.Conv{Kernel: 1}) // (B,S,S,1)
		return graph.Outputs{Masks: channelsFirst(logits), Gates: gates}  // (B,1,S,S)
	}
}

// standardised brings each colour to mean 0 and deviation 1: over the image, or
// over the sample that the image is a part of.
func standardised(s *graph.Scope, in graph.Inputs) *gx.Node {
	if in.Whole == nil {
		return graph.InstanceNorm(s, in.Image, instanceNormEps, false)
	}
	of := func(i int) *gx.Node { // (B,1,1,3)
		return gx.Reshape(gx.SliceAxis(in.Whole, 1, gx.AxisRange(i, i+1)), -1, 1, 1, in.Image.Shape().Dim(-1))
	}
	variance := gx.AddScalar(gx.Square(of(1)), instanceNormEps)
	return gx.Div(gx.Sub(in.Image, of(0)), gx.Sqrt(variance))
}

// twice is convolution, norm and activation, two times. The norm takes the
// mean away, so the convolutions need no bias.
func twice(s *graph.Scope, x *gx.Node, channels int) *gx.Node {
	x = s.Block(x)
	for i := range 2 {
		x = graph.Conv2d(s.In("conv%d", i), x, channels, graph.Conv{Kernel: 3, Padding: 1, NoBias: true})
		s.In("conv%d", i).Tap("out", x)
		x = graph.LeakyReLU(graph.InstanceNorm(s.In("norm%d", i), x, instanceNormEps, true), slope)
	}
	return s.Unblock(x)
}

// filled is the box as a channel.
//
// box: (B,4). Returns (B,height,width,1).
func filled(s *graph.Scope, box *gx.Node, height, width int) *gx.Node {
	return gx.InsertAxes(graph.BoxPlane(s, box, height, width), -1)
}
