package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

func init() {
	for _, op := range []string{"train", "finetune"} {
		register(op, stage{version: 1, tree: true, device: always, run: runTrain, load: loadTrain})
	}
}

func runTrain(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	m, err := j.modelArg(ctx, n, "model")
	if err != nil {
		return nil, err
	}
	if m.Baseline != "" {
		return nil, fault(n.Span, "%s cannot be trained", m.Baseline)
	}
	d, err := j.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	patches, err := samplingOf(n, m)
	if err != nil {
		return nil, err
	}
	seen := func(arg string, d *Data) (*examples, error) {
		if patches != nil {
			return j.samplesOf(n, arg, d)
		}
		return j.examplesOf(n, arg, d, m)
	}
	samples, err := seen("data", d)
	if err != nil {
		return nil, err
	}
	if text := samples.ambiguous(m); text != "" {
		j.noteOnce("%s", text)
	}
	cfg, err := j.trainConfig(n, m, samples.Len())
	if err != nil {
		return nil, err
	}
	prompt := promptOf(n.Node("prompt"))
	if samples.guesses, err = j.guesses(ctx, n, prompt, d); err != nil {
		return nil, err
	}
	keep := n.Node("keep")
	var chosenOn []string
	v, err := j.dataArg(ctx, n, "validate")
	if err != nil {
		return nil, err
	}
	if v != nil {
		val, err := seen("validate", v)
		if err != nil {
			return nil, err
		}
		if both := common(samples.owners(), val.owners()); len(both) > 0 {
			return nil, fault(n.ArgSpan("validate"), "%d patients are in the training and in the validation data: %s; split by patient: data |> by(patient, train: …, val: …)",
				len(both), strings.Join(both[:min(5, len(both))], ", "))
		}
		if val.guesses, err = j.guesses(ctx, n, prompt, v); err != nil {
			return nil, err
		}
		chosenOn, cfg.Validation = val.owners(), val
		measure, free, err := validationMeasure(keep, val)
		if err != nil {
			return nil, err
		}
		defer free()
		cfg.Measure = measure
	}
	if keep.Op == "best" && v == nil {
		j.noteOnce("no validation data: the checkpoint of the last epoch is kept")
	}
	b, err := j.Backend()
	if err != nil {
		return nil, err
	}
	if err := cfg.Precision.Check(b); err != nil {
		return nil, fault(n.ArgSpan("precision"), "%w", err)
	}
	if cfg.Dir, err = j.store.Work(j.Key); err != nil {
		return nil, err
	}
	if err := j.prolong(cfg.Dir, b); err != nil {
		return nil, err
	}
	p := b.Provenance()
	begun, err := j.begun(cfg.Dir, computer(p.Backend, p.Device))
	if err != nil {
		return nil, err
	}
	cfg.Resume, cfg.CheckpointAfter = true, checkpointAfter
	first, err := m.Params()
	if err != nil {
		return nil, err
	}
	progress, drawn := j.trainProgress(), j.curvesOf()
	defer drawn.close()
	cfg.Progress = func(ev train.Event) { progress(ev); drawn.event(ev) }
	start := time.Now()
	var run trainingRun
	if patches != nil {
		run = m.partially(*patches, samples, cfg)
	} else if run, err = j.trainingSources(ctx, b, m, samples, cfg); err != nil {
		return nil, err
	}
	res, err := train.Run(ctx, b, run.network, first, run.samples, run.cfg)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("training was stopped; it goes on from its last checkpoint when run again: %w", err)
		}
		return nil, err
	}
	params, epoch := res.Params, len(res.History)
	if res.Stopped {
		what := "Dice has not risen"
		if cfg.Measure != nil {
			what = cfg.Measure.Name + " has not become better"
		}
		j.note("stopped after epoch %d of %d: the validation %s for %d epochs", epoch, cfg.Epochs, what, cfg.Patience.Epochs)
	}
	if keep.Op == "best" && res.Best != nil {
		params, epoch = res.Best, res.BestEpoch
	}
	state := trainedState{History: res.History, BestEpoch: epoch, QualityTrained: m.QualityTrained || trainsQuality(n.Node("loss")),
		TrainedOn: union(m.TrainedOn, samples.owners()), ChosenOn: union(m.ChosenOn, chosenOn)}
	if err := w.WriteJSON("training.json", state); err != nil {
		return nil, err
	}
	if err := j.keepState(cfg.Dir, w); err != nil {
		return nil, err
	}
	notes := map[string]any{"backend": p, "seconds": time.Since(start).Seconds(), "steps": res.Steps, "samples": samples.Len(), "busy": res.Busy}
	if len(begun) > 0 {
		notes["begun_on"] = strings.Join(begun, " and ")
	}
	return notes, weights.Write(w.Path("weights.safetensors"), params, map[string]string{"format": "pt", "architecture": m.Built.Architecture.Name})
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// trainedState is what a trained model carries beside its weights.
type trainedState struct {
	History        []train.Record `json:"history"`
	BestEpoch      int            `json:"epoch"`
	QualityTrained bool           `json:"quality_trained"`
	TrainedOn      []string       `json:"trained_on"`
	ChosenOn       []string       `json:"chosen_on"`
}

func loadTrain(ctx context.Context, j *Job, a *store.Artefact) (any, error) {
	m, err := j.modelArg(ctx, j.Node, "model")
	if err != nil {
		return nil, err
	}
	var s trainedState
	if err := a.ReadJSON("training.json", &s); err != nil {
		return nil, err
	}
	from, err := weights.Read(a.Path("weights.safetensors"))
	if err != nil {
		return nil, err
	}
	params := graph.NewParams()
	report, err := weights.Load(params, m.Built.Parameters, from)
	if err != nil {
		return nil, err
	}
	if err := report.Err(nil); err != nil {
		return nil, err
	}
	return &Model{Built: m.Built, params: known(params), Groups: m.Groups, Balance: m.Balance, drops: m.drops, History: s.History, BestEpoch: s.BestEpoch,
		TrainedOn: s.TrainedOn, ChosenOn: s.ChosenOn, QualityTrained: s.QualityTrained}, nil
}

func (j *Job) trainProgress() func(train.Event) {
	return func(ev train.Event) {
		switch ev.Phase {
		case "compiling":
			j.event(Event{Kind: "progress", Text: "compiling"})
		case "training":
			j.event(Event{Kind: "progress", Done: ev.Step, Total: ev.Steps, Unit: "steps", Loss: ev.Loss, Rate: ev.ImagesPerSecond, Busy: ev.Busy,
				Text: fmt.Sprintf("epoch %d/%d", ev.Epoch, ev.Epochs)})
		case "validating":
			j.event(Event{Kind: "progress", Done: ev.Step, Total: ev.Steps, Unit: "steps", Loss: ev.Loss, Text: "validating"})
		case "epoch":
			text := fmt.Sprintf("epoch %d/%d loss %.4f", ev.Epoch, ev.Epochs, ev.Loss)
			if ev.Record != nil && ev.Record.Dice != nil {
				text += fmt.Sprintf(" validation Dice %.4f", *ev.Record.Dice)
			}
			text += scoreText(ev.Record)
			if ev.Record != nil && ev.Record.Skipped > 0 {
				text += fmt.Sprintf(" (%d steps skipped: the gradient overflowed)", ev.Record.Skipped)
			}
			j.event(Event{Kind: "progress", Done: ev.Step, Total: ev.Steps, Unit: "steps", Loss: ev.Loss, Rate: ev.ImagesPerSecond, Busy: ev.Busy, Text: text})
		}
	}
}

func (e *Engine) trainConfig(n *ir.Node, m *Model, samples int) (train.Config, error) {
	batch, err := batchOf(n, m)
	if err != nil {
		return train.Config{}, err
	}
	cfg := train.Config{Size: m.Built.Config.Image, Height: m.Built.Config.Height, Epochs: n.Int("epochs"), BatchSize: batch, Seeds: train.SameSeeds(uint64(n.Int("seed")))}
	if err := optimizerOf(n, m, samples, &cfg); err != nil {
		return cfg, err
	}
	prompt, err := promptFor(n, m)
	if err != nil {
		return cfg, err
	}
	cfg.Jitter, cfg.Points = prompt.jitter, prompt.points
	if a := n.Node("augment"); a.Op == "augment" {
		s, i := a.Num("scale")/100, a.Num("intensity")/100
		cfg.Augment = train.Augment{Rotate: a.Num("rotate"), Noise: a.Num("noise") / 100 * 255, Blur: a.Num("blur")}
		if a.Flag("flip") {
			cfg.Augment.FlipHorizontal, cfg.Augment.FlipVertical = 0.5, 0.5
		}
		if s > 0 {
			cfg.Augment.Scale = [2]float64{1 - s, 1 + s}
		}
		if i > 0 {
			cfg.Augment.Gain = [2]float64{1 - i, 1 + i}
			cfg.Augment.Bias = [2]float64{-255 * i / 2, 255 * i / 2}
			cfg.Augment.Gamma = [2]float64{1 - i, 1 + i}
		}
		cfg.Augment.Probability = a.Num("probability") / 100
		if err := cfg.Augment.Check(); err != nil {
			return cfg, at(a.Span, err)
		}
	}
	keep, err := m.trainable()
	if err != nil {
		return cfg, at(n.Span, err)
	}
	cfg.Trainable = keep
	loss := n.Node("loss")
	if trainsQuality(loss) && !m.Built.Quality { // the default loss adapts to the network; one that is written does not
		if n.ArgSpan("loss") != n.Span {
			return cfg, fault(n.ArgSpan("loss"), "%s predicts no quality; leave quality out of the loss", m.Built.Architecture.Name)
		}
		loss = withoutQuality(loss)
	}
	cfg.Loss = lossOf(loss, m.experts(), m.Balance)
	cfg.Select = validationChoice(loss)
	return cfg, nil
}

// batchOf is the number of samples of a step: as written, or that of the plan that a model was built by.
func batchOf(n *ir.Node, m *Model) (int, error) {
	if n.Text("batch") != "planned" {
		return n.Int("batch"), nil
	}
	if m.Built.Config.Plan == nil {
		return 0, fault(n.ArgSpan("batch"), "batch: planned is the batch that nnunet decided on, and this model is no nnunet; write a number")
	}
	return m.Built.Config.Plan.Batch, nil
}
