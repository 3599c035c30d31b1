package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/format"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// The cases of the conformance suite hold for this implementation; its README.md describes them.
func TestConformance(t *testing.T) {
	scripts, err := filepath.Glob("conformance/*/script.mseg")
	if err != nil || len(scripts) < 40 {
		t.Fatalf("%d cases: %v", len(scripts), err)
	}
	families := map[string]bool{}
	for _, path := range scripts {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			found := conformance(t, filepath.Dir(path))
			for _, d := range found["diagnostics"] {
				families[d[:6]] = true
			}
			facts := 0
			for _, name := range []string{"diagnostics", "layout", "values", "same", "plan", "routes", "again"} {
				file := filepath.Join(filepath.Dir(path), name)
				text := strings.Join(append(found[name], ""), "\n")
				if *update {
					if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
						t.Fatal(err)
					}
					if text != "" {
						if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
				b, err := os.ReadFile(file)
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(b), text); diff != "" {
					t.Errorf("%s (-expected +found):\n%s", name, diff)
				}
				facts += len(b)
			}
			if facts == 0 {
				t.Error("the case demands nothing")
			}
		})
	}
	for _, f := range []string{"MSEG-0", "MSEG-1", "MSEG-2", "MSEG-3", "MSEG-4"} {
		if !families[f] {
			t.Errorf("no case has a diagnostic of the family %snnn", f)
		}
	}
}

// conformance is what this implementation finds in a case, by the name of the file that says what must be found.
func conformance(t *testing.T, dir string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	text := read(t, filepath.Join(dir, "script.mseg"))
	if out, diags := format.Text("script.mseg", text); len(diags) == 0 && out != text {
		found["layout"] = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	}
	p, diags := checked(text)
	for _, d := range diags {
		found["diagnostics"] = append(found["diagnostics"], fmt.Sprintf("%s %d", d.Code, d.Span.From().Line))
	}
	if diags.HasErrors() {
		return found
	}
	for _, v := range p.Params {
		found["values"] = append(found["values"], v.Name+" = "+check.Written(v.Value))
	}
	h := ir.NewHasher(nil)
	groups := map[string][]string{}
	var order []string
	for _, b := range p.Bindings {
		k := h.Hash(b.Value)
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], b.Name)
	}
	for _, k := range order {
		if len(groups[k]) > 1 {
			found["same"] = append(found["same"], strings.Join(groups[k], " "))
		}
	}
	e, err := engine.New(engine.Config{Dir: t.TempDir(), Backend: "go"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	kept := map[string]bool{}
	if readsFiles(p) { // what it is to read is not there
		return found
	}
	steps, err := e.Plan(p, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		found["plan"] = append(found["plan"], step.Op+" "+step.Label)
		kept[step.Key] = true
	}
	slices.Sort(found["plan"])
	for _, table := range e.Routes(p) {
		for _, r := range table.Routes {
			where := r.Path
			if where == "" {
				where = "else"
			}
			found["routes"] = append(found["routes"], fmt.Sprintf("%s %s %s %d", strings.ReplaceAll(table.Name, " ", "_"), where, strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Experts), " ", ","), "[]"), len(r.Tasks)))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "again.mseg")); err != nil {
		return found
	}
	text = read(t, filepath.Join(dir, "again.mseg"))
	if p, diags = checked(text); len(diags) > 0 {
		t.Fatal(diags[0])
	}
	if steps, err = e.Plan(p, text); err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if !kept[step.Key] {
			found["again"] = append(found["again"], step.Op+" "+step.Label)
		}
	}
	if slices.Sort(found["again"]); len(found["again"]) == 0 {
		found["again"] = []string{"nothing"}
	}
	return found
}

func readsFiles(p *ir.Program) bool {
	for n := range ir.Nodes(p.Values()...) {
		if n.Op == "volumes" || n.Op == "medsegdb" {
			return true
		}
	}
	return false
}

func checked(text string) (*ir.Program, diag.List) {
	s, diags := syntax.Parse(source.New("script.mseg", text), false)
	p, more := check.Script(s, check.Options{})
	diags = append(diags, more...)
	diags.Sort()
	return p, diags
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
