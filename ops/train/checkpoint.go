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

// A checkpoint is a safetensors file: the parameters under their own names, the
// optimiser's moments under these prefixes, and the rest as metadata.
const (
	firstPrefix  = "adamw.first."
	secondPrefix = "adamw.second."
	progressKey  = "mseg.training" // JSON of progress
	settingsKey  = "mseg.settings" // JSON of settings
	stepsKey     = "mseg.adamw.steps"

	lastFile = "last.safetensors"
	bestFile = "best.safetensors"
)

// progress is how far a run has come.
type progress struct {
	Step      int      `json:"step"`     // steps done
	LossSum   float64  `json:"loss_sum"` // of the samples of the epoch begun
	Samples   int      `json:"samples"`  // of the epoch begun
	Best      float64  `json:"best"`     // highest mean Dice
	BestEpoch int      `json:"best_epoch"`
	History   []Record `json:"history"`
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
}

func (c *Config) settings(samples int, trained []string) settings {
	o := c.Optimizer
	s := settings{
		Size: c.Size, BatchSize: c.BatchSize, TrainingSamples: samples,
		Rate: c.Rate, Schedule: c.Schedule,
		Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, WeightDecay: o.WeightDecay, ClipNorm: o.ClipNorm,
		Jitter: c.Jitter, Augment: c.Augment, Seeds: c.Seeds,
		Trained: strings.Join(trained, " "),
	}
	if c.Schedule.NeedsTotal() {
		s.Epochs = c.Epochs
	}
	return s
}

// save writes a checkpoint.
func save(path string, params *graph.Params, state *graph.OptimizerState, p progress, s settings) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	meta := map[string]string{stepsKey: fmt.Sprint(state.Count)}
	for key, v := range map[string]any{progressKey: p, settingsKey: s} {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("writing checkpoint %s: %w", path, err)
		}
		meta[key] = string(text)
	}
	all := map[string]*graph.Tensor{}
	names := params.Names()
	for _, name := range names {
		all[name], _ = params.Get(name)
	}
	for prefix, moments := range map[string]*graph.Params{firstPrefix: state.First, secondPrefix: state.Second} {
		for _, name := range moments.Names() {
			all[prefix+name], _ = moments.Get(name)
		}
	}
	for _, prefix := range []string{firstPrefix, secondPrefix} {
		for _, name := range state.First.Names() {
			names = append(names, prefix+name)
		}
	}
	return tensorfile.Write(path, names, func(name string) ([]int, []float32) {
		return all[name].Dims, all[name].Data
	}, meta)
}

// load reads a checkpoint; ok is false if there is none.
func load(path string, want settings) (params *graph.Params, state *graph.OptimizerState, p progress, ok bool, err error) {
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
	state = &graph.OptimizerState{First: graph.NewParams(), Second: graph.NewParams()}
	for key, into := range map[string]any{progressKey: &p, settingsKey: &have, stepsKey: &state.Count} {
		if err := json.Unmarshal([]byte(meta[key]), into); err != nil {
			return nil, nil, p, false, fmt.Errorf("%s is not a training checkpoint: its metadata %q is missing or damaged", path, key)
		}
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
		if rest, is := strings.CutPrefix(name, firstPrefix); is {
			into, key = state.First, rest
		} else if rest, is := strings.CutPrefix(name, secondPrefix); is {
			into, key = state.Second, rest
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
	for _, name := range slices.Sorted(maps.Keys(y)) {
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
