package repl

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/complete"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// complete lists what may stand at the end of a text: items replace text[start:]. Statements are completed as in an editor (package complete), in the
// names of the session and of the entry itself. A line can only be continued, so every item begins with text[start:]; the list is sorted and empty where nothing can be said.
func (s session) complete(text string) (start int, items []string) {
	switch {
	case strings.HasPrefix(text, ":"):
		for _, k := range commands {
			items = append(items, ":"+k.name)
		}
	case strings.HasPrefix(text, "?"):
		start = len(text) - len(strings.TrimLeft(text[1:], " "))
		items = s.known()
	default:
		f := source.New("", text)
		script := s.around(f)
		program, _ := check.Script(script, check.Options{})
		found := complete.AtPrompt(f, len(f.Text), script, program)
		start = found.Replace.Start
		for _, x := range found.Items {
			insert := x.Insert
			if insert == "" {
				insert = x.Label
			}
			items = append(items, strings.TrimRight(insert, " ")) // what follows is typed: a name is often the end of the line
		}
	}
	prefix := text[start:]
	items = slices.DeleteFunc(items, func(x string) bool { return x == prefix || !strings.HasPrefix(x, prefix) })
	slices.Sort(items)
	return start, slices.Compact(items)
}

// around is the session with the statements of an entry that is being typed, as far as they can be read.
func (s session) around(f *source.File) *syntax.Script {
	parsed, _ := syntax.Parse(f, true)
	fresh := map[string]bool{}
	for _, st := range parsed.Statements {
		for _, n := range boundNames(st) {
			fresh[n] = true
		}
	}
	return s.with(fresh, parsed.Statements, split(f, parsed.Statements)).script(f, nil)
}

// known is what ?name can be asked about by name: builtins, kinds, and what the session binds.
func (s session) known() []string {
	out := append(builtin.Names(), syntax.Kinds...)
	for _, st := range s.statements {
		out = append(out, boundNames(st.node)...)
	}
	return out
}
