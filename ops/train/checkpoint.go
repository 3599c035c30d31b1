package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/tensorfile"
)

// A checkpoint is a safetensors file: the trained parameters under their own
// names, what the optimiser remembers of each under its kind and the name
// (adamw.first.NAME), and the rest as metadata. Parameters that are not trained
// are those the run was given.
const (
	progressKey = "mseg.training" // JSON of progress
	settingsKey = "mseg.settings" // JSON of settings
	stepsKey    = "mseg.adamw.steps"
	scalingKey  = "mseg.scaling" // JSON of scaling

)

// Names of the files in a run's folder: the state after the last step that was
// saved, and the parameters of the best epoch.
const (
	LastFile = "last.safetensors"
	BestFile = "best.safetensors"
)

// progress is how far a run has come.
type progress struct {
	Step      int      `json:"step"`     // steps done
	LossSum   float64  `json:"loss_sum"` // of the samples of the epoch begun
	Samples   int      `json:"samples"`  // of the epoch begun
	Best      float64  `json:"best"`     // highest mean Dice, or what a Measure compares, made to rise
	BestEpoch int      `json:"best_epoch"`
	History   []Record `json:"history"`

	Skipped  int     `json:"skipped,omitzero"`  // steps of the epoch begun
	PeakDice float64 `json:"peak,omitzero"`     // last value that patience took for a gain
	Waited   int     `json:"waited,omitzero"`   // epochs since then
	Stopped  bool    `json:"stopped,omitzero"`  // patience is at its end
	Measured bool    `json:"measured,omitzero"` // PeakDice is one
}

// bestDice is the validation Dice of the best epoch; 0 where none was validated.
func (p *progress) bestDice() float64 {
	if p.BestEpoch < 1 || p.BestEpoch > len(p.History) || p.History[p.BestEpoch-1].Dice == nil {
		return 0
	}
	return *p.History[p.BestEpoch-1].Dice
}

// tire counts what an epoch was compared by and says whether to stop.
func (p *progress) tire(patience Patience, dice float64) bool {
	if patience.Epochs == 0 {
		return false
	}
	if !p.Measured || dice > p.PeakDice+patience.Least {
		p.PeakDice, p.Waited, p.Measured = dice, 0, true
	} else {
		p.Waited++
	}
	p.Stopped = p.Waited >= patience.Epochs
	return p.Stopped
}

// scaling is the state of the loss scale.
type scaling struct {
	Scale float64 `json:"scale"`
	Good  int     `json:"good"`
}

// settings are what must be the same for a run to be continued. Epochs counts
// only if the schedule depends on it.
type settings struct {
	Size, BatchSize, TrainingSamples int
	Rate                             float64
	Schedule                         Schedule
	Epochs                           int
	Beta1, Beta2, Eps                float64
	WeightDecay, ClipNorm            float64
	Jitter                           Jitter
	Augment                          Augment
	Seeds                            Seeds
	Trained                          string

	// What is absent or zero is left out, so that checkpoints made before it
	// existed stay valid.
	Rule       string             `json:",omitzero"` // empty: AdamW
	Momentum   float64            `json:",omitzero"`
	Nesterov   bool               `json:",omitzero"`
	Accumulate int                `json:",omitzero"`
	Average    float64            `json:",omitzero"`
	Factors    map[string]float64 `json:",omitzero"`
	NoDecay    NoDecay            `json:",omitzero"`
	Patience   Patience           `json:",omitzero"`
	Precision  string             `json:",omitzero"`
	Scaling    graph.LossScaling  `json:",omitzero"`
	Points     Points             `json:",omitzero"`
	Measure    string             `json:",omitzero"`
	Parts      bool               `json:",omitzero"`
	Height     int                `json:",omitzero"`
}

func (c *Config) settings(samples int, trained []string) settings {
	s := settings{
		Size: c.Size, BatchSize: c.BatchSize, TrainingSamples: samples,
		Rate: c.Rate, Schedule: c.Schedule, ClipNorm: c.ClipNorm,
		Jitter: c.Jitter, Augment: c.Augment, Seeds: c.Seeds,
		Trained: strings.Join(trained, " "),
		Average: c.Average, NoDecay: c.NoDecay, Patience: c.Patience, Scaling: c.Scaling, Points: c.Points, Parts: c.Parts, Height: c.Height,
	}
	switch o := c.Optimizer.(type) {
	case graph.AdamW:
		s.Beta1, s.Beta2, s.Eps, s.WeightDecay = o.Beta1, o.Beta2, o.Eps, o.WeightDecay
	case graph.SGD:
		s.Rule, s.Momentum, s.Nesterov, s.WeightDecay = "sgd", o.Momentum, o.Nesterov, o.WeightDecay
	}
	if c.Measure != nil {
		s.Measure = c.Measure.Name
	}
	if n := c.parts(); n > 1 {
		s.Accumulate = n
	}
	if c.Precision != graph.Float32 {
		s.Precision = string(c.Precision)
	}
	for _, name := range trained {
		if f := c.factor(name); f != 1 {
			if s.Factors == nil {
				s.Factors = map[string]float64{}
			}
			s.Factors[name] = f
		}
	}
	if c.Schedule.NeedsTotal() {
		s.Epochs = c.Epochs
	}
	return s
}

// save writes a checkpoint of a step. Tensors are fetched one after the other: all at once they would fill as much memory as the training itself.
func save(path string, st *graph.Step, params *graph.DeviceParams, p progress, s settings) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	state, err := st.Counters()
	if err != nil {
		return err
	}
	meta := map[string]string{stepsKey: fmt.Sprint(state.Count)}
	more := map[string]any{progressKey: p, settingsKey: s}
	if state.LossScale > 0 {
		more[scalingKey] = scaling{state.LossScale, state.GoodSteps}
	}
	for key, v := range more {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("writing checkpoint %s: %w", path, err)
		}
		meta[key] = string(text)
	}
	dims, get := map[string][]int{}, map[string]func() (*graph.Tensor, error){}
	for _, spec := range st.Specs() {
		dims[spec.Name] = spec.Dims
	}
	names := st.Trained()
	for _, name := range names {
		get[name] = func() (*graph.Tensor, error) { return params.Fetch(name) }
	}
	for _, kind := range slices.Sorted(slices.Values(st.Slots())) {
		for _, name := range st.Trained() {
			full := kind + "." + name
			dims[full] = dims[name]
			get[full] = func() (*graph.Tensor, error) { return st.Slot(kind, name) }
			names = append(names, full)
		}
	}
	return tensorfile.WriteInTurn(path, names, func(name string) []int { return dims[name] }, func(name string) ([]float32, error) {
		t, err := get[name]()
		if err != nil {
			return nil, err
		}
		return t.Data, nil
	}, meta)
}

// load reads a checkpoint of a run that remembers tensors of the given kinds;
// ok is false if there is none.
func load(path string, want settings, kinds []string) (params *graph.Params, state *graph.OptimizerState, p progress, ok bool, err error) {
	f, err := tensorfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, p, false, nil
	}
	if err != nil {
		return nil, nil, p, false, err
	}
	defer f.Close()
	meta := f.Metadata()
	var have settings
	state = &graph.OptimizerState{Slots: map[string]*graph.Params{}}
	for _, kind := range kinds {
		state.Slots[kind] = graph.NewParams()
	}
	for key, into := range map[string]any{progressKey: &p, settingsKey: &have, stepsKey: &state.Count} {
		if err := json.Unmarshal([]byte(meta[key]), into); err != nil {
			return nil, nil, p, false, fmt.Errorf("%s is not a training checkpoint: its metadata %q is missing or damaged", path, key)
		}
	}
	if text, ok := meta[scalingKey]; ok {
		var of scaling
		if err := json.Unmarshal([]byte(text), &of); err != nil {
			return nil, nil, p, false, fmt.Errorf("%s is not a training checkpoint: its metadata %q is damaged", path, scalingKey)
		}
		state.LossScale, state.GoodSteps = of.Scale, of.Good
	}
	if name := firstDifference(have, want); name != "" {
		return nil, nil, p, false, fmt.Errorf("%s belongs to a run with other settings (%s differs); continue it with the same ones or start in an empty folder", path, name)
	}
	params = graph.NewParams()
	for _, name := range f.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, nil, p, false, err
		}
		into, key := params, name
		for _, kind := range kinds {
			if rest, is := strings.CutPrefix(name, kind+"."); is {
				into, key = state.Slots[kind], rest
			}
		}
		if err := into.Set(key, &graph.Tensor{Dims: t.Dims, Data: t.Data}); err != nil {
			return nil, nil, p, false, fmt.Errorf("%s: %w", path, err)
		}
	}
	return params, state, p, true, nil
}

// firstDifference names the first setting that differs.
func firstDifference(a, b settings) string {
	fields := func(s settings) map[string]json.RawMessage {
		text, _ := json.Marshal(s)
		m := map[string]json.RawMessage{}
		_ = json.Unmarshal(text, &m)
		return m
	}
	x, y := fields(a), fields(b)
	both := maps.Clone(x)
	maps.Copy(both, y)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if string(x[name]) != string(y[name]) {
			return name
		}
	}
	return ""
}

// saveBest writes parameters alone.
func saveBest(path string, params *graph.Params, epoch int, dice float64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return tensorfile.Write(path, params.Names(), func(name string) ([]int, []float32) {
		t, _ := params.Get(name)
		return t.Dims, t.Data
	}, map[string]string{"mseg.epoch": fmt.Sprint(epoch), "mseg.dice": fmt.Sprint(dice)})
}

// loadBest reads what saveBest wrote.
func loadBest(path string) (*graph.Params, error) {
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	params := graph.NewParams()
	for _, name := range f.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		if err := params.Set(name, &graph.Tensor{Dims: t.Dims, Data: t.Data}); err != nil {
			return nil, err
		}
	}
	return params, nil
}
