package repl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/doc"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// explain is the answer to ?name: what a name of the session is, or what the reference (package doc) says about a builtin, a kind or a word, or the taxonomy
// about a task or modality. The error suggests a near name.
// Lines are broken at width characters.
func (s session) explain(name string, width int) (string, error) {
	p := s.program("session")
	for _, st := range s.statements {
		if !slices.Contains(boundNames(st.node), name) {
			continue
		}
		if u, ok := st.node.(*syntax.Use); ok {
			for _, e := range doc.Library(u.Library.Text) {
				if e.Name == name {
					return plain(e.String(), width), nil
				}
			}
		}
		text := st.text + "\n"
		for _, x := range p.Params {
			if x.Name == name {
				text += "= " + check.Show(x.Value) + "\n"
			}
		}
		if b, ok := p.Lookup(name); ok {
			var fields []string
			for _, f := range builtin.FieldsOf(b.Value.Type().Base) {
				fields = append(fields, f.Name)
			}
			if len(fields) > 0 {
				text += "fields: " + strings.Join(fields, ", ") + "\n"
			}
		}
		return text, nil
	}
	var parts []string
	for _, b := range builtin.Lookup(name) {
		parts = append(parts, doc.Builtin(b))
	}
	if syntax.IsKind(name) {
		parts = append(parts, doc.Kind(name))
	}
	if w := aboutWord(name); w != "" && len(parts) == 0 {
		parts = append(parts, w)
	}
	if place, ok := p.Tree.Lookup(name); ok {
		text := fmt.Sprintf("`%s`: a task of %s, imaged by %s\n", name, place.Path, place.Modality)
		if place.Task != name {
			text = fmt.Sprintf("`%s`: another name of `%s`, a task of %s, imaged by %s\n", name, place.Task, place.Path, place.Modality)
		}
		parts = append(parts, text)
	}
	if _, m, ok := p.Tree.Modality(name); ok && len(parts) == 0 {
		also := ""
		if others := p.Tree.Spellings(m.Name); len(others) > 0 {
			also = ", also written " + strings.Join(others, ", ")
		}
		parts = append(parts, fmt.Sprintf("`%s`: a modality%s\n", m.Name, also))
	}
	if len(parts) == 0 {
		if x := diag.Suggest(name, s.known()); x != "" {
			return "", fmt.Errorf("nothing is known of %q; did you mean ?%s", name, x)
		}
		return "", fmt.Errorf("nothing is known of %q; :list shows what is bound, tab completes names", name)
	}
	return plain(strings.Join(parts, "\n"), width), nil
}

// aboutWord finds a word in the sets that parameters take, and says which take it.
func aboutWord(word string) string {
	var sets []string
	takers := map[string][]string{} // of a set
	for _, b := range builtin.All() {
		for _, p := range b.Params {
			for _, set := range wordSets(p.Type) {
				if takers[set] == nil {
					sets = append(sets, set)
				}
				takers[set] = append(takers[set], p.Name+" of "+b.Name)
			}
		}
	}
	var out strings.Builder
	for _, set := range sets {
		if s := doc.FindWord(set, word); s != "" {
			fmt.Fprintf(&out, "%s\n- a word for %s\n", s, strings.Join(slices.Compact(takers[set]), ", "))
		}
	}
	return out.String()
}

func wordSets(t types.Type) []string {
	var out []string
	for _, a := range t.Alternatives() {
		if a.Base == "word" {
			out = append(out, a.Words)
		}
		if a.Elem != nil {
			out = append(out, wordSets(*a.Elem)...)
		}
	}
	return out
}

// maxLine is how many characters a line of an explanation has at most where no screen says how wide it is.
const maxLine = 96

var emphasis = regexp.MustCompile(`^\*([^*]+)\*`)

// plain is the Markdown of package doc as a terminal shows it: code without its quotes, paragraphs broken into lines, those of a list item indented below it.
// A line has at most width characters, unless a single word has more; 0 is a width that is not known.
func plain(markdown string, width int) string {
	if width <= 0 {
		width = maxLine
	}
	var out strings.Builder
	code := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "```") {
			code = !code
			continue
		}
		if code {
			out.WriteString(line + "\n")
			continue
		}
		line = emphasis.ReplaceAllString(strings.ReplaceAll(line, "`", ""), "$1")
		indent := ""
		if strings.HasPrefix(line, "- ") {
			line, indent = "  "+line, "    "
		}
		for len([]rune(line)) > width {
			r := []rune(line)
			start := slices.IndexFunc(r, func(c rune) bool { return c != ' ' })
			if strings.HasPrefix(line, "  - ") {
				start += 2
			}
			i := width
			for i > start && r[i] != ' ' {
				i--
			}
			if i <= start { // a word that is longer than the line
				for i = start; i < len(r) && r[i] != ' '; i++ {
				}
				if i == len(r) {
					break
				}
			}
			out.WriteString(string(r[:i]) + "\n")
			line = indent + string(r[i+1:])
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}
