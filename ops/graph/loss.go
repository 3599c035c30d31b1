package graph

import (
	gx "github.com/gomlx/gomlx/core/graph"
)

// diceSmooth keeps the Dice loss defined for empty masks.
const diceSmooth = 1e-5

// DiceLoss compares mask logits (B,M,H,W) with a target (B,H,W) of zeros and
// ones and gives one value per mask, (B,M):
//
//	1 - (2·Σpt + 1e-5) / (Σp² + Σt² + 1e-5),  p = sigmoid(logit)
//
// the squared form of MONAI's DiceLoss (squared_pred, smooth 1e-5).
func DiceLoss(s *Scope, logits, target *Node) *Node {
	p, t := gx.Sigmoid(logits), maskTarget(s, logits, target)
	overlap := Sum(s, gx.Mul(p, t), 2, 3)
	total := gx.Add(Sum(s, gx.Square(p), 2, 3), Sum(s, gx.Square(t), 2, 3))
	return gx.OneMinus(gx.Div(gx.AddScalar(gx.MulScalar(overlap, 2), diceSmooth), gx.AddScalar(total, diceSmooth)))
}

// BatchDiceLoss takes all samples of a batch for one image: for each of M masks,
//
//	1 - (2·Σwpt + 1e-5) / (Σwp + Σwt + 1e-5),  p = sigmoid(logit)
//
// with the weights w (B) of the samples, given to every sample: (B,M). It is
// nnU-Net's Dice loss of a batch plus 1 (Isensee et al. 2021;
// MemoryEfficientSoftDiceLoss of nnunetv2): samples without a target count by
// what is wrongly found in them.
func BatchDiceLoss(s *Scope, logits, target, weights *Node) *Node {
	b, m, _, _ := mapDims(s, logits, "loss over masks")
	counts := gx.Reshape(gx.GreaterThan(weights, gx.ScalarZero(s.Graph(), s.DType())), b, 1, 1, 1)
	p := gx.Sigmoid(logits)
	p = gx.Where(gx.BroadcastToDims(counts, p.Shape().Dimensions...), p, gx.ZerosLike(p)) // fillers may be anything
	w := gx.Reshape(weights, b, 1)
	t := maskTarget(s, logits, target)
	over := func(x *Node) *Node { return Sum(s, gx.Mul(Sum(s, x, 2, 3), w), 0) } // (M)
	overlap, total := over(gx.Mul(p, t)), gx.Add(over(p), over(t))
	loss := gx.OneMinus(gx.Div(gx.AddScalar(gx.MulScalar(overlap, 2), diceSmooth), gx.AddScalar(total, diceSmooth)))
	return gx.BroadcastToDims(gx.Reshape(loss, 1, m), b, m)
}

// BCELoss is the binary cross-entropy of mask logits (B,M,H,W) with a target
// (B,H,W), averaged over the pixels: (B,M). It is computed from the logits,
// max(x,0) - x·t + log(1+exp(-|x|)), and does not overflow.
func BCELoss(s *Scope, logits, target *Node) *Node {
	t := maskTarget(s, logits, target)
	value := gx.Sub(gx.Add(gx.MaxScalar(logits, 0), gx.Log1p(gx.Exp(gx.Neg(gx.Abs(logits))))), gx.Mul(logits, t))
	return Mean(s, value, 2, 3)
}

// DiceBCELoss is DiceLoss + BCELoss, (B,M).
func DiceBCELoss(s *Scope, logits, target *Node) *Node {
	return gx.Add(DiceLoss(s, logits, target), BCELoss(s, logits, target))
}

// BestOfMasks picks for every sample the smallest of its masks' losses (B,M),
// giving (B). Of equal losses the first counts and gets the whole gradient. It
// also returns which mask it was, (B) int32.
func BestOfMasks(losses *Node) (best, chosen *Node) {
	d := losses.Shape().Dimensions
	chosen = gx.ArgMin(losses, 1)
	pick := gx.StopGradient(gx.OneHot(chosen, d[1], losses.DType()))
	picked := gx.GreaterThan(pick, gx.ScalarZero(losses.Graph(), losses.DType()))
	return gx.ReduceSum(gx.Where(picked, losses, gx.ZerosLike(losses)), 1), chosen
}

// WeightedMean is Σwx / Σw over the samples of a batch: x (B), w (B). Samples
// that only fill the batch have weight 0 and count for nothing, even where x is
// not a number. The weights must not all be 0.
func WeightedMean(x, weights *Node) *Node {
	counts := gx.GreaterThan(weights, gx.ScalarZero(x.Graph(), x.DType()))
	x = gx.Where(counts, gx.Mul(x, weights), gx.ZerosLike(x))
	return gx.Div(gx.ReduceAllSum(x), gx.ReduceAllSum(weights))
}

// maskTarget lays a target (B,H,W) beside logits (B,M,H,W).
func maskTarget(s *Scope, logits, target *Node) *Node {
	b, m, h, w := mapDims(s, logits, "loss over masks")
	d := target.Shape().Dimensions
	if len(d) != 3 || d[0] != b || d[1] != h || d[2] != w {
		s.Failf("the target has shape %v, masks of shape %v need %v", d, logits.Shape().Dimensions, []int{b, h, w})
	}
	return gx.BroadcastToDims(gx.Reshape(target, b, 1, h, w), b, m, h, w)
}
