package sam

import (
	"math"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Prompts is what the user points at, in pixels of the network's image. All
// fields may be nil.
type Prompts struct {
	Box    *gx.Node // (B,4): x0,y0,x1,y1
	Points *gx.Node // (B,N,2): x,y
	Labels *gx.Node // (B,N) int32 for Points: 1 belongs to the target, 0 does not, -1 is no point (to fill up a batch)
	Mask   *gx.Node // (B,4G,4G,1): logits of a former answer at four times the token grid

	fine []*gx.Node // see Config.Fine
}

// prompts turns prompts into n tokens, points first, then the corners of the
// box, and a map to be added to the image's features.
//
// Points without a box are followed by one token that is no point, as in the
// reference. Returns sparse (B,n,C), nil if there is neither box nor point, and
// dense (B or 1,G,G,C).
func (c Config) prompts(s *graph.Scope, p Prompts) (sparse, dense *gx.Node) {
	kinds := c.pointKinds(s) // (5,C)
	frequencies := c.frequencies(s)
	var at, kind []*gx.Node
	if p.Points != nil {
		b := p.Points.Shape().Dim(0)
		at, kind = append(at, p.Points), append(kind, p.Labels)
		if p.Box == nil {
			at = append(at, gx.BroadcastToDims(gx.ScalarZero(p.Points.Graph(), p.Points.DType()), b, 1, 2))
			kind = append(kind, labels(p.Points, b, -1))
		}
	}
	if p.Box != nil {
		b := p.Box.Shape().Dim(0)
		at, kind = append(at, gx.Reshape(p.Box, b, 2, 2)), append(kind, labels(p.Box, b, 2, 3))
	}
	if len(at) > 0 {
		points, label := gx.Concatenate(at, 1), gx.Concatenate(kind, 1)
		points = gx.MulScalar(gx.AddScalar(points, 0.5), 1/float64(c.Image)) // centre of the pixel, 0..1
		code := fourier(points, frequencies)                                 // (B,n,C)
		real := gx.ConvertDType(gx.GreaterOrEqual(label, gx.ZerosLike(label)), code.DType())
		code = gx.Mul(code, gx.InsertAxes(real, -1))
		chosen := gx.OneHot(gx.AddScalar(label, 1), 5, code.DType()) // (B,n,5)
		sparse = gx.Add(code, gx.Einsum("bnk,kc->bnc", chosen, kinds))
		s.Tap("sparse", sparse)
	}
	dense = c.dense(s, p.Mask)
	s.Tap("dense", dense)
	return sparse, dense
}

// pointKinds are the learned codes of a token's kind, in order: no point,
// background, foreground, first corner, second corner.
func (c Config) pointKinds(s *graph.Scope) *gx.Node {
	code := func(name string) *gx.Node { return s.In(name).Param("weight", graph.Normal(1), 1, c.Prompt) }
	return gx.Concatenate([]*gx.Node{
		code("not_a_point_embed"),
		code("point_embeddings.0"), code("point_embeddings.1"), code("point_embeddings.2"), code("point_embeddings.3"),
	}, 0) // (5,C)
}

// labels is (B,n) int32, the same row for each image.
func labels(like *gx.Node, b int, row ...int32) *gx.Node {
	return gx.BroadcastToDims(gx.Const(like.Graph(), [][]int32{row}), b, len(row))
}

// frequencies is the random matrix (2,C/2) that places points; it is drawn
// once and never trained.
func (c Config) frequencies(s *graph.Scope) *gx.Node {
	return s.In("pe_layer").Param("positional_encoding_gaussian_matrix", graph.Normal(1), 2, c.Prompt/2)
}

// fourier is the code of points in the unit square by random Fourier features
// (Tancik et al. 2020): sines, then cosines, of 2π·(2p-1)·frequencies.
//
// p: (…,2), frequencies: (2,C/2). Returns (…,C).
func fourier(p, frequencies *gx.Node) *gx.Node {
	p = gx.AddScalar(gx.MulScalar(p, 2), -1)
	angle := gx.MulScalar(gx.DotGeneral(p, []int{p.Rank() - 1}, nil, frequencies, []int{0}, nil), 2*math.Pi)
	return gx.Concatenate([]*gx.Node{gx.Sin(angle), gx.Cos(angle)}, -1)
}

// positions is the code of each token of the grid: (1,G,G,C).
func (c Config) positions(s *graph.Scope) *gx.Node {
	g := c.Grid()
	centre := func(i int) float64 { return (float64(i) + 0.5) / float64(g) }
	at := make([][]float64, 0, g*g)
	for y := range g {
		for x := range g {
			at = append(at, []float64{centre(x), centre(y)})
		}
	}
	frequencies := c.frequencies(s)
	grid := gx.ConstAsDType(s.Graph(), s.DType(), at)
	return gx.Reshape(fourier(grid, frequencies), 1, g, g, c.Prompt)
}

// dense is the map that a mask prompt adds to the image's features, or the
// learned vector for "no mask" everywhere.
//
// mask: (B,4G,4G,1) or nil. Returns (B,G,G,C) or (1,G,G,C).
func (c Config) dense(s *graph.Scope, mask *gx.Node) *gx.Node {
	none := s.In("no_mask_embed").Param("weight", graph.Normal(1), 1, c.Prompt)
	down := s.In("mask_downscaling")
	if mask == nil {
		c.declareMaskPath(down)
		return gx.BroadcastToDims(gx.Reshape(none, 1, 1, 1, c.Prompt), 1, c.Grid(), c.Grid(), c.Prompt)
	}
	halve := graph.Conv{Kernel: 2, Stride: 2}
	x := graph.Conv2d(down.In("0"), mask, c.MaskChannels/4, halve) // (B,2G,2G,·)
	x = graph.GELU(graph.LayerNorm(down.In("1"), x, norm))
	x = graph.Conv2d(down.In("3"), x, c.MaskChannels, halve) // (B,G,G,·)
	x = graph.GELU(graph.LayerNorm(down.In("4"), x, norm))
	return graph.Conv2d(down.In("6"), x, c.Prompt, graph.Conv{Kernel: 1}) // (B,G,G,C)
}

// declareMaskPath asks for the parameters of the mask prompt where none is
// given, so that the state dict is complete whatever the prompts are.
func (c Config) declareMaskPath(s *graph.Scope) {
	quarter := c.MaskChannels / 4
	convolution := func(name string, out, in, kernel int) {
		s.In(name).Param("weight", graph.KaimingUniform, out, in, kernel, kernel)
		s.In(name).Param("bias", graph.Uniform(1/math.Sqrt(float64(in*kernel*kernel))), out)
	}
	layerNorm := func(name string, width int) {
		s.In(name).Param("weight", graph.Ones, width)
		s.In(name).Param("bias", graph.Zeros, width)
	}
	convolution("0", quarter, 1, 2)
	layerNorm("1", quarter)
	convolution("3", c.MaskChannels, quarter, 2)
	layerNorm("4", c.MaskChannels)
	convolution("6", c.Prompt, c.MaskChannels, 1)
}

// painted is the logit that a box has as a mask prompt: a sure answer of the
// network itself is about as large.
const painted = 8

// boxMask draws boxes on a grid of side×side cells: value where the centre of
// a cell lies in the box, -value outside.
//
// box: (B,4), corners inclusive. Returns (B,side,side,1).
func (c Config) boxMask(s *graph.Scope, box *gx.Node, side int, value float64) *gx.Node {
	b := box.Shape().Dim(0)
	centres := make([]float64, side)
	for i := range centres {
		centres[i] = (float64(i) + 0.5) * float64(c.Image) / float64(side)
	}
	at := gx.BroadcastToDims(gx.Reshape(gx.ConstAsDType(s.Graph(), s.DType(), centres), 1, side), b, side)
	corner := func(i int) *gx.Node { return gx.Slice(box, gx.AxisRange(), gx.AxisRange(i, i+1)) } // (B,1)
	within := func(lo, hi *gx.Node) *gx.Node {                                                    // (B,side)
		lo, hi = gx.BroadcastToDims(lo, b, side), gx.BroadcastToDims(gx.AddScalar(hi, 1), b, side)
		return gx.ConvertDType(gx.LogicalAnd(gx.GreaterOrEqual(at, lo), gx.LessOrEqual(at, hi)), s.DType())
	}
	x, y := within(corner(0), corner(2)), within(corner(1), corner(3))
	inside := gx.Mul(gx.BroadcastToDims(gx.Reshape(y, b, side, 1), b, side, side), gx.BroadcastToDims(gx.Reshape(x, b, 1, side), b, side, side))
	return gx.Reshape(gx.AddScalar(gx.MulScalar(inside, 2*value), -value), b, side, side, 1)
}
