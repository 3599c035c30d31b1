package engine

import (
	"context"
	"slices"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/ops/data"
)

// splitTable is the artefact of a split: who is where, so that it can be checked and shared.
type splitTable struct {
	Unit  string              `json:"unit"`
	Parts map[string][]string `json:"parts"` // side → patients (dataset/patient), or sites, or data sets
}

// unitItem is something to be split, kept together by what the script names.
type unitItem struct{ owner, key string }

func (u unitItem) Owner() string { return u.owner }
func (u unitItem) Key() string   { return u.key }

func unitOf(unit, dataset, site, owner string) string {
	switch unit {
	case "site":
		return site
	case "dataset":
		return dataset
	}
	return owner
}

func (d *Data) units(unit string) []unitItem {
	var out []unitItem
	for _, c := range d.Cases {
		out = append(out, unitItem{unitOf(unit, c.Dataset, c.Site, c.Owner()), c.Key()})
	}
	for _, s := range d.Samples {
		out = append(out, unitItem{unitOf(unit, s.Dataset, s.Site, s.Owner()), s.Key()})
	}
	return out
}

func runSplit(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	d, err := j.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	unit := n.Text("unit")
	var fractions []data.Fraction
	for _, side := range []string{"train", "val", "test"} {
		if n.Arg(side) != nil {
			fractions = append(fractions, data.Fraction{Name: side, Share: n.Num(side) / 100})
		}
	}
	parts, err := data.SplitByPatient(d.units(unit), fractions, uint64(n.Int("seed")))
	if err != nil {
		return nil, err
	}
	t := splitTable{Unit: unit, Parts: map[string][]string{}}
	for _, p := range parts {
		t.Parts[p.Name] = p.Patients
	}
	return nil, w.WriteJSON("split.json", t)
}

func loadSplit(ctx context.Context, j *Job, a *store.Artefact) (any, error) {
	var t splitTable
	if err := a.ReadJSON("split.json", &t); err != nil {
		return nil, err
	}
	d, err := j.dataArg(ctx, j.Node, "data")
	if err != nil {
		return nil, err
	}
	s := &Split{Parts: map[string]*Data{}}
	for side, owners := range t.Parts {
		part := &Data{Prepared: d.Prepared, Preps: d.Preps, Origins: d.Origins}
		for _, c := range d.Cases {
			if slices.Contains(owners, unitOf(t.Unit, c.Dataset, c.Site, c.Owner())) {
				part.Cases = append(part.Cases, c)
			}
		}
		for _, x := range d.Samples {
			if slices.Contains(owners, unitOf(t.Unit, x.Dataset, x.Site, x.Owner())) {
				part.Samples = append(part.Samples, x)
			}
		}
		s.Parts[side] = part
	}
	return s, nil
}
