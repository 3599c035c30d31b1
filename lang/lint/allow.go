package lint

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// allowed says which rules are silenced in which lines.
type allowed map[int][]string

func (a allowed) covers(rule string, line int) bool {
	for _, r := range a[line] {
		if r == rule {
			return true
		}
	}
	return false
}

// allowances reads the comments `# lint: allow RULE reason`: each holds for its own line and, when it stands alone, for the next line of code.
func allowances(f *source.File) (allowed, diag.List) {
	out := allowed{}
	var diags, ignored diag.List
	tokens := syntax.Lex(f, &ignored)
	for i, t := range tokens {
		if t.Type != syntax.Comment {
			continue
		}
		rest, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimLeft(t.Text, "#")), "lint: allow")
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		span := source.Span{File: f, Start: t.Start, End: t.End}
		line := span.From().Line
		switch {
		case len(words) == 0 || !known(words[0]):
			d := diags.Add("unknown-rule", span, "this comment allows no rule that there is")
			d.Severity, d.Help = diag.Warning, "write `# lint: allow RULE reason`; mseg lint --rules lists the rules"
			if len(words) > 0 {
				if s := diag.Suggest(words[0], ruleNames()); s != "" {
					d.Help = "did you mean " + s + "?"
				}
			}
			continue
		case len(words) == 1:
			d := diags.Add("no-reason", span, "%s is allowed without a reason", words[0])
			d.Severity, d.Help = diag.Warning, "say why it is right here, behind the name of the rule"
			continue
		}
		out[line] = append(out[line], words[0])
		if i == 0 || tokens[i-1].Type == syntax.Newline { // alone on its line
			for _, later := range tokens[i+1:] {
				if later.Type != syntax.Newline && later.Type != syntax.Comment {
					next := f.Position(later.Start).Line
					out[next] = append(out[next], words[0])
					break
				}
			}
		}
	}
	return out, diags
}

func known(rule string) bool { _, ok := Find(rule); return ok }

func ruleNames() []string {
	var out []string
	for _, r := range Rules() {
		out = append(out, r.Name)
	}
	return out
}
