package doc_test

import (
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/doc"
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
