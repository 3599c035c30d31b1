// Package vit is a vision transformer that segments without a promptable
// decoder: SAM's encoder, and convolutions that enlarge its map of features step
// by step to the size of the image (SETR's progressive upsampling, Zheng et al.
// 2021). Beside SAM it shows what prompt encoder and mask decoder are good for;
// beside a U-Net, what the encoder is.
//
// The encoder is that of package sam, block for block and name for name, so that
// SAM's weights fit and experts adapt its blocks in the same way. The box prompt,
// if there is one, is a further channel of the map at every step of the decoder:
// the share of each position that lies in the box.
package vit

import (
	"fmt"
	"math/bits"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Config describes one network.
type Config struct {
	Encoder sam.Config // only what concerns the encoder is read, and Prompt, the width of its answer
	NoBox   bool       // the network is not shown the box
}

const (
	leastChannels = 16 // of the last steps of the decoder
	eps           = 1e-6
)

// Validate reports the first thing that is wrong.
func (c Config) Validate() error {
	if err := c.Encoder.Validate(); err != nil {
		return err
	}
	if p := c.Encoder.Patch; p&(p-1) != 0 {
		return fmt.Errorf("vit: the decoder doubles the map of features, so a patch must be a power of two, found %d px", p)
	}
	return nil
}

// Network builds the network. The configuration must be valid.
func (c Config) Network() graph.Network {
	return func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		x, gates := c.Encoder.Encode(s, in) // (B,G,G,C)
		decoder := s.In("decoder")
		width := c.Encoder.Prompt
		for i := range bits.Len(uint(c.Encoder.Patch)) {
			step := decoder.In("steps.%d", i)
			if i > 0 {
				width = max(width/2, leastChannels)
				x = graph.ConvTranspose2d(step.In("expand"), x, width, graph.Conv{Kernel: 2, Stride: 2}) // (B,2ⁱG,2ⁱG,C/2ⁱ)
			}
			if !c.NoBox {
				x = gx.Concatenate([]*gx.Node{x, c.share(s, in.Box, x.Shape().Dim(1))}, -1)
			}
			x = graph.Conv2d(step.In("conv"), x, width, graph.Conv{Kernel: 3, Padding: 1, NoBias: true})
			x = graph.GELU(graph.LayerNorm(step.In("norm"), x, eps))
			step.Tap("out", x)
		}
		logits := graph.Conv2d(decoder.In("head"), x, 1, graph.Conv{Kernel: 1}) // (B,S,S,1)
		return graph.Outputs{Masks: gx.TransposeAllAxes(logits, 0, 3, 1, 2), Gates: gates}
	}
}

// share is the part of each cell of a side×side grid over the image that lies in
// the box, whose corners are pixels that belong to it.
//
// box: (B,4). Returns (B,side,side,1), 0..1.
func (c Config) share(s *graph.Scope, box *gx.Node, side int) *gx.Node {
	b, cell := box.Shape().Dim(0), float64(c.Encoder.Image)/float64(side)
	edges := make([]float64, side) // where cells begin, px
	for i := range edges {
		edges[i] = float64(i) * cell
	}
	begin := gx.BroadcastToDims(gx.Reshape(gx.ConstAsDType(s.Graph(), s.DType(), edges), 1, side), b, side)
	corner := func(i int) *gx.Node {
		return gx.BroadcastToDims(gx.Slice(box, gx.AxisRange(), gx.AxisRange(i, i+1)), b, side)
	}
	along := func(lo, hi *gx.Node) *gx.Node { // (B,side)
		from := gx.Max(begin, lo)
		to := gx.Min(gx.AddScalar(begin, cell), gx.AddScalar(hi, 1))
		return gx.MulScalar(gx.MaxScalar(gx.Sub(to, from), 0), 1/cell)
	}
	x, y := along(corner(0), corner(2)), along(corner(1), corner(3))
	return gx.Reshape(gx.Einsum("by,bx->byx", y, x), b, side, side, 1)
}
