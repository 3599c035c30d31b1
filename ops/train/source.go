package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Example is one sample: an image of H×W pixels, a square of S×S unless
// Config.Height says otherwise, and what goes with it.
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

	// Whole is the sample that Image and Target are a part of, its corner at
	// (X,Y) of it; nil: they are the whole. What a movement brings into the part
	// is taken from there. Sources of parts set it where Config.Parts is set.
	Whole *Picture
	X, Y  int
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
	layout
	n      int
	names  []string
	image  []float32
	target []float32
	box    []float32
	mode   []int32
	organ  []int32
	weight []float32
	dots   []float32 // point prompts
	labels []int32
	mask   []float32
	whole  []float32 // mean and deviation of the samples that images are parts of

	scratch []Example // one for each worker
}

func newBatch(l layout) *batch {
	whole := 0
	if l.parts {
		whole = l.count * 2 * 3
	}
	return &batch{
		layout: l,
		names:  make([]string, l.count),
		image:  make([]float32, l.count*l.values()),
		target: make([]float32, l.count*l.pixels()),
		box:    make([]float32, l.count*4),
		mode:   make([]int32, l.count),
		organ:  make([]int32, l.count*4),
		weight: make([]float32, l.count),
		dots:   make([]float32, l.count*l.points.Count()*2),
		labels: make([]int32, l.count*l.points.Count()),
		mask:   make([]float32, l.count*l.points.Mask.Side*l.points.Mask.Side),
		whole:  make([]float32, whole),
	}
}

// fill assembles the given samples; change, if not nil, may alter each, the k-th
// of the batch being example i of the source. As many samples as there are
// workers are worked on at once, change included, but the source is asked for one
// after the other. The batch does not depend on the number of workers, nor does
// the error: it is that of the first sample that has one.
func (b *batch) fill(ctx context.Context, source Source, samples []int, workers int, rng func(i int) *rand.Rand, change func(k, i int, e *Example)) error {
	b.n = len(samples)
	workers = max(1, min(workers, b.n))
	for len(b.scratch) < workers {
		b.scratch = append(b.scratch, Example{Image: make([]float32, b.values()), Target: make([]uint8, b.pixels())})
	}
	var reading sync.Mutex
	one := func(k int, e *Example) (err error) {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := samples[k]
		defer func() {
			if fault := recover(); fault != nil { // on a goroutine of its own it would end the program
				err = fmt.Errorf("internal fault in preparing sample %d: %v", i, fault)
			}
		}()
		if err := read(&reading, source, i, rng(i), e); err != nil {
			return err
		}
		return b.take(k, i, e, change)
	}
	var next atomic.Int64
	failed := make([]error, b.n)
	var stop atomic.Bool
	work := func(e *Example) {
		for !stop.Load() {
			k := int(next.Add(1)) - 1
			if k >= b.n {
				return
			}
			if failed[k] = one(k, e); failed[k] != nil {
				stop.Store(true)
			}
		}
	}
	var others sync.WaitGroup
	for w := 1; w < workers; w++ {
		others.Go(func() { work(&b.scratch[w]) })
	}
	work(&b.scratch[0])
	others.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	for k := b.n; k < len(b.weight); k++ {
		b.repeat(k)
	}
	return nil
}

// read asks the source, which is not to be asked from two goroutines at once.
func read(reading *sync.Mutex, source Source, i int, rng *rand.Rand, e *Example) error {
	reading.Lock()
	defer reading.Unlock()
	e.Points, e.Labels, e.Mask, e.Guess, e.Whole = nil, nil, nil, nil, nil
	if err := source.Fill(i, rng, e); err != nil {
		return fmt.Errorf("sample %d: %w", i, err)
	}
	return nil
}

// take checks an example, changes it and makes it sample k of the batch.
func (b *batch) take(k, i int, e *Example, change func(k, i int, e *Example)) error {
	pixels, input := b.pixels(), b.values()
	if len(e.Image) != input || len(e.Target) != pixels {
		return fmt.Errorf("sample %d (%s) has %d image values and %d target values, an image of %d×%d pixels needs %d and %d",
			i, e.Name, len(e.Image), len(e.Target), b.width, b.height, input, pixels)
	}
	if (e.Whole != nil) != b.parts {
		return fmt.Errorf("sample %d (%s): whether examples are parts of samples is said by the configuration, and the source gives others", i, e.Name)
	}
	if change != nil {
		change(k, i, e)
	}
	if n := len(b.labels) / len(b.weight); n > 0 && (len(e.Points) != 2*n || len(e.Labels) != n) {
		return fmt.Errorf("sample %d (%s) has %d coordinates and %d labels for %d points", i, e.Name, len(e.Points), len(e.Labels), n)
	}
	if n := len(b.mask) / len(b.weight); n > 0 && len(e.Mask) != n {
		return fmt.Errorf("sample %d (%s) has a mask prompt of %d values, expected %d", i, e.Name, len(e.Mask), n)
	}
	b.put(k, e)
	return nil
}

// preparers is the number of samples that are prepared at once. Where the cores
// compute as well it is half of them; beside a device of its own all but the one
// that feeds it.
func preparers(b *graph.Backend) int {
	cores := runtime.GOMAXPROCS(0)
	if b.Accelerated() {
		return max(1, cores-1)
	}
	return max(1, cores/2)
}

func (b *batch) put(k int, e *Example) {
	pixels := b.pixels()
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
		copy(b.dots[k*2*n:], e.Points)
		copy(b.labels[k*n:], e.Labels)
	}
	if n := len(b.mask) / len(b.weight); n > 0 {
		copy(b.mask[k*n:], e.Mask)
	}
	if e.Whole != nil {
		copy(b.whole[6*k:6*k+6], e.Whole.statistics())
	}
	b.mode[k], b.weight[k], b.names[k] = e.Modality, 1, e.Name
}

func (b *batch) repeat(k int) {
	input, pixels := b.values(), b.pixels()
	copy(b.image[k*input:(k+1)*input], b.image[:input])
	copy(b.target[k*pixels:(k+1)*pixels], b.target[:pixels])
	copy(b.box[k*4:(k+1)*4], b.box[:4])
	copy(b.organ[k*4:(k+1)*4], b.organ[:4])
	n := len(b.labels) / len(b.weight)
	copy(b.dots[k*2*n:(k+1)*2*n], b.dots[:2*n])
	copy(b.labels[k*n:(k+1)*n], b.labels[:n])
	n = len(b.mask) / len(b.weight)
	copy(b.mask[k*n:(k+1)*n], b.mask[:n])
	if b.parts {
		copy(b.whole[6*k:6*k+6], b.whole[:6])
	}
	b.mode[k], b.weight[k], b.names[k] = b.mode[0], 0, ""
}

func (b *batch) inputs() []graph.Value {
	count := b.count
	v := []graph.Value{
		graph.Floats(b.image, b.pictures()...),
		graph.Floats(b.box, count, 4),
		graph.Ints(b.mode, count),
		graph.Ints(b.organ, count, 4),
	}
	if b.parts {
		v = append(v, graph.Floats(b.whole, count, 2, 3))
	}
	if n := len(b.labels) / count; n > 0 {
		v = append(v, graph.Floats(b.dots, count, n, 2), graph.Ints(b.labels, count, n))
	}
	if n := len(b.mask) / count; n > 0 {
		side := b.points.Mask.Side
		v = append(v, graph.Floats(b.mask, count, side, side, 1))
	}
	return v
}

var errEmpty = errors.New("there are no samples")
