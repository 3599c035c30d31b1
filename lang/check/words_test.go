package check_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What a parser generator says, and Go's own ways of showing values.
var foreign = regexp.MustCompile(`unexpected token|sub-expression|<EOF>|<(string|ident|number|path|term|word|punct|unit)>|\(expected|participle|\bg[A-Z]\w+|lexer|@@|%!|&\{|\{At:|nil\b|0x[0-9a-f]{6}|goroutine|\.go:`)

// ours holds a message against what every message of the language must be.
func ours(t *testing.T, text string, d diag.Diagnostic) {
	t.Helper()
	for _, s := range []string{d.Summary, d.Help} {
		if m := foreign.FindString(quotedParts.ReplaceAllString(s, `""`)); m != "" {
			t.Errorf("%v | %s: %q is no word of ours\nin %s", d, d.Help, m, text)
		}
	}
	if d.Code == diag.UnexpectedToken && (!strings.HasPrefix(d.Summary, "found ") || !strings.Contains(d.Summary, ", expected ")) {
		t.Errorf("%v does not say what was found and what was expected", d)
	}
	if strings.HasSuffix(d.Summary, ".") || d.Summary == "" || strings.ToUpper(d.Summary[:1]) == d.Summary[:1] && d.Summary[0] >= 'A' && d.Summary[0] <= 'Z' && !strings.Contains(strings.Fields(d.Summary)[0], "_") && len(strings.Fields(d.Summary)[0]) > 3 {
		t.Errorf("%v begins or ends as no message does", d)
	}
	if d.Help == d.Summary {
		t.Errorf("%v: the help says the same again", d)
	}
}

var quotedParts = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// Each line of broken.txt is a script of one statement with one mistake, and what is said of it stands in broken.golden.
func TestWordsForBrokenStatements(t *testing.T) {
	b, err := os.ReadFile("../syntax/testdata/broken.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		fmt.Fprintf(&got, "%s\n", line)
		s, diags := syntax.Parse(source.New("broken.mseg", line), false)
		_, more := check.Script(s, check.Options{})
		for _, d := range append(diags, more...) {
			ours(t, line, d)
			fmt.Fprintf(&got, "\t%s %d-%d %s", d.Code, d.Span.From().Column, d.Span.Until().Column, d.Summary)
			if d.Help != "" {
				fmt.Fprintf(&got, " | %s", d.Help)
			}
			got.WriteString("\n")
		}
		if len(diags)+len(more) == 0 {
			t.Errorf("%q has no mistake", line)
		}
	}
	const golden = "../syntax/testdata/broken.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("run go test ./lang/check -update (-golden +got):\n%s", diff)
	}
}

// Examples with one to three tokens deleted, doubled, swapped or replaced, thousands of them, say nothing but our own words.
func TestNoForeignWordsInBrokenExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/[a-z]*.mseg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	codes := map[diag.Code]int{}
	spare := []string{"=", ":", ",", "(", ")", "{", "]", "|>", "..", "for", "if", "else", "3 px", "\"x\"", "/torso", "model", "fn", "->", "%", "'", "nowhere", "\n", "not", "."}
	r := rand.New(rand.NewPCG(1, 2))
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file := source.New(filepath.Base(path), string(b))
		var ignored diag.List
		tokens := syntax.Lex(file, &ignored)
		for range 400 {
			words := make([]string, 0, 2*len(tokens))
			at := 0
			for _, x := range tokens {
				words = append(words, file.Text[at:x.Start], file.Text[x.Start:x.End])
				at = x.End
			}
			for range 1 + r.IntN(3) {
				i := 2*r.IntN(len(words)/2) + 1
				switch r.IntN(4) {
				case 0:
					words[i] = ""
				case 1:
					words[i] += " " + words[i]
				case 2:
					j := 2*r.IntN(len(words)/2) + 1
					words[i], words[j] = words[j], words[i]
				default:
					words[i] = " " + spare[r.IntN(len(spare))] + " "
				}
			}
			text := strings.Join(words, "")
			s, diags := syntax.Parse(source.New("broken.mseg", text), false)
			_, more := check.Script(s, check.Options{})
			for _, d := range append(diags, more...) {
				codes[d.Code]++
				ours(t, text, d)
			}
			if t.Failed() {
				return
			}
		}
	}
	if len(codes) < 15 || codes[diag.UnexpectedToken] < 500 {
		t.Errorf("the mutations reach few mistakes: %v", codes)
	}
}

func TestForeignWordsAreSeen(t *testing.T) {
	for _, s := range []string{`unexpected token "="`, `1:3: unexpected token "<EOF>" (expected <ident>)`, "sub-expression gBinding+ cannot match", "%!d(string=x)", "&{At:{}}"} {
		if !foreign.MatchString(quotedParts.ReplaceAllString(s, `""`)) {
			t.Errorf("%q passes as our own words", s)
		}
	}
	for _, s := range []string{`found "=", expected a value`, "there is no gate of 3 experts", `"participle" is no kind of value`} {
		if foreign.MatchString(quotedParts.ReplaceAllString(s, `""`)) {
			t.Errorf("%q is taken for foreign words", s)
		}
	}
}
