package experts

import (
	"fmt"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Groups divide the experts among the tasks: a hard route whose targets are mixtures. A task is weighed by the learned gate among the experts of its group and gives
// nothing to the others; a group of one expert is a plain hard route. The gate and its embeddings are shared, so that a row of the gate's matrix belongs to
// one expert: for the tasks of a group, the groups beside it change nothing.
type Groups struct {
	Sizes []int // number of experts of each group; experts are numbered group by group
	Top   []int // of each group: only the Top largest weights, scaled to sum 1; 0: all
	Of    []int // group of each task, that of tasks outside the taxonomy, and those of tasks with a place and no row in the embeddings
}

func (c Config) validateGroups() error {
	g := c.Groups
	switch {
	case c.Gate == Route:
		return fmt.Errorf("experts: groups asked for on a fixed route, which has no gate to weigh the experts of a group; leave one of them out")
	case c.Top != 0:
		return fmt.Errorf("experts: top %d of all experts asked for beside groups; give it for each group", c.Top)
	case c.Terms == Terms{true, true, true, true}:
		return fmt.Errorf("experts: groups need a gate that reads something, found one without organ, task, modality and image")
	case len(g.Top) != len(g.Sizes):
		return fmt.Errorf("experts: found %d values of top for %d groups, expected one for each", len(g.Top), len(g.Sizes))
	case len(g.Of) < c.Taxonomy.Tasks+1:
		return fmt.Errorf("experts: groups are given for %d tasks, expected %d or more: one for each task and one for tasks outside the taxonomy", len(g.Of), c.Taxonomy.Tasks+1)
	}
	sum := 0
	for i, n := range g.Sizes {
		if n < 1 || g.Top[i] < 0 || g.Top[i] > n {
			return fmt.Errorf("experts: group %d has %d experts and top %d, expected at least 1 and a top of 0 to that", i, n, g.Top[i])
		}
		sum += n
	}
	if sum != c.Experts {
		return fmt.Errorf("experts: groups have %d experts in all, expected %d", sum, c.Experts)
	}
	for t, i := range g.Of {
		if i < 0 || i >= len(g.Sizes) {
			return fmt.Errorf("experts: task %d has group %d, expected 0 to %d", t, i, len(g.Sizes)-1)
		}
	}
	return nil
}

// choice is what the groups leave to the gate, image by image.
type choice struct {
	allowed *gx.Node // (B,E): 1 for the experts of the task's group, else 0
	most    *gx.Node // (B,1): how many of them are kept
}

// choose reads both from constant tables, by task.
func (c Config) choose(in graph.Inputs) *choice {
	g := c.Groups
	dtype := floats(in).DType()
	allowed, most := make([][]float64, len(g.Of)), make([][]float64, len(g.Of))
	for t, of := range g.Of {
		row, first := make([]float64, c.Experts), 0
		for _, n := range g.Sizes[:of] {
			first += n
		}
		for e := range g.Sizes[of] {
			row[first+e] = 1
		}
		keep := g.Top[of]
		if keep == 0 {
			keep = g.Sizes[of]
		}
		allowed[t], most[t] = row, []float64{float64(keep)}
	}
	task := gx.OneHot(c.taskRow(in, len(g.Of)), len(g.Of), dtype)
	return &choice{
		allowed: gx.MatMul(task, gx.ConstAsDType(in.Organ.Graph(), dtype, allowed)),
		most:    gx.MatMul(task, gx.ConstAsDType(in.Organ.Graph(), dtype, most)),
	}
}

// softmax is the softmax of the logits (B,E) among the allowed experts; the others have exactly 0.
func (x *choice) softmax(logits *gx.Node) *gx.Node {
	never := gx.MulScalar(gx.OnesLike(logits), -1e30)
	inside := gx.GreaterThan(x.allowed, gx.MulScalar(gx.OnesLike(x.allowed), 0.5))
	return gx.Softmax(gx.Where(inside, logits, never), -1)
}

// Balance is a loss that grows as the experts' shares of a batch become unequal: [balance], or that within each group, a group counting as often as it has images in the
// batch. Groups without Top have none. Images of weight 0, which only fill a batch, count for nothing.
//
// gates: (B,E) for each block, as in graph.Outputs; weights: (B) of the images, not all 0. Returns a scalar.
func (c Config) Balance(gates []*gx.Node, weights *gx.Node) *gx.Node {
	parts := gx.Reshape(gx.Div(weights, gx.ReduceAllSum(weights)), -1, 1)
	if c.Groups == nil {
		return balance(gates, parts)
	}
	total := gx.ScalarZero(gates[0].Graph(), gates[0].DType())
	for _, gate := range gates {
		first := 0
		for i, n := range c.Groups.Sizes {
			own := gx.SliceAxis(gate, 1, gx.AxisRange(first, first+n)) // (B,n); rows of other groups are 0
			first += n
			if c.Groups.Top[i] == 0 || n == 1 {
				continue
			}
			sums := gx.ReduceSum(gx.Mul(own, parts), 0)                           // (n)
			here := gx.ReduceAllSum(sums)                                         // part of the batch that is of the group, as every row sums to 1
			share := gx.Div(sums, gx.AddScalar(here, 1e-12))                      // sum 1, or 0 where the batch has none
			uneven := gx.MulScalar(gx.ReduceAllSum(gx.Square(share)), float64(n)) // 1 where even, n where one has all
			total = gx.Add(total, gx.Mul(here, gx.AddScalar(uneven, -1.0)))
		}
	}
	return gx.MulScalar(total, 1/float64(len(gates)))
}
