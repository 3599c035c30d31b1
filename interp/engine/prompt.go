package engine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// prompting is how samples are shown what to look for.
type prompting struct {
	jitter train.Jitter
	points train.Points // and the mask; its grid is that of the model
	refine train.Refinement
	masked bool       // there is a mask prompt
	of     []*ir.Node // the predictions it is made of; none: it is made of the reference
}

// promptOf reads a prompt, from the outside in: the rounds, the mask, the points and the box. The checker has seen that they are joined in this order.
func promptOf(n *ir.Node) prompting {
	var p prompting
	p.points.NoBox = true
	pixels := func(n *ir.Node, arg string) [2]int {
		r, _ := n.Arg(arg).(ir.Range)
		return [2]int{int(r.Lo), int(r.Hi)}
	}
	for n != nil {
		switch n.Op {
		case "refine":
			p.refine = train.Refinement{Rounds: n.Int("rounds"), Clicks: n.Int("clicks"), Centre: n.Text("at") == "centre"}
			n = n.Node("prompt")
			continue
		case "mask":
			p.masked = true
			p.points.Mask = train.Mask{Grow: pixels(n, "grow"), Shift: pixels(n, "shift"), Coarse: n.Int("coarse"), Clicks: n.Int("clicks"), Centre: n.Text("at") == "centre"}
			p.of = ir.Outermost(n.Arg("of"))
		case "points":
			p.points.Positive, p.points.Negative, p.points.Centre = n.Int("positive"), n.Int("negative"), n.Text("at") == "centre"
		default:
			j := pixels(n, "jitter")
			p.points.NoBox, p.jitter = false, train.Jitter{Min: j[0], Max: j[1]}
		}
		n = n.Node("with")
	}
	return p
}

// promptFor reads the prompt of a stage and checks that a model takes it.
func promptFor(n *ir.Node, m *Model) (prompting, error) {
	p := promptOf(n.Node("prompt"))
	span := n.ArgSpan("prompt")
	p.refine.Seed = uint64(n.Int("seed"))
	if p.masked && m.Built != nil {
		if p.points.Mask.Side = m.Built.MaskSide; p.points.Mask.Side == 0 {
			return p, fault(span, "%s takes no mask prompts; take sam, sam_med2d or sam_vit_b", m.Built.Architecture.Name)
		}
	}
	if err := p.points.Check(); err != nil && m.Baseline == "" {
		return p, at(span, err)
	}
	switch {
	case m.Baseline != "" && (p.masked || p.refine.Rounds > 0):
		return p, fault(span, "%s is drawn from a box and looks at no mask and no clicks; write prompt: box()", m.Baseline)
	case m.Baseline != "" && p.points.NoBox:
		return p, fault(span, "%s is drawn from a box, and points alone give none; write points(…, with: box())", m.Baseline)
	case m.Baseline != "":
	case p.points.Count() > 0 && !m.Built.Points:
		return p, fault(span, "%s takes no points; prompt it with a box, or take sam, sam_med2d or sam_vit_b", m.Built.Architecture.Name)
	case p.refine.Rounds > 0 && m.Built.MaskSide == 0:
		return p, fault(span, "%s takes no mask prompts, so its answers cannot be refined; take sam, sam_med2d or sam_vit_b", m.Built.Architecture.Name)
	case p.points.NoBox && m.Built.NeedsBox:
		return p, fault(span, "%s is shown its box as a map too and cannot do without one; write points(…, with: box())", m.Built.Architecture.Name)
	}
	return p, nil
}

// guesses finds what was predicted before for every sample of prepared data; nil where nothing is asked for. The reference masks must be the same, pixel by pixel: then
// the predictions are of the same place, whatever was done to the intensities.
func (j *Job) guesses(ctx context.Context, n *ir.Node, p prompting, d *Data) ([][]uint8, error) {
	if len(p.of) == 0 {
		return nil, nil
	}
	span := n.ArgSpan("prompt")
	type answer struct {
		reference, mask []uint8
		width           int
	}
	known := map[string]answer{}
	for _, of := range p.of {
		v, err := j.Value(ctx, of)
		if err != nil {
			return nil, err
		}
		predicted := v.(*Predictions)
		measured, err := j.dataArg(ctx, of, "data")
		if err != nil {
			return nil, err
		}
		for i, s := range measured.Samples {
			if _, twice := known[s.Key()]; twice {
				return nil, fault(span, "sample %s was predicted by two of these evals; name evals of different samples", s.Key())
			}
			known[s.Key()] = answer{s.Mask, predicted.Masks[i], s.Width}
		}
	}
	out := make([][]uint8, len(d.Samples))
	for i, s := range d.Samples {
		a, ok := known[s.Key()]
		switch {
		case !ok:
			return nil, fault(span, "nothing was predicted for sample %s; name evals of all samples that are prompted: mask(of: [on_train, on_val])", s.Key())
		case a.width != s.Width || !bytes.Equal(a.reference, s.Mask):
			return nil, fault(span, "what was predicted for sample %s is of another crop or size than the sample is here; prepare both alike", s.Key())
		}
		out[i] = a.mask
	}
	return out, nil
}

// promptText says what a model was told, for reports.
func promptText(n *ir.Node) string {
	p := promptOf(n)
	var parts []string
	counted := func(n int, what string) {
		if n > 0 {
			parts = append(parts, diag.Counted(n, "point")+" "+what)
		}
	}
	where := "inside the reference mask"
	if p.points.Centre {
		where += ", the first in its centre"
	}
	counted(p.points.Positive, where)
	counted(p.points.Negative, "outside it")
	if !p.points.NoBox {
		box := "box around the reference mask"
		if p.jitter.Max > 0 {
			box += fmt.Sprintf(", each side moved outwards by %d to %d px", p.jitter.Min, p.jitter.Max)
		}
		parts = append(parts, box)
	}
	if p.masked {
		mask, m := "the reference mask", p.points.Mask
		if len(p.of) > 0 {
			mask = "a mask that was predicted before"
		}
		if m.Grow != [2]int{} {
			mask += fmt.Sprintf(", grown by %d to %d px", m.Grow[0], m.Grow[1])
		}
		if m.Shift != [2]int{} {
			mask += fmt.Sprintf(", moved by %d to %d px", m.Shift[0], m.Shift[1])
		}
		if m.Coarse > 0 {
			mask += fmt.Sprintf(", in squares of %d px", m.Coarse)
		}
		if m.Clicks > 0 {
			mask += fmt.Sprintf(", with %s where it is wrong", diag.Counted(m.Clicks, "click"))
			if m.Centre {
				mask += ", the first where it is most wrong"
			}
		}
		parts = append(parts, mask)
	}
	if r := p.refine; r.Rounds > 0 {
		where := "where the answer was wrong"
		if r.Centre {
			where += ", the first where it was most wrong"
		}
		parts = append(parts, fmt.Sprintf("%s of %s %s", diag.Counted(r.Rounds, "further round"), diag.Counted(r.Clicks, "click"), where))
	}
	return strings.Join(parts, "; ")
}

// draws is the random stream of one part of a sample's prompt: it depends on seed, part and sample only, and is no other seed's of another part.
func (p prompted) draws(i int, part string) *rand.Rand {
	return graph.Stream(p.seed, "prompt: "+part+" of "+p.samples[i].Key())
}

// drawn says whether anything of a prompt depends on chance, rounds of refinement left aside.
func (p prompting) drawn() bool {
	several := func(count int, centre bool) bool { return count > 1 || count == 1 && !centre }
	m := p.points.Mask
	return p.jitter.Min != p.jitter.Max || p.points.Negative > 0 || several(p.points.Positive, p.points.Centre) ||
		m.Grow[0] != m.Grow[1] || m.Shift != [2]int{} || several(m.Clicks, m.Centre)
}

// noBox is what is kept of a prediction without a box: none is drawn.
var noBox = [4]float32{0, 0, -1, -1}

// seesImageAlone says whether a model is built on a network that is shown no prompt. It is read from the program, as measuring needs no weights.
func seesImageAlone(model *ir.Node) bool {
	for ; model != nil; model = model.Node("model") {
		if model.Arg("box") != nil {
			return !model.Flag("box")
		}
	}
	return false
}
