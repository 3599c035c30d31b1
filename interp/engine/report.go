package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register("report", stage{version: 4, run: runReport, load: loadReport, fresh: reportFresh})
}

// ReportFiles is the value of the kind report: files of its artefact.
type ReportFiles struct {
	Files map[string]string // name → path in the store
}

// evalItem is an eval of a report with all that tables need.
type evalItem struct {
	label  string
	scores *Scores
	data   *Data
	model  *Model
	pred   *Predictions
	node   *ir.Node
}

// reportFresh says whether a kept report still shows the script's text and names. They are no part of its identity: renaming a value runs
// nothing again; only the page is drawn anew.
func reportFresh(j *Job, notes map[string]any) bool {
	return notes["shown"] == j.shown()
}

func (j *Job) shown() string {
	var names []string
	for _, x := range j.Node.Items("items") {
		if n, ok := x.(*ir.Node); ok {
			names = append(names, j.label(n))
		}
	}
	return ir.NewHasher(nil).Hash(ir.Str{S: j.cfg.Script + "\x00" + strings.Join(names, "\x00") + j.Node.Text("title")})
}

func runReport(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	doc := report.Doc{Title: n.Text("title"), Script: j.cfg.Script, Language: "en"}
	if doc.Title == "" {
		doc.Title = j.Label
	}
	var evals []evalItem
	var rest []*ir.Node
	for _, x := range n.Items("items") {
		node, ok := x.(*ir.Node)
		if !ok {
			continue
		}
		v, err := j.Value(ctx, node)
		if err != nil {
			return nil, err
		}
		if s, ok := v.(*Scores); ok {
			it := evalItem{label: j.label(node), scores: s, node: node}
			if it.data, err = j.dataArg(ctx, node, "data"); err != nil {
				return nil, err
			}
			if it.model, err = j.modelArg(ctx, node, "model"); err != nil {
				return nil, err
			}
			p, err := j.Value(ctx, j.prediction(node))
			if err != nil {
				return nil, err
			}
			it.pred = p.(*Predictions)
			evals = append(evals, it)
			continue
		}
		rest = append(rest, node)
	}
	uniqueLabels(evals)
	doc.Summary = findings(evals)
	files := report.Files{Title: "Files beside this page"}
	addTable := func(t *report.Table, note string) error {
		doc.Blocks = append(doc.Blocks, t)
		if err := report.WriteCSV(w.Path(t.ID+".csv"), t); err != nil {
			return err
		}
		if err := report.WriteJSON(w.Path(t.ID+".json"), t); err != nil {
			return err
		}
		files.Items = append(files.Items, report.File{Name: t.ID + ".csv", Href: t.ID + ".csv", Note: note}, report.File{Name: t.ID + ".json", Href: t.ID + ".json", Note: note})
		return nil
	}
	for i, group := range sameData(evals) {
		title := "Results"
		if len(sameData(evals)) > 1 {
			title = "Results of " + strings.Join(labels(group), ", ")
		}
		doc.Blocks = append(doc.Blocks, report.Heading{Text: title, Level: 1})
		id := group[0].label
		if err := addTable(overallTable(id, group, i == 0), "means with intervals"); err != nil {
			return nil, err
		}
		doc.Blocks = append(doc.Blocks, report.Figure{Title: "Distribution", SVG: boxChart(group),
			Caption: fmt.Sprintf("%s of every image. Boxes: quartiles; whiskers: farthest value within 2 interquartile ranges.", group[0].scores.Metrics[0])})
		for _, by := range group[0].scores.By {
			if t := groupTable(id, by, group); t != nil {
				if err := addTable(t, "by "+by); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, node := range rest {
		v, err := j.Value(ctx, node)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case *Comparison:
			doc.Blocks = append(doc.Blocks, report.Heading{Text: "Comparison", Level: 1})
			if err := addTable(j.compareTable(node, v), "paired differences"); err != nil {
				return nil, err
			}
		case *Figure:
			doc.Blocks = append(doc.Blocks, figureBlocks(v)...)
		}
	}
	for _, it := range evals {
		g, err := gallery(it, n.Int("overlays"))
		if err != nil {
			return nil, err
		}
		if g != nil && it.model.Baseline == "" {
			doc.Blocks = append(doc.Blocks, report.Heading{Text: "Examples: " + it.label, Level: 1}, *g)
		}
		t := sampleTable(it)
		if err := report.WriteCSV(w.Path(t.ID+".csv"), t); err != nil {
			return nil, err
		}
		if err := report.WriteJSON(w.Path(t.ID+".json"), t); err != nil {
			return nil, err
		}
		files.Items = append(files.Items, report.File{Name: t.ID + ".csv", Href: t.ID + ".csv", Note: "every image of " + it.label},
			report.File{Name: t.ID + ".json", Href: t.ID + ".json", Note: "every image of " + it.label})
	}
	doc.Blocks = append(doc.Blocks, files)
	doc.Provenance = j.provenance(n, evals)
	if err := report.WriteFile(w.Path("index.html"), doc); err != nil {
		return nil, err
	}
	return map[string]any{"shown": j.shown()}, nil
}

func loadReport(_ context.Context, _ *Job, a *store.Artefact) (any, error) {
	r := &ReportFiles{Files: map[string]string{}}
	for name := range a.Files {
		r.Files[name] = a.Path(name)
	}
	return r, nil
}

func uniqueLabels(evals []evalItem) {
	seen := map[string]int{}
	for i := range evals {
		seen[evals[i].label]++
		if k := seen[evals[i].label]; k > 1 {
			evals[i].label = fmt.Sprintf("%s %d", evals[i].label, k)
		}
	}
}

func labels(evals []evalItem) []string {
	var out []string
	for _, e := range evals {
		out = append(out, e.label)
	}
	return out
}

// sameData groups evals of the same samples and metrics: they share tables.
func sameData(evals []evalItem) [][]evalItem {
	var out [][]evalItem
next:
	for _, e := range evals {
		for i, g := range out {
			if _, err := paired(g[0].scores, e.scores); err == nil && slices.Equal(g[0].scores.Metrics, e.scores.Metrics) {
				out[i] = append(out[i], e)
				continue next
			}
		}
		out = append(out, []evalItem{e})
	}
	return out
}
