package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/taxonomy"
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
	cases, err := e.medsegdbCases(n)
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
		cases, err = j.medsegdbCases(j.Node)
	} else {
		cases, err = j.volumeCases(j.Node)
	}
	if err != nil {
		return nil, err
	}
	return &Data{Cases: cases, Origins: ix.Origins}, nil
}

func runMedSegDB(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	cases, err := j.medsegdbCases(j.Node)
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

// medsegdbCases lists a folder of MedSegDB. Where a folder is named by a synonym, the task has its own name.
func (e *Engine) medsegdbCases(n *ir.Node) ([]data.Case, error) {
	cases, err := data.MedSegDB(e.find(n.Text("folder")), e.modalityName)
	for i := range cases {
		for v, t := range cases[i].Labels {
			if p, ok := e.tree.Lookup(t); ok {
				cases[i].Labels[v] = p.Task
			}
		}
	}
	return cases, err
}

// modalityName is the name of a modality under any spelling that the taxonomy of the script knows.
func (e *Engine) modalityName(spelling string) (string, bool) {
	_, m, ok := e.tree.Modality(spelling)
	return m.Name, ok
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
