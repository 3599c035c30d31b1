package diag_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// declared lists the codes of codes.go in order.
func declared(t *testing.T) []diag.Code {
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []diag.Code
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, diag.Code(s))
		}
		return true
	})
	return out
}

func TestEveryCodeIsExplained(t *testing.T) {
	var explained []diag.Code
	for _, e := range diag.Explanations() {
		explained = append(explained, e.Code)
		if e.Title == "" || e.Failing == "" || e.Fixed == "" {
			t.Errorf("%s lacks a title or an example", e.Code)
		}
	}
	if diff := cmp.Diff(declared(t), explained); diff != "" {
		t.Errorf("codes and explanations (-codes.go +explain.md):\n%s", diff)
	}
}

func codes(text string) []diag.Code {
	s, diags := syntax.Parse(source.New("example.mseg", text), false)
	_, more := check.Script(s, check.Options{})
	out := []diag.Code{}
	for _, d := range append(diags, more...) {
		out = append(out, d.Code)
	}
	return out
}

// Every failing example fails with exactly its code, once; every fixed one has nothing to report.
func TestExamplesOfExplanations(t *testing.T) {
	for _, e := range diag.Explanations() {
		if e.Command { // cmd/mseg runs these
			continue
		}
		t.Run(string(e.Code), func(t *testing.T) {
			want := []diag.Code{e.Code}
			if e.AtRun {
				want = []diag.Code{}
			}
			if diff := cmp.Diff(want, codes(e.Failing)); diff != "" {
				t.Errorf("failing example (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]diag.Code{}, codes(e.Fixed)); diff != "" {
				t.Errorf("fixed example (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplainFindsAnySpelling(t *testing.T) {
	for _, name := range []string{"MSEG-2002", "mseg-2002", "2002", " 2002 "} {
		if e, ok := diag.Explain(name); !ok || e.Code != diag.WrongUnit {
			t.Errorf("Explain(%q) = %s, %t", name, e.Code, ok)
		}
	}
	if _, ok := diag.Explain("MSEG-9999"); ok {
		t.Error("a code that does not exist is explained")
	}
}
