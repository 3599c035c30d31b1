package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Refinement improves answers as a user of SAM does (Kirillov et al. 2023,
// section 5 and the predictor of its code): in each round Clicks points are added
// where the answer is wrong, and the network is shown the logits of that answer,
// on the grid of mask prompts, beside all points so far and the box, if there is
// one. The mask that the selection chose is the answer. A sample whose answer is
// right in every pixel keeps it. The zero value is no refinement.
//
// A network must give Outputs.Low and read Inputs.Mask.
type Refinement struct {
	Rounds int // after the first answer
	Clicks int // of each round
	// Centre puts the first click of a round where it is farthest inside of
	// what was missed, or of what was wrongly added, whichever is deeper (RITM,
	// Sofiiuk et al. 2022). The other clicks are pixels that the answer has wrong,
	// drawn with equal chances, one possibly twice (SAM-Med2D).
	Centre bool
	Seed   uint64 // of what is drawn, with the name of the sample
}

// Check returns an error for a refinement that is not possible.
func (r Refinement) Check() error {
	if r.Rounds < 0 || r.Rounds > 0 && r.Clicks < 1 {
		return fmt.Errorf("%d rounds of %d clicks were asked for, expected no rounds, or some with at least one click", r.Rounds, r.Clicks)
	}
	return nil
}

// click chooses the points of one round: x and y of each, and 1 where the
// target was missed, 0 where it was wrongly found. done says that nothing is
// wrong.
func (r Refinement) click(rng *rand.Rand, found func(pixel int) bool, target []uint8, side int) (xy []float32, labels []int32, done bool) {
	missed, added := make([]uint8, len(target)), make([]uint8, len(target))
	var wrong []int
	for i, v := range target {
		switch in := v != 0; {
		case in == found(i):
			continue
		case in:
			missed[i] = 1
		default:
			added[i] = 1
		}
		wrong = append(wrong, i)
	}
	if len(wrong) == 0 {
		return nil, nil, true
	}
	for k := range r.Clicks {
		var at int
		if k == 0 && r.Centre {
			a, depthA := deepest(missed, side)
			b, depthB := deepest(added, side)
			if at = a; depthB > depthA {
				at = b
			}
		} else {
			at = wrong[rng.IntN(len(wrong))]
		}
		xy, labels = append(xy, float32(at%side), float32(at/side)), append(labels, int32(missed[at]))
	}
	return xy, labels, false
}

// refiner is what a predictor needs for the rounds after the first.
type refiner struct {
	Refinement
	start  Points           // of the first answer
	side   int              // of the grid of mask prompts
	rounds []*graph.Program // one for each number of points
}

// after are the prompts of round k, from 1.
func (r *refiner) after(k int) Points {
	return Points{Positive: r.start.Count() + k*r.Clicks, NoBox: r.start.NoBox, Mask: Mask{Side: r.side}}
}

func (r *refiner) free() {
	for _, p := range r.rounds {
		p.Free()
	}
}

// refine goes through the rounds for a batch whose first answers are given;
// answers are replaced. inputs are those of the batch, on the device. It returns
// how long the device computed.
func (p *Predictor) refine(ctx context.Context, params *graph.DeviceParams, inputs []graph.Value, examples []Example, answers []*Prediction) (device time.Duration, err error) {
	r := p.refiner
	streams := make([]*rand.Rand, len(examples))
	for k, e := range examples {
		streams[k] = graph.Stream(r.Seed, "clicks of "+e.Name)
	}
	count, cells := p.layout.count, r.side*r.side
	points, labels := make([][]float32, count), make([][]int32, count)
	for k, e := range examples {
		points[k], labels[k] = slices.Clone(e.Points), slices.Clone(e.Labels)
	}
	done := make([]bool, len(examples))
	for round := 1; round <= r.Rounds; round++ {
		prompts := r.after(round)
		mask, open := make([]float32, count*cells), 0
		for k := range count {
			if k < len(examples) && !done[k] {
				var xy []float32
				var what []int32
				answer := answers[k].Mask(answers[k].Chosen)
				xy, what, done[k] = r.click(streams[k], func(i int) bool { return answer[i] > 0 }, examples[k].Target, p.layout.width)
				points[k], labels[k] = append(points[k], xy...), append(labels[k], what...)
			}
			if k < len(examples) && !done[k] {
				copy(mask[k*cells:], answers[k].low)
				open++
			}
			for len(labels[k]) < prompts.Count() { // those whose answer is not looked at
				points[k], labels[k] = append(points[k], 0, 0), append(labels[k], -1)
			}
		}
		if open == 0 {
			return device, nil
		}
		values := append(slices.Clone(inputs[:4]), graph.Floats(flat(points), count, prompts.Count(), 2), graph.Ints(flat(labels), count, prompts.Count()),
			graph.Floats(mask, count, r.side, r.side, 1))
		got, err := r.rounds[round-1].Call(ctx, params, 0, values...)
		if err != nil {
			return device, p.smaller(err)
		}
		device += got.Device
		for k := range examples {
			if !done[k] {
				answers[k] = p.answer(got, k, examples[k].Target)
			}
		}
	}
	return device, nil
}

func flat[T any](rows [][]T) []T {
	var out []T
	for _, r := range rows {
		out = append(out, r...)
	}
	return out
}
