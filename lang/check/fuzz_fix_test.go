package check_test

import (
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// FuzzFix: whatever the script, every fix has its place in it, and applying safe fixes again and again comes to an end: no text comes twice, so that no two fixes
// undo each other, and there are never more rounds than a text has room for mistakes.
func FuzzFix(f *testing.F) {
	for _, text := range []string{
		"model m = unett(", "data m = unet()\n", "prep p = resize(size = 64 px)\n", "prep p = resize(64 mm)\nmodel m = unet(bas: 3)\n",
		"eval e = unet() |> evaluate(phantom()) { metrics = [dice] }\n", "data d = phantom(modality: mri)\n",
		"model a = phantom()\nmodel b = a\ndata c = b", "data d = volumes(\"{n}\", mask: \"{n}\") { modality: MR, tasks: { 1: MRI_BrainWholeTumr } }",
		"taxonomy t = hierarchy { /torso/abdomen/liver: [Liver] } |> extend { /torso/abdomn: [X] }",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seen := map[string]bool{}
		for range 2 + len(text) {
			if seen[text] {
				t.Fatalf("fixes come back to %q", text)
			}
			seen[text] = true
			file := source.New("fuzz.mseg", text)
			s, diags := syntax.Parse(file, false)
			_, more := check.Script(s, check.Options{})
			diags = append(diags, more...)
			for _, d := range diags {
				for _, x := range d.Fixes {
					if x.Message == "" || !x.Span.IsZero() && x.Span.File == file && (x.Span.Start < 0 || x.Span.Start > x.Span.End || x.Span.End > len(file.Text)) {
						t.Fatalf("%v: fix %+v of a text of %d", d, x, len(file.Text))
					}
				}
			}
			out, n := diag.ApplyFixes(file, diags)
			if n == 0 {
				if out != file.Text {
					t.Fatal("no fix, and another text")
				}
				return
			}
			if out == file.Text {
				t.Fatalf("%d fixes changed nothing in %q", n, text)
			}
			text = out
		}
		t.Fatalf("fixes come to no end: %q", text)
	})
}
