package engine

import (
	"context"
	"fmt"
	"math"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/metric"
)

// What scripts write themselves, at the places where it is used: losses in training, blocks in networks, and on the host metrics and steps of preparation.

// ownLoss is a loss that the script has written, of masks (B,M,H,W) with a target (B,H,W): one value a mask, (B,M).
func ownLoss(n *ir.Node, s *graph.Scope, logits, target *graph.Node) *graph.Node {
	f, ok := n.Fn()
	if !ok {
		s.Failf("%s has no body", n.Op)
	}
	d := logits.Shape().Dimensions
	b, m, h, w := d[0], d[1], d[2], d[3]
	predicted := gx.Reshape(logits, b*m, h, w)
	if f.Params[0] == "mask" {
		predicted = gx.Sigmoid(predicted)
	}
	reference := gx.Reshape(gx.BroadcastToDims(gx.Reshape(target, b, 1, h, w), b, m, h, w), b*m, h, w)
	return gx.Reshape(apply(s, f, plane(predicted), plane(reference)).node, b, m)
}

// ownBlock is a block that the script has written, as an expert's: tokens (B,N,C) of a square map.
func ownBlock(n *ir.Node) func(s *graph.Scope, x *graph.Node) *graph.Node {
	f, _ := n.Fn()
	return func(s *graph.Scope, x *graph.Node) *graph.Node {
		d := x.Shape().Dimensions
		side := int(math.Round(math.Sqrt(float64(d[1]))))
		if side*side != d[1] {
			s.Failf("block %s: %d tokens are no square map", n.Label, d[1])
		}
		out := apply(s, f, pixels(gx.Reshape(x, d[0], side, side, d[2]))).node
		if got := out.Shape().Dimensions; got[1] != side || got[2] != side || got[3] != d[2] {
			s.Failf("block %s gives %d×%d×%d values for tokens of %d×%d×%d; a block keeps height, width and channels", n.Label, got[1], got[2], got[3], side, side, d[2])
		}
		return gx.Reshape(out, d...)
	}
}

// ownNetwork is a network that the script has written, one mask for an image and a box, and the number of places for experts in it.
func ownNetwork(n *ir.Node) (build func(x *experts.Config) graph.Network, places int) {
	f, _ := n.Fn()
	met, h := map[string]bool{}, ir.NewHasher(nil)
	for x := range ir.Nodes(f.Body) {
		if x.Op == "adaptable" && !met[h.Hash(x)] { // equal expressions are one value
			met[h.Hash(x)] = true
			places++
		}
	}
	return func(x *experts.Config) graph.Network {
		return func(s *graph.Scope, in graph.Inputs) graph.Outputs {
			d := in.Image.Shape().Dimensions
			l := newLowering(s, pixels(in.Image), plane(graph.BoxPlane(s, in.Box, d[1], d[2])))
			if x != nil {
				l.adapted = &adapted{config: x, context: x.Look(s, in)}
			}
			out := l.apply(f).node
			if got := out.Shape().Dimensions; got[1] != d[1] || got[2] != d[2] {
				s.Failf("network %s gives a mask of %d×%d pixels for an image of %d×%d", n.Label, got[1], got[2], d[1], d[2])
			}
			o := graph.Outputs{Masks: gx.Reshape(out, d[0], 1, d[1], d[2])}
			if x != nil {
				o.Gates = l.adapted.gates
			}
			return o
		}
	}, places
}

// adapted are the experts of a custom network.
type adapted struct {
	config  *experts.Config
	context experts.Context
	places  int // met so far
	gates   []*graph.Node
}

func (a *adapted) adapt(s *graph.Scope, x *graph.Node) *graph.Node {
	i := a.places
	a.places++
	if !a.config.In(i) {
		return x
	}
	out, gate := a.config.Adapt(s.In("blocks.%d", i), a.context, x, x)
	a.gates = append(a.gates, gate)
	return out
}

// ownStep is a step of preparation that the script has written.
func ownStep(n *ir.Node, h *hostFn) data.Own {
	return data.Own{Name: n.Label, Identity: ir.NewHasher(nil).Hash(h.f), Apply: func(pixels []float32, height, width, channels int) error {
		out, err := h.call(context.Background(), []int{height, width, channels}, pixels)
		if err != nil {
			return err
		}
		if len(out) != len(pixels) {
			return fmt.Errorf("it gives %d values for %d×%d×%d pixels", len(out), height, width, channels)
		}
		for i, v := range out {
			pixels[i] = float32(v)
		}
		return nil
	}}
}

// isOwn says whether a metric is a fn of the script.
func isOwn(v ir.Value) bool {
	n, ok := v.(*ir.Node)
	return ok && n.Op == "fn"
}

// ownDefinition describes a metric that the script has written.
func ownDefinition(n *ir.Node) metric.Definition {
	sides := map[string]metric.Better{"higher_is_better": metric.Higher, "lower_is_better": metric.Lower}
	return metric.Definition{Name: check.FnName(n), Title: n.Label, Better: sides[n.Text("side")], Doc: "A function of this script."}
}

// measure is the value of a metric for masks of zeros and ones. A value that is not finite is undefined.
func (h *hostFn) measure(ctx context.Context, pred, ref metric.Mask) (metric.Result, error) {
	floats := func(m metric.Mask) ([]float32, int) {
		out, area := make([]float32, len(m.Data)), 0
		for i, v := range m.Data {
			if v != 0 {
				out[i] = 1
				area++
			}
		}
		return out, area
	}
	p, pArea := floats(pred)
	r, rArea := floats(ref)
	out, err := h.call(ctx, pred.Shape, p, r)
	if err != nil {
		return metric.Result{}, err
	}
	result := metric.Result{Value: out[0], State: metric.StateOf(pArea, rArea)}
	if math.IsNaN(result.Value) || math.IsInf(result.Value, 0) {
		result.State = metric.Undefined
	}
	return result, nil
}
