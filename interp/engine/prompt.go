package engine

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/train"
)

// promptOf reads a prompt: how the sides of the box are moved, and the points beside it or in its place.
func promptOf(n *ir.Node) (train.Jitter, train.Points) {
	var p train.Points
	box := n
	if n.Op == "points" {
		box = n.Node("with")
		p = train.Points{Positive: n.Int("positive"), Negative: n.Int("negative"), Centre: n.Text("at") == "centre", NoBox: box == nil}
	}
	if box == nil {
		return train.Jitter{}, p
	}
	r, _ := box.Arg("jitter").(ir.Range)
	return train.Jitter{Min: int(r.Lo), Max: int(r.Hi)}, p
}

// promptFor reads the prompt of a stage and checks that a model takes it.
func promptFor(n *ir.Node, m *Model) (train.Jitter, train.Points, error) {
	prompt := n.Node("prompt")
	if with := prompt.Node("with"); with != nil && with.Op != "box" {
		return train.Jitter{}, train.Points{}, fault(with.Span, "points are shown with a box, not with %s; write all of them in one points(…)", with.Op)
	}
	j, p := promptOf(prompt)
	span := n.ArgSpan("prompt")
	if err := p.Check(); err != nil {
		return j, p, at(span, err)
	}
	switch {
	case m.Baseline != "" && p.NoBox:
		return j, p, fault(span, "%s is drawn from a box, and points alone give none; write points(…, with: box())", m.Baseline)
	case m.Baseline != "":
	case p.Count() > 0 && !m.Built.Points:
		return j, p, fault(span, "%s takes no points; prompt it with a box, or take sam, sam_med2d or sam_vit_b", m.Built.Architecture.Name)
	case p.NoBox && m.Built.NeedsBox:
		return j, p, fault(span, "%s is shown its box as a map too and cannot do without one; write points(…, with: box())", m.Built.Architecture.Name)
	}
	return j, p, nil
}

// promptText says what a model was told, for reports.
func promptText(n *ir.Node) string {
	j, p := promptOf(n)
	var parts []string
	count := func(n int, what string) {
		switch {
		case n == 1:
			parts = append(parts, "1 point "+what)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d points %s", n, what))
		}
	}
	where := "inside the reference mask"
	if p.Centre {
		where += ", the first in its centre"
	}
	count(p.Positive, where)
	count(p.Negative, "outside it")
	if !p.NoBox {
		box := "box around the reference mask"
		if j.Max > 0 {
			box += fmt.Sprintf(", each side moved outwards by %d to %d px", j.Min, j.Max)
		}
		parts = append(parts, box)
	}
	return strings.Join(parts, "; ")
}

// draws is the random stream of a sample's prompt: it depends on seed and sample only.
func (p prompted) draws(i int, purpose uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(p.samples[i].Key()))
	return rand.New(rand.NewPCG(p.seed+purpose, h.Sum64()))
}

// noBox is what is kept of a prediction without a box: none is drawn.
var noBox = [4]float32{0, 0, -1, -1}
