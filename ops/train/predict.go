package train

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
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

	low []float32 // logits of the chosen mask on the grid of mask prompts, where answers are refined
}

// Mask returns the logits of one mask, S·S.
func (p *Prediction) Mask(m int) []float32 {
	n := len(p.Masks) / p.Count
	return p.Masks[m*n : (m+1)*n]
}

// Binary is the mask that counts, ones where its logits are positive, written over what into holds; nil makes a new one.
func (p *Prediction) Binary(into []uint8) []uint8 { return binary(p.Mask(p.Chosen), into) }

// binary is 1 where a logit is positive, else 0.
func binary[F float32 | float64](logits []F, into []uint8) []uint8 {
	into = slices.Grow(into[:0], len(logits))
	for _, v := range logits {
		if v > 0 {
			into = append(into, 1)
		} else {
			into = append(into, 0)
		}
	}
	return into
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
	return dice(target, func(i int) bool { return logits[i] > 0 })
}

// Predictor runs a network on batches of one fixed size.
type Predictor struct {
	b         *graph.Backend
	program   *graph.Program
	layout    layout
	iou, low  bool
	selection Selection
	refiner   *refiner // nil: the first answer counts
}

// PredictorConfig says what a network is asked.
type PredictorConfig struct {
	Size   int  // side of the square images, or width of others, pixels
	Height int  // of images that are not square; 0: they are
	Input  int  // 0, or the number of values that the network reads in the place of each image: see Config.Input
	Parts  bool // images are parts of samples: see Config.Parts
	Batch  int  // samples at a time
	Select Selection
	Points Points // prompts beside the box or instead of it
	Refine Refinement
	// MaskSide is the side of the grid of the network's mask prompts; of
	// interest where it refines.
	MaskSide int
}

// NewPredictor compiles the network for images of size×size pixels, batch at a
// time, prompted by the box.
func NewPredictor(b *graph.Backend, net graph.Network, size, batch int, selection Selection) (*Predictor, error) {
	return NewPromptedPredictor(b, net, PredictorConfig{Size: size, Batch: batch, Select: selection})
}

// NewPromptedPredictor compiles a network for the prompts it is asked with.
func NewPromptedPredictor(b *graph.Backend, net graph.Network, c PredictorConfig) (*Predictor, error) {
	if c.Size < 1 || c.Height < 0 || c.Batch < 1 || c.Input < 0 {
		return nil, fmt.Errorf("prediction: image size %d and batch size %d must be at least 1, the values in the place of an image %d not negative", c.Size, c.Batch, c.Input)
	}
	if err := c.Select.check(); err != nil {
		return nil, err
	}
	if err := c.Points.Check(); err != nil {
		return nil, err
	}
	if err := c.Refine.Check(); err != nil {
		return nil, err
	}
	p := &Predictor{b: b, layout: layout{c.Batch, c.Size, rows(c.Size, c.Height), c.Input, c.Parts, c.Points}, selection: c.Select}
	if c.Refine.Rounds > 0 {
		if c.Parts {
			return nil, fmt.Errorf("answers to parts of samples cannot be refined: they are shown no prompt")
		}
		if c.MaskSide < 1 {
			return nil, fmt.Errorf("this network takes no mask prompts, so its answers cannot be refined")
		}
		p.low = true
		p.refiner = &refiner{Refinement: c.Refine, start: c.Points, side: c.MaskSide}
	}
	// Three batches, and the examples of each, which are copied for those who ask.
	err := p.smaller(graph.FitsHost(6 * p.layout.bytes()))
	if err != nil {
		return nil, err
	}
	if p.program, err = p.compile(b, net, c.Points); err != nil {
		return nil, err
	}
	for round := range c.Refine.Rounds {
		program, err := p.compile(b, net, p.refiner.after(round+1))
		if err != nil {
			p.Free()
			return nil, err
		}
		p.refiner.rounds = append(p.refiner.rounds, program)
	}
	return p, nil
}

// compile the network for some prompts: masks, then what else there is of
// quality, masks on the grid of prompts, and gates.
func (p *Predictor) compile(b *graph.Backend, net graph.Network, points Points) (*graph.Program, error) {
	l := p.layout
	l.points = points
	program, err := graph.NewProgram(b, graph.ProgramConfig{Name: "prediction"}, l.shapes(),
		func(s *graph.Scope, in []*graph.Node) []*graph.Node {
			out := l.network(s, net, in)
			nodes := []*graph.Node{out.Masks}
			if p.iou = out.IoU != nil; p.iou {
				nodes = append(nodes, out.IoU)
			}
			if p.low {
				if out.Low == nil {
					s.Failf("the network gives no masks on the grid of its prompts, so its answers cannot be refined")
				}
				nodes = append(nodes, out.Low)
			}
			return append(nodes, out.Gates...)
		})
	return program, p.smaller(err)
}

// Specs lists the network's parameters.
func (p *Predictor) Specs() []graph.Spec { return p.program.Specs() }

// Free releases the compiled network.
func (p *Predictor) Free() {
	p.program.Free()
	if p.refiner != nil {
		p.refiner.free()
	}
}

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
	in := newBatch(p.layout)
	batches := ahead(ctx, p.b, p.portions(source.Len()), func(ctx context.Context, part portion) (prepared, []graph.Value, error) {
		examples, err := p.fill(ctx, in, source, part.samples)
		return prepared{examples: examples}, in.inputs(), err
	})
	defer batches.close()
	for start := 0; start < source.Len(); start += p.layout.count {
		next, err := batches.next(ctx)
		if err != nil {
			return device, p.smaller(err)
		}
		own := next.examples
		answers, took, err := p.answers(ctx, params, next.inputs, own)
		batches.done(next)
		device += took
		if err != nil {
			return device, p.smaller(err)
		}
		for k := range own {
			if err := yield(start+k, &own[k], answers[k]); err != nil {
				return device, err
			}
		}
	}
	return device, nil
}

// answers runs the network on a batch that lies on the device, and refines what it says.
func (p *Predictor) answers(ctx context.Context, params *graph.DeviceParams, inputs []graph.Value, examples []Example) ([]*Prediction, time.Duration, error) {
	r, err := p.program.Call(ctx, params, 0, inputs...)
	if err != nil {
		return nil, 0, err
	}
	answers := make([]*Prediction, len(examples))
	for k := range examples {
		answers[k] = p.answer(r, k, examples[k].Target)
	}
	if p.refiner == nil {
		return answers, r.Device, nil
	}
	more, err := p.refine(ctx, params, inputs, examples, answers)
	return answers, r.Device + more, err
}

// portions are the samples of a source in order.
func (p *Predictor) portions(count int) iter.Seq[portion] {
	return func(yield func(portion) bool) {
		for start := 0; start < count; start += p.layout.count {
			samples := make([]int, min(p.layout.count, count-start))
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
	err := in.fill(ctx, source, samples, preparers(p.b), still, func(k, i int, e *Example) {
		if !p.layout.points.prompted(e) {
			p.layout.points.Prompt(e, p.layout.width, func(purpose string) *rand.Rand { return graph.Stream(0, fmt.Sprintf("%s of sample %d", purpose, i)) })
		}
		kept[k] = *e
		kept[k].Image = append([]float32(nil), e.Image...)
		kept[k].Target = append([]uint8(nil), e.Target...)
	})
	return kept, err
}

// answer cuts one sample out of a batch's result and chooses its mask.
func (p *Predictor) answer(r *graph.Result, k int, target []uint8) *Prediction {
	masks := r.Outputs[0]
	a := &Prediction{Count: masks.Dims[1], Masks: row(masks, k)}
	rest := r.Outputs[1:]
	if p.iou {
		a.IoU, rest = row(rest[0], k), rest[1:]
	}
	a.Chosen = p.selection.choose(a, target)
	if p.low {
		cells := len(rest[0].Data) / rest[0].Dims[0] / rest[0].Dims[1]
		a.low, rest = row(rest[0], k)[a.Chosen*cells:][:cells], rest[1:]
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
