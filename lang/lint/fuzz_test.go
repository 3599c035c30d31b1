package lint

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// FuzzLint: whatever the script, also one that does not check, no rule panics, and each finding has a name, a text and a place in the script.
func FuzzLint(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.mseg", "../../examples/[a-z]*.mseg"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range files {
			b, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := source.New("fuzz.mseg", text)
		s, _ := syntax.Parse(file, false)
		p, _ := check.Script(s, check.Options{})
		at := 0
		for _, d := range Script(s, p) {
			if d.Span.File != file || d.Span.Start < 0 || d.Span.Start > d.Span.End || d.Span.End > len(file.Text) || d.Span.Start < at {
				t.Fatalf("%v: place [%d, %d) of a text of %d, behind one at %d", d, d.Span.Start, d.Span.End, len(file.Text), at)
			}
			at = d.Span.Start
			if d.Code == "" || d.Summary == "" || d.Severity == "" {
				t.Fatalf("%+v says nothing", d)
			}
			for _, r := range d.Related {
				if r.Span.File == file && (r.Span.Start < 0 || r.Span.End > len(file.Text)) {
					t.Fatalf("%v: related place [%d, %d)", d, r.Span.Start, r.Span.End)
				}
			}
		}
	})
}
