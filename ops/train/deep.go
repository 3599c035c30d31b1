package train

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph"
)

// DeeplySupervised measures a network's answers at lower resolutions too
// (graph.Outputs.Deep): the loss is Σ wᵢ·lossᵢ / Σ wᵢ over the masks at full
// resolution and the n coarser ones, wᵢ = 2⁻ⁱ. The target of a coarser answer is
// the nearest pixel of the full one, that of the centre of each cell, as in
// nnU-Net (Isensee et al. 2021), which also leaves the coarsest decoder stage
// out: a network gives only the answers that count. Of a coarser answer there
// are masks only. A network without such answers has the given loss.
func DeeplySupervised(loss Loss) Loss {
	return func(s *graph.Scope, out graph.Outputs, target Target) *graph.Node {
		total, weights := loss(s, out, target), 1.0
		for i, masks := range out.Deep {
			w := 1 / float64(int(2)<<i)
			coarse := target
			coarse.Masks = nearest(nearest(target.Masks, 1, masks.Shape().Dim(2)), 2, masks.Shape().Dim(3))
			total = gx.Add(total, gx.MulScalar(loss(s, graph.Outputs{Masks: masks}, coarse), w))
			weights += w
		}
		if len(out.Deep) == 0 {
			return total
		}
		return gx.MulScalar(total, 1/weights)
	}
}

// nearest makes one axis of a target coarser: cell i of n takes pixel
// ⌊(i+½)·N/n⌋ of N.
func nearest(target *graph.Node, axis, n int) *graph.Node {
	from := target.Shape().Dim(axis)
	switch {
	case from == n:
		return target
	case from%n == 0:
		step := from / n
		return gx.SliceAxis(target, axis, gx.AxisRange(step/2, from).Stride(step))
	}
	picked := make([]*graph.Node, n)
	for i := range picked {
		at := (2*i + 1) * from / (2 * n)
		picked[i] = gx.SliceAxis(target, axis, gx.AxisRange(at, at+1))
	}
	return gx.Concatenate(picked, axis)
}
