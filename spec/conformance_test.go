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
	"github.com/mseg-lang/mseg/lang/format"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// The cases of the conformance suite hold for this implementation; its README.md describes them.
func TestConformance(t *testing.T) {
	scripts, err := filepath.Glob("conformance/*/script.mseg")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range scripts {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			if out, _ := format.Text(path, text); out != text {
				t.Errorf("not in the canonical layout:\n%s", cmp.Diff(out, text))
			}
			s, diags := syntax.Parse(source.New("script.mseg", text), false)
			p, more := check.Script(s, check.Options{})
			diags = append(diags, more...)
			diags.Sort()
			want := map[string][]string{}
			for _, d := range diags {
				want["diagnostics"] = append(want["diagnostics"], fmt.Sprintf("%s %d", d.Code, d.Span.From().Line))
			}
			if !diags.HasErrors() {
				for _, v := range p.Params {
					want["values"] = append(want["values"], v.Name+" = "+check.Show(v.Value))
				}
				e, err := engine.New(engine.Config{Dir: t.TempDir(), Backend: "go"})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				steps, err := e.Plan(p, text)
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range steps {
					want["plan"] = append(want["plan"], step.Op+" "+step.Label)
				}
				slices.Sort(want["plan"])
			}
			for _, name := range []string{"diagnostics", "values", "plan"} {
				file := filepath.Join(filepath.Dir(path), name)
				found := strings.Join(append(want[name], ""), "\n")
				if *update && found != "" {
					if err := os.WriteFile(file, []byte(found), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				b, err := os.ReadFile(file)
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(b), found); diff != "" {
					t.Errorf("%s (-expected +found):\n%s", name, diff)
				}
			}
		})
	}
}
