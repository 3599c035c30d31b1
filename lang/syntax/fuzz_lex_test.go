package syntax

import (
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

// FuzzLex: whatever the bytes, tokens and the blanks between them are the text, in order; every complaint has its place in the text; and a text without complaint
// gives the same tokens when its blanks are doubled outside of strings and comments.
func FuzzLex(f *testing.F) {
	for _, text := range corpus {
		f.Add(text)
	}
	f.Add("\ufeffmodel ä = \"\\u{1F600}\"\r\n\t/torso/** 1e-3..5 px # ä")
	f.Fuzz(func(t *testing.T, text string) {
		file := source.New("fuzz.mseg", text)
		var diags diag.List
		tokens := Lex(file, &diags)
		checkTokens(t, file, tokens)
		for _, d := range diags {
			checkSpan(t, file, d.Span, d.Summary)
			if d.Code == "" || d.Summary == "" {
				t.Fatalf("%+v says nothing", d)
			}
		}
		if len(diags) > 0 {
			return
		}
		var wide strings.Builder
		at := 0
		for _, x := range tokens {
			if x.Type == EOF {
				break
			}
			if x.Start > at {
				wide.WriteString("  ")
			}
			wide.WriteString(file.Text[x.Start:x.End])
			at = x.End
		}
		var again diag.List
		widened := Lex(source.New("wide.mseg", wide.String()), &again)
		for i := range min(len(tokens), len(widened)) {
			if a, b := tokens[i], widened[i]; a.Type != b.Type || a.Text != b.Text {
				t.Fatalf("token %d of %q is %v %q, and %v %q with other blanks", i, text, a.Type, a.Text, b.Type, b.Text)
			}
		}
		if len(tokens) != len(widened) || len(again) > 0 {
			t.Fatalf("%d tokens of %q, %d with other blanks, %v", len(tokens), text, len(widened), again)
		}
	})
}
