package engine

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// Networks that see less than a sample: trained on parts of it, moved over the whole of it in an evaluation. Such a network shows no prompt, as
// nnU-Net: the box around a target would tell of parts that hold none of it, and where in the others it lies. What is standardised is the sample, not the
// part, or a place would look brighter the darker what is cut out with it.

// patched gives a part of each sample, drawn by the trainer's random numbers.
type patched struct {
	*examples
	pictures []train.Picture
	patches  train.Patches
	extent
}

// picturesOf measures samples as a whole. Beyond their edge lies what the network takes for the mean.
func picturesOf(x *examples, m *Model) []train.Picture {
	out := make([]train.Picture, len(x.samples))
	for i, s := range x.samples {
		p := train.Picture{Width: s.Width, Height: s.Height, Channels: s.Channels, Image: s.Image, Mask: s.Mask}.Measured()
		for _, fixed := range m.Built.Config.Intensities {
			if int32(fixed.Modality) == x.rows[i][0] {
				p.Outside = [3]float32{float32(fixed.Mean), float32(fixed.Mean), float32(fixed.Mean)}
			}
		}
		out[i] = p
	}
	return out
}

func (p patched) Fill(i int, rng *rand.Rand, into *train.Example) error {
	picture := &p.pictures[i]
	x, y := p.patches.Draw(rng, picture, p.width, p.height)
	picture.Part(x, y, p.width, into)
	p.describe(i, into)
	return nil
}

// samplingOf reads what a training sees of its samples; nil: all of each.
func samplingOf(n *ir.Node, m *Model) (*train.Patches, error) {
	s := n.Node("sampling")
	if s == nil {
		return nil, nil
	}
	if err := unprompted(n, "sampling", m); err != nil {
		return nil, err
	}
	return &train.Patches{Foreground: s.Num("foreground") / 100}, nil
}

// unprompted refuses a network that is shown a prompt.
func unprompted(n *ir.Node, arg string, m *Model) error {
	if m.Baseline != "" {
		return fault(n.ArgSpan(arg), "%s is no network, it has no windows", m.Baseline)
	}
	if !m.Built.Config.NoPrompt {
		return fault(n.ArgSpan(arg), "%s shows its network a prompt around the whole target, which a part of a sample does not have; use nnunet, residual_unet or vit with box: false, or leave %s out", n.Op, arg)
	}
	return nil
}

// validated is how validation sees samples while a network is trained on parts of them: in windows, as an evaluation would without further arguments. Parts
// around the target say nothing of what is found where there is none.
var validated = train.Sliding{Overlap: 0.5, Gaussian: true}

// partially trains on parts of the samples.
func (m *Model) partially(p train.Patches, samples *examples, cfg train.Config) trainingRun {
	cfg.Parts = true
	if all, ok := cfg.Validation.(*examples); ok {
		windows := newWindowed(all, m, validated)
		cfg.Validation, cfg.Whole = windows, windows.assemble
	}
	return trainingRun{m.Built.Network, patched{samples, picturesOf(samples, m), p, m.extent()}, cfg}
}

// slidingOf reads how an evaluation sees its samples; nil: the whole at once.
func slidingOf(n *ir.Node, m *Model) (*train.Sliding, error) {
	s := n.Node("inference")
	if s == nil {
		return nil, nil
	}
	if err := unprompted(n, "inference", m); err != nil {
		return nil, err
	}
	out := &train.Sliding{Overlap: s.Num("overlap") / 100, Gaussian: s.Text("blend") == "gaussian", Mirror: s.Flag("mirror")}
	return out, at(s.Span, out.Check())
}

// window is one question to the network: a part of a sample, maybe turned around.
type window struct {
	sample, x, y     int
	mirrorX, mirrorY bool
}

// windowed gives the windows of all samples, those of a sample after each other.
type windowed struct {
	*examples
	train.Sliding
	pictures []train.Picture
	extent
	windows []window
}

func newWindowed(x *examples, m *Model, s train.Sliding) *windowed {
	w := &windowed{examples: x, Sliding: s, pictures: picturesOf(x, m), extent: m.extent()}
	for i, sample := range x.samples {
		for _, top := range s.Steps(sample.Height, w.height) {
			for _, left := range s.Steps(sample.Width, w.width) {
				for _, m := range s.Mirrors() {
					w.windows = append(w.windows, window{i, left, top, m.X, m.Y})
				}
			}
		}
	}
	return w
}

func (w *windowed) Len() int { return len(w.windows) }

func (w *windowed) Fill(i int, _ *rand.Rand, into *train.Example) error {
	at := w.windows[i]
	w.pictures[at.sample].Part(at.x, at.y, w.width, into)
	train.Mirrored(into.Image, w.width, 3, at.mirrorX, at.mirrorY)
	train.Mirrored(into.Target, w.width, 1, at.mirrorX, at.mirrorY)
	w.describe(at.sample, into)
	return nil
}

// assemble puts the answers to the windows of a sample together: see train.Assembly.
func (w *windowed) assemble(yield func(sample int, mask, reference []uint8) error) func(i int, _ *train.Example, a *train.Prediction) error {
	var canvas *train.Canvas
	return func(i int, _ *train.Example, a *train.Prediction) error {
		at := w.windows[i]
		sample := &w.samples[at.sample]
		if canvas == nil {
			canvas = w.NewCanvas(sample.Width, sample.Height, w.width, w.height)
		}
		logits := a.Mask(0)
		train.Mirrored(logits, w.width, 1, at.mirrorX, at.mirrorY)
		canvas.Add(at.x, at.y, logits)
		if i+1 < len(w.windows) && w.windows[i+1].sample == at.sample {
			return nil
		}
		mask := canvas.Mask()
		canvas = nil
		return yield(at.sample, mask, sample.Mask)
	}
}

// slide answers every sample by moving the network over it, and hands out its mask.
func (j *Job) slide(ctx context.Context, b *graph.Backend, m *Model, x *examples, s train.Sliding, batch int, yield func(i int, mask []uint8)) error {
	from := newWindowed(x, m, s)
	p, err := train.NewPromptedPredictor(b, m.Built.Network, train.PredictorConfig{Size: from.width, Height: from.height, Parts: true, Batch: min(batch, from.Len()), Select: train.SelectFirst})
	if err != nil {
		return err
	}
	defer p.Free()
	params, err := m.placed(b)
	if err != nil {
		return err
	}
	defer params.Free()
	return p.Predict(ctx, params, from, from.assemble(func(i int, mask, _ []uint8) error {
		yield(i, mask)
		return nil
	}))
}

// ambiguous says that a network that sees the image alone is to answer one image with different masks; "" if it is not. Experts may be told the task.
func (x *examples) ambiguous(m *Model) string {
	if !m.Built.Config.NoPrompt || m.experts() != nil {
		return ""
	}
	tasks, several := map[string]map[string]bool{}, 0
	for _, s := range x.samples {
		of := s
		of.Task = ""
		if tasks[of.Key()] == nil {
			tasks[of.Key()] = map[string]bool{}
		}
		if tasks[of.Key()][s.Task] = true; len(tasks[of.Key()]) == 2 {
			several++
		}
	}
	if several == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d images have masks of several tasks, and a network without a prompt cannot know which is meant: it will answer something between them; choose one with where(task == …)", several, len(tasks))
}
