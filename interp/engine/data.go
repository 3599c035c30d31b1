package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/ops/data"
)

// Data is the value of the kind data: cases on disk, or samples once they are prepared.
type Data struct {
	Cases    []data.Case
	Samples  []data.Sample
	Prepared bool
	Preps    []data.Prep // one, or several where differently prepared data were joined
	Origins  []string    // where the images come from, for reports: "radiomics: files on disk", "phantom: generated"
}

// Len is the number of samples, or of cases before preparation.
func (d *Data) Len() int {
	if d.Prepared {
		return len(d.Samples)
	}
	return len(d.Cases)
}

// Patients lists the owners, sorted, each once.
func (d *Data) Patients() []string {
	var out []string
	for _, c := range d.Cases {
		out = append(out, c.Owner())
	}
	for _, s := range d.Samples {
		out = append(out, s.Owner())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Split is the value of the kind split.
type Split struct{ Parts map[string]*Data }

func init() {
	register("volumes", stage{version: 1, contents: volumesContents, run: runVolumes, load: loadCases})
	register("medsegdb", stage{version: 1, contents: folderContents, run: runMedSegDB, load: loadCases})
	register("phantom", stage{version: 1, run: runPhantom, load: loadPhantom})
	register("where", stage{value: whereValue})
	register("take", stage{value: takeValue})
	register("+", stage{value: joinValue}) // data, or numbers
	register("select", stage{value: selectValue})
	register("by", stage{version: 1, run: runSplit, load: loadSplit})
	register("prep", stage{version: 2, run: runPrep, load: loadPrep})
}

// dataArg evaluates an argument of kind data.
func (e *Engine) dataArg(ctx context.Context, n *ir.Node, name string) (*Data, error) {
	in := n.Node(name)
	if in == nil {
		return nil, nil
	}
	v, err := e.Value(ctx, in)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*Data)
	if !ok {
		return nil, fault(n.ArgSpan(name), "this is no data")
	}
	return d, nil
}

// Cases on disk.

// layout is where the files of a volumes node are: patterns as written, and the folder that relative ones start at.
func (e *Engine) layout(n *ir.Node) (root string, l data.Layout) {
	hole := func(name string) string {
		switch v := n.Arg(name).(type) {
		case ir.Word:
			if v.Text == "" {
				return ""
			}
			return "{" + v.Text + "}"
		case ir.Str:
			return v.S
		}
		return ""
	}
	l = data.Layout{
		Image: n.Text("images"), Mask: n.Text("mask"),
		Dataset: n.Text("dataset"), Site: n.Text("site"), Sequence: n.Text("sequence"), Modality: n.Text("modality"),
		Patient: hole("patient"), Labels: labelTable(n.Arg("tasks")),
	}
	// Masks are looked for where the images are.
	if root = e.root(l.Image); root == "" {
		root = e.root(l.Mask)
	}
	return root, l
}

func labelTable(v ir.Value) map[int]string {
	m, _ := v.(ir.Map)
	out := map[int]string{}
	for _, en := range m.Entries {
		var k int
		fmt.Sscanf(en.Key, "%d", &k)
		if w, ok := en.Value.(ir.Word); ok {
			out[k] = w.Text
		}
	}
	return out
}

func (e *Engine) volumeCases(n *ir.Node) ([]data.Case, error) {
	root, l := e.layout(n)
	cases, err := data.Volumes(root, l)
	if err != nil {
		if e.cfg.Data == "" && !filepath.IsAbs(n.Text("images")) {
			err = fmt.Errorf("%w (no data folder is set: --data DIR, MSEG_DATA, or `mseg data get`)", err)
		}
		return nil, at(n.ArgSpan("images"), err)
	}
	return cases, nil
}

func volumesContents(e *Engine, n *ir.Node) (string, error) {
	cases, err := e.volumeCases(n)
	if err != nil {
		return "", err
	}
	return e.caseHashes(cases)
}

// caseHashes is the identity of the files of cases: names within the pattern and contents, no absolute paths.
func (e *Engine) caseHashes(cases []data.Case) (string, error) {
	h := sha256.New()
	for _, c := range cases {
		fmt.Fprintf(h, "%s\n", c.Key())
		for _, p := range []string{c.ImagePath, c.MaskPath} {
			if p == "" {
				continue
			}
			x, err := e.hashes.Of(p)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s\n", x)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func folderContents(e *Engine, n *ir.Node) (string, error) {
	cases, err := data.MedSegDB(e.find(n.Text("folder")))
	if err != nil {
		return "", at(n.ArgSpan("folder"), err)
	}
	return e.caseHashes(cases)
}

// index is what the artefact of a data source holds. Paths are not in it: files are found again by pattern, so a store can move with its data.
type index struct {
	Cases   int      `json:"cases"`
	Origins []string `json:"origins"`
}

func runVolumes(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	cases, err := j.volumeCases(j.Node)
	if err != nil {
		return nil, err
	}
	if err := faults(j.Node, data.CheckHeaders(ctx, cases)); err != nil {
		return nil, err
	}
	if err := faults(j.Node, data.CheckVoxels(ctx, cases)); err != nil {
		return nil, err
	}
	return map[string]any{"cases": len(cases)}, w.WriteJSON("index.json", index{len(cases), j.origins(cases, j.find(j.Node.Text("images")))})
}

// faults joins the errors of several cases into one, the first few in full.
func faults(n *ir.Node, errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	shown := errs
	if len(errs) > 5 {
		shown = append(slices.Clone(errs[:5]), fmt.Errorf("and %d more", len(errs)-5))
	}
	return at(n.Span, errors.Join(shown...))
}

// origins says where the cases come from. A folder may hold a SOURCE file, one line that says what is in it (mseg data writes it).
func (e *Engine) origins(cases []data.Case, pattern string) []string {
	dir := filepath.Dir(pattern)
	if b, err := os.ReadFile(filepath.Join(dir, "SOURCE")); err == nil {
		line, _, _ := strings.Cut(string(b), "\n")
		return []string{line}
	}
	names := map[string]bool{}
	for _, c := range cases {
		names[c.Dataset] = true
	}
	var out []string
	for _, n := range sorted(names) {
		out = append(out, n+": files on disk")
	}
	return out
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func loadCases(_ context.Context, j *Job, a *store.Artefact) (any, error) {
	var ix index
	if err := a.ReadJSON("index.json", &ix); err != nil {
		return nil, err
	}
	var cases []data.Case
	var err error
	if j.Node.Op == "medsegdb" {
		cases, err = data.MedSegDB(j.find(j.Node.Text("folder")))
	} else {
		cases, err = j.volumeCases(j.Node)
	}
	if err != nil {
		return nil, err
	}
	return &Data{Cases: cases, Origins: ix.Origins}, nil
}

func runMedSegDB(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	cases, err := data.MedSegDB(j.find(j.Node.Text("folder")))
	if err != nil {
		return nil, at(j.Node.ArgSpan("folder"), err)
	}
	for _, c := range cases {
		for _, t := range c.Tasks() {
			if _, err := j.place(t); err != nil {
				return nil, at(j.Node.ArgSpan("folder"), fmt.Errorf("%s: %w", c.ImagePath, err))
			}
		}
	}
	if err := faults(j.Node, data.CheckHeaders(ctx, cases)); err != nil {
		return nil, err
	}
	if err := faults(j.Node, data.CheckVoxels(ctx, cases)); err != nil {
		return nil, err
	}
	return map[string]any{"cases": len(cases)}, w.WriteJSON("index.json", index{len(cases), j.origins(cases, filepath.Join(j.find(j.Node.Text("folder")), "x"))})
}

// place finds a task in the taxonomy of the script.
func (e *Engine) place(task string) (taxonomy.Place, error) {
	if p, ok := e.tree.Lookup(task); ok {
		return p, nil
	}
	if e.unplaced[task] {
		if p, ok := e.tree.Unplaced(task); ok {
			return p, nil
		}
	}
	return taxonomy.Place{}, fmt.Errorf("task %s is not in the taxonomy; add it with extend { … } or declare it: unplaced(%q)", task, task)
}

// Generated data.

func runPhantom(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	spec := data.PhantomSpec{
		Patients: n.Int("patients"), Modality: n.Text("modality"), Lesions: n.Int("lesions"),
		Size: [3]int{n.Int("size"), n.Int("size"), n.Int("slices")}, Seed: uint64(n.Int("seed")),
	}
	if spec.Modality != "CT" && spec.Modality != "MRI" {
		return nil, fault(n.ArgSpan("modality"), "phantoms are CT or MRI, not %s", spec.Modality)
	}
	cases, err := data.WritePhantoms(ctx, w.Path(""), spec, func(done, total int) {
		j.event(Event{Kind: "progress", Done: done, Total: total, Unit: "patients"})
	})
	if err != nil {
		return nil, err
	}
	if t := labelTable(n.Arg("tasks")); len(t) > 0 {
		for i := range cases {
			cases[i].Labels = map[int]string{1: "", 2: "", 3: ""}
			for k, v := range t {
				if k < 1 || k > 3 {
					return nil, fault(n.ArgSpan("tasks"), "phantoms have the labels 1 and 2 (organs) and 3 (lesions), not %d", k)
				}
				cases[i].Labels[k] = v
			}
		}
	}
	for i := range cases {
		cases[i].ImagePath, cases[i].MaskPath = filepath.Base(cases[i].ImagePath), filepath.Base(cases[i].MaskPath)
	}
	return map[string]any{"cases": len(cases)}, w.WriteJSON("cases.json", cases)
}

func loadPhantom(_ context.Context, j *Job, a *store.Artefact) (any, error) {
	var cases []data.Case
	if err := a.ReadJSON("cases.json", &cases); err != nil {
		return nil, err
	}
	for i := range cases {
		cases[i].ImagePath, cases[i].MaskPath = a.Path(cases[i].ImagePath), a.Path(cases[i].MaskPath)
	}
	return &Data{Cases: cases, Origins: []string{"phantom: GENERATED images, no patients"}}, nil
}

// Choosing.

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

// Splitting.

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

// selectValue is a field of a value: a side of a split, the history of a model.
func selectValue(ctx context.Context, e *Engine, n *ir.Node) (any, error) {
	of, err := e.Value(ctx, n.Node("of"))
	if err != nil {
		return nil, err
	}
	field := n.Text("field")
	switch v := of.(type) {
	case *Split:
		if p, ok := v.Parts[field]; ok {
			return p, nil
		}
	case *Data:
		switch field {
		case "n":
			return float64(v.Len()), nil
		case "patients":
			return float64(len(v.Patients())), nil
		}
	case *Model:
		switch field {
		case "params":
			return v.Count(false)
		case "trainable":
			return v.Count(true)
		case "history":
			return v.historyFigure(e.label(n.Node("of"))), nil
		}
	case *Scores:
		return v.measure(field, n.Span)
	case *Comparison:
		return v.measure(field, n.Span)
	case *Measure:
		return v.number(field)
	}
	return nil, fault(n.Span, "this value has no field %q", field)
}

// Preparation.

// prepOf reads the steps of a prep value, which is a chain of nodes, the last outermost.
func prepOf(n *ir.Node) (data.Prep, error) {
	var p data.Prep
	seen := map[string]bool{}
	for s := n; s != nil; s = s.Node("after") {
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
	steps, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("case v%d %s %v %q %q %q %q %q %s", stages["prep"].version, files, labels, c.Dataset, c.Site, c.Patient, c.ID, c.Modality, steps)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), nil
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
	if err := j.prepFits(d, p); err != nil {
		return nil, err
	}
	set := preparedSet{Prep: p}
	fresh := 0
	for i, c := range d.Cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		key, err := j.caseKey(c, p)
		if err != nil {
			return nil, err
		}
		made, report, err := j.prepareCase(key, c, p)
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
	out := &Data{Prepared: true, Preps: []data.Prep{set.Prep}, Origins: d.Origins}
	for i, key := range set.Cases {
		if _, _, err := j.prepareCase(key, d.Cases[i], set.Prep); err != nil { // made again when it was removed
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
