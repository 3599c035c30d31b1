package main

import (
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/lint"
)

type explainCmd struct {
	Code string `arg:"" optional:"" help:"A code such as MSEG-2002 or 2002, or a rule of mseg lint; without one, all codes are listed."`
	JSON bool   `help:"Write JSON."`
}

func (c explainCmd) Run() error {
	if c.Code == "" {
		return listCodes(c.JSON)
	}
	if r, ok := lint.Find(c.Code); ok {
		if c.JSON {
			return writeJSON(map[string]any{"code": r.Name, "severity": r.Severity, "confidence": r.Confidence, "title": r.Title, "text": r.Doc})
		}
		fmt.Printf("%s  %s\n\nSeverity %s, %s.\n\n%s\n\nSilenced, where it is right, by a comment: # lint: allow %s REASON\n", r.Name, r.Title, r.Severity, r.Confidence, r.Doc, r.Name)
		return nil
	}
	e, ok := diag.Explain(c.Code)
	if !ok {
		return fmt.Errorf("there is no code or lint rule %q; mseg explain and mseg lint --rules list them", c.Code)
	}
	if c.JSON {
		return writeJSON(jsonExplanation(e))
	}
	fmt.Printf("%s  %s\n", e.Code, e.Title)
	if e.Text != "" {
		fmt.Printf("\n%s\n", e.Text)
	}
	when := "fails"
	if e.AtRun {
		when = "fails when it is run"
	}
	fmt.Printf("\nThis %s:\n\n%s\n\nThis does not:\n\n%s\n", when, indent(e.Failing), indent(e.Fixed))
	return nil
}

func listCodes(asJSON bool) error {
	if asJSON {
		var all []map[string]any
		for _, e := range diag.Explanations() {
			all = append(all, jsonExplanation(e))
		}
		return writeJSON(map[string]any{"codes": all})
	}
	for _, e := range diag.Explanations() {
		fmt.Printf("%s  %s\n", e.Code, e.Title)
	}
	return nil
}

func jsonExplanation(e diag.Explanation) map[string]any {
	return map[string]any{"code": e.Code, "title": e.Title, "text": e.Text, "failing": e.Failing, "fixed": e.Fixed, "at_run": e.AtRun, "command": e.Command}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
