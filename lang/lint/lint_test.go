package lint

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

func lint(t *testing.T, name, text string) diag.List {
	t.Helper()
	s, diags := syntax.Parse(source.New(name, text), false)
	p, more := check.Script(s, check.Options{})
	for _, d := range append(diags, more...) {
		t.Fatalf("%v | %s", d, d.Help)
	}
	return Script(s, p)
}

var expectation = regexp.MustCompile(`### "([^"]*)"`)

// Every rule has a page, a script in which it finds exactly what its comments `### "regexp"` say, and one in which it finds nothing.
func TestRules(t *testing.T) {
	for _, r := range Rules() {
		t.Run(r.Name, func(t *testing.T) {
			if r.Title == "" || len(r.Doc) < 80 || r.Severity == "" || r.Confidence == "" {
				t.Error("the page is empty")
			}
			text := fixture(t, r.Name, "bad")
			found := of(r, lint(t, r.Name, text))
			matched := make([]bool, len(found))
			for n, line := range strings.Split(text, "\n") {
				for _, m := range expectation.FindAllStringSubmatch(line, -1) {
					ok := false
					for i, d := range found {
						if !matched[i] && d.Span.From().Line == n+1 && regexp.MustCompile(m[1]).MatchString(d.Summary) {
							matched[i], ok = true, true
							break
						}
					}
					if !ok {
						t.Errorf("line %d: nothing matches %q", n+1, m[1])
					}
				}
			}
			for i, d := range found {
				if !matched[i] {
					t.Errorf("unexpected %v", d)
				}
				if d.Severity != r.Severity || d.Help == "" {
					t.Errorf("%v has severity %s and help %q", d, d.Severity, d.Help)
				}
			}
			if len(found) == 0 {
				t.Error("finds nothing in its bad script")
			}
			for _, d := range of(r, lint(t, r.Name, fixture(t, r.Name, "ok"))) {
				t.Errorf("in the good script: %v", d)
			}
		})
	}
	folders, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if f.Name() != "fuzz" && !known(f.Name()) {
			t.Errorf("testdata/%s belongs to no rule", f.Name())
		}
	}
}

func fixture(t *testing.T, rule, which string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", rule, which+".mseg"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func of(r *Rule, l diag.List) diag.List {
	var out diag.List
	for _, d := range l {
		if string(d.Code) == r.Name {
			out = append(out, d)
		}
	}
	return out
}

func TestAllowing(t *testing.T) {
	oracle := "eval a = sam_tiny() |> evaluate(phantom()) { select: oracle }"
	for _, c := range []struct{ name, text, want string }{
		{"on the line", oracle + " # lint: allow oracle-mask why", ""},
		{"above", "# lint: allow oracle-mask why\n" + oracle, ""},
		{"above, with more comments", "# lint: allow oracle-mask why\n# more\n\n" + oracle, ""},
		{"another rule", oracle + " # lint: allow no-seed why", "oracle-mask"},
		{"another line", "# lint: allow oracle-mask why\ndata d = phantom()\n" + oracle, "oracle-mask"},
		{"no reason", oracle + " # lint: allow oracle-mask", "no-reason oracle-mask"},
		{"no such rule", oracle + " # lint: allow orakle-mask why", "oracle-mask unknown-rule"},
		{"nothing", oracle + " # lint: allow", "oracle-mask unknown-rule"},
	} {
		var got []string
		for _, d := range lint(t, "t", c.text) {
			got = append(got, string(d.Code))
		}
		if len(got) == 2 && got[0] > got[1] {
			got[0], got[1] = got[1], got[0]
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}
