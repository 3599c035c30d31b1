package doc

import (
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// Section is the builtins that make one kind of value.
type Section struct {
	Kind    string // of the results
	Entries []*builtin.Builtin
}

// Sections lists all builtins by what they make: the kinds in the order of an experiment, then the parts they are made of.
func Sections() []Section {
	order := append(slices.Clone(syntax.Kinds), "loss", "metric", "optimizer", "schedule", "prompt", "gate", "expert", "keep", "stop", "augment", "sampling", "inference", "tensor")
	by := map[string][]*builtin.Builtin{}
	for _, b := range builtin.All() {
		base := b.Result.Base
		if base == "word" {
			base = b.Result.Words
		}
		if !slices.Contains(order, base) {
			order = append(order, base)
		}
		by[base] = append(by[base], b)
	}
	var out []Section
	for _, k := range order {
		if len(by[k]) > 0 {
			out = append(out, Section{k, by[k]})
		}
	}
	return out
}

// Reference writes all builtins, fields and codes as Markdown.
func Reference(w io.Writer) error {
	var out strings.Builder
	out.WriteString("# Reference\n\nGenerated from the registry of builtins. Arguments in brackets may be left out; those with = have that default.\n")
	for _, s := range Sections() {
		fmt.Fprintf(&out, "\n## %s\n", s.Kind)
		for _, b := range s.Entries {
			fmt.Fprintf(&out, "\n### %s\n\n%s", b.Name, Builtin(b))
		}
		if t := FieldTable(s.Kind); t != "" {
			fmt.Fprintf(&out, "\nFields:\n\n%s", t)
		}
	}
	fmt.Fprintf(&out, "\n## measure\n\n%s\n## Libraries\n%s\n## Codes\n\n%s", FieldTable("measure"), libraryReference(), CodeTable())
	_, err := io.WriteString(w, out.String())
	return err
}

// BuiltinTable is every builtin in a line: signature and the first sentence of its meaning.
func BuiltinTable() string {
	var out strings.Builder
	for _, s := range Sections() {
		fmt.Fprintf(&out, "**%s**\n\n| | |\n|---|---|\n", s.Kind)
		for _, b := range s.Entries {
			fmt.Fprintf(&out, "| `%s` | %s |\n", cell(Signature(b)), cell(b.Doc))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// FieldTable is the fields of a kind; "" when it has none.
func FieldTable(kind string) string {
	fields := builtin.FieldsOf(kind)
	if len(fields) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("| field | type | |\n|---|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(&out, "| `.%s` | %s | %s |\n", f.Name, cell(TypeName(f.Type)), cell(f.Doc))
	}
	return out.String()
}

// Fields are the fields of all kinds that have some.
func Fields() string {
	var out strings.Builder
	for _, k := range append(slices.Clone(types.Kinds), "measure") {
		if t := FieldTable(k); t != "" {
			fmt.Fprintf(&out, "**%s**\n\n%s\n", k, t)
		}
	}
	return out.String()
}

// CodeTable is every diagnostic code with its title.
func CodeTable() string {
	var out strings.Builder
	out.WriteString("| code | |\n|---|---|\n")
	for _, e := range diag.Explanations() {
		fmt.Fprintf(&out, "| %s | %s |\n", e.Code, cell(e.Title))
	}
	return out.String()
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", "\\|"), "\n", " ") }

var page = template.Must(template.New("reference").Funcs(template.FuncMap{
	"signature": Signature, "result": resultHTML, "type": func(p builtin.Param) string { return TypeName(p.Type) },
	"limits": func(p builtin.Param) string { return Limits(&p) },
	"fields": builtin.FieldsOf, "words": wordSets,
	"fieldType": func(f builtin.Field) string { return TypeName(f.Type) },
	"meaning": func(w *builtin.Words, i int) string {
		if i < len(w.Docs) {
			return w.Docs[i]
		}
		return ""
	},
}).Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>mseg reference</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{background:#f3f5f7;padding:.6rem .8rem;overflow-x:auto}
h2{border-bottom:1px solid #d5dae0;margin-top:3rem}h3{margin-bottom:.3rem}nav a{margin-right:.7rem}dt{font-weight:600}dd{margin:0 0 .4rem 1.5rem}
@media(prefers-color-scheme:dark){body{color:#e6e9ed;background:#15181c}pre{background:#22272e}a{color:#7ab7ff}}
</style>
<h1>mseg reference</h1>
<p>Generated from the registry of builtins. Arguments in brackets may be left out; those with = have that default.</p>
<nav>{{range .Sections}}<a href="#{{.Kind}}">{{.Kind}}</a>{{end}}<a href="#libraries">libraries</a><a href="#codes">codes</a></nav>
{{range .Sections}}<h2 id="{{.Kind}}">{{.Kind}}</h2>
{{range .Entries}}<h3 id="{{.Result}}.{{.Name}}">{{.Name}}</h3>
<pre>{{signature .}}</pre>
<p>{{.Doc}}</p>
{{if .Params}}<dl>{{range .Params}}<dt><code>{{.Name}}</code></dt><dd>{{type .}}{{with limits .}}; {{.}}{{end}}{{if .Default}}; default <code>{{.Default}}</code>{{else if not .Need}}; may be left out{{end}}. {{.Doc}}</dd>{{end}}</dl>{{end}}
{{range $w := words .}}<p><em>{{$w.Name}}</em>, {{$w.Doc}}: {{range $i, $x := $w.Items}}{{if $i}}, {{end}}<code>{{$x}}</code>{{with meaning $w $i}} ({{.}}){{end}}{{end}}</p>{{end}}
{{with .Keys}}<p>Block: {{.}}</p>{{end}}
{{with .Frame}}<pre>{{.}}</pre>
{{end}}<p>Example: <code>{{.Example}}</code><br>Result: {{result .}}</p>
{{end}}{{with fields .Kind}}<h3>Fields</h3><dl>{{range .}}<dt><code>.{{.Name}}</code></dt><dd>{{fieldType .}}. {{.Doc}}</dd>{{end}}</dl>{{end}}
{{end}}<h2 id="libraries">libraries</h2>
{{range $name, $entries := .Libraries}}<h3 id="library.{{$name}}">{{$name}}</h3>
{{range $entries}}<pre>{{.Heading}}{{with .Body}} =
{{.}}{{end}}</pre>
<p>{{.Comment}} <code>use {{.Library}} ({{.Name}})</code></p>
{{end}}{{end}}<h2 id="codes">codes</h2>
<dl>{{range .Codes}}<dt id="{{.Code}}">{{.Code}} {{.Title}}</dt><dd>{{.Text}}<pre>{{.Failing}}</pre>mended<pre>{{.Fixed}}</pre></dd>{{end}}</dl>
</html>
`))

// resultHTML is Result with its code marked up.
func resultHTML(b *builtin.Builtin) template.HTML {
	var out strings.Builder
	for i, part := range strings.Split(Result(b), "`") {
		text := template.HTMLEscapeString(part)
		if i%2 == 1 {
			text = "<code>" + text + "</code>"
		}
		out.WriteString(text)
	}
	return template.HTML(out.String())
}

// HTML writes the reference as one page that needs nothing else.
func HTML(w io.Writer) error {
	return page.Execute(w, map[string]any{"Sections": Sections(), "Codes": diag.Explanations(), "Libraries": entriesOfLibraries()})
}
