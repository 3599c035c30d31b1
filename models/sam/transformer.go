package sam

import (
	"math"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// twoWay lets prompt tokens and image exchange what they know: in every layer
// the tokens attend to each other, then to the image, pass an MLP, and the
// image attends to the tokens; at the end the tokens attend to the image once
// more. Positions of the image and the tokens' first values are added to every
// query and key, never to a value.
//
// tokens: (B,n,C); image, position: (B,HW,C). Returns both, updated.
func (c Config) twoWay(s *graph.Scope, tokens, image, position *gx.Node) (queries, keys *gx.Node) {
	queries, keys = tokens, image
	for i := range c.DecoderDepth {
		queries, keys = c.twoWayLayer(s.In("layers.%d", i), i == 0, queries, keys, tokens, position)
	}
	q, k := gx.Add(queries, tokens), gx.Add(keys, position)
	y := c.attention(s.In("final_attn_token_to_image"), q, k, keys, 2)
	queries = graph.LayerNorm(s.In("norm_final_attn"), gx.Add(queries, y), transformerNorm)
	return queries, keys
}

// twoWayLayer is one layer of it. In the first, the self attention of the
// tokens has neither positions nor a residual.
func (c Config) twoWayLayer(s *graph.Scope, first bool, queries, keys, tokens, position *gx.Node) (*gx.Node, *gx.Node) {
	normed := func(name string, x *gx.Node) *gx.Node { return graph.LayerNorm(s.In(name), x, transformerNorm) }

	if first {
		queries = c.attention(s.In("self_attn"), queries, queries, queries, 1)
	} else {
		q := gx.Add(queries, tokens)
		queries = gx.Add(queries, c.attention(s.In("self_attn"), q, q, queries, 1))
	}
	queries = normed("norm1", queries)

	q, k := gx.Add(queries, tokens), gx.Add(keys, position)
	queries = normed("norm2", gx.Add(queries, c.attention(s.In("cross_attn_token_to_image"), q, k, keys, 2)))

	m := s.In("mlp")
	hidden := graph.ReLU(graph.Linear(m.In("lin1"), queries, c.DecoderMLP, true))
	queries = normed("norm3", gx.Add(queries, graph.Linear(m.In("lin2"), hidden, c.Prompt, true)))

	q, k = gx.Add(queries, tokens), gx.Add(keys, position)
	keys = normed("norm4", gx.Add(keys, c.attention(s.In("cross_attn_image_to_token"), k, q, queries, 2)))

	s.Tap("queries", queries)
	s.Tap("keys", keys)
	return queries, keys
}

// attention is multi-head attention in C/narrow dimensions.
//
// q: (B,n,C); k, v: (B,m,C). Returns (B,n,C).
func (c Config) attention(s *graph.Scope, q, k, v *gx.Node, narrow int) *gx.Node {
	width := c.Prompt / narrow
	d := width / c.DecoderHeads
	heads := func(name string, x *gx.Node) *gx.Node { // (B,heads,·,d)
		x = graph.Linear(s.In(name), x, width, true)
		x = gx.Reshape(x, x.Shape().Dim(0), x.Shape().Dim(1), c.DecoderHeads, d)
		return gx.TransposeAllAxes(x, 0, 2, 1, 3)
	}
	b, n := q.Shape().Dim(0), q.Shape().Dim(1)
	q, k, v = heads("q_proj", q), heads("k_proj", k), heads("v_proj", v)
	logits := gx.MulScalar(graph.Einsum("bhnd,bhmd->bhnm", q, k), 1/math.Sqrt(float64(d)))
	y := graph.Einsum("bhnm,bhmd->bhnd", graph.Softmax(logits), v)
	y = gx.Reshape(gx.TransposeAllAxes(y, 0, 2, 1, 3), b, n, width)
	return graph.Linear(s.In("out_proj"), y, c.Prompt, true)
}
