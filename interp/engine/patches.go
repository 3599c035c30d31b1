package engine

import (
	"context"
	"math/rand/v2"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// Networks that see less than a sample: trained on parts of it, moved over the whole of it in an evaluation. Such a network shows no prompt, as
// nnU-Net: the box around a target would tell of parts that hold none of it, and where in the others it lies.

// patched gives a part of each sample, drawn by the trainer's random numbers.
type patched struct {
	*examples
	patches train.Patches
	side    int
}

func pictureOf(s data.Sample) train.Picture {
	return train.Picture{Width: s.Width, Height: s.Height, Channels: s.Channels, Image: s.Image, Mask: s.Mask}
}

func (p patched) Fill(i int, rng *rand.Rand, into *train.Example) error {
	picture := pictureOf(p.samples[i])
	x, y := p.patches.Draw(rng, picture, p.side)
	picture.Cut(x, y, p.side, into.Image, into.Target)
	p.describe(i, into)
	into.Box = [4]float32{}
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

// partially trains on parts of the samples. Validation looks at one part of each sample, the same after every epoch, around the mask.
func (m *Model) partially(p train.Patches, samples *examples, cfg train.Config) trainingRun {
	side := m.Built.Config.Image
	if all, ok := cfg.Validation.(*examples); ok {
		cfg.Validation = patched{all, train.Patches{Foreground: 1}, side}
	}
	return trainingRun{m.Built.Network, patched{samples, p, side}, cfg}
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

// window is one question to the network: a square of a sample, maybe turned around.
type window struct {
	sample, x, y     int
	mirrorX, mirrorY bool
}

// windowed gives the windows of all samples, those of a sample after each other.
type windowed struct {
	*examples
	side    int
	windows []window
}

func newWindowed(x *examples, s train.Sliding, side int) *windowed {
	w := &windowed{examples: x, side: side}
	for i, sample := range x.samples {
		for _, top := range s.Steps(sample.Height, side) {
			for _, left := range s.Steps(sample.Width, side) {
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
	pictureOf(w.samples[at.sample]).Cut(at.x, at.y, w.side, into.Image, into.Target)
	train.Mirrored(into.Image, w.side, 3, at.mirrorX, at.mirrorY)
	train.Mirrored(into.Target, w.side, 1, at.mirrorX, at.mirrorY)
	w.describe(at.sample, into)
	into.Box = [4]float32{}
	return nil
}

// slide answers every sample by moving the network over it, and hands out its mask.
func (j *Job) slide(ctx context.Context, b *graph.Backend, m *Model, x *examples, s train.Sliding, batch int, yield func(i int, mask []uint8)) error {
	side := m.Built.Config.Image
	from := newWindowed(x, s, side)
	p, err := train.NewPredictor(b, m.Built.Network, side, min(batch, from.Len()), train.SelectFirst)
	if err != nil {
		return err
	}
	defer p.Free()
	trained, err := m.Params()
	if err != nil {
		return err
	}
	params := b.Place(trained)
	defer params.Free()
	var canvas *train.Canvas
	return p.Predict(ctx, params, from, func(i int, _ *train.Example, a *train.Prediction) error {
		w := from.windows[i]
		if canvas == nil {
			canvas = s.NewCanvas(x.samples[w.sample].Width, x.samples[w.sample].Height, side)
		}
		logits := a.Mask(0)
		train.Mirrored(logits, side, 1, w.mirrorX, w.mirrorY)
		canvas.Add(w.x, w.y, logits)
		if i+1 == from.Len() || from.windows[i+1].sample != w.sample {
			yield(w.sample, canvas.Mask())
			canvas = nil
		}
		return nil
	})
}
