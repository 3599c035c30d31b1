package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/data"
)

// preparation is a prep value with the script's own steps, which hold what they have compiled until they are freed.
type preparation struct {
	data.Prep
	own []*hostFn
}

// free releases what own steps hold at the end of a stage. They can be used after it too.
func (p preparation) free() {
	for _, h := range p.own {
		h.free()
	}
}

// prepOf reads the steps of a prep value, which is a chain of nodes, the last outermost.
func prepOf(n *ir.Node) (preparation, error) {
	var p preparation
	seen := map[string]bool{}
	for s := n; s != nil; s = s.Node("after") {
		if s.Op == "fn" {
			h, err := newHostFn(s)
			if err != nil {
				return p, err
			}
			p.own = append(p.own, h)
			if seen["resize"] { // the chain begins with the last step
				p.Before = append(p.Before, ownStep(s, h))
			} else {
				p.After = append(p.After, ownStep(s, h))
			}
			continue
		}
		if seen[s.Op] {
			return p, fault(s.Span, "%s stands twice in one prep", s.Op)
		}
		seen[s.Op] = true
		switch s.Op {
		case "window":
			r := s.Arg("range").(ir.Range)
			p.Window = &data.Window{Lo: r.Lo, Hi: r.Hi}
		case "percentile":
			r := s.Arg("range").(ir.Range)
			p.Percentile = &data.Percentile{Lo: r.Lo, Hi: r.Hi, Nonzero: s.Flag("nonzero")}
		case "slices":
			p.Slices = &data.Slices{Axis: s.Text("axis"), MinArea: s.Int("min_area"), All: s.Text("keep") == "all"}
		case "crop":
			p.Crop = &data.Crop{Margin: s.Num("margin")}
		case "focus":
			p.Focus = &data.Focus{Factor: s.Num("factor"), Least: s.Int("least")}
		case "resize":
			p.Resize = &data.Resize{Size: s.Int("size")}
		}
	}
	slices.Reverse(p.Before)
	slices.Reverse(p.After)
	if err := p.Check(); err != nil {
		return p, fault(n.Span, "%w", err)
	}
	return p, nil
}

// caseKey is the identity of one prepared case.
func (e *Engine) caseKey(c data.Case, p data.Prep) (string, error) {
	files, err := e.caseHashes([]data.Case{c})
	if err != nil {
		return "", err
	}
	labels := make([]string, 0, len(c.Labels))
	for v, t := range c.Labels {
		labels = append(labels, fmt.Sprintf("%d=%s", v, t))
	}
	slices.Sort(labels)
	p.Before, p.After = nameless(p.Before), nameless(p.After)
	steps, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("case v%d %s %v %q %q %q %q %q %s", stages["prep"].version, files, labels, c.Dataset, c.Site, c.Patient, c.ID, c.Modality, steps)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), nil
}

// nameless drops the names of own steps, which are no part of an identity.
func nameless(steps []data.Own) []data.Own {
	out := slices.Clone(steps)
	for i := range out {
		out[i].Name = ""
	}
	return out
}

// preparedSet is the artefact of a prep: which case artefacts belong to it.
type preparedSet struct {
	Cases  []string    `json:"cases"`
	Prep   data.Prep   `json:"prep"`
	Report data.Report `json:"left_out"`
}

func runPrep(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	d, err := j.dataArg(ctx, j.Node, "data")
	if err != nil {
		return nil, err
	}
	if d.Prepared {
		return nil, fault(j.Node.Span, "these data are prepared already")
	}
	p, err := prepOf(j.Node.Node("steps"))
	if err != nil {
		return nil, err
	}
	defer p.free()
	if err := j.prepFits(d, p.Prep); err != nil {
		return nil, err
	}
	set := preparedSet{Prep: p.Prep}
	fresh := 0
	for i, c := range d.Cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		key, err := j.caseKey(c, p.Prep)
		if err != nil {
			return nil, err
		}
		made, report, err := j.prepareCase(key, c, p.Prep)
		if err != nil {
			return nil, err
		}
		if made {
			fresh++
		}
		set.Cases = append(set.Cases, key)
		set.Report.Cases += report.Cases
		set.Report.Samples += report.Samples
		set.Report.SmallMasks += report.SmallMasks
		set.Report.LostMasks += report.LostMasks
		set.Report.EmptyCases += report.EmptyCases
		j.event(Event{Kind: "progress", Done: i + 1, Total: len(d.Cases), Unit: "cases"})
	}
	if set.Report.Samples == 0 {
		return nil, fault(j.Node.Span, "preparation left no sample of %d cases: %d masks were smaller than min_area, %d vanished when resized", len(d.Cases), set.Report.SmallMasks, set.Report.LostMasks)
	}
	if n := set.Report.SmallMasks + set.Report.LostMasks; n > 0 {
		j.note("%d samples; left out: %d masks smaller than min_area, %d that vanished when resized", set.Report.Samples, set.Report.SmallMasks, set.Report.LostMasks)
	}
	return map[string]any{"cases": len(set.Cases), "prepared_now": fresh}, w.WriteJSON("set.json", set)
}

// prepFits refuses a CT window for other modalities.
func (e *Engine) prepFits(d *Data, p data.Prep) error {
	if p.Window == nil {
		return nil
	}
	for _, c := range d.Cases {
		if _, m, ok := e.tree.Modality(c.Modality); ok && m.Name != "CT" && m.Name != "CTA" && m.Name != "CBCT" {
			return fmt.Errorf("a window in HU fits CT only, but case %s is %s; use percentile(0.5 %% .. 99.5 %%)", c.ID, m.Name)
		}
	}
	return nil
}

// prepareCase makes the artefact of one case, or finds it.
func (e *Engine) prepareCase(key string, c data.Case, p data.Prep) (made bool, r data.Report, err error) {
	if e.store.Has(key) {
		a, err := e.store.Get(key)
		if err == nil {
			err = a.ReadJSON("report.json", &r)
			return false, r, err
		}
		if !errors.Is(err, store.ErrDamaged) {
			return false, r, err
		}
		if err := e.store.Remove(key); err != nil {
			return false, r, err
		}
	}
	samples, r, err := data.PrepareCase(c, p)
	if err != nil {
		return false, r, err
	}
	w, err := e.store.Create()
	if err != nil {
		return false, r, err
	}
	defer w.Abort()
	for i := range samples { // identities hold no absolute paths
		samples[i].ImagePath, samples[i].MaskPath = filepath.Base(samples[i].ImagePath), filepath.Base(samples[i].MaskPath)
	}
	if len(samples) > 0 {
		if err := data.WritePrepared(w.Path("samples.npz"), samples, p); err != nil {
			return false, r, err
		}
	}
	if err := w.WriteJSON("report.json", r); err != nil {
		return false, r, err
	}
	_, err = w.Commit(store.Meta{Key: key, Op: "case", Canonical: c.Key()})
	return true, r, err
}

func loadPrep(ctx context.Context, j *Job, a *store.Artefact) (any, error) {
	var set preparedSet
	if err := a.ReadJSON("set.json", &set); err != nil {
		return nil, err
	}
	d, err := j.dataArg(ctx, j.Node, "data")
	if err != nil {
		return nil, err
	}
	p, err := prepOf(j.Node.Node("steps"))
	if err != nil {
		return nil, err
	}
	defer p.free()
	out := &Data{Prepared: true, Preps: []data.Prep{p.Prep}, Origins: d.Origins}
	for i, key := range set.Cases {
		if _, _, err := j.prepareCase(key, d.Cases[i], p.Prep); err != nil { // made again when it was removed
			return nil, err
		}
		c, err := j.store.Get(key)
		if err != nil {
			return nil, err
		}
		if _, ok := c.Files["samples.npz"]; !ok {
			continue
		}
		samples, _, err := data.ReadPrepared(c.Path("samples.npz"))
		if err != nil {
			return nil, err
		}
		out.Samples = append(out.Samples, samples...)
	}
	return out, nil
}
