// Package doc words the registry of builtins for people: Markdown for hovering in an editor, for the specification's tables and for the reference
// pages. Everything in it is generated, so no page can say something else than the checker does.
package doc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/types"
)

// Signature is `data |> take(part, by = patient, seed = 0) -> data`: arguments in brackets may be left out, those with = have a default.
func Signature(b *builtin.Builtin) string {
	piped := ""
	var params []string
	for _, p := range b.Params {
		switch {
		case p.Piped && p.Need:
			piped = p.Name + " |> "
		case p.Piped:
			piped = "[" + p.Name + " |>] "
		case p.Rest:
			params = append(params, p.Name+" …")
		case p.Need:
			params = append(params, p.Name)
		case p.Default != "":
			params = append(params, p.Name+" = "+p.Default)
		default:
			params = append(params, "["+p.Name+"]")
		}
	}
	list := ""
	if len(params) > 0 || piped != "" {
		list = "(" + strings.Join(params, ", ") + ")"
	}
	return fmt.Sprintf("%s%s%s -> %s", piped, b.Name, list, TypeName(b.Result))
}

// TypeName is a type in the words of the reference.
func TypeName(t types.Type) string {
	if t.Base == "word" && t.Words == "placeholder" {
		return "{name} of the pattern"
	}
	if len(t.Or) > 0 {
		var out []string
		for _, o := range t.Or {
			out = append(out, TypeName(o))
		}
		return strings.Join(out, " or ")
	}
	switch {
	case t.Base == "file":
		return "text in quotes (a path)"
	case t.Base == "string":
		return "text in quotes"
	case t.Base == "predicate":
		return "condition"
	case (t.Base == "list" || t.Base == "map") && t.Elem != nil:
		return map[string]string{"list": "list of ", "map": "map to "}[t.Base] + TypeName(*t.Elem)
	}
	return t.String()
}

// Limits are the bounds of a number: "1 .. 256", "more than 0"; "" when there are none.
func Limits(p *builtin.Param) string {
	switch {
	case p.Min != nil && p.Max != nil && p.Above:
		return fmt.Sprintf("more than %g, at most %g", *p.Min, *p.Max)
	case p.Min != nil && p.Max != nil:
		return fmt.Sprintf("%g .. %g", *p.Min, *p.Max)
	case p.Min != nil && p.Above:
		return fmt.Sprintf("more than %g", *p.Min)
	case p.Min != nil:
		return fmt.Sprintf("at least %g", *p.Min)
	case p.Max != nil:
		return fmt.Sprintf("at most %g", *p.Max)
	}
	return ""
}

// Param is one parameter in a line: name, type, limits, default, meaning.
func Param(p *builtin.Param) string {
	parts := []string{TypeName(p.Type)}
	if l := Limits(p); l != "" {
		parts = append(parts, l)
	}
	switch {
	case p.Need:
	case p.Default != "":
		parts = append(parts, "default `"+p.Default+"`")
	default:
		parts = append(parts, "may be left out")
	}
	if p.Piped {
		parts = append(parts, "the value before `|>`")
	}
	if p.Cosmetic {
		parts = append(parts, "cannot change a result")
	}
	return fmt.Sprintf("`%s` (%s): %s", p.Name, strings.Join(parts, "; "), p.Doc)
}

// Builtin is the whole entry.
func Builtin(b *builtin.Builtin) string {
	var out strings.Builder
	fmt.Fprintf(&out, "```mseg\n%s\n```\n\n%s\n", Signature(b), b.Doc)
	if len(b.Params) > 0 || b.Keys != "" {
		out.WriteByte('\n')
	}
	for i := range b.Params {
		fmt.Fprintf(&out, "- %s\n", Param(&b.Params[i]))
	}
	if b.Keys != "" {
		fmt.Fprintf(&out, "- block: %s\n", b.Keys)
	}
	for _, w := range wordSets(b) {
		fmt.Fprintf(&out, "\n%s\n", Words(w))
	}
	if b.Frame != "" {
		fmt.Fprintf(&out, "\n```mseg\n%s\n```\n", b.Frame)
	}
	fmt.Fprintf(&out, "\nExample: `%s`\n\nResult: %s\n", b.Example, Result(b))
	return out.String()
}

// Words is a set of words with what each means.
func Words(w *builtin.Words) string {
	var items []string
	for i, x := range w.Items {
		s := "`" + x + "`"
		if i < len(w.Docs) && w.Docs[i] != "" {
			s += " (" + w.Docs[i] + ")"
		}
		items = append(items, s)
	}
	return fmt.Sprintf("*%s*, %s: %s", w.Name, w.Doc, strings.Join(items, ", "))
}

// wordSets lists the sets that the parameters of an entry take, each once.
func wordSets(b *builtin.Builtin) []*builtin.Words {
	var out []*builtin.Words
	var visit func(t types.Type)
	visit = func(t types.Type) {
		for _, a := range t.Alternatives() {
			if w, ok := builtin.WordSet(a.Words); ok && a.Base == "word" && !slices.Contains(out, w) {
				out = append(out, w)
			}
			if a.Elem != nil {
				visit(*a.Elem)
			}
		}
	}
	for _, p := range b.Params {
		visit(p.Type)
	}
	return out
}

// Kind is what there is to know about a kind of value: what makes it and its fields.
func Kind(name string) string {
	var makers []string
	for _, b := range builtin.All() {
		if b.Result.Base == name && !slices.Contains(makers, b.Name) {
			makers = append(makers, b.Name)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "A kind of value: `%s name = …`\n", name)
	if len(makers) > 0 {
		fmt.Fprintf(&out, "\nMade by `%s`\n", strings.Join(makers, "`, `"))
	}
	if fields := builtin.FieldsOf(name); len(fields) > 0 {
		out.WriteString("\n")
		for _, f := range fields {
			fmt.Fprintf(&out, "- `.%s` (%s): %s\n", f.Name, TypeName(f.Type), f.Doc)
		}
	}
	return out.String()
}

// FindWord lists the sets that hold a word, with what it means in each.
func FindWord(set, word string) string {
	w, ok := builtin.WordSet(set)
	if !ok {
		return ""
	}
	i := slices.Index(w.Items, word)
	if i < 0 {
		return ""
	}
	s := fmt.Sprintf("`%s`: %s", word, w.Name)
	if i < len(w.Docs) && w.Docs[i] != "" {
		return s + ": " + w.Docs[i]
	}
	return s + ", " + w.Doc
}
