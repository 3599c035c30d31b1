package sam

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Decode answers masks for the prompts on images that were encoded before.
//
// embedding: (B,G,G,C), as Encode returns it. Outputs: Masks (B,M,S,S) logits
// and IoU (B,M); M is 1 or 3 (see Config.OneMask). If the prompts have another
// batch size than the embedding, the embedding must have batch size 1 and
// serves them all.
func (c Config) Decode(s *graph.Scope, embedding *gx.Node, p Prompts) graph.Outputs {
	encoder, decoder := s.In("prompt_encoder"), s.In("mask_decoder")
	sparse, dense := c.prompts(encoder, p)
	batch := embedding.Shape().Dim(0)
	if sparse != nil {
		batch = sparse.Shape().Dim(0)
	} else if p.Mask != nil {
		batch = p.Mask.Shape().Dim(0)
	}

	// Output tokens first, prompts behind them.
	tokens := gx.Concatenate([]*gx.Node{
		decoder.In("iou_token").Param("weight", graph.Normal(1), 1, c.Prompt),
		decoder.In("mask_tokens").Param("weight", graph.Normal(1), candidates, c.Prompt),
	}, 0)
	tokens = gx.BroadcastToDims(gx.InsertAxes(tokens, 0), batch, 1+candidates, c.Prompt)
	if sparse != nil {
		tokens = gx.Concatenate([]*gx.Node{tokens, sparse}, 1) // (B,5+n,C)
	}

	g := c.Grid()
	position := c.positions(encoder) // (1,G,G,C)
	encoder.Tap("dense_pe", position)
	image := gx.Add(embedding, dense)
	image = gx.BroadcastToDims(gx.Reshape(image, image.Shape().Dim(0), g*g, c.Prompt), batch, g*g, c.Prompt)
	position = gx.BroadcastToDims(gx.Reshape(position, 1, g*g, c.Prompt), batch, g*g, c.Prompt)

	tokens, image = c.twoWay(decoder.In("transformer"), tokens, image, position)
	decoder.Tap("tokens", tokens) // (B,5+n,C)
	decoder.Tap("image", image)   // (B,G²,C)

	masks := c.paint(decoder, gx.Slice(tokens, gx.AxisRange(), gx.AxisRange(1, 1+candidates)),
		gx.Reshape(image, batch, g, g, c.Prompt), p.fine) // (B,4,h,w)
	quality := gx.Squeeze(gx.Slice(tokens, gx.AxisRange(), gx.AxisElem(0)), 1) // (B,C)
	iou := perceptron(decoder.In("iou_prediction_head"), quality, c.IoUHidden, candidates, c.IoUDepth)
	decoder.Tap("masks", masks)
	decoder.Tap("iou", iou)

	wanted := gx.AxisRange(1, candidates)
	if c.OneMask {
		wanted = gx.AxisRange(0, 1)
	}
	masks, iou = gx.SliceAxis(masks, 1, wanted), gx.SliceAxis(iou, 1, wanted)
	return graph.Outputs{Masks: graph.ResizeMasks(s, masks, c.Image, c.Image), IoU: iou, Low: c.low(s, masks)}
}

// paint enlarges the image's features and takes, for every mask, the product
// with a vector that a small perceptron made of the mask's token.
//
// tokens: (B,4,C); image: (B,G,G,C); fine: a map for each doubling, or nil.
// Returns logits (B,4,h,w).
func (c Config) paint(s *graph.Scope, tokens, image *gx.Node, fine []*gx.Node) *gx.Node {
	x, up := image, s.In("output_upscaling")
	n := c.doublings()
	width := c.Prompt / 4
	for i := range n {
		if i > 0 {
			width /= 2
		}
		x = graph.ConvTranspose2d(up.In("%d", 3*i), x, width, graph.Conv{Kernel: 2, Stride: 2}) // twice the size
		if i < n-1 {
			x = graph.LayerNorm(up.In("%d", 3*i+1), x, norm)
		}
		if fine != nil {
			x = gx.Add(x, fine[i])
		}
		x = graph.GELU(x)
	}
	if fine != nil {
		x = c.blend(s.In("fine_features"), x)
	}
	s.Tap("upscaled", x) // (B,h,w,c)

	brushes := make([]*gx.Node, candidates)
	for i := range brushes {
		token := gx.Squeeze(gx.Slice(tokens, gx.AxisRange(), gx.AxisElem(i)), 1) // (B,C)
		brushes[i] = perceptron(s.In("output_hypernetworks_mlps.%d", i), token, c.Prompt, width, 3)
	}
	return graph.Einsum("bmc,bhwc->bmhw", gx.Stack(brushes, 1), x)
}

// perceptron is depth linear layers with ReLU between them: (B,in) to (B,out).
func perceptron(s *graph.Scope, x *gx.Node, hidden, out, depth int) *gx.Node {
	for i := range depth - 1 {
		x = graph.ReLU(graph.Linear(s.In("layers.%d", i), x, hidden, true))
	}
	return graph.Linear(s.In("layers.%d", depth-1), x, out, true)
}
