package train

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Points are prompts beside the box or instead of it. They are drawn from a
// target: pixels that belong to it, labelled 1, and pixels that do not, labelled
// 0, positive ones first, and a mask. The zero value is the box alone.
type Points struct {
	Positive, Negative int
	// Centre puts the first positive point as far inside the target as it goes,
	// instead of drawing it like the others; the rest is drawn with equal
	// chances, one pixel possibly twice.
	Centre bool
	// NoBox keeps the box from the network.
	NoBox bool
	Mask  Mask `json:",omitzero"`
}

// Count is the number of points of a sample, clicks at mistakes of its mask included.
func (p Points) Count() int { return p.Positive + p.Negative + p.Mask.Clicks }

// Check returns an error for points that are not possible.
func (p Points) Check() error {
	switch {
	case p.Positive < 0 || p.Negative < 0:
		return fmt.Errorf("%d positive and %d negative points were asked for, expected none or more", p.Positive, p.Negative)
	case p.NoBox && p.Count() == 0 && p.Mask.Side == 0:
		return fmt.Errorf("neither box nor points nor a mask were asked for; a prompt needs one of them")
	}
	return p.Mask.Check()
}

// Draw chooses points for a target of side·side pixels, without clicks: x and y of
// each, and the labels. Where a target has no pixel of a kind, its points are none (label -1).
func (p Points) Draw(rng *rand.Rand, target []uint8, side int) (xy []float32, labels []int32) {
	var inside, outside []int
	for i, v := range target {
		if v != 0 {
			inside = append(inside, i)
		} else {
			outside = append(outside, i)
		}
	}
	add := func(from []int, label int32, at int) {
		if len(from) == 0 {
			xy, labels = append(xy, 0, 0), append(labels, -1)
			return
		}
		if at < 0 {
			at = from[rng.IntN(len(from))]
		}
		xy, labels = append(xy, float32(at%side), float32(at/side)), append(labels, label)
	}
	for k := range p.Positive {
		at := -1
		if k == 0 && p.Centre && len(inside) > 0 {
			at = innermost(target, side)
		}
		add(inside, 1, at)
	}
	for range p.Negative {
		add(outside, 0, -1)
	}
	return xy, labels
}

// Prompt draws the points and the mask of an example of side·side pixels, with a
// stream of random numbers for each purpose: points, mask and clicks.
func (p Points) Prompt(e *Example, side int, stream func(purpose string) *rand.Rand) {
	e.Points, e.Labels, e.Mask = nil, nil, nil
	if p.Positive+p.Negative > 0 {
		e.Points, e.Labels = p.Draw(stream("points"), e.Target, side)
	}
	if p.Mask.Side == 0 {
		return
	}
	of := e.Target
	if e.Guess != nil {
		of = e.Guess
	}
	var shown []uint8
	if e.Mask, shown = p.Mask.Draw(stream("mask"), of, side); p.Mask.Clicks == 0 {
		return
	}
	xy, labels, done := Refinement{Clicks: p.Mask.Clicks, Centre: p.Mask.Centre}.click(stream("clicks"), func(i int) bool { return shown[i] != 0 }, e.Target, side)
	if done { // nothing to click at
		xy, labels = make([]float32, 2*p.Mask.Clicks), slices.Repeat([]int32{-1}, p.Mask.Clicks)
	}
	e.Points, e.Labels = append(e.Points, xy...), append(e.Labels, labels...)
}

// prompted says whether an example has what Prompt draws.
func (p Points) prompted(e *Example) bool {
	return (p.Count() == 0 || e.Points != nil) && (p.Mask.Side == 0 || e.Mask != nil)
}

// innermost is the pixel of a target that is most steps (up, down, left, right)
// away from what does not belong to it, the outside of the image included; of
// equal ones the first in reading order.
func innermost(target []uint8, side int) int {
	at, _ := deepest(target, side)
	return at
}

// deepest is innermost with the number of its steps, 0 where there is no pixel.
func deepest(target []uint8, side int) (place, depth int) {
	rows := len(target) / side
	steps := make([]int, len(target))
	at := func(y, x int) int {
		if y < 0 || y >= rows || x < 0 || x >= side {
			return 0
		}
		return steps[y*side+x]
	}
	for i, v := range target { // from above and from the left
		if v != 0 {
			steps[i] = 1 + min(at(i/side-1, i%side), at(i/side, i%side-1))
		}
	}
	best := 0
	for i := len(target) - 1; i >= 0; i-- { // from below and from the right
		if target[i] != 0 {
			steps[i] = min(steps[i], 1+min(at(i/side+1, i%side), at(i/side, i%side+1)))
		}
		if steps[i] >= steps[best] {
			best = i
		}
	}
	return best, steps[best]
}
