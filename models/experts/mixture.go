package experts

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Adapt adds the weighted sum of the experts to what the block's own MLP made
// of the same tokens.
//
// x: (B,H,W,C), the normalised tokens that the MLP saw; mlp: (B,H,W,C), its
// answer. Returns the sum (B,H,W,C) and the weights of the experts (B,E).
// Parameters are taken in scope s: adapter_down.N (b,C), adapter_up.N (C,b),
// adapter_gate, adapter_organ_gate, adapter_input_embed.
func (c Config) Adapt(s *graph.Scope, ctx Context, x, mlp *gx.Node) (out, gate *gx.Node) {
	b, h, w, channels := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	gate = c.weights(s, ctx, x)
	s.Tap("gate", gate)

	var down, downBias, up, upBias []*gx.Node
	for e, width := range c.widths() {
		d, u := s.In("adapter_down.%d", e), s.In("adapter_up.%d", e)
		down = append(down, d.Param("weight", graph.KaimingUniform, width, channels))
		downBias = append(downBias, d.Param("bias", graph.Zeros, width))
		up = append(up, u.Param("weight", graph.Zeros, channels, width))
		upBias = append(upBias, gx.Reshape(u.Param("bias", graph.Zeros, channels), 1, channels))
	}

	// N = Σ_e b_e hidden units of all experts side by side.
	tokens := gx.Reshape(x, b, h*w, channels)
	hidden := graph.Einsum("btc,nc->btn", tokens, gx.Concatenate(down, 0))
	hidden = gx.Add(hidden, gx.Reshape(gx.Concatenate(downBias, 0), 1, 1, -1))
	hidden = graph.GELU(hidden) // (B,HW,N)
	hidden = graph.Dropout(s, "adapter_dropout", hidden, c.Dropout)

	share := gx.MatMul(gate, c.ownership(gate))                                               // (B,N): the weight of each unit's expert
	hidden = gx.Mul(hidden, gx.Reshape(share, b, 1, -1))                                      // (B,HW,N)
	sum := graph.Einsum("btn,cn->btc", hidden, gx.Concatenate(up, 1))                         // (B,HW,C)
	sum = gx.Add(sum, gx.Reshape(gx.MatMul(gate, gx.Concatenate(upBias, 0)), b, 1, channels)) // Σ_e gate_e · bias_e
	return gx.Add(mlp, gx.MulScalar(gx.Reshape(sum, b, h, w, channels), c.Scale)), gate
}

// ownership is the matrix (E,N) with a 1 where hidden unit n belongs to expert e.
func (c Config) ownership(like *gx.Node) *gx.Node {
	var owner []int32
	for e, width := range c.widths() {
		for range width {
			owner = append(owner, int32(e))
		}
	}
	return gx.Transpose(gx.OneHot(gx.Const(like.Graph(), owner), c.Experts, like.DType()), 0, 1)
}
