package syntax

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

// The grammar of the struct tags, read by participle alone.
var (
	referenceStatement = sync.OnceValue(func() *participle.Parser[gStatement] { return build[gStatement](byGrammar()) })
	referenceBinding   = sync.OnceValue(func() *participle.Parser[gBinding] { return build[gBinding](byGrammar()) })
	referenceBare      = sync.OnceValue(func() *participle.Parser[gBare] { return build[gBare](byGrammar()) })
)

// bothWays parses every statement of a text by hand and by the grammar, and demands the same tree.
func bothWays(t *testing.T, f *source.File) {
	t.Helper()
	var diags diag.List
	for _, seg := range cut(f, Lex(f, &diags), &diags) {
		if seg.broken || len(seg.tokens) > 2000 {
			continue
		}
		tokens := grammarTokens(seg, nil)
		upgraded := func() *lexer.PeekingLexer {
			lex, err := lexer.Upgrade(&tokenStream{&cursor{tokens: tokens}})
			if err != nil {
				t.Fatal(err)
			}
			return lex
		}
		var got, want any
		var gotErr, wantErr error
		switch formOf(seg.tokens) {
		case headForm:
			got, gotErr = statementParser().ParseFromLexer(upgraded())
			want, wantErr = referenceStatement().ParseFromLexer(upgraded())
		case bindingForm:
			got, gotErr = parseBinding(&cursor{tokens: tokens})
			want, wantErr = referenceBinding().ParseFromLexer(upgraded())
		default:
			got, gotErr = parseBare(&cursor{tokens: tokens})
			want, wantErr = referenceBare().ParseFromLexer(upgraded())
		}
		text := f.Text[seg.tokens[0].Start:seg.tokens[len(seg.tokens)-1].End]
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%q: by hand %v, by the grammar %v", text, gotErr, wantErr)
		}
		if gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: different trees", text)
		}
		if gotErr != nil {
			if formOf(seg.tokens) == headForm {
				gotErr = headFailure(&cursor{tokens: tokens})
			}
			var why *failure
			if !errors.As(gotErr, &why) || why.expected == "" {
				t.Fatalf("%q: %v does not say what was expected", text, gotErr)
			}
		} else if formOf(seg.tokens) == headForm {
			if err := headFailure(&cursor{tokens: tokens}); err != nil {
				t.Fatalf("%q is a statement, and not when its mistake is looked for: %v", text, err)
			}
		}
	}
}

func TestHandwrittenParserFollowsTheGrammar(t *testing.T) {
	files, err := filepath.Glob("../../examples/[a-z]*.mseg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	more, err := filepath.Glob("../../stdlib/*.mseg")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, more...) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bothWays(t, source.New(path, string(b)))
	}
	for _, text := range corpus {
		bothWays(t, source.New("corpus", text))
	}
}

// corpus is text around every rule of the grammar, right and wrong. It also seeds the fuzz target.
var corpus = []string{
	"mseg 1\nuse medsegdb (tree, modalities,)\nparam n: int = 30 in 1..500\n",
	"fn f(m: model, r: number = 1e-3,) -> list(model) = m |> g(r) { a: 1\n b: [x for x in xs if x > 1] }\n",
	"data d = volumes(\"{case}.nii\", mask: \"m\") {\n  patient: case # why\n  tasks: { 1: CT_Liver, 2: MRI_Brain }\n}\n",
	"expect not a.b[c].d >= 1 - -2 px / 3 and (x in /torso/** or true)\n",
	"model m = f(else: 1, /a/b: 2, \"c\": 3, 4: 5) { else: shared }\n",
	"a\n|> b\n.c\nand d\n- e\n", "[a, b,]\n[]\n{}\nf()\nf {}\n", "[a for a in b if c for d in e]",
	"[a,,b]", "f(,)", "{ a: 1,\n\n, b: 2 }", "{ a: 1\n}\n", "{ a 1 }", "model m = = 1", "fn (", "use", "param", "expect", "mseg", "mseg 1 2",
	"a.1", "a.\"b\"", "a[1", "a)", "(((", "}{", "[if a]", "[a if b]", "[a for 1 in b]", "else", "not", "-", "a -", "a |> ", "a b c", "x..y..z",
	"model m = f(a: b: c)", "fn f(a) -> b(c) = d", "fn f(a: list(list(int))) = d", "param a = b in c in d", "f{a:1}{b:2}(c)[d].e", "1 in 2 == 3",
	"\"unclosed", "\"\\u{zz}\"", "$%&", "3px 4pixels 5 %", "/a/*/**/&x", "a/b", "a\n/b", "# only", "\ufeffa", "a\r\n\r\nb\r\n", "\x00\xff", "größe = 日本 😀",
}

func TestEBNFNamesEveryProductionOnce(t *testing.T) {
	defined := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(EBNF()), "\n") {
		name, body, ok := strings.Cut(line, " = ")
		if !ok || !strings.HasSuffix(body, " .") {
			t.Errorf("malformed production %q", line)
		}
		if defined[name] {
			t.Errorf("%s is defined twice", name)
		}
		defined[name] = true
	}
	for _, line := range strings.Split(strings.TrimSpace(EBNF()), "\n") {
		_, body, _ := strings.Cut(line, " = ")
		for _, word := range strings.FieldsFunc(quoted.ReplaceAllString(body, " "), func(r rune) bool { return !isLetter(r) }) {
			if word != strings.ToUpper(word) && !defined[word] {
				t.Errorf("%s is used in %q and nowhere defined", word, line)
			}
		}
	}
}
