package experts

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Context is what the gates of all blocks read, looked up once for each image.
// n is the length of an embedding.
type Context struct {
	organ    []*gx.Node // (B,n) for each level, the whole body first
	task     *gx.Node   // (B,n)
	modality *gx.Node   // (B,n)
	routed   *gx.Node   // (B,E): the weights themselves, where no gate is learned
}

// Look reads the context of each image from the embedding tables, whose names
// (modal_embed, organ_embed.0 … organ_embed.4) are taken in scope s.
//
// Ids are those of graph.Inputs. A task below 0 or beyond the taxonomy uses the
// reserved last row of its table ([Hierarchical]) or zeros ([Flat], which has
// no such row). An unknown modality or level is -1: zeros for Hierarchical, row
// 0 for Flat.
func (c Config) Look(s *graph.Scope, in graph.Inputs) Context {
	if !c.learnsGate() {
		return Context{routed: c.constantWeights(in)}
	}
	tables := c.Taxonomy
	shift := 0
	taskRows := tables.Tasks + 1
	if c.Gate == Flat {
		shift, taskRows = 1, tables.Tasks
	}
	embed := func(name string, rows int, id *gx.Node) *gx.Node {
		table := s.In(name).Param("weight", graph.Zeros, rows, c.Embedding)
		return gx.MatMul(gx.OneHot(id, rows, table.DType()), table)
	}
	level := func(i int) *gx.Node { return columnOf(in.Organ, i) } // (B)

	var ctx Context
	if !c.Terms.WithoutOrgan {
		everything := gx.ZerosLike(in.Modality) // the single node of level 0
		ctx.organ = append(ctx.organ, embed("organ_embed.0", 1, everything))
		for i, nodes := range tables.Levels {
			name := []string{"organ_embed.1", "organ_embed.2", "organ_embed.3"}[i]
			ctx.organ = append(ctx.organ, embed(name, nodes+shift, gx.AddScalar(level(i), shift)))
		}
	}
	if !c.Terms.WithoutTask {
		task := level(len(tables.Levels))
		if c.Gate == Hierarchical {
			task = spareRow(task, tables.Tasks)
		}
		ctx.task = embed("organ_embed.4", taskRows, task)
	}
	if !c.Terms.WithoutModality {
		ctx.modality = embed("modal_embed", tables.Modalities+shift, gx.AddScalar(in.Modality, shift))
	}
	return ctx
}

// constantWeights are weights (B,E) that no parameter decides: the rows of the
// route table, or equal parts where the gate has nothing to read.
func (c Config) constantWeights(in graph.Inputs) *gx.Node {
	like := in.Box
	if like == nil { // points instead
		like = in.Image
	}
	dtype := like.DType()
	if c.Gate != Route {
		equal := gx.Scalar(like.Graph(), dtype, 1/float64(c.Experts))
		return gx.BroadcastToDims(equal, in.Modality.Shape().Dim(0), c.Experts)
	}
	task := spareRow(columnOf(in.Organ, in.Organ.Shape().Dim(1)-1), c.Taxonomy.Tasks)
	table := gx.ConstAsDType(like.Graph(), dtype, c.Table) // (tasks+1,E)
	return gx.MatMul(gx.OneHot(task, len(c.Table), dtype), table)
}

// weights is the gate of one block: (B,E), not negative, each row with sum 1.
//
// x: (B,H,W,C), the tokens that the experts see.
func (c Config) weights(s *graph.Scope, ctx Context, x *gx.Node) *gx.Node {
	if ctx.routed != nil {
		return ctx.routed
	}
	var terms []*gx.Node
	if ctx.organ != nil {
		if c.Gate == Flat {
			terms = append(terms, ctx.organ...)
		} else {
			terms = append(terms, c.organ(s, ctx.organ))
		}
	}
	if ctx.task != nil {
		terms = append(terms, ctx.task)
	}
	if ctx.modality != nil {
		terms = append(terms, ctx.modality)
	}
	if !c.Terms.WithoutImage {
		mean := graph.Mean(s, x, 1, 2) // (B,C), over real tokens only
		terms = append(terms, graph.Linear(s.In("adapter_input_embed"), mean, c.Embedding, true))
	}
	gate := gx.Softmax(graph.Linear(s.In("adapter_gate"), gx.Concatenate(terms, -1), c.Experts, true), -1)
	if c.Top > 0 && c.Top < c.Experts {
		gate = largest(gate, c.Top)
	}
	return gate
}

// organ weighs the levels of the taxonomy against each other, so that the gate
// can look at the organ in one block and at the body part in another.
//
// levels: (B,n) each. Returns (B,n).
func (c Config) organ(s *graph.Scope, levels []*gx.Node) *gx.Node {
	g := gx.Softmax(graph.Linear(s.In("adapter_organ_gate"), gx.Concatenate(levels, -1), len(levels), true), -1)
	s.Tap("organ_gate", g) // (B,levels)
	return gx.Einsum("bl,bln->bn", g, gx.Stack(levels, 1))
}

// largest keeps the k largest weights of each row and scales them to sum 1; of
// equal weights the first are kept. Which ones are kept is not differentiated,
// their values are.
//
// gate: (B,E).
func largest(gate *gx.Node, k int) *gx.Node {
	b, e := gate.Shape().Dim(0), gate.Shape().Dim(1)
	this, other := gx.Reshape(gate, b, e, 1), gx.Reshape(gate, b, 1, e)
	at := gx.Iota(gate.Graph(), gx.OnesLike(gx.BroadcastToDims(this, b, e, e)).Shape(), 1)
	before := gx.Iota(gate.Graph(), at.Shape(), 2)
	ahead := gx.LogicalOr(
		gx.GreaterThan(other, this),
		gx.LogicalAnd(gx.Equal(other, this), gx.LessThan(before, at)))
	rank := gx.ReduceSum(gx.ConvertDType(ahead, gate.DType()), 2) // (B,E)
	kept := gx.ConvertDType(gx.LessThan(rank, gx.Scalar(gate.Graph(), gate.DType(), k)), gate.DType())
	kept = gx.Mul(gate, gx.StopGradient(kept))
	return gx.Div(kept, gx.ReduceAndKeep(kept, gx.ReduceSum, 1))
}

// Balance is a loss that grows as the experts' shares of a batch become
// unequal: the squared coefficient of variation of the batch mean of the
// weights, averaged over blocks. It is 0 if all experts have equal shares and
// E-1 if one expert has everything (Shazeer et al. 2017, eq. 6 and 7).
//
// gates: (B,E) for each block, as in graph.Outputs. Returns a scalar.
func Balance(gates []*gx.Node) *gx.Node {
	var total *gx.Node
	for _, gate := range gates {
		share := gx.ReduceMean(gate, 0) // (E), sum 1
		unevenness := gx.AddScalar(gx.MulScalar(gx.ReduceAllSum(gx.Square(share)), float64(gate.Shape().Dim(1))), -1.0)
		if total == nil {
			total = unevenness
		} else {
			total = gx.Add(total, unevenness)
		}
	}
	return gx.MulScalar(total, 1/float64(len(gates)))
}

// columnOf is column i of (B,n) as (B).
func columnOf(x *gx.Node, i int) *gx.Node {
	return gx.Squeeze(gx.SliceAxis(x, 1, gx.AxisElem(i)), 1)
}

// spareRow sends ids outside 0..tasks-1 to the row after the last.
func spareRow(task *gx.Node, tasks int) *gx.Node {
	spare := gx.MulScalar(gx.OnesLike(task), tasks)
	outside := gx.LogicalOr(gx.LessThan(task, gx.ZerosLike(task)), gx.GreaterThan(task, spare))
	return gx.Where(outside, spare, task)
}
