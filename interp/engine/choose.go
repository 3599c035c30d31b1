package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/ops/data"
)

func whereValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	d, err := e.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	p := n.Arg("condition").(ir.Predicate).Test
	out := &Data{Prepared: d.Prepared, Preps: d.Preps, Origins: d.Origins}
	for _, c := range d.Cases {
		// A volume with several tasks keeps those for which the condition holds.
		kept := map[int]string{}
		any := false
		for v, task := range c.Labels {
			f := fields{e: e, dataset: c.Dataset, site: c.Site, patient: c.Patient, id: c.ID, modality: c.Modality, sequence: c.Sequence, task: task, slice: c.Slice, area: -1}
			if task == "" {
				kept[v] = ""
				continue
			}
			ok, err := f.holds(p)
			if err != nil {
				return nil, fault(n.ArgSpan("condition"), "%w", err)
			}
			kept[v] = ""
			if ok {
				kept[v], any = task, true
			}
		}
		if any {
			c.Labels = kept
			out.Cases = append(out.Cases, c)
		}
	}
	for _, s := range d.Samples {
		f := fields{e: e, dataset: s.Dataset, site: s.Site, patient: s.Patient, id: s.ID, modality: s.Modality, sequence: s.Sequence, task: s.Task, slice: s.Slice, area: area(s.Mask)}
		ok, err := f.holds(p)
		if err != nil {
			return nil, fault(n.ArgSpan("condition"), "%w", err)
		}
		if ok {
			out.Samples = append(out.Samples, s)
		}
	}
	if out.Len() == 0 {
		return nil, fault(n.ArgSpan("condition"), "the condition holds for none of %d %s", d.Len(), map[bool]string{true: "samples", false: "cases"}[d.Prepared])
	}
	return out, nil
}

func area(mask []uint8) int {
	n := 0
	for _, v := range mask {
		if v != 0 {
			n++
		}
	}
	return n
}

// fields are what a condition can see of one case and task, or of one sample.
type fields struct {
	e                                                    *Engine
	dataset, site, patient, id, modality, sequence, task string
	slice, area                                          int // -1: not known
}

func (f fields) text(name string) (string, error) {
	switch name {
	case "dataset":
		return f.dataset, nil
	case "site":
		return f.site, nil
	case "patient":
		return f.patient, nil
	case "case":
		return f.id, nil
	case "sequence":
		return f.sequence, nil
	case "modality":
		if _, m, ok := f.e.tree.Modality(f.modality); ok {
			return m.Name, nil
		}
		return f.modality, nil
	case "task":
		return f.task, nil
	}
	p, err := f.e.place(f.task)
	if err != nil {
		return "", err
	}
	switch name {
	case "organ":
		return p.Organ, nil
	case "subregion":
		return p.Subregion, nil
	default:
		return p.BodyPart, nil
	}
}

func (f fields) holds(p *ir.Pred) (bool, error) {
	switch p.Op {
	case "and", "or":
		a, err := f.holds(p.Kids[0])
		if err != nil || a == (p.Op == "or") {
			return a, err
		}
		return f.holds(p.Kids[1])
	case "not":
		a, err := f.holds(p.Kids[0])
		return !a, err
	}
	if p.Field == "slice" || p.Field == "area" {
		x := f.slice
		if p.Field == "area" {
			x = f.area
		}
		if x < 0 {
			return false, fmt.Errorf("%s is known only after preparation; put where behind prep(…)", p.Field)
		}
		return compareNumber(float64(x), p)
	}
	switch v := p.Value.(type) {
	case ir.Path:
		pl, err := f.e.place(f.task)
		if err != nil {
			return false, err
		}
		in := !pl.Unplaced && taxonomy.Within(pl.Path, v.P)
		return in != (p.Op == "!="), nil
	case ir.List:
		for _, x := range v.Items {
			ok, err := f.holds(&ir.Pred{Op: "==", Field: p.Field, Value: x})
			if ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	have, err := f.text(p.Field)
	if err != nil {
		return false, err
	}
	want := ""
	switch v := p.Value.(type) {
	case ir.Str:
		want = v.S
	case ir.Word:
		want = v.Text
	}
	return (have == want) == (p.Op == "=="), nil
}

func compareNumber(x float64, p *ir.Pred) (bool, error) {
	switch v := p.Value.(type) {
	case ir.Range:
		return x >= v.Lo && x <= v.Hi, nil
	case ir.List:
		for _, i := range v.Items {
			if n, ok := i.(ir.Number); ok && n.V == x {
				return true, nil
			}
		}
		return false, nil
	case ir.Number:
		switch p.Op {
		case "==":
			return x == v.V, nil
		case "!=":
			return x != v.V, nil
		case "<":
			return x < v.V, nil
		case "<=":
			return x <= v.V, nil
		case ">":
			return x > v.V, nil
		case ">=":
			return x >= v.V, nil
		}
	}
	return false, errors.New("cannot compare " + p.Field)
}

func takeValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	d, err := e.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	part := n.Arg("part").(ir.Number)
	share := part.V / 100
	if part.Unit == "" {
		total := len(d.Patients())
		if n.Text("by") == "sample" {
			total = d.Len()
		}
		if int(part.V) < 1 || int(part.V) > total {
			return nil, fault(n.ArgSpan("part"), "take %g of %d %ss", part.V, total, n.Text("by"))
		}
		share = part.V / float64(total)
	}
	if share <= 0 || share > 1 {
		return nil, fault(n.ArgSpan("part"), "take %s: expected more than 0 %% and at most 100 %%", types.Fmt(part.V, part.Unit))
	}
	out := &Data{Prepared: d.Prepared, Preps: d.Preps, Origins: d.Origins}
	seed := uint64(n.Int("seed"))
	if n.Text("by") == "sample" {
		if out.Samples, err = data.TakeSamples(d.Samples, share, seed); err == nil {
			out.Cases, err = data.TakeSamples(d.Cases, share, seed)
		}
	} else {
		if out.Samples, err = data.TakePatients(d.Samples, share, seed); err == nil {
			out.Cases, err = data.TakePatients(d.Cases, share, seed)
		}
	}
	return out, err
}

// joinValue is + on data and on numbers that are known only after a run; on losses it has no value of its own.
func joinValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	if n.T.Base == "number" {
		a, errA := e.operand(ctx, n.Arg("a"))
		b, errB := e.operand(ctx, n.Arg("b"))
		x, okA := a.(float64)
		y, okB := b.(float64)
		if err := errors.Join(errA, errB); err != nil || !okA || !okB {
			return nil, fault(n.Span, "+ joins two numbers: %v", err)
		}
		return x + y, nil
	}
	a, err := e.dataArg(ctx, n, "a")
	if err != nil {
		return nil, err
	}
	b, err := e.dataArg(ctx, n, "b")
	if err != nil {
		return nil, err
	}
	if a == nil || b == nil {
		return nil, fault(n.Span, "this sum has no value of its own")
	}
	if a.Prepared != b.Prepared {
		return nil, fault(n.Span, "one side is prepared, the other is not; prepare both before joining them")
	}
	out := &Data{Prepared: a.Prepared, Cases: slices.Concat(a.Cases, b.Cases), Samples: slices.Concat(a.Samples, b.Samples),
		Preps: slices.Concat(a.Preps, b.Preps)}
	seen := map[string]bool{}
	for _, c := range out.Cases {
		if seen[c.Key()] {
			return nil, fault(n.Span, "the case %s is on both sides", c.Key())
		}
		seen[c.Key()] = true
	}
	for _, s := range out.Samples {
		if seen[s.Key()] {
			return nil, fault(n.Span, "the sample %s is on both sides", s.Key())
		}
		seen[s.Key()] = true
	}
	out.Origins = slices.Concat(a.Origins, b.Origins)
	slices.Sort(out.Origins)
	out.Origins = slices.Compact(out.Origins)
	return out, nil
}
