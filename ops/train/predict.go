package train

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Prediction is a network's answer for one sample. The arrays belong to the
// receiver.
type Prediction struct {
	Masks  []float32   // M·S·S logits
	Count  int         // M, number of masks
	IoU    []float32   // M predicted qualities; nil if the network predicts none
	Gates  [][]float32 // per block the weight of each expert
	Chosen int         // the mask that Selection picks
}

// Mask returns the logits of one mask, S·S.
func (p *Prediction) Mask(m int) []float32 {
	n := len(p.Masks) / p.Count
	return p.Masks[m*n : (m+1)*n]
}

// Selection says which of several candidate masks counts.
type Selection string

const (
	// SelectQuality takes the mask with the highest predicted IoU, the first
	// one if the network predicts none. It is the default.
	SelectQuality Selection = "quality"
	// SelectFirst takes the first mask.
	SelectFirst Selection = "first"
	// SelectOracle takes the mask with the highest Dice against the target,
	// which only an evaluation can know: MedSegX's published rule. Its numbers
	// are not those a user would see.
	SelectOracle Selection = "oracle"
)

func (s Selection) check() error {
	switch s {
	case "", SelectQuality, SelectFirst, SelectOracle:
		return nil
	}
	return fmt.Errorf("mask selection %q is unknown; use quality, first or oracle", string(s))
}

func (s Selection) choose(p *Prediction, target []uint8) int {
	best := 0
	for m := 1; m < p.Count; m++ {
		switch s {
		case SelectFirst:
		case SelectOracle:
			if Dice(p.Mask(m), target) > Dice(p.Mask(best), target) {
				best = m
			}
		default:
			if p.IoU != nil && p.IoU[m] > p.IoU[best] {
				best = m
			}
		}
	}
	return best
}

// Dice is the Dice coefficient 2|P∩T|/(|P|+|T|) of a mask of logits, positive
// ones belonging to it, and a target. Two empty masks agree: 1.
func Dice(logits []float32, target []uint8) float64 {
	var both, total int
	for i, v := range logits {
		p, t := v > 0, target[i] != 0
		if p {
			total++
		}
		if t {
			total++
		}
		if p && t {
			both++
		}
	}
	if total == 0 {
		return 1
	}
	return 2 * float64(both) / float64(total)
}

// Predictor runs a network on batches of one fixed size.
type Predictor struct {
	b           *graph.Backend
	program     *graph.Program
	size, batch int
	input       int // see Config.Input
	points      Points
	iou         bool
	selection   Selection
}

// NewPredictor compiles the network for images of size×size pixels, batch at a
// time.
func NewPredictor(b *graph.Backend, net graph.Network, size, batch int, selection Selection) (*Predictor, error) {
	return NewPointPredictor(b, net, size, 0, batch, selection, Points{})
}

// NewPointPredictor is NewPredictor for a network that is prompted with points,
// beside a box or without. input is 0, or the number of values that the network
// reads in the place of each image: see Config.Input.
func NewPointPredictor(b *graph.Backend, net graph.Network, size, input, batch int, selection Selection, points Points) (*Predictor, error) {
	if size < 1 || batch < 1 || input < 0 {
		return nil, fmt.Errorf("prediction: image size %d and batch size %d must be at least 1, the values in the place of an image %d not negative", size, batch, input)
	}
	if err := selection.check(); err != nil {
		return nil, err
	}
	if err := points.Check(); err != nil {
		return nil, err
	}
	p := &Predictor{b: b, size: size, input: input, batch: batch, selection: selection, points: points}
	err := smaller(graph.FitsHost(6*batchBytes(batch, size)), batch, size)
	if err != nil {
		return nil, err
	}
	p.program, err = graph.NewProgram(b, graph.ProgramConfig{Name: "prediction"}, shapes(batch, size, input, points),
		func(s *graph.Scope, in []*graph.Node) []*graph.Node {
			out := network(s, net, in, batch, size, points)
			nodes := []*graph.Node{out.Masks}
			if p.iou = out.IoU != nil; p.iou {
				nodes = append(nodes, out.IoU)
			}
			return append(nodes, out.Gates...)
		})
	if err != nil {
		return nil, smaller(err, batch, size)
	}
	return p, nil
}

// Specs lists the network's parameters.
func (p *Predictor) Specs() []graph.Spec { return p.program.Specs() }

// Free releases the compiled network.
func (p *Predictor) Free() { p.program.Free() }

// Predict answers every sample of the source, in order, and hands each to
// yield with its number and the example it belongs to, which is valid until
// yield returns. The first error, yield's included, ends it. The source is asked
// from another goroutine, as further batches are prepared meanwhile.
func (p *Predictor) Predict(ctx context.Context, params *graph.DeviceParams, source Source, yield func(i int, e *Example, answer *Prediction) error) error {
	_, err := p.predict(ctx, params, source, yield)
	return err
}

// predict is Predict, and says how long the device computed.
func (p *Predictor) predict(ctx context.Context, params *graph.DeviceParams, source Source, yield func(i int, e *Example, answer *Prediction) error) (device time.Duration, err error) {
	if source.Len() == 0 {
		return 0, errEmpty
	}
	in := newBatch(p.batch, p.size, p.input, p.points.Count())
	batches := ahead(ctx, p.b, p.portions(source.Len()), func(ctx context.Context, part portion) (prepared, []graph.Value, error) {
		examples, err := p.fill(ctx, in, source, part.samples)
		return prepared{examples: examples}, in.inputs(p.size, p.input), err
	})
	defer batches.close()
	for start := 0; start < source.Len(); start += p.batch {
		next, err := batches.next(ctx)
		if err != nil {
			return device, smaller(err, p.batch, p.size)
		}
		r, err := p.program.Call(ctx, params, 0, next.inputs...)
		batches.done(next)
		if err != nil {
			return device, smaller(err, p.batch, p.size)
		}
		device += r.Device
		own := next.examples
		for k := range own {
			answer := p.answer(r, k)
			answer.Chosen = p.selection.choose(answer, own[k].Target)
			if err := yield(start+k, &own[k], answer); err != nil {
				return device, err
			}
		}
	}
	return device, nil
}

// portions are the samples of a source in order.
func (p *Predictor) portions(count int) iter.Seq[portion] {
	return func(yield func(portion) bool) {
		for start := 0; start < count; start += p.batch {
			samples := make([]int, min(p.batch, count-start))
			for k := range samples {
				samples[k] = start + k
			}
			if !yield(portion{samples: samples}) {
				return
			}
		}
	}
}

// fill assembles a batch and returns copies of its examples.
func (p *Predictor) fill(ctx context.Context, in *batch, source Source, samples []int) ([]Example, error) {
	kept := make([]Example, len(samples))
	still := func(i int) *rand.Rand { return graph.Stream(0, fmt.Sprintf("predict sample %d", i)) }
	err := in.fill(ctx, source, samples, p.size, preparers(p.b), still, func(k, i int, e *Example) {
		if p.points.Count() > 0 && e.Points == nil {
			e.Points, e.Labels = p.points.Draw(graph.Stream(0, fmt.Sprintf("points of sample %d", i)), e.Target, p.size)
		}
		kept[k] = *e
		kept[k].Image = append([]float32(nil), e.Image...)
		kept[k].Target = append([]uint8(nil), e.Target...)
	})
	return kept, err
}

// answer cuts one sample out of a batch's result.
func (p *Predictor) answer(r *graph.Result, k int) *Prediction {
	masks := r.Outputs[0]
	a := &Prediction{Count: masks.Dims[1], Masks: row(masks, k)}
	rest := r.Outputs[1:]
	if p.iou {
		a.IoU, rest = row(rest[0], k), rest[1:]
	}
	for _, gate := range rest {
		a.Gates = append(a.Gates, row(gate, k))
	}
	return a
}

// row copies entry k of the first axis.
func row(t *graph.Tensor, k int) []float32 {
	n := len(t.Data) / t.Dims[0]
	return append([]float32(nil), t.Data[k*n:(k+1)*n]...)
}

// meanDice predicts a source and averages the Dice of the selected masks.
func (p *Predictor) meanDice(ctx context.Context, params *graph.DeviceParams, source Source) (dice float64, device time.Duration, err error) {
	sum := 0.0
	device, err = p.predict(ctx, params, source, func(_ int, e *Example, a *Prediction) error {
		sum += Dice(a.Mask(a.Chosen), e.Target)
		return nil
	})
	return sum / float64(source.Len()), device, err
}
