package format

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

func TestLayout(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"only blanks", " \n\t\n", ""},
		{"only a comment", "  # a\n\n", "# a\n"},
		{"newline at the end", "mseg 1", "mseg 1\n"},
		{"operators", "model m=a+b*-c-d|>f(1,-2)", "model m = a + b * -c - d |> f(1, -2)\n"},
		{"not and in", "expect  not(a)and b in(c)", "expect not (a) and b in (c)\n"},
		{"calls and indexes", "eval e = f (a) [1] . b ( c )", "eval e = f(a)[1].b(c)\n"},
		{"a condition in parentheses", "expect(a.b > 1)", "expect (a.b > 1)\n"},
		{"use", "use medsegdb(tree,modalities)", "use medsegdb (tree, modalities)\n"},
		{"units", "prep p = window(-160HU..240HU)|>resize(64  px)|>take(15%)", "prep p = window(-160 HU .. 240 HU) |> resize(64 px) |> take(15 %)\n"},
		{"ranges of plain numbers", "param n = 3 in 1 .. 500\nparam a = x .. 3\nparam b = 1 .. -1", "param n = 3 in 1..500\nparam a = x .. 3\nparam b = 1 .. -1\n"},
		{"a range that ends without leading zero", "param n = 1 .. .5", "param n = 1 .. .5\n"},
		{"division", "param n=a/b", "param n = a / b\n"},
		{"paths", "data d=x|>where(task in/torso/**)", "data d = x |> where(task in /torso/**)\n"},
		{"braces", "data d = f{a:1,b:{}}", "data d = f { a: 1, b: {} }\n"},
		{"fn", "fn f(m:model,r:number=1e-3)->list(model)=[m]", "fn f(m: model, r: number = 1e-3) -> list(model) = [m]\n"},
		{"a parameter that may be left out", "fn f(m:model,n:int ?,s : sampling?)->model=m|>g(n)", "fn f(m: model, n: int?, s: sampling?) -> model = m |> g(n)\n"},
		{"comprehension", "eval e=[f(x)for x in(a)if x>1]", "eval e = [f(x) for x in (a) if x > 1]\n"},
		{"strings are kept", `data d = f("a  b" , "#")`, "data d = f(\"a  b\", \"#\")\n"},
		{"CRLF and tabs", "model m = f {\r\n\ta: 1\r\n}\r\n", "model m = f {\n  a: 1\n}\n"},
		{"byte order mark", "\ufeffmseg 1", "mseg 1\n"},

		{"indentation", "model m = f {\na: g {\nb: 1\n}\n}", "model m = f {\n  a: g {\n    b: 1\n  }\n}\n"},
		{"brackets opened on one line indent once", "model m = f({\na: 1\n})", "model m = f({\n  a: 1\n})\n"},
		{"a list", "data d = [\na,\n  b\n]", "data d = [\n  a,\n  b\n]\n"},
		{"a pipe goes on", "model m = a\n|> f {\nx: 1\n}\n|> g", "model m = a\n  |> f {\n    x: 1\n  }\n  |> g\n"},
		{"a value on the next line", "fn f(m: model) -> model =\nm |> g", "fn f(m: model) -> model =\n  m |> g\n"},
		{"an operator at the line's end", "model m = f(a +\nb,\nc)", "model m = f(a +\n    b,\n  c)\n"},
		{"an entry goes on", "model m = f {\na: b\n|> c\nd: 1\n}", "model m = f {\n  a: b\n    |> c\n  d: 1\n}\n"},
		{"statements at the margin", "   model m = a\n  model n = b", "model m = a\nmodel n = b\n"},

		{"blank lines", "\n\nmodel m = a\n\n\n\nmodel n = f {\n\n a: 1\n\n\n b: 2\n\n}\n\n", "model m = a\n\nmodel n = f {\n  a: 1\n\n  b: 2\n}\n"},
		{"comments above", "# a\n\n  # b\nmodel m = f {\n# c\nx: 1\n# d\n}\n# e", "# a\n\n# b\nmodel m = f {\n  # c\n  x: 1\n  # d\n}\n# e\n"},
		{"a comment in a pipe", "model m = a\n# why\n|> f", "model m = a\n  # why\n  |> f\n"},
		{"comments behind code stand under each other", "model m = a # x\nmodel longer = b   # y\n\nmodel n = c # z", "model m      = a  # x\nmodel longer = b  # y\n\nmodel n = c  # z\n"},
		{"a comment behind a bracket", "model m = f { # x\na: 1 # y\n}", "model m = f {  # x\n  a: 1         # y\n}\n"},

		{"equals signs", "data d = a\nmodel name = b\n\nmodel x = c", "data d     = a\nmodel name = b\n\nmodel x = c\n"},
		{"params", "param n: int = 1\nparam rate: number = 2", "param n:    int    = 1\nparam rate: number = 2\n"},
		{"a comment ends a run", "data d = a\n# x\nmodel name = b", "data d = a\n# x\nmodel name = b\n"},
		{"values of a block", "model m = f {\na: 1\nlonger: 2\n/p/q: 3\nelse: 4\n}", "model m = f {\n  a:      1\n  longer: 2\n  /p/q:   3\n  else:   4\n}\n"},
		{"an open entry ends a run", "model m = f {\na: 1\nlonger: [\n2\n]\nb: 3\n}", "model m = f {\n  a: 1\n  longer: [\n    2\n  ]\n  b: 3\n}\n"},
		{"several entries on a line stay together", "model m = f {\na: 1, bb: 2\nlonger: 3\n}", "model m = f {\n  a: 1, bb: 2\n  longer: 3\n}\n"},
		{"letters beyond ASCII", "model ä = a\nmodel bb = c", "model ä  = a\nmodel bb = c\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, diags := Text("t", c.in)
			if len(diags) > 0 {
				t.Fatal(diags[0])
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			demands(t, c.in, got)
		})
	}
}

// demands are what holds for every text that parses.
func demands(t *testing.T, in, out string) {
	t.Helper()
	if !Same(in, out) {
		t.Fatalf("tokens changed:\n%s\nbecame\n%s", in, out)
	}
	if again := layout(source.New("t", out)); again != out {
		t.Fatalf("formatting twice differs (-once +twice):\n%s", cmp.Diff(out, again))
	}
	if strings.Contains(out, " \n") || strings.Contains(out, "\n\n\n") || strings.HasPrefix(out, "\n") || out != "" && !strings.HasSuffix(out, "\n") || strings.HasSuffix(out, "\n\n") {
		t.Fatalf("stray blanks in %q", out)
	}
	if a, b := shape(in), shape(out); a != b {
		t.Fatalf("another tree:\n%s", cmp.Diff(a, b))
	}
	_, before := syntax.Parse(source.New("t", in), true)
	_, after := syntax.Parse(source.New("t", out), true)
	if len(before) != len(after) {
		t.Fatalf("%q parses, %q does not: %v", in, out, after)
	}
}

func scripts(tb testing.TB) map[string]string {
	out := map[string]string{}
	for _, pattern := range []string{"../../examples/[a-z]*.mseg", "../../stdlib/*.mseg", "../check/testdata/*/*.mseg"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			tb.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range files {
			b, err := os.ReadFile(path)
			if err != nil {
				tb.Fatal(err)
			}
			for i, chunk := range strings.Split(string(b), "\n---\n") {
				out[path+strings.Repeat("+", i)] = chunk
			}
		}
	}
	return out
}

func TestScriptsKeepTheirTokens(t *testing.T) {
	for path, text := range scripts(t) {
		if out, diags := Text(path, text); len(diags) == 0 {
			demands(t, text, out)
		}
	}
}

func TestABrokenTextComesBackUnchanged(t *testing.T) {
	in := "model  m = f(\nmodel n=b"
	out, diags := Text("t", in)
	if out != in || len(diags) != 1 || diags[0].Code != diag.UnclosedBracket {
		t.Errorf("got %q, %v", out, diags)
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"a  b", "a b", true}, {"a\n\n\nb", "a\nb", true}, {"\na", "a\n", true}, {"a\nb", "a b", false}, {"a # x", "a", false}, {"a # x", "a # y", false}, {"a b", "ab", false},
	} {
		if Same(c.a, c.b) != c.same {
			t.Errorf("Same(%q, %q) = %t", c.a, c.b, !c.same)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, text := range scripts(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if out, diags := Text("fuzz", text); len(diags) == 0 {
			demands(t, text, out)
		} else if out != text {
			t.Fatal("a text that does not parse was changed")
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	text, err := os.ReadFile("../../examples/first.mseg")
	if err != nil {
		b.Fatal(err)
	}
	long := strings.Repeat(string(text)+"\n", 40)
	b.SetBytes(int64(len(long)))
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := Text("bench", long); len(diags) > 0 {
			b.Fatal(diags[0])
		}
	}
}
