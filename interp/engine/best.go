package engine

import (
	"context"
	"fmt"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/train"
)

// validationMeasure is what `keep: best(metric)` compares, for the validation data of a training; nil for Dice, which the trainer knows. Masks are compared as an
// evaluation would, with the rule for empty ones that evaluations have, at the size of the prepared sample. Free ends its use.
func validationMeasure(keep *ir.Node, val *examples) (m *train.Measure, free func(), err error) {
	free = func() {}
	n := keep.Node("metric")
	if keep.Op != "best" || n == nil {
		return nil, free, nil
	}
	side := metric.Neutral
	m = &train.Measure{}
	if n.Op == "fn" {
		own, err := newHostFn(n)
		if err != nil {
			return nil, free, err
		}
		free = own.free
		side, m.Name = ownDefinition(n).Better, n.Label
		m.Of = func(ctx context.Context, i int, mask, reference []uint8) (float64, error) {
			r, err := own.measure(ctx, maskOf(mask, val.samples[i]), maskOf(reference, val.samples[i]))
			return r.Value, err
		}
	} else {
		spec, err := metricSpec(n)
		if err != nil {
			return nil, free, err
		}
		definition, _ := metric.Define(spec.Name)
		side, m.Name = definition.Better, spec.String()
		var ws metric.Workspace
		m.Of = func(_ context.Context, i int, mask, reference []uint8) (float64, error) {
			r, err := ws.Compute(nil, maskOf(mask, val.samples[i]), maskOf(reference, val.samples[i]), []metric.Spec{spec}, metric.Worst)
			if err != nil {
				return 0, err
			}
			return r[0].Value, nil
		}
	}
	if side == metric.Neutral {
		free()
		return nil, func() {}, fault(keep.ArgSpan("metric"), "of %s neither side is known to be better, so none is the best; of a fn say it: lower_is_better(…) or higher_is_better(…)", m.Name)
	}
	m.Lower = side == metric.Lower
	return m, free, nil
}

// scoreText is what an epoch was compared by, where that is not Dice alone.
func scoreText(r *train.Record) string {
	switch {
	case r == nil || r.Measure == "":
		return ""
	case r.Score == nil:
		return ", " + r.Measure + " not defined"
	}
	return fmt.Sprintf(", %s %.4f", r.Measure, *r.Score)
}
