package spec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// The files of spec/editors that hold words of the language are made here, from the lists the lexer, the parser and the registry use.

// rule is a rule of a TextMate grammar. All of ours match within a line, and all are in the syntax that RE2 and Oniguruma share: no assertion
// looks ahead or behind. What must be known about the token before (is this slash a division?) is matched together with that token.
type rule struct {
	Name     string          `json:"name,omitempty"`
	Match    string          `json:"match,omitempty"`
	Include  string          `json:"include,omitempty"`
	Captures map[string]rule `json:"captures,omitempty"`
	Patterns []rule          `json:"patterns,omitempty"`
}

type grammar struct {
	Schema     string          `json:"$schema"`
	Comment    string          `json:"comment"`
	Name       string          `json:"name"`
	ScopeName  string          `json:"scopeName"`
	FileTypes  []string        `json:"fileTypes"`
	Patterns   []rule          `json:"patterns"`
	Repository map[string]rule `json:"repository"`
}

const madeBy = "Made by go test ./spec -update; do not edit."

// alternatives is a group of words, longer ones first so that none hides another.
func alternatives(words ...string) string {
	words = slices.Clone(words)
	slices.SortFunc(words, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	for i, w := range words {
		words[i] = regexp.QuoteMeta(w)
	}
	return "(" + strings.Join(slices.Compact(words), "|") + ")"
}

// reserved sorts the reserved words by what they do.
func reserved() (control, operators, constants []string) {
	for _, w := range syntax.Words {
		switch w {
		case "true", "false":
			constants = append(constants, w)
		case "and", "or", "not", "in":
			operators = append(operators, w)
		default:
			control = append(control, w)
		}
	}
	return
}

// wordUnits are the units that are letters; the rest are signs.
func wordUnits() (letters, signs []string) {
	for _, u := range syntax.Units {
		if u == "%" {
			signs = append(signs, u)
		} else {
			letters = append(letters, u)
		}
	}
	return
}

var plainTypes = []string{"number", "int", "string", "bool"}

func textMate() grammar {
	const (
		blank  = `[ \t\x{00a0}]*`
		ident  = `([\p{L}_][\p{L}\p{Nd}\p{Mn}_]*)`
		number = `((?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)`
		slash  = `(?:` + blank + `(/))?` // behind what ends an expression a slash divides
	)
	control, operators, constants := reserved()
	letters, signs := wordUnits()
	unit := `(?:` + alternatives(letters...) + `\b|` + alternatives(signs...) + `)`
	named := func(names ...string) map[string]rule {
		out := map[string]rule{}
		for i, n := range names {
			if n != "" {
				out[string(rune('1'+i))] = rule{Name: n}
			}
		}
		return out
	}
	const divide = "keyword.operator.arithmetic.mseg"
	text := named("string.quoted.double.mseg", divide)
	text["1"] = rule{Name: "string.quoted.double.mseg", Patterns: []rule{{Include: "#in-string"}}}
	return grammar{
		Schema:    "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
		Comment:   madeBy,
		Name:      "mseg",
		ScopeName: "source.mseg",
		FileTypes: []string{"mseg"},
		Patterns:  []rule{{Include: "#comment"}, {Include: "#string"}, {Include: "#statement"}, {Include: "#number"}, {Include: "#path"}, {Include: "#word"}, {Include: "#name"}, {Include: "#sign"}},
		Repository: map[string]rule{
			"comment": {Patterns: []rule{{Name: "comment.line.number-sign.mseg", Match: `#.*`}}},
			"string": {Patterns: []rule{
				{Match: `("(?:[^"\\]|\\.)*")` + slash, Captures: text},
				{Name: "invalid.illegal.unclosed-string.mseg", Match: `"(?:[^"\\]|\\.)*\\?`},
			}},
			"in-string": {Patterns: []rule{
				{Name: "constant.character.escape.mseg", Match: `\\(?:["\\nt]|u\{[0-9A-Fa-f]+\})`},
				{Name: "invalid.illegal.escape.mseg", Match: `\\.`},
				{Name: "constant.other.placeholder.mseg", Match: `\{[\p{L}_][\p{L}\p{Nd}_]*\}`},
			}},
			"statement": {Patterns: []rule{
				{Match: `^[ \t]*` + alternatives(syntax.Kinds...) + `[ \t]+` + ident + `[ \t]*(=)`, Captures: named("storage.type.mseg", "entity.name.mseg", "keyword.operator.assignment.mseg")},
				{Match: `^[ \t]*(fn)[ \t]+` + ident, Captures: named("keyword.declaration.mseg", "entity.name.function.mseg")},
				{Match: `^[ \t]*(param)[ \t]+` + ident, Captures: named("keyword.declaration.mseg", "variable.parameter.mseg")},
				{Match: `^[ \t]*` + alternatives(headsBut("fn", "param")...) + `(?:[ \t]+|$)`, Captures: named("keyword.declaration.mseg")},
			}},
			"number": {Patterns: []rule{
				// a unit's name behind a number and before a colon is a key of its own
				{Match: number + blank + alternatives(letters...) + blank + `(:)`, Captures: named("constant.numeric.mseg", "variable.other.key.mseg", "punctuation.separator.key.mseg")},
				{Match: number + `(?:` + blank + unit + `)?` + slash, Captures: named("constant.numeric.mseg", "keyword.other.unit.mseg", "keyword.other.unit.mseg", divide)},
			}},
			"path": {Patterns: []rule{{Name: "constant.other.path.mseg", Match: `(?:/(?:\*\*|\*|[\p{L}\p{Nd}_&]+))+|/`}}},
			"word": {Patterns: []rule{
				{Match: `(\.)` + ident + slash, Captures: named("punctuation.accessor.mseg", "variable.other.member.mseg", divide)},
				{Match: alternatives(constants...) + `\b` + slash, Captures: named("constant.language.mseg", divide)},
				{Match: alternatives(operators...) + `\b`, Captures: named("keyword.operator.word.mseg")},
				{Match: alternatives(control...) + `\b`, Captures: named("keyword.control.mseg")},
			}},
			"name": {Patterns: []rule{
				{Match: ident + blank + `(:)`, Captures: named("variable.other.key.mseg", "punctuation.separator.key.mseg")},
				{Match: alternatives(builtin.Names()...) + `\b` + slash, Captures: named("support.function.mseg", divide)},
				{Match: alternatives(append(slices.Clone(plainTypes), syntax.Kinds...)...) + `\b` + slash, Captures: named("support.type.mseg", divide)},
				{Match: ident + slash, Captures: named("variable.other.mseg", divide)},
			}},
			"sign": {Patterns: []rule{
				{Match: `([)\]}])` + slash, Captures: named("punctuation.section.mseg", divide)},
				{Name: "keyword.operator.pipe.mseg", Match: `\|>|->`},
				{Name: "keyword.operator.range.mseg", Match: `\.\.`},
				{Name: "keyword.operator.comparison.mseg", Match: `==|!=|<=|>=|<|>`},
				{Name: "keyword.operator.assignment.mseg", Match: `=`},
				{Name: "keyword.operator.optional.mseg", Match: `\?`},
				{Name: divide, Match: `[-+*]`},
			}},
		},
	}
}

func headsBut(without ...string) []string {
	return slices.DeleteFunc(slices.Clone(syntax.Heads), func(s string) bool { return slices.Contains(without, s) })
}

func vimSyntax() string {
	control, operators, constants := reserved()
	letters, _ := wordUnits()
	var b strings.Builder
	line := func(parts ...string) { b.WriteString(strings.Join(parts, "") + "\n") }
	or := func(words []string) string { return `\%(` + strings.Join(words, `\|`) + `\)` }
	line(`" `, madeBy)
	line(`if exists("b:current_syntax")`)
	line(`  finish`)
	line(`endif`)
	line()
	line(`" Names first: of two items that begin at one place Vim takes the later one, keywords before all.`)
	line(`syntax match msegName /\<\h\w*\>/`)
	line(`syntax match msegBuiltin /\<`, or(builtin.Names()), `\>/`)
	line(`syntax match msegType /\<`, or(append(slices.Clone(plainTypes), syntax.Kinds...)), `\>\ze\s*\%([,)=?]\|in\>\|$\)/`)
	line(`syntax match msegKey /\<\h\w*\>\ze\s*:/`)
	line(`syntax match msegControl /\<`, or(control), `\>/`)
	line(`syntax match msegWordOperator /\<`, or(operators), `\>/`)
	line(`syntax match msegConstant /\<`, or(constants), `\>/`)
	line(`syntax match msegField /[^.]\@1<=\.\zs\h\w*\>/`)
	line(`syntax match msegKind /^\s*\zs`, or(syntax.Kinds), `\>\ze\s\+\h\w*\s*=/`)
	line(`syntax match msegHead /^\s*\zs`, or(syntax.Heads), `\>\ze\%(\s\|$\)/`)
	line(`syntax match msegOperator /|>\|->\|\.\.\|[=!<>]=\|[-+*<>=?]/`)
	line(`syntax match msegOperator /\%(\%(\k\|[)\]}"%]\)\s*\)\@<=\//`) // a path, below, is the later item and wins
	line(`syntax match msegPath /\%(^\s*\|[(\[{,:=|>+*<-]\s*\|\<`, or(slices.Concat(control, operators)), `\s\+\)\@<=\/\%([[:alnum:]_&]\+\|\*\{1,2}\)\?\%(\/\%([[:alnum:]_&]\+\|\*\{1,2}\)\)*/`)
	line(`syntax match msegNumber /\<\d\+\%(\.\d\+\)\?\%([eE][+-]\?\d\+\)\?/ nextgroup=msegUnit skipwhite`)
	line(`syntax match msegUnit /%\|`, or(letters), `\>\%(\s*:\)\@!/ contained`)
	line(`syntax match msegEscape /\\["\\nt]\|\\u{\x\+}/ contained`)
	line(`syntax match msegPlaceholder /{\h\w*}/ contained`)
	line(`syntax region msegString start=/"/ skip=/\\./ end=/"/ oneline contains=msegEscape,msegPlaceholder`)
	line(`syntax match msegComment /#.*$/ contains=@Spell`)
	line()
	for _, l := range [][2]string{{"Builtin", "Function"}, {"Type", "Type"}, {"Key", "Identifier"}, {"Control", "Conditional"}, {"WordOperator", "Operator"},
		{"Constant", "Boolean"}, {"Kind", "StorageClass"}, {"Head", "Statement"}, {"Operator", "Operator"}, {"Path", "Constant"}, {"Number", "Number"},
		{"Unit", "Special"}, {"Escape", "SpecialChar"}, {"Placeholder", "Special"}, {"String", "String"}, {"Comment", "Comment"}} {
		line(`highlight default link mseg`, l[0], ` `, l[1])
	}
	line()
	line(`let b:current_syntax = "mseg"`)
	return b.String()
}

func TestEditorFilesAreCurrent(t *testing.T) {
	var tm bytes.Buffer
	enc := json.NewEncoder(&tm)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(textMate()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"editors/vscode/syntaxes/mseg.tmLanguage.json": tm.String(), "editors/vim/syntax/mseg.vim": vimSyntax()} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("run go test ./spec -update (-program +%s):\n%s", name, diff)
		}
	}
}

// Every JSON file parses, and a file that another names is there.
func TestEditorFilesAreWhole(t *testing.T) {
	for _, f := range []string{"package.json", "language-configuration.json", "syntaxes/mseg.tmLanguage.json"} {
		b, err := os.ReadFile(filepath.Join("editors/vscode", f))
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	var manifest struct {
		Contributes struct {
			Languages []struct{ ID, Configuration string }
			Grammars  []struct{ Language, ScopeName, Path string }
		}
	}
	b, err := os.ReadFile("editors/vscode/package.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		t.Fatal(err)
	}
	c := manifest.Contributes
	if len(c.Languages) != 1 || len(c.Grammars) != 1 || c.Languages[0].ID != c.Grammars[0].Language || c.Grammars[0].ScopeName != textMate().ScopeName {
		t.Fatalf("%+v", c)
	}
	for _, f := range []string{c.Languages[0].Configuration, c.Grammars[0].Path} {
		if _, err := os.Stat(filepath.Join("editors/vscode", f)); err != nil {
			t.Error(err)
		}
	}
}
