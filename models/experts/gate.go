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
	choice   *choice    // what the groups leave to the gate; nil without groups
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
	if c.Groups != nil {
		ctx.choice = c.choose(in)
	}
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
	dtype := floats(in).DType()
	if c.Gate != Route {
		equal := gx.Scalar(in.Organ.Graph(), dtype, 1/float64(c.Experts))
		return gx.BroadcastToDims(equal, in.Modality.Shape().Dim(0), c.Experts)
	}
	task := c.taskRow(in, len(c.Table))
	table := gx.ConstAsDType(in.Organ.Graph(), dtype, c.Table) // (tasks+1,E)
	return gx.MatMul(gx.OneHot(task, len(c.Table), dtype), table)
}

// weights is the gate of one block: (B,E), not negative, each row with sum 1.
//
// x: (B,H,W,C), or a map of another number of spatial axes; the tokens that the
// experts see.
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
		spatial := make([]int, x.Rank()-2)
		for i := range spatial {
			spatial[i] = 1 + i
		}
		mean := graph.Mean(s, x, spatial...) // (B,C), over real tokens only
		terms = append(terms, graph.Linear(s.In("adapter_input_embed"), mean, c.Embedding, true))
	}
	logits := graph.Linear(s.In("adapter_gate"), gx.Concatenate(terms, -1), c.Experts, true)
	if ctx.choice != nil {
		return largest(ctx.choice.softmax(logits), ctx.choice.most)
	}
	gate := gx.Softmax(logits, -1)
	if c.Top > 0 && c.Top < c.Experts {
		gate = largest(gate, gx.Scalar(gate.Graph(), gate.DType(), c.Top))
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
// gate: (B,E); k: a scalar, or (B,1) for each row.
func largest(gate, k *gx.Node) *gx.Node {
	b, e := gate.Shape().Dim(0), gate.Shape().Dim(1)
	this, other := gx.Reshape(gate, b, e, 1), gx.Reshape(gate, b, 1, e)
	at := gx.Iota(gate.Graph(), gx.OnesLike(gx.BroadcastToDims(this, b, e, e)).Shape(), 1)
	before := gx.Iota(gate.Graph(), at.Shape(), 2)
	ahead := gx.LogicalOr(
		gx.GreaterThan(other, this),
		gx.LogicalAnd(gx.Equal(other, this), gx.LessThan(before, at)))
	rank := gx.ReduceSum(gx.ConvertDType(ahead, gate.DType()), 2) // (B,E)
	kept := gx.ConvertDType(gx.LessThan(rank, gx.BroadcastToDims(k, b, e)), gate.DType())
	kept = gx.Mul(gate, gx.StopGradient(kept))
	return gx.Div(kept, gx.ReduceAndKeep(kept, gx.ReduceSum, 1))
}

// balance is a loss that grows as the experts' shares of a batch become
// unequal: the squared coefficient of variation of the batch mean of the
// weights, averaged over blocks. It is 0 if all experts have equal shares and
// E-1 if one expert has everything (Shazeer et al. 2017, eq. 6 and 7).
//
// gates: (B,E) for each block, as in graph.Outputs; parts: (B,1), what part of
// the batch each image is. Returns a scalar.
func balance(gates []*gx.Node, parts *gx.Node) *gx.Node {
	var total *gx.Node
	for _, gate := range gates {
		share := gx.ReduceSum(gx.Mul(gate, parts), 0) // (E), sum 1
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

// taskRow is the row of each image's task in a table by task; ids that the table does not know have the row of tasks outside the taxonomy.
func (c Config) taskRow(in graph.Inputs, rows int) *gx.Node {
	return within(columnOf(in.Organ, in.Organ.Shape().Dim(1)-1), rows-1, c.Taxonomy.Tasks)
}

// spareRow sends ids outside 0..tasks-1 to the row after the last.
func spareRow(task *gx.Node, tasks int) *gx.Node { return within(task, tasks, tasks) }

// within sends ids outside 0..last to the row spare.
func within(task *gx.Node, last, spare int) *gx.Node {
	row := gx.MulScalar(gx.OnesLike(task), spare)
	outside := gx.LogicalOr(gx.LessThan(task, gx.ZerosLike(task)), gx.GreaterThan(task, gx.MulScalar(gx.OnesLike(task), last)))
	return gx.Where(outside, row, task)
}

// floats is an input of real numbers, of which there may be one only: an encoder alone is given no box.
func floats(in graph.Inputs) *gx.Node {
	if in.Box != nil {
		return in.Box
	}
	return in.Image
}
