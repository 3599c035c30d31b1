package engine

import (
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// validationChoice is the mask that validation measures: the one an evaluation would take. Without a trained quality head and with a loss
// that lets each sample use another mask, only the reference can choose, as MedSegX does.
func validationChoice(loss *ir.Node) train.Selection {
	switch {
	case trainsQuality(loss):
		return train.SelectQuality
	case contains(loss, "best_of_masks"):
		return train.SelectOracle
	}
	return train.SelectFirst
}

func contains(v ir.Value, op string) bool {
	for x := range ir.Nodes(v) {
		if x.Op == op {
			return true
		}
	}
	return false
}

// trainsQuality says whether quality is a term of a loss.
func trainsQuality(n *ir.Node) bool {
	return contains(n, "quality")
}

// withoutQuality drops the quality term of the default loss.
func withoutQuality(n *ir.Node) *ir.Node {
	if n.Op == "+" {
		a, b := n.Node("a"), n.Node("b")
		if a.Op == "quality" {
			return b
		}
		if b.Op == "quality" {
			return a
		}
	}
	return n
}

// lossOf lowers a loss of the language to a graph: terms outside best_of_masks are those of the first mask.
func lossOf(n *ir.Node, cfg *experts.Config, balance float64) train.Loss {
	masks := train.DeeplySupervised(func(s *graph.Scope, out graph.Outputs, target train.Target) *graph.Node {
		return sampleLoss(n, s, out, target)
	})
	return func(s *graph.Scope, out graph.Outputs, target train.Target) *graph.Node {
		l := masks(s, out, target)
		if balance > 0 && cfg != nil && len(out.Gates) > 0 {
			l = gx.Add(l, gx.MulScalar(cfg.Balance(out.Gates, target.Weights), balance))
		}
		return l
	}
}

// sampleLoss gives one value per sample, (B).
func sampleLoss(n *ir.Node, s *graph.Scope, out graph.Outputs, target train.Target) *graph.Node {
	switch n.Op {
	case "+":
		return gx.Add(sampleLoss(n.Node("a"), s, out, target), sampleLoss(n.Node("b"), s, out, target))
	case "*":
		return gx.MulScalar(sampleLoss(n.Node("b"), s, out, target), n.Num("a"))
	case "best_of_masks":
		best, _ := graph.BestOfMasks(maskLoss(n.Node("loss"), s, out.Masks, target))
		return best
	case "quality":
		if out.IoU == nil {
			s.Failf("the model predicts no quality; leave quality out of the loss")
		}
		return graph.QualityLoss(s, out.Masks, out.IoU, target.Masks)
	}
	first := gx.Slice(out.Masks, gx.AxisRange(), gx.AxisRange(0, 1))
	return gx.Reshape(maskLoss(n, s, first, target), -1)
}

// maskLoss gives one value per mask, (B,M).
func maskLoss(n *ir.Node, s *graph.Scope, logits *graph.Node, target train.Target) *graph.Node {
	switch n.Op {
	case "+":
		return gx.Add(maskLoss(n.Node("a"), s, logits, target), maskLoss(n.Node("b"), s, logits, target))
	case "*":
		return gx.MulScalar(maskLoss(n.Node("b"), s, logits, target), n.Num("a"))
	case "dice":
		return graph.DiceLoss(s, logits, target.Masks)
	case "batch_dice":
		return graph.BatchDiceLoss(s, logits, target.Masks, target.Weights)
	case "bce":
		return graph.BCELoss(s, logits, target.Masks)
	case "fn":
		return ownLoss(n, s, logits, target.Masks)
	}
	s.Failf("%s is no loss of a single mask", n.Op)
	return nil
}
