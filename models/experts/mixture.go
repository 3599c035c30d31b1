package experts

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Adapt adds the weighted sum of the experts to what the block's own MLP made
// of the same tokens.
//
// x: (B,H,W,C), the normalised tokens that the MLP saw; mlp: (B,H,W,C), its
// answer. Returns the sum (B,H,W,C) and the weights of the experts (B,E). In a
// network without MLPs, x is the map of features of a level and stands for mlp
// too; maps of volumes (B,D,H,W,C) are adapted in the same way.
// Parameters are taken in scope s: adapter_down.N (b,C), adapter_up.N (C,b), or
// what a Form asks for under adapter_block.N; adapter_gate,
// adapter_organ_gate, adapter_input_embed.
func (c Config) Adapt(s *graph.Scope, ctx Context, x, mlp *gx.Node) (out, gate *gx.Node) {
	gate = c.weights(s, ctx, x)
	s.Tap("gate", gate)

	tokens := gx.Reshape(x, x.Shape().Dim(0), -1, x.Shape().Dim(-1))
	sum := c.fused(s, tokens, gate)
	for _, y := range c.oneByOne(s, tokens, gate) {
		if sum == nil {
			sum = y
		} else {
			sum = gx.Add(sum, y)
		}
	}
	return gx.Add(mlp, gx.MulScalar(gx.Reshape(sum, x.Shape().Dimensions...), c.Scale)), gate
}

// fused is Σ_e gate_e · Up_e(GELU(Down_e(x))) over the bottlenecks in two
// products; nil where there are none.
//
// tokens: (B,HW,C), gate: (B,E). Returns (B,HW,C).
func (c Config) fused(s *graph.Scope, tokens, gate *gx.Node) *gx.Node {
	b, channels := tokens.Shape().Dim(0), tokens.Shape().Dim(2)
	var down, downBias, up, upBias []*gx.Node
	for e, width := range c.widths() {
		if c.form(e) != nil {
			upBias = append(upBias, gx.ConstAsDType(s.Graph(), s.DType(), [][]float64{make([]float64, channels)})) // its bias is its own affair
			continue
		}
		d, u := s.In("adapter_down.%d", e), s.In("adapter_up.%d", e)
		down = append(down, d.Param("weight", graph.KaimingUniform, width, channels))
		downBias = append(downBias, d.Param("bias", graph.Zeros, width))
		up = append(up, u.Param("weight", graph.Zeros, channels, width))
		upBias = append(upBias, gx.Reshape(u.Param("bias", graph.Zeros, channels), 1, channels))
	}

	if down == nil {
		return nil
	}
	// N = Σ_e b_e hidden units of all experts side by side.
	hidden := graph.Einsum("btc,nc->btn", tokens, gx.Concatenate(down, 0))
	hidden = gx.Add(hidden, gx.Reshape(gx.Concatenate(downBias, 0), 1, 1, -1))
	hidden = graph.GELU(hidden) // (B,HW,N)
	hidden = graph.Dropout(s, "adapter_dropout", hidden, c.Dropout)

	share := gx.MatMul(gate, c.ownership(gate))                                                // (B,N): the weight of each unit's expert
	hidden = gx.Mul(hidden, gx.Reshape(share, b, 1, -1))                                       // (B,HW,N)
	sum := graph.Einsum("btn,cn->btc", hidden, gx.Concatenate(up, 1))                          // (B,HW,C)
	return gx.Add(sum, gx.Reshape(gx.MatMul(gate, gx.Concatenate(upBias, 0)), b, 1, channels)) // Σ_e gate_e · bias_e
}

// oneByOne lists gate_e · Form_e(x), for experts of a form of their own.
//
// tokens: (B,HW,C), gate: (B,E). Returns each (B,HW,C).
func (c Config) oneByOne(s *graph.Scope, tokens, gate *gx.Node) []*gx.Node {
	b := tokens.Shape().Dim(0)
	var terms []*gx.Node
	for e := range c.Experts {
		form := c.form(e)
		if form == nil {
			continue
		}
		own := s.In("adapter_block.%d", e)
		y := form(own, tokens)
		if !y.Shape().Equal(tokens.Shape()) {
			s.Failf("expert %q answers the shape %v to tokens of shape %v; expected the same shape", own.Path(), y.Shape().Dimensions, tokens.Shape().Dimensions)
		}
		share := gx.Reshape(gx.Slice(gate, gx.AxisRange(), gx.AxisRange(e, e+1)), b, 1, 1)
		terms = append(terms, gx.Mul(y, share))
	}
	return terms
}

// ownership is the matrix (E,N) with a 1 where hidden unit n of the bottlenecks belongs to expert e.
func (c Config) ownership(like *gx.Node) *gx.Node {
	var owner []int32
	for e, width := range c.widths() {
		if c.form(e) != nil {
			continue
		}
		for range width {
			owner = append(owner, int32(e))
		}
	}
	return gx.Transpose(gx.OneHot(gx.Const(like.Graph(), owner), c.Experts, like.DType()), 0, 1)
}
