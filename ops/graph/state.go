package graph

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
)

// averageSlot is where the moving average of a parameter is kept.
const averageSlot = "average"

// OptimizerState is what a step remembers besides the parameters.
type OptimizerState struct {
	Count int // updates made
	// Slots are the remembered tensors by kind (adamw.first, adamw.second,
	// sgd.momentum, average), each a set by parameter name.
	Slots map[string]*Params
	// LossScale and GoodSteps are the state of the loss scaling; 0 without.
	LossScale float64
	GoodSteps int
}

// Slots lists the kinds of tensors that the step remembers for every trained
// parameter.
func (st *Step) Slots() []string { return slices.Clone(st.slots) }

// Start sets the parameters to train and the optimiser's state; a nil state is
// that of a fresh optimiser. From then on the trained parameters are on the
// device alone and change there. The host's set does not, and is not looked at
// for them any more: where nobody else has it, its memory is free. Start is what
// puts an end to ErrLost.
func (st *Step) Start(params *DeviceParams, state *OptimizerState) error {
	if params.b != st.b {
		return fmt.Errorf("the parameters were placed on backend %s, the step runs on %s", params.b.Name(), st.b.Name())
	}
	fresh := map[slot]*tensors.Tensor{}
	started := false
	defer func() {
		if !started {
			freeAll(fresh)
		}
	}()
	var first *Params // values that an average starts from
	if state == nil && st.cfg.Average > 0 {
		var err error
		if first, err = params.Host(); err != nil {
			return err
		}
	}
	var zeros []float32 // one for all: they are copied to the device
	for _, spec := range st.specs {
		if !slices.Contains(st.trained, spec.Name) {
			continue
		}
		if n := size(spec.Dims); len(zeros) < n {
			zeros = make([]float32, n)
		}
		for _, kind := range st.slots {
			from := first
			if state != nil {
				from = state.Slots[kind]
			}
			data := zeros[:size(spec.Dims)]
			if state != nil || kind == averageSlot {
				var t *Tensor
				ok := false
				if from != nil {
					t, ok = from.Get(spec.Name)
				}
				if !ok || !slices.Equal(t.Dims, spec.Dims) {
					return fmt.Errorf("the optimiser's state has no %s of shape %v for parameter %q; it belongs to another model, optimiser or choice of trainable parameters", kind, spec.Dims, spec.Name)
				}
				data = t.Data
			}
			t, err := st.b.copied(data, spec.Dims)
			if err != nil {
				return err
			}
			fresh[slot{kind, spec.Name}] = t
		}
	}
	if err := params.own(st.trained); err != nil {
		return err
	}
	started = true
	freeAll(st.state)
	freeAll(st.sums)
	st.params, st.state, st.sums, st.begun, st.count, st.lost = params, fresh, map[string]*tensors.Tensor{}, false, 0, nil
	st.scale = st.cfg.firstScale()
	if state != nil {
		st.count = state.Count
		if st.scale.on() && state.LossScale > 0 {
			st.scale.value, st.scale.good = state.LossScale, state.GoodSteps
		}
	}
	st.loose = 3
	st.b.tidy()
	return nil
}

// State fetches the optimiser's state from the device. Gradients added up for
// an update that has not been made are no part of it.
func (st *Step) State() (*OptimizerState, error) {
	state, err := st.Counters()
	if err != nil {
		return nil, err
	}
	state.Slots = map[string]*Params{}
	for _, kind := range st.slots {
		set := NewParams()
		for _, name := range st.trained {
			t, err := st.Slot(kind, name)
			if err != nil {
				return nil, err
			}
			if err := set.Set(name, t); err != nil {
				return nil, err
			}
		}
		state.Slots[kind] = set
	}
	return state, nil
}

// Counters is the optimiser's state without its tensors.
func (st *Step) Counters() (*OptimizerState, error) {
	if err := st.ready(); err != nil {
		return nil, err
	}
	state := &OptimizerState{Count: st.count}
	if st.scale.on() {
		state.LossScale, state.GoodSteps = st.scale.value, st.scale.good
	}
	return state, nil
}

// Slot fetches one tensor of the optimiser's state, that of a kind (one of
// Slots) and a trained parameter.
func (st *Step) Slot(kind, name string) (*Tensor, error) {
	if err := st.ready(); err != nil {
		return nil, err
	}
	t, ok := st.state[slot{kind, name}]
	if !ok {
		return nil, fmt.Errorf("%s: there is no %s of a trained parameter %q", st.cfg.Name, kind, name)
	}
	data, err := download(t)
	if err != nil {
		return nil, err
	}
	return &Tensor{Dims: slices.Clone(t.Shape().Dimensions), Data: data}, nil
}

// Averaged are the parameters with the moving averages in the place of the
// trained ones, or the parameters themselves where no average is kept. It is
// valid until the next update.
func (st *Step) Averaged() *DeviceParams {
	if st.cfg.Average == 0 || st.lost != nil {
		return st.params
	}
	over := map[string]*tensors.Tensor{}
	for _, name := range st.trained {
		over[name] = st.state[slot{averageSlot, name}]
	}
	return &DeviceParams{b: st.b, host: st.params.host, base: st.params, over: over}
}
