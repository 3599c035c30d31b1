package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// FuzzCheck: whatever the script, checking ends without panic, every diagnostic has a code, a summary and a place in the text, places increase, and
// checking twice gives the same identities.
func FuzzCheck(f *testing.F) {
	for _, pattern := range []string{"testdata/ok/*.mseg", "testdata/err/*.mseg", "../../examples/[a-z]*.mseg"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			b, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for _, chunk := range strings.Split(string(b), "\n---\n") {
				f.Add(chunk)
			}
		}
	}
	for _, b := range builtin.All() {
		f.Add("report x = " + b.Example)
		f.Add(b.ExampleScript())
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkAnything(t, text)
	})
}

func checkAnything(t *testing.T, text string) {
	file := source.New("fuzz.mseg", text)
	s, diags := syntax.Parse(file, true)
	p, more := check.Script(s, check.Options{})
	at := 0
	for _, d := range more {
		if d.Span.File != file || d.Span.Start < 0 || d.Span.Start > d.Span.End || d.Span.End > len(file.Text) {
			t.Fatalf("%v: place [%d, %d) of a text of %d", d, d.Span.Start, d.Span.End, len(file.Text))
		}
		if d.Span.Start < at {
			t.Fatalf("%v stands behind one at %d", d, at)
		}
		at = d.Span.Start
		if d.Code == "" || d.Summary == "" {
			t.Fatalf("%+v says nothing", d)
		}
	}
	var out strings.Builder
	diag.WriteText(&out, append(diags, more...), true)
	if err := diag.WriteJSON(&out, append(diags, more...)); err != nil {
		t.Fatal(err)
	}
	again, _ := check.Script(s, check.Options{})
	a, b := ir.NewHasher(nil), ir.NewHasher(nil)
	for i, x := range p.Bindings {
		if a.Hash(x.Value) != b.Hash(again.Bindings[i].Value) {
			t.Fatalf("%s has two identities", x.Name)
		}
		check.Show(x.Value)
	}
}

// Scripts that are small and would be enormous.
func TestExplosionsEndWithAMessage(t *testing.T) {
	doubling := func(line func(i int) string) string {
		var b strings.Builder
		for i := 1; i < 60; i++ {
			b.WriteString(line(i))
		}
		return b.String()
	}
	name := func(i int) string { return "v" + strings.Repeat("x", i) }
	for _, c := range []struct{ name, text string }{
		{"a fn that calls another twice", "fn v(n: int) -> int = n\n" + doubling(func(i int) string {
			return "fn " + name(i) + "(n: int) -> int = " + strings.TrimSuffix(name(i), "x") + "(n) + " + strings.TrimSuffix(name(i), "x") + "(n)\n"
		})},
		{"a text twice the last", "param v = \"ab\"\n" + doubling(func(i int) string {
			return "param " + name(i) + " = " + strings.TrimSuffix(name(i), "x") + " + " + strings.TrimSuffix(name(i), "x") + "\n"
		})},
		{"a list of two of the last", "param v = [1]\n" + doubling(func(i int) string {
			return "param " + name(i) + " = [" + strings.TrimSuffix(name(i), "x") + ", " + strings.TrimSuffix(name(i), "x") + "]\n"
		})},
		{"a sweep that keeps nothing", "param v = [a for a in 1..100000 for b in 1..100000 if a > 100000]\n"},
		{"a mistake in every step of a sweep", "param v = [nowhere for a in 1..1000 for b in 1..1000]\n"},
		{"a long list looked through many times", "param u = [a for a in 1..50000]\nparam v = [a for a in 1..50000 if a in u]\n"},
		{"sweeps in sweeps", "param v = [[[a for a in 1..1000] for b in 1..1000] for c in 1..1000]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkAnything(t, c.text)
			_, diags := read("explosion.mseg", c.text)
			if len(diags) == 0 || len(diags) > 3 {
				t.Errorf("%d diagnostics, want one or a few", len(diags))
			}
		})
	}
}
