package repl

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// explain is the answer to ?name: what a name of the session is, or what the registry says about a builtin, a kind, a word or a task.
// The error suggests a near name.
func (s session) explain(name string) (string, error) {
	p := s.program("session")
	for _, st := range s.statements {
		if slices.Contains(boundNames(st.node), name) {
			return st.text + "\n" + s.known(p, name), nil
		}
	}
	var parts []string
	for _, b := range builtin.Lookup(name) {
		parts = append(parts, describe(b))
	}
	if syntax.IsKind(name) && len(parts) == 0 || len(parts) > 0 && syntax.IsKind(name) {
		parts = append(parts, kind(name))
	}
	if w := wordHelp(name); w != "" && len(parts) == 0 {
		parts = append(parts, w)
	}
	if place, ok := p.Tree.Lookup(name); ok {
		parts = append(parts, fmt.Sprintf("%s: a task of %s, imaged by %s\n", name, place.Path, place.Modality))
	}
	if _, m, ok := p.Tree.Modality(name); ok && len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%s: a modality%s\n", m.Name, others(m.Aliases)))
	}
	if len(parts) == 0 {
		names := append(builtin.Names(), syntax.Kinds...)
		for _, st := range s.statements {
			names = append(names, boundNames(st.node)...)
		}
		if x := diag.Suggest(name, names); x != "" {
			return "", fmt.Errorf("nothing is known of %q; did you mean ?%s", name, x)
		}
		return "", fmt.Errorf("nothing is known of %q; :list shows what is bound, tab completes names", name)
	}
	return strings.Join(parts, "\n"), nil
}

func others(aliases []string) string {
	if len(aliases) == 0 {
		return ""
	}
	return ", also written " + strings.Join(aliases, ", ")
}

// known is the value of a param or the type of a binding.
func (s session) known(p *ir.Program, name string) string {
	for _, x := range p.Params {
		if x.Name == name {
			return "= " + check.Show(x.Value) + "\n"
		}
	}
	if b, ok := p.Lookup(name); ok {
		t := b.Value.Type()
		if f := fieldList(t.Base); f != "" {
			return "fields: " + f + "\n"
		}
	}
	return ""
}

func fieldList(kind string) string {
	var out []string
	for _, f := range builtin.FieldsOf(kind) {
		out = append(out, f.Name)
	}
	return strings.Join(out, ", ")
}

// describe shows an entry of the registry: signature, meaning, parameters with units, limits and defaults, an example.
func describe(b *builtin.Builtin) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n%s\n", signature(b), wrap(b.Doc, "  "))
	if len(b.Params) > 0 {
		w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		for _, p := range b.Params {
			fmt.Fprintf(w, "  %s\t%s\t%s\n", p.Name, kindOf(p), p.Doc)
		}
		_ = w.Flush() // a strings.Builder does not fail
	}
	if b.Keys != "" {
		fmt.Fprintf(&out, "  block: %s\n", b.Keys)
	}
	shown := map[string]bool{}
	for _, p := range b.Params {
		for _, t := range elements(p.Type) {
			if w, ok := builtin.WordSet(t.Words); ok && t.Base == "word" && !shown[t.Words] {
				shown[t.Words] = true
				fmt.Fprintf(&out, "  %s: %s\n", t.Words, strings.Join(w.Items, ", "))
			}
		}
	}
	fmt.Fprintf(&out, "example: %s\n", b.Example)
	return out.String()
}

func elements(t types.Type) []types.Type {
	var out []types.Type
	for _, a := range t.Alternatives() {
		if a.Elem != nil {
			out = append(out, elements(*a.Elem)...)
		}
		out = append(out, a)
	}
	return out
}

// signature is `x: data |> take(part, by = patient) -> data`.
func signature(b *builtin.Builtin) string {
	piped := ""
	var params []string
	for _, p := range b.Params {
		switch {
		case p.Piped:
			piped = p.Name + " |> "
			if !p.Need {
				piped = "[" + p.Name + " |>] "
			}
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
	if len(params) > 0 {
		list = "(" + strings.Join(params, ", ") + ")"
	} else if piped != "" {
		list = "()"
	}
	return fmt.Sprintf("%s%s%s -> %s", piped, b.Name, list, b.Result)
}

// kindOf is type, limits and default of a parameter.
func kindOf(p builtin.Param) string {
	s := p.Type.String()
	switch {
	case p.Min != nil && p.Max != nil:
		s += fmt.Sprintf(", %g .. %g", *p.Min, *p.Max)
	case p.Min != nil && p.Above:
		s += fmt.Sprintf(", more than %g", *p.Min)
	case p.Min != nil:
		s += fmt.Sprintf(", at least %g", *p.Min)
	}
	switch {
	case p.Need:
	case p.Default != "":
		s += ", default " + p.Default
	default:
		s += ", optional"
	}
	return s
}

func kind(name string) string {
	var makers []string
	for _, b := range builtin.All() {
		if b.Result.Base == name && !slices.Contains(makers, b.Name) {
			makers = append(makers, b.Name)
		}
	}
	s := fmt.Sprintf("%s name = …: a kind of value\n", name)
	if len(makers) > 0 {
		s += "  made by " + strings.Join(makers, ", ") + "\n"
	}
	if f := fieldList(name); f != "" {
		s += "  fields: " + f + "\n"
	}
	return s
}

// wordHelp finds a word in the sets that parameters take.
func wordHelp(word string) string {
	var out strings.Builder
	seen := map[string]bool{}
	for _, b := range builtin.All() {
		for _, p := range b.Params {
			for _, t := range elements(p.Type) {
				w, ok := builtin.WordSet(t.Words)
				if !ok || t.Base != "word" || seen[t.Words] {
					continue
				}
				seen[t.Words] = true
				if i := slices.Index(w.Items, word); i >= 0 {
					fmt.Fprintf(&out, "%s: a word for %s of %s", word, p.Name, b.Name)
					if i < len(w.Docs) && w.Docs[i] != "" {
						fmt.Fprintf(&out, ": %s", w.Docs[i])
					}
					fmt.Fprintln(&out)
				}
			}
		}
	}
	return out.String()
}

// wrap breaks a text into lines of at most 96 characters behind an indent.
func wrap(text, indent string) string {
	var out strings.Builder
	width := 0
	for i, w := range strings.Fields(text) {
		n := len([]rune(w))
		switch {
		case i == 0:
			out.WriteString(indent)
		case width+1+n > 96:
			out.WriteString("\n" + indent)
			width = 0
		default:
			out.WriteByte(' ')
			width++
		}
		out.WriteString(w)
		width += n
	}
	return out.String()
}
