package doc_test

import (
	"html/template"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/doc"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// The example of every builtin checks, and is of the type that the builtin gives.
func TestEveryExampleChecks(t *testing.T) {
	for _, b := range builtin.All() {
		s, diags := syntax.Parse(source.New(b.Name, b.ExampleScript()), false)
		_, more := check.Script(s, check.Options{})
		for _, d := range append(diags, more...) {
			if len(builtin.Lookup(b.Name)) == 1 || b.Result.IsTensor() { // of two of one name, the place decides
				t.Errorf("%s: %v | %s", b.Name, d, d.Help)
			}
		}
		if b.Result.IsTensor() { // needs its tensors
			continue
		}
		if got := check.NewScope(s).Type(b.Example, map[string]types.Type{}); len(builtin.Lookup(b.Name)) == 1 && !got.Fits(b.Result) {
			t.Errorf("%s: the example is %s, not %s", b.Name, got, b.Result)
		}
	}
}

// The result shown for an example is what the example is: read again, it has the same identity. Every builtin shows one, on both pages.
func TestResultsOfExamplesAreCurrent(t *testing.T) {
	var html, md strings.Builder
	if err := doc.HTML(&html); err != nil {
		t.Fatal(err)
	}
	if err := doc.Reference(&md); err != nil {
		t.Fatal(err)
	}
	empty, _ := syntax.Parse(source.New("", ""), false)
	again := 0
	for _, b := range builtin.All() {
		result := doc.Result(b)
		if result == "" || !strings.HasPrefix(result, doc.TypeName(b.Result)) && b.Name != "unplaced" {
			t.Errorf("%s: the result of `%s` is shown as %q", b.Name, b.Example, result)
			continue
		}
		if !strings.Contains(md.String(), "Example: `"+b.Example+"`\n\nResult: "+result+"\n") {
			t.Errorf("%s: the result is not in the reference", b.Name)
		}
		_, written, has := strings.Cut(result, "`")
		written, _, _ = strings.Cut(written, "`")
		if !has || b.Name == "unplaced" {
			continue
		}
		if !strings.Contains(html.String(), "Result: "+doc.TypeName(b.Result)+" <code>"+template.HTMLEscapeString(written)) {
			t.Errorf("%s: the result is not on the page", b.Name)
		}
		h := ir.NewHasher(nil)
		want, got := check.NewScope(empty).Value(b.Example, b.Result), check.NewScope(empty).Value(written, b.Result)
		if got == nil {
			t.Errorf("%s: %s does not check", b.Name, written)
			continue
		}
		if h.Hash(want) != h.Hash(got) {
			t.Errorf("%s: %s is not %s", b.Name, written, b.Example)
		}
		again++
	}
	if again < 30 {
		t.Errorf("only %d results could be read again", again)
	}
}

func TestNothingIsMissing(t *testing.T) {
	var md, html strings.Builder
	if err := doc.Reference(&md); err != nil {
		t.Fatal(err)
	}
	if err := doc.HTML(&html); err != nil {
		t.Fatal(err)
	}
	table := doc.BuiltinTable()
	for _, b := range builtin.All() {
		if !strings.Contains(md.String(), "### "+b.Name+"\n") || !strings.Contains(html.String(), ">"+b.Name+"</h3>") || !strings.Contains(table, b.Name) {
			t.Errorf("%s is missing", b.Name)
		}
		for _, p := range b.Params {
			if !strings.Contains(md.String(), "`"+p.Name+"`") || p.Doc == "" {
				t.Errorf("%s.%s is missing or has no text", b.Name, p.Name)
			}
		}
	}
	for _, e := range diag.Explanations() {
		if !strings.Contains(md.String(), string(e.Code)) || !strings.Contains(html.String(), string(e.Code)) {
			t.Errorf("%s is missing", e.Code)
		}
	}
}
