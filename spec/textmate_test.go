package spec

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// highlighter applies a TextMate grammar as editors do: line by line, at each place the rule that matches first, the earlier of two.
type highlighter struct {
	rules map[string][]compiled // by name in the repository; "" is the top
	text  grammar
}

type compiled struct {
	rule rule
	re   *regexp.Regexp
}

func newHighlighter(t *testing.T) *highlighter {
	t.Helper()
	b, err := os.ReadFile("editors/vscode/syntaxes/mseg.tmLanguage.json")
	if err != nil {
		t.Fatal(err)
	}
	h := &highlighter{rules: map[string][]compiled{}}
	if err := json.Unmarshal(b, &h.text); err != nil {
		t.Fatal(err)
	}
	h.rules[""] = h.compile(t, h.text.Patterns)
	for name, r := range h.text.Repository {
		h.rules[name] = h.compile(t, r.Patterns)
	}
	return h
}

func (h *highlighter) compile(t *testing.T, rules []rule) []compiled {
	var out []compiled
	for _, r := range rules {
		if r.Include != "" {
			in, ok := h.text.Repository[strings.TrimPrefix(r.Include, "#")]
			if !ok {
				t.Fatalf("%s is included and not there", r.Include)
			}
			out = append(out, h.compile(t, in.Patterns)...)
			continue
		}
		re, err := regexp.Compile(r.Match)
		if err != nil {
			t.Fatal(err)
		}
		for group := range r.Captures {
			if n, err := strconv.Atoi(group); err != nil || n > re.NumSubexp() {
				t.Errorf("%s has no group %s", r.Match, group)
			}
		}
		out = append(out, compiled{r, re})
	}
	return out
}

// paint adds scopes to the bytes of a line from one place to another.
func (h *highlighter) paint(rules []compiled, line string, from, to int, scopes []string) {
	add := func(a, b int, name string) {
		for i := a; i < b && name != ""; i++ {
			scopes[i] += " " + name
		}
	}
	for pos := from; pos < to; {
		var best []int
		var by rule
		for _, c := range rules {
			if pos > 0 && strings.HasPrefix(c.rule.Match, "^") {
				continue
			}
			if m := c.re.FindStringSubmatchIndex(line[pos:to]); m != nil && m[1] > m[0] && (best == nil || m[0] < best[0]) {
				best, by = m, c.rule
			}
		}
		if best == nil {
			return
		}
		add(pos+best[0], pos+best[1], by.Name)
		for group, r := range by.Captures {
			n, _ := strconv.Atoi(group)
			if best[2*n] < 0 {
				continue
			}
			a, b := pos+best[2*n], pos+best[2*n+1]
			add(a, b, r.Name)
			for _, in := range r.Patterns {
				h.paint(h.rules[strings.TrimPrefix(in.Include, "#")], line, a, b, scopes)
			}
		}
		pos += best[1]
	}
}

// scopes are those of every byte of a text.
func (h *highlighter) scopes(text string) []string {
	out := make([]string, len(text))
	start := 0
	for _, line := range strings.SplitAfter(text, "\n") {
		h.paint(h.rules[""], strings.TrimSuffix(line, "\n"), 0, len(strings.TrimSuffix(line, "\n")), out[start:])
		start += len(line)
	}
	return out
}

// literal are the scopes that belong to one class of tokens and to nothing else.
var literal = map[string]string{
	"comment.": "comment", "string.": "string", "constant.numeric": "number", "keyword.other.unit": "unit", "constant.other.path": "path",
	"keyword.control": "word", "keyword.operator.word": "word", "constant.language": "word", "storage.type": "head", "keyword.declaration": "head",
	"invalid.": "bad",
}

func class(scope string) string {
	for prefix, c := range literal {
		if strings.HasPrefix(strings.TrimSpace(scope), prefix) {
			return c
		}
	}
	return ""
}

// classes are what the lexer and the parser make of a text: the class of every byte.
func classes(text string) []string {
	out := make([]string, len(text))
	var ignored diag.List
	f := source.New("t.mseg", text)
	tokens := syntax.Lex(f, &ignored)
	names := map[any]string{syntax.Comment: "comment", syntax.String: "string", syntax.Number: "number", syntax.Unit: "unit", syntax.Path: "path", syntax.Word: "word"}
	for _, t := range tokens {
		for i := t.Start; i < t.End; i++ {
			out[i] = names[t.Type]
		}
	}
	// The words that begin statements are names to the lexer.
	s, _ := syntax.Parse(f, false)
	for _, st := range s.Statements {
		at := st.Span().Start
		for i := at; i < len(text) && text[i] >= 'a' && text[i] <= 'z'; i++ {
			out[i] = "head"
		}
	}
	return out
}

func compareScopes(t *testing.T, h *highlighter, name, text string) {
	t.Helper()
	got, want := h.scopes(text), classes(text)
	f := source.New(name, text)
	for i := range want {
		if strings.TrimSpace(text[i:i+1]) != "" && class(got[i]) != want[i] {
			p := f.Position(i)
			t.Errorf("%s:%d:%d: %q is %q, the grammar gives it%s", name, p.Line, p.Column, f.Line(p.Line), want[i], got[i])
			return
		}
	}
}

// The grammar for editors and the lexer agree on every byte of every script of the repository and of the specification.
func TestTextMateGrammarAgreesWithTheLexer(t *testing.T) {
	h := newHighlighter(t)
	n := 0
	for _, pattern := range []string{"../examples/[a-z]*.mseg", "../stdlib/[a-z]*.mseg", "../lang/check/testdata/ok/*.mseg", "../lang/lint/testdata/*/*.mseg"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		for _, path := range found {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			compareScopes(t, h, path, string(b))
			n++
		}
	}
	for _, b := range blocks(t) {
		if b.mark == "" {
			compareScopes(t, h, fmt.Sprintf("README.md from line %d", b.line), b.text)
			n++
		}
	}
	if n < 30 {
		t.Errorf("only %d scripts were looked at", n)
	}
}

// Places where a simpler grammar goes wrong.
func TestTextMateCorners(t *testing.T) {
	h := newHighlighter(t)
	for _, text := range []string{
		"data d = a |> where(task in /torso/** and organ == /head_neck)\n",
		"param half: number = 6 / 2 / 1.5\n",
		"param q: number = (1 + 2) / x.y / z[1] / 3 mm / 4 %/5\n",
		"param r: range = 0.5 % .. 99.5 %\n",
		"param r: range = -800HU..300HU\n",
		"param n: int = 1e-3 # 5 mm \"no string\" in\n",
		"param s: string = \"a # b \\\" / {case} \\u{e4}\" # real\n",
		"param größe: number = 5 px # ä\n",
		"data data = phantom(patients: 2)\n",
		"model index = inner(informal, forest, notes, order)\n",
		"eval e = [f(x) for x in list if x != true]\n",
		"report r = [e.dice.in, e.if]\n",
		"prep p = a {\n  min: 3\n  s: 4 s\n  data: 1 min\n}\n",
		"taxonomy t = hierarchy {\n  /torso/chest: [A, B]\n  /head/*: []\n  /: [C]\n}\n",
		"expect not (a > 1)\nuse medsegdb (tree)\nmseg 1\n",
		"expect 5 epochs == 1epoch\n",
	} {
		compareScopes(t, h, "corner", text)
	}
	for text, want := range map[string]string{
		"{case}": "constant.other.placeholder", `\"`: "constant.character.escape", "unet": "support.function", "|>": "keyword.operator.pipe", "epochs": "variable.other.key", "d ": "entity.name",
		"?": "keyword.operator.optional",
	} {
		script := `data d = volumes("{case}\"") |> unet(epochs: 3) fn f(n: int?)`
		if at := strings.Index(script, text); !strings.Contains(h.scopes(script)[at], want) {
			t.Errorf("%s has the scopes%s", text, h.scopes(script)[at])
		}
	}
}
