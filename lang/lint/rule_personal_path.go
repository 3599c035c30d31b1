package lint

import (
	"regexp"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

var personal = regexp.MustCompile(`(?i)^"(/home/[^/"]+|/users/[^/"]+|[a-z]:[/\\]+users[/\\]+[^/\\"]+|~)([/\\]|"$)`)

func init() {
	register(Rule{Name: "personal-path", Severity: diag.Warning, Confidence: Likely, Title: "a path names a person's folder",
		Doc: "Nobody else has that folder, and its name goes into every copy of the script. Write a path relative to the data folder, which each machine sets with `--data` or MSEG_DATA.",
		run: func(x *pass) {
			var ignored diag.List
			for _, t := range syntax.Lex(x.script.File, &ignored) {
				if t.Type == syntax.String && personal.MatchString(t.Text) {
					x.report(source.Span{File: x.script.File, Start: t.Start, End: t.End}, "write it relative to the data folder (--data, MSEG_DATA)", "this path is that of one person's machine")
				}
			}
		}})
}
