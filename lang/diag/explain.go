package diag

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed explain.md
var explainText string

// Explanation is what there is to know about a code.
type Explanation struct {
	Code    Code
	Title   string
	Text    string // Markdown
	Failing string // a script that fails with exactly this code
	AtRun   bool   // Failing checks, and fails only when it is run
	Command bool   // Failing and Fixed are command lines, not scripts; study.mseg is some script that checks
	Fixed   string // the same, mended
}

var explanations = sync.OnceValue(func() []Explanation { return parseExplanations(explainText) })

// Explanations lists all codes in order.
func Explanations() []Explanation { return explanations() }

// Explain finds a code; case and the MSEG- before the digits do not matter.
func Explain(code string) (Explanation, bool) {
	want := "MSEG-" + strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(code)), "MSEG-")
	i := slices.IndexFunc(explanations(), func(e Explanation) bool { return string(e.Code) == want })
	if i < 0 {
		return Explanation{}, false
	}
	return explanations()[i], true
}

// parseExplanations reads the sections of explain.md: `## CODE title`, text, and fenced examples.
func parseExplanations(text string) []Explanation {
	var out []Explanation
	for _, section := range strings.Split(text, "\n## ")[1:] {
		head, body, _ := strings.Cut(section, "\n")
		code, title, _ := strings.Cut(head, " ")
		e := Explanation{Code: Code(code), Title: title}
		prose, rest, found := strings.Cut(body, "```")
		e.Text = strings.TrimSpace(prose)
		for found {
			var block string
			block, rest, _ = strings.Cut(rest, "\n```")
			fence, example, _ := strings.Cut(block, "\n")
			switch fence {
			case "mseg fixed", "sh fixed":
				e.Fixed = example
			case "sh":
				e.Failing, e.Command = example, true
			case "mseg run":
				e.Failing, e.AtRun = example, true
			default:
				e.Failing = example
			}
			_, rest, found = strings.Cut(rest, "```")
		}
		out = append(out, e)
	}
	return out
}
