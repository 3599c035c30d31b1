package graph

import (
	gx "github.com/gomlx/gomlx/core/graph"
)

// QualityLoss trains the head that predicts how good each candidate mask is: the squared difference between the predicted IoU
// (B,M) and the IoU of the mask logits (B,M,H,W), cut at 0, with the target (B,H,W), averaged over the masks, (B). It is the loss
// of SAM's IoU head (Kirillov et al. 2023, appendix A). Only the prediction has a gradient; two empty masks have IoU 1.
func QualityLoss(s *Scope, logits, predicted, target *Node) *Node {
	t := maskTarget(s, logits, target)
	inside := gx.StopGradient(gx.ConvertDType(gx.GreaterThan(logits, gx.ScalarZero(logits.Graph(), logits.DType())), logits.DType()))
	overlap := Sum(s, gx.Mul(inside, t), 2, 3)
	union := gx.Sub(gx.Add(Sum(s, inside, 2, 3), Sum(s, t, 2, 3)), overlap)
	smooth := 1e-6
	iou := gx.StopGradient(gx.Div(gx.AddScalar(overlap, smooth), gx.AddScalar(union, smooth)))
	return Mean(s, gx.Square(gx.Sub(predicted, iou)), 1)
}
