package sam

import (
	"slices"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// norm is the epsilon of every layer norm in encoder, neck and mask painting;
// the decoder's transformer has PyTorch's default.
const norm, transformerNorm = 1e-6, 1e-5

// Mean and deviation of the colours red, green and blue in ImageNet, in units
// of 0..255.
var (
	colourMean      = []float64{123.675, 116.28, 103.53}
	colourDeviation = []float64{58.395, 57.12, 57.375}
)

// Encode turns images into feature maps: a ViT with attention in windows and,
// in a few blocks, over the whole grid (Li et al. 2022, ViTDet), followed by a
// neck of two convolutions. gates are the weights (B,E) of each adapted block.
//
// in.Image: (B,S,S,3), 0..255. in.Modality and in.Organ are read only where
// experts are. Returns (B,S/P,S/P,Prompt).
func (c Config) Encode(s *graph.Scope, in graph.Inputs) (embedding *gx.Node, gates []*gx.Node) {
	s = s.In("image_encoder")
	x := c.pixels(in.Image) // (B,S,S,3)
	s.Tap("preprocessed", x)

	x = graph.Conv2d(s.In("patch_embed.proj"), x, c.Dim, graph.Conv{Kernel: c.Patch, Stride: c.Patch}) // (B,G,G,C)
	s.Tap("patch_embed", x)
	x = gx.Add(x, s.Param("pos_embed", graph.TruncNormal(0.02), 1, c.Grid(), c.Grid(), c.Dim))
	s.Tap("after_pos_embed", x)

	var context experts.Context
	if c.Experts != nil {
		context = c.Experts.Look(s, in)
	}
	for i := range c.Depth {
		var gate *gx.Node
		x = s.Block(x)
		x, gate = c.block(s.In("blocks.%d", i), i, context, x) // (B,G,G,C)
		if gate != nil {
			gates = append(gates, gate)
		}
	}

	x = c.neck(s.In("neck"), s.Unblock(x)) // (B,G,G,Prompt)
	s.Tap("image_embedding", x)
	return x, gates
}

// pixels brings 0..255 to the range that the encoder was trained on.
func (c Config) pixels(x *gx.Node) *gx.Node {
	if c.Pixels == MinMax {
		low := gx.ReduceAndKeep(x, gx.ReduceMin, 1, 2, 3)
		high := gx.ReduceAndKeep(x, gx.ReduceMax, 1, 2, 3)
		return gx.Div(gx.Sub(x, low), gx.MaxScalar(gx.Sub(high, low), 1e-8))
	}
	colour := func(v []float64) *gx.Node {
		return gx.Reshape(gx.ConstAsDType(x.Graph(), x.DType(), v), 1, 1, 1, 3)
	}
	return gx.Div(gx.Sub(x, colour(colourMean)), colour(colourDeviation))
}

// block is one pre-norm transformer block; its MLP may have experts beside it.
//
// x: (B,G,G,C). Returns the same shape, and the weights of the experts or nil.
func (c Config) block(s *graph.Scope, i int, context experts.Context, x *gx.Node) (y, gate *gx.Node) {
	window := c.Window
	if slices.Contains(c.Global, i) {
		window = 0
	}
	h := graph.LayerNorm(s.In("norm1"), x, norm)
	s.Tap("norm1", h)
	h = encoderAttention(s.In("attn"), h, c.Heads, window)
	s.Tap("attn", h)
	x = gx.Add(x, h)
	s.Tap("after_attn", x)

	h = graph.LayerNorm(s.In("norm2"), x, norm)
	s.Tap("norm2", h)
	adapted, m := c.Experts != nil && c.Experts.In(i), s.In("mlp")
	inner := m
	if adapted {
		inner = m.In("mlp")
	}
	y = c.mlp(inner, h)
	if c.Convolutional {
		y = gx.Add(y, c.convolutional(s.In("Adapter"), h))
	}
	if adapted {
		y, gate = c.Experts.Adapt(m, context, h, y)
	}
	h = y
	s.Tap("mlp_out", h)
	x = gx.Add(x, h)
	s.Tap("out", x)
	return x, gate
}

// mlp: (B,G,G,C) to (B,G,G,MLP·C) and back.
func (c Config) mlp(s *graph.Scope, x *gx.Node) *gx.Node {
	x = graph.GELU(graph.Linear(s.In("lin1"), x, c.MLP*c.Dim, true))
	return graph.Linear(s.In("lin2"), x, c.Dim, true)
}

// neck brings the encoder's width to the decoder's.
//
// x: (B,G,G,C). Returns (B,G,G,Prompt).
func (c Config) neck(s *graph.Scope, x *gx.Node) *gx.Node {
	x = graph.Conv2d(s.In("0"), x, c.Prompt, graph.Conv{Kernel: 1, NoBias: true})
	x = graph.LayerNorm(s.In("1"), x, norm)
	x = graph.Conv2d(s.In("2"), x, c.Prompt, graph.Conv{Kernel: 3, Padding: 1, NoBias: true})
	return graph.LayerNorm(s.In("3"), x, norm)
}

// convolutional is SAM-Med2D's adapter: channels are weighted by what the mean
// token says (squeeze and excitation), then looked at from half the resolution.
//
// x: (B,G,G,C), the normalised tokens that the MLP sees. Returns the same shape.
func (c Config) convolutional(s *graph.Scope, x *gx.Node) *gx.Node {
	b, channel, spatial := x.Shape().Dim(0), s.In("channel"), s.In("spatial")
	weight := graph.ReLU(graph.Linear(channel.In("0"), graph.Mean(s, x, 1, 2), c.Dim/4, false))
	weight = gx.Sigmoid(graph.Linear(channel.In("2"), weight, c.Dim, false)) // (B,C)
	s.Tap("channel_gate", weight)

	y := gx.Mul(x, gx.Reshape(weight, b, 1, 1, c.Dim))
	y = graph.ReLU(graph.Conv2d(spatial.In("0"), y, c.Dim, graph.Conv{Kernel: 3, Stride: 2, Padding: 1, NoBias: true}))          // (B,G/2,G/2,C)
	y = graph.ReLU(graph.ConvTranspose2d(spatial.In("2"), y, c.Dim, graph.Conv{Kernel: 4, Stride: 2, Padding: 1, NoBias: true})) // (B,G,G,C)
	y = graph.LayerNorm(s.In("norm"), gx.Add(x, y), transformerNorm)
	s.Tap("adapter", y)
	return y
}
