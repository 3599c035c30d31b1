package syntax

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

func parse(text string) (*Script, diag.List) { return Parse(source.New("t.mseg", text), true) }

func TestExpressions(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"product before sum", "1 + 2 * 3 - 4", "(- (+ 1 (* 2 3)) 4)"},
		{"left-associative", "a - b - c / d / e", "(- (- a b) (/ (/ c d) e))"},
		{"parentheses", "(1 + 2) * 3", "(* (+ 1 2) 3)"},
		{"minus binds tightest", "-a * b", "(* (- a) b)"},
		{"minus of a literal", "-3 px + 1 px", "(+ -3px 1px)"},
		{"minus of a field", "-a.b", "(- (. a b))"},
		{"two minuses", "- - a", "(- (- a))"},
		{"range looser than sum", "1 + 2 .. 3 * 4", "(.. (+ 1 2) (* 3 4))"},
		{"comparison looser than range", "x in 1 .. 3", "(in x (.. 1 3))"},
		{"not takes a comparison", "not a in b and c", "(and (not (in a b)) c)"},
		{"not not", "not not a", "(not (not a))"},
		{"and before or", "a or b and c or d", "(or (or a (and b c)) d)"},
		{"grouped comparisons", "(a < b) == (c < d)", "(== (< a b) (< c d))"},
		{"pipe is loosest", "a + b |> f |> g(1)", "(|> (|> (+ a b) f) (call g 1))"},
		{"pipe of an or", "a or b |> f", "(|> (or a b) f)"},
		{"call, field and index", "f(x).y[z](w)", "(call (at (. (call f x) y) z) w)"},
		{"a block is more arguments", "f(a, b: c) { d: e }", "(call+ f a b:c d:e)"},
		{"a block without parentheses", "f { d: e }", "(call+ f d:e)"},
		{"two blocks are two calls", "f { a: 1 } { b: 2 }", "(call+ (call+ f a:1) b:2)"},
		{"entries by comma", "f { a: 1, b: 2, }", "(call+ f a:1 b:2)"},
		{"entries by line", "f {\n a: 1\n b: 2\n}", "(call+ f a:1 b:2)"},
		{"entries by both", "f {\n a: 1,\n b: 2, c: 3\n}", "(call+ f a:1 b:2 c:3)"},
		{"empty block and call", "f() {}", "(call+ f)"},
		{"map", `{ 1: a, "b": c, /d: e, f: g }`, `{1:a "b":c /d:e f:g}`},
		{"map over lines", "{ 1: a\n2: b }", "{1:a 2:b}"},
		{"else entry", "route(t) { /a: b, else: shared }", "(call+ route t /a:b else:shared)"},
		{"list", "[1, a, [b],]", "[1 a [b]]"},
		{"empty list", "[]", "[]"},
		{"comprehension", "[f(x) for x in xs if x > 1 for y in x]", "(each (call f x) for x xs if (> x 1) for y x)"},
		{"trailing comma in a call", "f(a,)", "(call f a)"},
		{"a list over lines", "[\n a,\n b\n]", "[a b]"},
		{"a call over lines", "f(\n a\n , b\n)", "(call f a b)"},
		{"a pipe on the next line", "a\n  |> f\n  |> g", "(|> (|> a f) g)"},
		{"an operator at the line's end", "a +\n b", "(+ a b)"},
		{"a field on the next line", "a\n  .b", "(. a b)"},
		{"and on the next line", "a\n  and b", "(and a b)"},
		{"comment between the lines", "a # first\n  # second\n  |> f", "(|> a f)"},
		{"path and division", "f(/a/b) / c", "(/ (call f /a/b) c)"},
		{"string escapes", `"a\u{e4}\n"`, `"aä\n"`},
		{"booleans", "true and not false", "(and true (not false))"},
		{"per cent", "take(15 %)", "(call take 15%)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, diags := parse(c.text)
			if len(diags) > 0 {
				t.Fatal(diags[0])
			}
			if len(s.Statements) != 1 {
				t.Fatalf("%d statements, want 1", len(s.Statements))
			}
			if got := ssexpr(s.Statements[0]); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestStatements(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"edition", "mseg 1", []string{"edition 1"}},
		{"use", "use medsegdb\nuse protocols (a, b,)", []string{"use medsegdb", "use protocols a b"}},
		{"param", "param n: int = 30 in 1..500", []string{"param n:int 30 in (.. 1 500)"}},
		{"param without type or limits", "param n = 3 mm", []string{"param n 3mm in nil"}},
		{"param with a list of values", `param m = "a" in ["a", "b"]`, []string{`param m "a" in ["a" "b"]`}},
		{"fn", "fn f(m: model, r: number = 1e-3) -> model = m |> g(r)", []string{"fn f m:model r:number=0.001 ->:model (|> m (call g r))"}},
		{"fn over lines", "fn f(\n  m: model,\n) -> list(model) =\n  [m]", []string{"fn f m:model ->:list:model [m]"}},
		{"fn without parameters", "fn f() = 1", []string{"fn f -> 1"}},
		{"expect", "expect a.b >= 1\nexpect (a)\nexpect not a", []string{"expect (>= (. a b) 1)", "expect a", "expect (not a)"}},
		{"binding", "data prep = prep", []string{"data prep prep"}},
		{"a kind as a value", "model |> f", []string{"(|> model f)"}},
		{"a head as a value", "use.a", []string{"(. use a)"}},
		{"a binding over lines", "model m =\n  a\n  |> f {\n    x: 1\n  }\n  |> g", []string{"model m (|> (|> a (call+ f x:1)) g)"}},
		{"blank lines and comments", "\n# a\n\nmodel m = a # b\n\n# c\n", []string{"model m a"}},
		{"CRLF", "model m = a\r\nmodel n = f {\r\n  x: 1\r\n  y: 2\r\n}\r\n", []string{"model m a", "model n (call+ f x:1 y:2)"}},
		{"byte order mark", "\ufeffmseg 1", []string{"edition 1"}},
		{"letters beyond ASCII", "model größe = 日本", []string{"model größe 日本"}},
		{"a line that begins with minus is its own statement", "a\n-b", []string{"a", "(- b)"}},
		{"empty", "", nil},
		{"only comments", "# a\n# b", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, diags := parse(c.text)
			if len(diags) > 0 {
				t.Fatal(diags[0])
			}
			var got []string
			for _, st := range s.Statements {
				got = append(got, ssexpr(st))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpansCoverWhatTheyName(t *testing.T) {
	s, diags := parse("model m = (a + b) * c |> f(x: 1) { y: 2 }")
	if len(diags) > 0 {
		t.Fatal(diags[0])
	}
	var got []string
	Walk(s.Statements[0].(*Binding).Value, func(e Expr) bool {
		got = append(got, e.Span().Text())
		return true
	})
	want := []string{"(a + b) * c |> f(x: 1) { y: 2 }", "(a + b) * c", "a + b", "a", "b", "c", "f(x: 1) { y: 2 }", "f", "x", "1", "y", "2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// Faulty statements: one diagnostic each, with its code, at the text that is at fault.
func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		code       diag.Code
		at, say    string
	}{
		{"missing value", "model m =", diag.UnexpectedToken, "", "expected a value"},
		{"missing value before the next statement", "model m =\nmodel n = a", diag.UnexpectedToken, "", "found the end of the statement, expected a value"},
		{"missing operand before the next statement", "model m = a |>\nmodel n = a", diag.UnexpectedToken, "", "found the end of the statement, expected a value"},
		{"missing equals sign", "model m f(x)", diag.UnexpectedToken, "f", `expected "="`},
		{"colon for equals sign", "model m: a", diag.UnexpectedToken, ":", `expected "="`},
		{"equals sign for colon", "model m = f(a = 1)", diag.UnexpectedToken, "=", `found "="`},
		{"two values", "model m = a b", diag.UnexpectedToken, "b", "expected an operator or the end of the statement"},
		{"missing comma", "model m = f(a b)", diag.UnexpectedToken, "b", `expected "," or ")"`},
		{"missing comma in a list", "model m = [a b]", diag.UnexpectedToken, "b", `expected "," or "]"`},
		{"missing colon in a block", "model m = f { a 1 }", diag.UnexpectedToken, "1", `expected ":", ",", a line break or "}"`},
		{"two commas", "model m = f(a,, b)", diag.UnexpectedToken, ",", "expected a value"},
		{"operator without operand", "model m = a +", diag.UnexpectedToken, "", "expected a value"},
		{"two operators", "model m = a * / b", diag.UnexpectedToken, "b", "found"},
		{"dot without name", "model m = a.3", diag.UnexpectedToken, "3", "expected a field name"},
		{"reserved word as name", "model if = a", diag.UnexpectedToken, "if", "found"},
		{"chained comparison", "expect 1 < a < 2", diag.UnexpectedToken, "<", "comparisons cannot be chained"},
		{"chained comparison with parentheses at its end", "expect 1 < (a) < 2", diag.UnexpectedToken, "<", "comparisons cannot be chained"},
		{"param without name", "param = 3", diag.UnexpectedToken, "=", "expected a name"},
		{"param without value", "param n: int", diag.UnexpectedToken, "", "found the end of the statement"},
		{"fn without parentheses", "fn f = 1", diag.UnexpectedToken, "=", `expected "("`},
		{"use of a list", "use a [b]", diag.UnexpectedToken, "[", "found"},
		{"a key that is no name", "model m = f(a + b: 1)", diag.UnexpectedToken, "a + b", "expected a key"},
		{"else without value", "model m = route { else }", diag.UnexpectedToken, "else", "expected else: value"},
		{"comprehension with several values", "eval e = [a for a in b, c]", diag.UnexpectedToken, "c", "one value per step"},
		{"comprehension that begins with if", "eval e = [a if a]", diag.UnexpectedToken, "a", "begins with for"},
		{"comprehension without in", "eval e = [a for a b]", diag.UnexpectedToken, "b", "found"},
		{"unclosed parenthesis", "model m = f(a", diag.UnclosedBracket, "(", "not closed"},
		{"unclosed brace before a statement", "model m = f {\n  a: 1\nmodel n = b", diag.UnclosedBracket, "{", "not closed"},
		{"stray parenthesis", "model m = a)", diag.StrayBracket, ")", "closes nothing"},
		{"wrong bracket", "model m = f(a]", diag.StrayBracket, "]", ") is expected first"},
		{"string over the line's end", "model m = f(\"a)\nmodel n = b", diag.BadString, "\"a)", "not closed"},
		{"strange character", "model m = a $ b", diag.BadCharacter, "$", "unexpected character"},
		{"unknown unit", "prep p = resize(3pixels)", diag.WrongUnit, "pixels", "unknown unit"},
		{"number out of range", "model m = f(1e999)", diag.BadNumber, "1e999", "out of range"},
		{"unknown edition", "mseg 7", diag.BadEdition, "7", "not known"},
		{"edition that is no number", "mseg one", diag.BadEdition, "one", "not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, diags := Parse(source.New("t.mseg", c.text), false)
			if len(diags) != 1 {
				t.Fatalf("%d diagnostics, want 1: %v", len(diags), diags)
			}
			d := diags[0]
			if d.Code != c.code || d.Span.Text() != c.at || !strings.Contains(d.Summary, c.say) {
				t.Errorf("got %s at %q: %s\nwant %s at %q: …%s…", d.Code, d.Span.Text(), d.Summary, c.code, c.at, c.say)
			}
		})
	}
}

func TestBareExpressionsBelongToTheREPL(t *testing.T) {
	if _, diags := Parse(source.New("t", "a |> f"), false); len(diags) != 1 || diags[0].Code != diag.BareExpression {
		t.Errorf("in a file: %v, want %s", diags, diag.BareExpression)
	}
	if _, diags := Parse(source.New("t", "a |> f"), true); len(diags) != 0 {
		t.Errorf("in the REPL: %v", diags)
	}
}

func TestIncomplete(t *testing.T) {
	for text, want := range map[string]bool{
		"model m = a": false, "model m = f(": true, "model m =": true, "a |>": true, "f {\n x: 1": true, "f {\n x: 1\n}": false,
		"a)": false, `"abc`: false, "a and": true, "true": false, "": false, "[1,": true,
	} {
		if got := Incomplete(source.New("t", text)); got != want {
			t.Errorf("Incomplete(%q) = %t", text, got)
		}
	}
}

func TestNestingLimits(t *testing.T) {
	deep := func(n int, open, shut string) string {
		return "eval e = " + strings.Repeat(open, n) + "a" + strings.Repeat(shut, n)
	}
	chain := func(n int, link string) string { return "eval e = a" + strings.Repeat(link, n) }
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"200 lists", deep(200, "[", "]"), true},
		{"201 lists", deep(201, "[", "]"), false},
		{"300,000 lists", deep(300_000, "[", "]"), false},
		{"300,000 open parentheses", "eval e = " + strings.Repeat("(", 300_000), false},
		{"300,000 minuses", "eval e = " + strings.Repeat("-", 300_000) + "a", false},
		{"9,000 sums", chain(9_000, "+a"), true},
		{"300,000 sums", chain(300_000, "+a"), false},
		{"300,000 pipes", chain(300_000, "|>f"), false},
		{"300,000 fields", chain(300_000, ".f"), false},
		{"300,000 calls", chain(300_000, "()"), false},
		{"300,000 indexes", chain(300_000, "[1]"), false},
		{"300,000 blocks", chain(300_000, "{}"), false},
		{"sums in lists in lists", "eval e = " + strings.Repeat("1+[", 150) + strings.Repeat("1+", 9_900) + "1" + strings.Repeat("]", 150), false},
		{"a list of many sums", "eval e = [" + strings.Repeat("a + b - f(c), ", 20_000) + "]", true},
		{"a block of many sums", "eval e = f {\n" + strings.Repeat("  a: -1 + b[2]\n", 20_000) + "}", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, diags := parse(c.text)
			if c.ok && len(diags) > 0 {
				t.Errorf("refused: %v", diags[0])
			}
			if !c.ok && (len(diags) != 1 || diags[0].Code != diag.TooDeep) {
				t.Errorf("got %d diagnostics, want one %s", len(diags), diag.TooDeep)
			}
		})
	}
}

// Five of six statements are faulty, each in its own way: five diagnostics, one in each, and the good one is read.
func TestRecovery(t *testing.T) {
	text := `model a = f(x: )
model b = sam_tiny(image: 96 px
model c = "no end
model d = a $ b
model good = unet(base: 16)
model e = f(a))
`
	s, diags := Parse(source.New("t.mseg", text), false)
	var lines []string
	for _, d := range diags {
		lines = append(lines, fmt.Sprintf("%d %s", d.Span.From().Line, d.Code))
	}
	want := []string{"1 MSEG-0001", "2 MSEG-0002", "3 MSEG-0004", "4 MSEG-0005", "6 MSEG-0003"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
	var names, whole []string
	for _, st := range s.Statements {
		b := st.(*Binding)
		names = append(names, b.Name.Text)
		if b.Value != nil {
			whole = append(whole, ssexpr(b))
		}
	}
	if got := strings.Join(names, " "); got != "a b c d good e" {
		t.Errorf("names kept: %s", got)
	}
	if diff := cmp.Diff([]string{"model good (call unet base:16)"}, whole); diff != "" {
		t.Errorf("whole statements (-want +got):\n%s", diff)
	}
}

// An unclosed bracket ends where a line at the left margin begins a statement, whatever kind of statement.
func TestAnUnclosedBracketSpoilsOneStatement(t *testing.T) {
	for _, next := range []string{"data n = a", "param n: int = 1", "param n = 1", "fn n(a: int) = a", "use n", "use n (a)", "expect n.a > 1", "expect not n"} {
		for _, open := range []string{"model m = f(", "model m = f {", "model m = [", "model m = f(a, b: [1, { c: 2", "model m = f(\n  a: 1,"} {
			s, diags := Parse(source.New("t", open+"\n"+next+"\n"), false)
			if len(diags) != 1 || diags[0].Code != diag.UnclosedBracket {
				t.Errorf("%q before %q: %v", open, next, diags)
				continue
			}
			if n := len(s.Statements); n != 2 {
				t.Errorf("%q before %q: %d statements, want 2", open, next, n)
			}
		}
	}
}
