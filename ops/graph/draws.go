package graph

import (
	"runtime"
	"sync"

	"github.com/gomlx/gomlx/core/tensors"
)

// Random numbers are drawn on the host (see Scope.Uniform). For a large batch that takes a while, in which a GPU would wait: the dropout of MedSegX-B's
// experts takes 6.3 million numbers for a batch of 32, 40 ms on one core and as long as an H200 computes. So a training has them drawn and
// copied to the device for steps to come, as it prepares its batches.

// draws are random tensors on the device for calls to come, by their seed.
type draws struct {
	mu     sync.Mutex
	coming map[uint64]*draw
}

// draw holds the random tensors of one call, in the order of the arguments.
type draw struct {
	done    chan struct{} // closed when they are there
	tensors []*tensors.Tensor
	err     error
}

// Ahead draws the random numbers of the step that will be taken with this seed and copies them to the device. It may run beside another step, and it
// changes no number: without it they are drawn when the step is taken.
func (st *Step) Ahead(seed uint64) error { return st.code.ahead(seed) }

func (x *code) ahead(seed uint64) error {
	if len(x.random) == 0 {
		return nil
	}
	d := &draw{done: make(chan struct{})}
	x.drawn.mu.Lock()
	if other := x.drawn.coming[seed]; other != nil {
		x.drawn.mu.Unlock()
		<-other.done
		return other.err
	}
	if x.drawn.coming == nil {
		x.drawn.coming = map[uint64]*draw{}
	}
	x.drawn.coming[seed] = d
	x.drawn.mu.Unlock()
	defer close(d.done)
	d.tensors, d.err = x.drawNow(seed)
	return d.err
}

// draw returns the random tensors of a call, which are the caller's also where there is an error.
func (x *code) draw(seed uint64) ([]*tensors.Tensor, error) {
	if len(x.random) == 0 {
		return nil, nil
	}
	x.drawn.mu.Lock()
	d := x.drawn.coming[seed]
	delete(x.drawn.coming, seed)
	x.drawn.mu.Unlock()
	if d == nil {
		return x.drawNow(seed)
	}
	<-d.done
	return d.tensors, d.err
}

// drawNow draws each tensor from a stream of its own, several at once where the cores have nothing else to do.
func (x *code) drawNow(seed uint64) ([]*tensors.Tensor, error) {
	out, faults := make([]*tensors.Tensor, len(x.random)), make([]error, len(x.random))
	workers := 1
	if !x.b.onHost() {
		workers = runtime.GOMAXPROCS(0)
	}
	var wait sync.WaitGroup
	room := make(chan struct{}, workers)
	for i, f := range x.random {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			r := Stream(seed, f.name)
			data := make([]float32, size(f.dims))
			for j := range data {
				data[j] = r.Float32()
			}
			out[i], faults[i] = x.b.upload(data, x.float, f.dims)
		})
	}
	wait.Wait()
	for _, err := range faults {
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// free gives back what was drawn for calls that did not come.
func (d *draws) free() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for seed, of := range d.coming {
		<-of.done
		finalize(of.tensors)
		delete(d.coming, seed)
	}
}
