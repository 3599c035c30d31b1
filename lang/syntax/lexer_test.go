package syntax

import (
	"strings"
	"testing"

	"github.com/alecthomas/participle/v2/lexer"
	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

var letters = map[lexer.TokenType]string{
	Ident: "i", Word: "w", Number: "n", Unit: "u", String: "s", Path: "p", Punct: "", Comment: "c", Newline: "nl", Bad: "BAD",
}

// spell writes tokens as class:text, punctuation as itself, line ends as ⏎.
func spell(tokens []Token) string {
	var out []string
	for _, t := range tokens {
		switch name := letters[t.Type]; name {
		case "":
			out = append(out, t.Text)
		case "nl":
			out = append(out, "⏎")
		default:
			out = append(out, name+":"+t.Text)
		}
	}
	return strings.Join(out, " ")
}

func TestLexer(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"binding", "model m = f(x)", "i:model i:m = i:f ( i:x )"},
		{"words are reserved", "for x in xs if not a and b or true else false", "w:for i:x w:in i:xs w:if w:not i:a w:and i:b w:or w:true w:else w:false"},
		{"a word behind a dot is a field", "x.in", "i:x . i:in"},
		{"kinds are ordinary names", "prep(model: split)", "i:prep ( i:model : i:split )"},
		{"letters beyond ASCII", "größe = 日本_2", "i:größe = i:日本_2"},

		{"integers and decimals", "0 12 0.5 10.25", "n:0 n:12 n:0.5 n:10.25"},
		{"exponents", "1e-3 2E+5 1.5e10", "n:1e-3 n:2E+5 n:1.5e10"},
		{"an e that is no exponent", "2 e", "n:2 i:e"},
		{"a leading dot where a value is expected", "x = .5", "i:x = n:.5"},
		{"a dot behind a value is a field", "x.y", "i:x . i:y"},
		{"range without spaces", "1..500", "n:1 .. n:500"},
		{"range of decimals", "0.5..1.5", "n:0.5 .. n:1.5"},

		{"unit with a space", "3 px", "n:3 u:px"},
		{"unit without a space", "3px", "n:3 u:px"},
		{"per cent", "50% 0.5 %", "n:50 u:% n:0.5 u:%"},
		{"negative HU", "-160 HU .. 240 HU", "- n:160 u:HU .. n:240 u:HU"},
		{"unit behind a no-break space", "3\u00a0mm", "n:3 u:mm"},
		{"a unit stays on its line", "3\nmm", "n:3 ⏎ i:mm"},
		{"s is a unit only behind a number", "s 3 s", "i:s n:3 u:s"},
		{"the key of the next entry is no unit", "{ a: 3 s: 4 }", "{ i:a : n:3 i:s : n:4 }"},
		{"other words behind a number", "30 in", "n:30 w:in"},

		{"division", "a/b", "i:a / i:b"},
		{"division of numbers", "3 / 4", "n:3 / n:4"},
		{"division behind a bracket", "(a)/b", "( i:a ) / i:b"},
		{"division behind a unit", "3 mm/b", "n:3 u:mm / i:b"},
		{"path as an argument", "f(/torso/abdomen)", "i:f ( p:/torso/abdomen )"},
		{"path behind in", "task in /torso", "i:task w:in p:/torso"},
		{"path as a key on a new line", "{ a: 1\n/torso: 2 }", "{ i:a : n:1 ⏎ p:/torso : n:2 }"},
		{"patterns", "x = /torso/** + /a/*/b", "i:x = p:/torso/** + p:/a/*/b"},
		{"the root", "x = /", "i:x = p:/"},
		{"old spellings", "x = /head&neck/cranium&face", "i:x = p:/head&neck/cranium&face"},
		{"a path ends before a dot and a slash", "x = /a/.y", "i:x = p:/a / . i:y"},

		{"string", `"a b"`, `s:"a b"`},
		{"escapes", `"\"\\\n\t\u{1F600}"`, `s:"\"\\\n\t\u{1F600}"`},
		{"a hash in a string", `"# no"`, `s:"# no"`},
		{"braces in a string", `"{case}.nii"`, `s:"{case}.nii"`},

		{"comment", "a # b = c  \nd", "i:a c:# b = c ⏎ i:d"},
		{"comment at the end", "# end", "c:# end"},
		{"CRLF", "a\r\nb # c\r\n", "i:a ⏎ i:b c:# c ⏎"},
		{"byte order mark", "\ufeffa", "i:a"},
		{"operators", "|> -> .. == != <= >= < > + - * /", "|> -> .. == != <= >= < > + - * p:/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var diags diag.List
			got := spell(Lex(source.New("t", c.text), &diags))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("tokens (-want +got):\n%s", diff)
			}
			if len(diags) > 0 {
				t.Errorf("unexpected %v", diags[0])
			}
		})
	}
}

func TestLexerReportsWhatItCannotRead(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		code             diag.Code
	}{
		{"unclosed string", `a = "b`, `i:a = BAD:"b`, diag.BadString},
		{"unclosed string keeps the next line", "a = \"b\nc", "i:a = BAD:\"b ⏎ i:c", diag.BadString},
		{"unclosed string before CRLF", "a = \"b\r\nc", "i:a = BAD:\"b ⏎ i:c", diag.BadString},
		{"a backslash does not hide the line's end", "a = \"b\\\nc", "i:a = BAD:\"b\\ ⏎ i:c", diag.BadString},
		{"unknown escape", `"a\q"`, `BAD:"a\q"`, diag.BadString},
		{"escape beyond Unicode", `"\u{110000}"`, `BAD:"\u{110000}"`, diag.BadString},
		{"empty escape", `"\u{}"`, `BAD:"\u{}"`, diag.BadString},
		{"a string that is not UTF-8", "a = \"caf\xe9\" + b", "i:a = BAD:\"caf\xe9\" + i:b", diag.BadString},
		{"one mistake for a row of strange characters", "a = $$§ b", "i:a = BAD:$$§ i:b", diag.BadCharacter},
		{"semicolon", "a;", "i:a BAD:;", diag.BadCharacter},
		{"typographic quote", "a = “b”", "i:a = BAD:“b”", diag.BadCharacter},
		{"a quote that is not closed", "a = “b", "i:a = BAD:“ i:b", diag.BadCharacter},
		{"broken UTF-8", "a = \xff\xfe", "i:a = BAD:\xff\xfe", diag.BadCharacter},
		{"unknown unit", "3pixels", "n:3 BAD:pixels", diag.WrongUnit},
	} {
		t.Run(c.name, func(t *testing.T) {
			var diags diag.List
			got := spell(Lex(source.New("t", c.text), &diags))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("tokens (-want +got):\n%s", diff)
			}
			if len(diags) == 0 || diags[0].Code != c.code || diags[0].Help == "" {
				t.Errorf("diagnostics %v, want %s with help", diags, c.code)
			}
		})
	}
}

func TestUnitsAreSuggested(t *testing.T) {
	var diags diag.List
	Lex(source.New("t", "3mmm"), &diags)
	if len(diags) != 1 || len(diags[0].Fixes) != 1 || diags[0].Fixes[0].Replacement != "mm" {
		t.Errorf("got %+v, want the fix mm", diags)
	}
}

func TestUnquote(t *testing.T) {
	for in, want := range map[string]string{
		`""`: "", `"a"`: "a", `"\n\t\"\\"`: "\n\t\"\\", `"\u{e4}"`: "ä", `"\u{1F600}!"`: "😀!", `"\u{10ffff}"`: "\U0010ffff",
	} {
		if got, bad := unquote(in); got != want || bad != "" {
			t.Errorf("unquote(%s) = %q, %q; want %q", in, got, bad, want)
		}
	}
}

// checkTokens demands what a formatter relies on: tokens in order, without overlap, nothing but blanks between them, each with its own text.
func checkTokens(t *testing.T, f *source.File, tokens []Token) {
	t.Helper()
	at := 0
	for _, k := range tokens {
		if k.Start < at || k.End <= k.Start || k.End > len(f.Text) {
			t.Fatalf("token %+v after offset %d of %d", k, at, len(f.Text))
		}
		if gap := strings.Trim(f.Text[at:k.Start], " \t\r\u00a0"); gap != "" {
			t.Fatalf("%q before %+v is in no token", gap, k)
		}
		if f.Text[k.Start:k.End] != k.Text {
			t.Fatalf("token %+v stands for %q", k, f.Text[k.Start:k.End])
		}
		at = k.End
	}
	if rest := strings.Trim(f.Text[at:], " \t\r\u00a0"); rest != "" {
		t.Fatalf("%q at the end is in no token", rest)
	}
}
