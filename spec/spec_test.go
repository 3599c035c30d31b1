// Package spec tests the specification: its examples are executed and its tables compared with the program.
package spec

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/doc"
	"github.com/mseg-lang/mseg/lang/format"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

var update = flag.Bool("update", false, "rewrite the generated parts of README.md")

var generated = regexp.MustCompile(`(?s)<!-- generated: (\w+) -->\n.*?<!-- end -->`)

func TestGeneratedPartsAreCurrent(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{
		"grammar": "```ebnf\n" + syntax.EBNF() + "```\n", "codes": doc.CodeTable(), "builtins": doc.BuiltinTable(), "fields": doc.Fields(),
	}
	used := map[string]bool{}
	want := generated.ReplaceAllStringFunc(string(b), func(s string) string {
		name := generated.FindStringSubmatch(s)[1]
		used[name] = true
		return "<!-- generated: " + name + " -->\n\n" + strings.TrimSpace(parts[name]) + "\n\n<!-- end -->"
	})
	for name := range parts {
		if !used[name] {
			t.Errorf("README.md has no part %s", name)
		}
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("run go test ./spec -update (-program +README.md):\n%s", diff)
	}
}

// block is a fenced example: its mark and text, and the line it begins at.
type block struct {
	mark, text string
	line       int
}

func blocks(t *testing.T) []block {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	var cur *block
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case cur != nil && line == "```":
			out, cur = append(out, *cur), nil
		case cur != nil:
			cur.text += line + "\n"
		case line == "```mseg" || strings.HasPrefix(line, "```mseg "):
			cur = &block{mark: strings.TrimSpace(strings.TrimPrefix(line, "```mseg")), line: i + 1}
		}
	}
	if cur != nil || len(out) < 15 {
		t.Fatalf("%d blocks, the last open: %t", len(out), cur != nil)
	}
	return out
}

func TestExamples(t *testing.T) {
	for _, b := range blocks(t) {
		if b.mark == "values" {
			continue
		}
		s, diags := syntax.Parse(source.New("README.md", b.text), false)
		_, more := check.Script(s, check.Options{})
		var got []string
		for _, d := range append(diags, more...) {
			got = append(got, string(d.Code))
		}
		if strings.Join(got, " ") != b.mark {
			t.Errorf("line %d: reports %v, is marked %q", b.line, append(diags, more...), b.mark)
		}
	}
}

func TestValues(t *testing.T) {
	for _, b := range blocks(t) {
		if b.mark != "values" {
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(b.text), "\n") {
			expression, want, ok := strings.Cut(line, " # ")
			if !ok {
				t.Errorf("line %d: %q says no value", b.line, line)
				continue
			}
			s, diags := syntax.Parse(source.New("README.md", expression), true)
			p, more := check.Script(s, check.Options{})
			if diags = append(diags, more...); len(diags) > 0 || len(p.Bare) != 1 {
				t.Errorf("line %d: %s: %v", b.line, expression, diags)
				continue
			}
			if got := check.Show(p.Bare[0].Value); got != strings.TrimSpace(want) {
				t.Errorf("line %d: %s is %s, the text says %s", b.line, expression, got, want)
			}
		}
	}
}

// Whole scripts among the examples are in the canonical layout.
func TestExamplesAreFormatted(t *testing.T) {
	for _, b := range blocks(t) {
		if b.mark != "" {
			continue
		}
		if out, diags := format.Text("README.md", b.text); len(diags) > 0 || out != b.text {
			t.Errorf("line %d (-formatted +text):\n%s", b.line, cmp.Diff(out, b.text))
		}
	}
}

// Every code that the specification names exists.
func TestCodesExist(t *testing.T) {
	for _, b := range blocks(t) {
		if strings.HasPrefix(b.mark, "MSEG-") {
			if _, ok := diag.Explain(b.mark); !ok {
				t.Errorf("line %d: there is no %s", b.line, b.mark)
			}
		}
	}
}
