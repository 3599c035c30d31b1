package expect

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
)

// A wanted diagnostic: what is reported on the line of its comment.
type wanted struct {
	line int
	code string
	re   *regexp.Regexp
}

var (
	wantedMark = regexp.MustCompile(`### "`)
	wantedForm = regexp.MustCompile(`^### "(MSEG-\d{4}) ([^"]*)"`)
)

// diagnosticsWanted reads the comments of a text. They are looked for in plain lines, not in tokens: in a script that does not lex, such as one
// with an open string, the comment is part of what is broken. What looks like such a comment and is none is a fault, never ignored.
func diagnosticsWanted(text string) (wants []wanted, faults []string) {
	for n, line := range strings.Split(text, "\n") {
		for _, at := range wantedMark.FindAllStringIndex(line, -1) {
			m := wantedForm.FindStringSubmatch(line[at[0]:])
			if m == nil {
				faults = append(faults, fmt.Sprintf(`line %d: expected ### "MSEG-nnnn regexp", found %s`, n+1, strings.TrimSpace(line[at[0]:])))
				continue
			}
			re, err := regexp.Compile(m[2])
			if err != nil {
				faults = append(faults, fmt.Sprintf("line %d: %v", n+1, err))
				continue
			}
			wants = append(wants, wanted{n + 1, m[1], re})
		}
	}
	return wants, faults
}

// compareDiagnostics words every difference between what is wanted and what is reported.
func compareDiagnostics(wants []wanted, found diag.List) []string {
	var out []string
	matched := make([]bool, len(found))
search:
	for _, w := range wants {
		for i, d := range found {
			if !matched[i] && !d.Span.IsZero() && d.Span.From().Line == w.line && string(d.Code) == w.code && w.re.MatchString(d.Summary+" | "+d.Help) {
				matched[i] = true
				continue search
			}
		}
		out = append(out, fmt.Sprintf("line %d: no %s matching %q was reported", w.line, w.code, w.re))
	}
	for i, d := range found {
		if !matched[i] {
			out = append(out, "unexpected: "+d.Error())
		}
	}
	return out
}

func diagnosticsName(wants []wanted) string {
	var codes []string
	for _, w := range wants {
		codes = append(codes, w.code)
	}
	return strings.TrimSpace("diagnostics " + strings.Join(codes, " "))
}

func firstLine(wants []wanted) int {
	if len(wants) == 0 {
		return 1
	}
	return wants[0].line
}

// fail adds a reason.
func (r *Result) fail(format string, args ...any) {
	r.Passed = false
	if r.Message != "" {
		r.Message += "\n"
	}
	r.Message += fmt.Sprintf(format, args...)
}
