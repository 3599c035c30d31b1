package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// read parses and checks a text.
func read(name, text string) (*ir.Program, diag.List) {
	s, diags := syntax.Parse(source.New(name, text), false)
	p, more := check.Script(s, check.Options{})
	diags = append(diags, more...)
	diags.Sort()
	return p, diags
}

var expectation = regexp.MustCompile(`### "(MSEG-\d{4}) ([^"]*)"`)

// Files of testdata/err are chunks divided by lines `---`. A comment `### "CODE regexp"` stands on the line where that diagnostic is
// expected; the expression is matched against summary and help. There may be several; there must be no other diagnostic.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/err/*.mseg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line := 0
		for _, chunk := range strings.Split(string(b), "\n---\n") {
			name := fmt.Sprintf("%s:%d", filepath.Base(path), line+1)
			text := strings.Repeat("\n", line) + chunk
			line += strings.Count(chunk, "\n") + 2
			t.Run(name, func(t *testing.T) { checkChunk(t, path, text) })
		}
	}
}

func checkChunk(t *testing.T, path, text string) {
	_, diags := read(path, text)
	matched := make([]bool, len(diags))
	wanted := 0
	for n, line := range strings.Split(text, "\n") {
		for _, m := range expectation.FindAllStringSubmatch(line, -1) {
			wanted++
			re := regexp.MustCompile(m[2])
			found := false
			for i, d := range diags {
				if !matched[i] && d.Span.From().Line == n+1 && string(d.Code) == m[1] && re.MatchString(d.Summary+" | "+d.Help) {
					matched[i], found = true, true
					break
				}
			}
			if !found {
				t.Errorf("line %d: no %s matching %q", n+1, m[1], m[2])
			}
		}
	}
	if wanted == 0 {
		t.Error("the chunk expects nothing")
	}
	for i, d := range diags {
		if !matched[i] {
			t.Errorf("unexpected %v | %s", d, d.Help)
		}
		if d.Span.IsZero() {
			t.Errorf("%s has no place", d.Code)
		}
	}
}

// Scripts in testdata/ok, the standard library and the examples have nothing to report.
func TestFaultlessScripts(t *testing.T) {
	var files []string
	for _, pattern := range []string{"testdata/ok/*.mseg", "../../stdlib/[a-z]*.mseg", "../../examples/[a-z]*.mseg"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no files, %v", pattern, err)
		}
		files = append(files, found...)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, diags := read(path, string(b))
			for _, d := range diags {
				t.Errorf("%v | %s", d, d.Help)
			}
		})
	}
}
