package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Example is one sample: a square image of S×S pixels and what goes with it.
type Example struct {
	Image    []float32  // S·S·3, rows of pixels of red, green, blue, values 0..255; or what Config.Input says
	Target   []uint8    // S·S; anything but 0 belongs to the target
	Box      [4]float32 // box prompt x0,y0,x1,y1 in pixels
	Modality int32      // row of the modality table
	Organ    [4]int32   // level 1, level 2, level 3 of the taxonomy; row of the task
	Name     string     // for messages and records

	// Points and Labels are point prompts, x and y of each and what it is (see
	// Points). A source may set them, and Mask, for a prediction; in a training, and
	// where it has not set all that is asked for, all are drawn.
	Points []float32
	Labels []int32
	// Mask is a mask prompt, Side·Side logits (see Mask), made of Guess, a mask of
	// S·S pixels that somebody answered before, or without one of the target.
	Mask  []float32
	Guess []uint8
}

// Source gives examples by number.
type Source interface {
	// Len is the number of examples.
	Len() int
	// Fill overwrites every field of the example with the sample of that
	// number. Image and Target have their length already and are to be
	// written into. rng is for a source with choices of its own (a slice, a
	// prompt); it is decided by seed, epoch and sample. Fill is not called from
	// two goroutines at once, but a validation source may be asked while the
	// training source is.
	Fill(i int, rng *rand.Rand, into *Example) error
}

// batch is one set of inputs for the compiled step. Samples from n on only
// fill it up: they repeat the first and have weight 0.
type batch struct {
	n      int
	names  []string
	image  []float32
	target []float32
	box    []float32
	mode   []int32
	organ  []int32
	weight []float32
	points []float32
	labels []int32
	mask   []float32

	example Example // scratch
}

func newBatch(count, side, input int, prompts Points) *batch {
	pixels := side * side
	if input == 0 {
		input = pixels * 3
	}
	return &batch{
		names:  make([]string, count),
		image:  make([]float32, count*input),
		target: make([]float32, count*pixels),
		box:    make([]float32, count*4),
		mode:   make([]int32, count),
		organ:  make([]int32, count*4),
		weight: make([]float32, count),
		points: make([]float32, count*prompts.Count()*2),
		labels: make([]int32, count*prompts.Count()),
		mask:   make([]float32, count*prompts.Mask.Side*prompts.Mask.Side),
		example: Example{
			Image:  make([]float32, input),
			Target: make([]uint8, pixels),
		},
	}
}

// fill assembles the given samples; change, if not nil, may alter each.
func (b *batch) fill(ctx context.Context, source Source, samples []int, side int, rng func(i int) *rand.Rand, change func(i int, e *Example)) error {
	pixels := side * side
	b.n = len(samples)
	for k := range b.weight {
		if k >= b.n {
			b.repeat(k, pixels)
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		i := samples[k]
		e := &b.example
		e.Points, e.Labels, e.Mask, e.Guess = nil, nil, nil, nil
		if err := source.Fill(i, rng(i), e); err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
		input := len(b.image) / len(b.weight)
		if len(e.Image) != input || len(e.Target) != pixels {
			return fmt.Errorf("sample %d (%s) has %d image values and %d target values, an image of %d×%d pixels needs %d and %d",
				i, e.Name, len(e.Image), len(e.Target), side, side, input, pixels)
		}
		if change != nil {
			change(i, e)
		}
		if n := len(b.labels) / len(b.weight); n > 0 && (len(e.Points) != 2*n || len(e.Labels) != n) {
			return fmt.Errorf("sample %d (%s) has %d coordinates and %d labels for %d points", i, e.Name, len(e.Points), len(e.Labels), n)
		}
		if n := len(b.mask) / len(b.weight); n > 0 && len(e.Mask) != n {
			return fmt.Errorf("sample %d (%s) has a mask prompt of %d values, expected %d", i, e.Name, len(e.Mask), n)
		}
		b.put(k, pixels, e)
	}
	return nil
}

func (b *batch) put(k, pixels int, e *Example) {
	copy(b.image[k*len(e.Image):], e.Image)
	target := b.target[k*pixels : (k+1)*pixels]
	for p, v := range e.Target {
		target[p] = 0
		if v != 0 {
			target[p] = 1
		}
	}
	copy(b.box[k*4:], e.Box[:])
	copy(b.organ[k*4:], e.Organ[:])
	if n := len(b.labels) / len(b.weight); n > 0 {
		copy(b.points[k*2*n:], e.Points)
		copy(b.labels[k*n:], e.Labels)
	}
	if n := len(b.mask) / len(b.weight); n > 0 {
		copy(b.mask[k*n:], e.Mask)
	}
	b.mode[k], b.weight[k], b.names[k] = e.Modality, 1, e.Name
}

func (b *batch) repeat(k, pixels int) {
	input := len(b.image) / len(b.weight)
	copy(b.image[k*input:(k+1)*input], b.image[:input])
	copy(b.target[k*pixels:(k+1)*pixels], b.target[:pixels])
	copy(b.box[k*4:(k+1)*4], b.box[:4])
	copy(b.organ[k*4:(k+1)*4], b.organ[:4])
	n := len(b.labels) / len(b.weight)
	copy(b.points[k*2*n:(k+1)*2*n], b.points[:2*n])
	copy(b.labels[k*n:(k+1)*n], b.labels[:n])
	n = len(b.mask) / len(b.weight)
	copy(b.mask[k*n:(k+1)*n], b.mask[:n])
	b.mode[k], b.weight[k], b.names[k] = b.mode[0], 0, ""
}

// shapes are the network's inputs for a batch, in the order of graph.Inputs.
func shapes(count, side, input int, points Points) []graph.Shape {
	s := []graph.Shape{graph.F32(pictures(count, side, input)...), graph.F32(count, 4), graph.I32(count), graph.I32(count, 4)}
	if n := points.Count(); n > 0 {
		s = append(s, graph.F32(count, n, 2), graph.I32(count, n))
	}
	if m := points.Mask.Side; m > 0 {
		s = append(s, graph.F32(count, m, m, 1))
	}
	return s
}

// pictures is the shape of a batch of images, or of what stands in their place.
func pictures(count, side, input int) []int {
	if input > 0 {
		return []int{count, input}
	}
	return []int{count, side, side, 3}
}

func (b *batch) inputs(side, input int) []graph.Value {
	count := len(b.weight)
	v := []graph.Value{
		graph.Floats(b.image, pictures(count, side, input)...),
		graph.Floats(b.box, count, 4),
		graph.Ints(b.mode, count),
		graph.Ints(b.organ, count, 4),
	}
	if n := len(b.labels) / count; n > 0 {
		v = append(v, graph.Floats(b.points, count, n, 2), graph.Ints(b.labels, count, n))
	}
	if n := len(b.mask) / count; n > 0 {
		side := int(math.Sqrt(float64(n)))
		v = append(v, graph.Floats(b.mask, count, side, side, 1))
	}
	return v
}

// network applies a network to the nodes of shapes and checks its masks.
func network(s *graph.Scope, net graph.Network, in []*graph.Node, count, side int, points Points) graph.Outputs {
	given := graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]}
	if points.Count() > 0 {
		given.Points, given.Labels = in[4], in[5]
		in = in[2:]
	}
	if points.Mask.Side > 0 {
		given.Mask = in[4]
	}
	if points.NoBox {
		given.Box = nil
	}
	out := net(s, given)
	if out.Masks == nil {
		s.Failf("the network returns no masks")
	}
	d := out.Masks.Shape().Dimensions
	if len(d) != 4 || d[0] != count || d[2] != side || d[3] != side {
		s.Failf("the network returns masks of shape %v, expected [%d M %d %d]", d, count, side, side)
	}
	return out
}

var errEmpty = errors.New("there are no samples")
