package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/train"
)

// examples adapts prepared samples to the trainer: pixels as numbers, the tight box, the rows of the embedding tables.
type examples struct {
	samples []data.Sample
	rows    [][5]int32 // modality, body part, subregion, organ, task
	guesses [][]uint8  // answers to each that are shown as mask prompts; nil: none are
}

// examplesOf checks that samples fit a model, which sees each as a whole. The place in the script is that of the argument they came by.
func (e *Engine) examplesOf(n *ir.Node, arg string, d *Data, m *Model) (*examples, error) {
	x, err := e.samplesOf(n, arg, d)
	if err != nil || m.Built == nil {
		return x, err
	}
	takes := m.extent()
	for _, s := range x.samples {
		if s.Width != takes.width || s.Height != takes.height {
			parts, resize := "", ""
			if takes.square() {
				resize = fmt.Sprintf("; write resize(%d px)", takes.width)
			}
			if m.Built.Config.NoPrompt && n.Op != "gates" {
				parts = fmt.Sprintf(", or %s to see it in parts", map[bool]string{true: "inference: sliding()", false: "sampling: patches()"}[n.Op == "predict"])
			}
			return nil, fault(n.ArgSpan(arg), "sample %s has %d×%d px, but the model takes %d×%d%s%s", s.Key(), s.Width, s.Height, takes.width, takes.height, resize, parts)
		}
	}
	return x, nil
}

// samplesOf checks that samples can be learnt from or measured, whatever their size.
func (e *Engine) samplesOf(n *ir.Node, arg string, d *Data) (*examples, error) {
	span := n.ArgSpan(arg)
	if !d.Prepared {
		return nil, fault(span, "these data are not prepared; pass them through prep(…) first")
	}
	if len(d.Samples) == 0 {
		return nil, fault(span, "there is no sample in these data")
	}
	x := &examples{samples: d.Samples}
	for _, s := range d.Samples {
		if s.Mask == nil || area(s.Mask) == 0 {
			return nil, fault(span, "sample %s has an empty mask, so there is no box to prompt with; write slices(keep: labelled)", s.Key())
		}
		p, err := e.place(s.Task)
		if err != nil {
			return nil, at(span, err)
		}
		x.rows = append(x.rows, [5]int32{int32(p.ModalityRow), int32(p.Rows[0]), int32(p.Rows[1]), int32(p.Rows[2]), int32(p.TaskID())})
	}
	return x, nil
}

// Len is the number of samples.
func (x *examples) Len() int { return len(x.samples) }

// Fill copies a sample.
func (x *examples) Fill(i int, _ *rand.Rand, into *train.Example) error {
	s := x.samples[i]
	for p := range s.Width * s.Height {
		for c := range 3 {
			into.Image[3*p+c] = float32(s.Image[s.Channels*p+c%s.Channels])
		}
	}
	copy(into.Target, s.Mask)
	b, ok := data.BoxOf(s.Mask, s.Width)
	if !ok {
		return fmt.Errorf("sample %s has an empty mask", s.Key())
	}
	into.Box = [4]float32{float32(b.X0), float32(b.Y0), float32(b.X1), float32(b.Y1)}
	x.describe(i, into)
	return nil
}

// describe sets what is known of a sample beside its pixels.
func (x *examples) describe(i int, into *train.Example) {
	r := x.rows[i]
	into.Modality, into.Organ = r[0], [4]int32{r[1], r[2], r[3], r[4]}
	into.Name = x.samples[i].Key()
	if x.guesses != nil {
		into.Guess = x.guesses[i]
	}
}

// owners lists patients of a set, sorted.
func (x *examples) owners() []string {
	var out []string
	for _, s := range x.samples {
		out = append(out, s.Owner())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func common(a, b []string) []string {
	var out []string
	for _, x := range a {
		if slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}
