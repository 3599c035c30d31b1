package syntax

import (
	"regexp"
	"testing"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

var quoted = regexp.MustCompile(`"[^"]*"`)

// FuzzParse: whatever the text, the lexer keeps every byte, both parsers agree, every place lies in the text, statements follow each other, and
// every statement that is missing or has no value is explained by a diagnostic.
func FuzzParse(f *testing.F) {
	for _, text := range corpus {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := source.New("fuzz.mseg", text)
		var lexed diag.List
		checkTokens(t, file, Lex(file, &lexed))
		bothWays(t, file)
		s, diags := Parse(file, true)
		for _, d := range diags {
			checkSpan(t, file, d.Span, d.Summary)
			for _, x := range d.Fixes {
				checkSpan(t, file, x.Span, x.Message)
			}
			for _, r := range d.Related {
				checkSpan(t, file, r.Span, r.Message)
			}
		}
		at := 0
		for _, st := range s.Statements {
			where := st.Span()
			checkSpan(t, file, where, "statement")
			if where.Start < at {
				t.Fatalf("statement at %d behind one that ends at %d", where.Start, at)
			}
			at = where.End
			if b, ok := st.(*Binding); ok {
				if b.Value == nil && len(diags) == 0 {
					t.Fatal("a binding without value, and no diagnostic")
				}
				inside(t, file, where, b.Value)
			}
		}
		Incomplete(file)
	})
}

func checkSpan(t *testing.T, f *source.File, s source.Span, what string) {
	t.Helper()
	if s.File != f || s.Start < 0 || s.Start > s.End || s.End > len(f.Text) {
		t.Fatalf("%s: place [%d, %d) of a text of %d", what, s.Start, s.End, len(f.Text))
	}
}

// inside demands that every part of an expression lies in the expression.
func inside(t *testing.T, f *source.File, outer source.Span, e Expr) {
	t.Helper()
	Walk(e, func(x Expr) bool {
		checkSpan(t, f, x.Span(), "expression")
		if x.Span().Start < outer.Start || x.Span().End > outer.End {
			t.Fatalf("%T at [%d, %d) outside [%d, %d)", x, x.Span().Start, x.Span().End, outer.Start, outer.End)
		}
		return true
	})
}
