// Package diag is how every pass tells a user about a mistake in a script.
//
// A pass returns a List, never an error: one run reports all independent mistakes. A Diagnostic has a stable code (codes.go), one
// primary span, optionally further spans, a summary that says what was found and what was expected, and one concrete way out. The text form
// is rendered from the same structure as the JSON form, so both always carry the same facts.
package diag

import (
	"fmt"
	"sort"
	"strings"

	"github.com/mseg-lang/mseg/lang/source"
)

// Severity orders diagnostics: an Error stops the run, a Warning does not, a Note is a thought.
type Severity string

const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Related is a second place that explains the first: "first declared here".
type Related struct {
	Span    source.Span
	Message string
}

// Fix is a change of the text that would mend the mistake. Safe fixes may be applied without asking.
type Fix struct {
	Message     string
	Span        source.Span
	Replacement string
	Safe        bool
}

// Diagnostic is one mistake.
type Diagnostic struct {
	Code     Code
	Severity Severity
	Summary  string // lower case, found and expected
	Help     string // what to do, or empty
	Span     source.Span
	Related  []Related
	Fixes    []Fix
}

// Error makes a single diagnostic usable as an error value where only one can travel.
func (d Diagnostic) Error() string {
	if d.Span.IsZero() {
		return fmt.Sprintf("%s: %s", d.Code, d.Summary)
	}
	p := d.Span.From()
	return fmt.Sprintf("%s:%d:%d: %s: %s", d.Span.File.Name, p.Line, p.Column, d.Code, d.Summary)
}

// List collects diagnostics. The zero value is ready for use.
type List []Diagnostic

// Add appends an error and returns a pointer to it, so that help, related places and fixes can be set.
// The pointer is valid until the next Add.
func (l *List) Add(code Code, span source.Span, format string, args ...any) *Diagnostic {
	*l = append(*l, Diagnostic{Code: code, Severity: Error, Span: span, Summary: fmt.Sprintf(format, args...)})
	return &(*l)[len(*l)-1]
}

// HasErrors says whether the list holds an Error.
func (l List) HasErrors() bool {
	for _, d := range l {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Count is the number of diagnostics of one severity.
func (l List) Count(s Severity) int {
	n := 0
	for _, d := range l {
		if d.Severity == s {
			n++
		}
	}
	return n
}

// Sort orders by file, place and code, and drops exact repetitions.
func (l *List) Sort() {
	name := func(d Diagnostic) string {
		if d.Span.File == nil {
			return ""
		}
		return d.Span.File.Name
	}
	sort.SliceStable(*l, func(i, j int) bool {
		a, b := (*l)[i], (*l)[j]
		if name(a) != name(b) {
			return name(a) < name(b)
		}
		if a.Span.Start != b.Span.Start {
			return a.Span.Start < b.Span.Start
		}
		return a.Code < b.Code
	})
	out := (*l)[:0]
	for i, d := range *l {
		if i > 0 {
			p := out[len(out)-1]
			if p.Code == d.Code && p.Span == d.Span && p.Summary == d.Summary {
				continue
			}
		}
		out = append(out, d)
	}
	*l = out
}

// Suggest returns the candidate nearest to the name if it is near enough to be a slip of the pen, else "".
// Distance is Damerau's (a swap of neighbours counts once); upper and lower case differ by half a step, and a name that differs in nothing else always wins.
func Suggest(name string, candidates []string) string {
	best, bestCost := "", 2*max(1, len([]rune(name))/3)+1
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	for _, c := range sorted {
		if strings.EqualFold(c, name) {
			return c
		}
	}
	if len([]rune(name)) < 3 {
		return "" // of a name this short, only another case is a slip
	}
	for _, c := range sorted {
		if d := distance([]rune(name), []rune(c), bestCost); d < bestCost {
			best, bestCost = c, d
		}
	}
	return best
}

func distance(a, b []rune, limit int) int {
	if d := 2 * (len(a) - len(b)); d > limit || -d > limit {
		return limit
	}
	rows := [3][]int{}
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	prev2, prev, cur := rows[0], rows[1], rows[2]
	for j := range prev {
		prev[j] = 2 * j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = 2 * i
		for j := 1; j <= len(b); j++ {
			step := 2
			switch {
			case a[i-1] == b[j-1]:
				step = 0
			case lower(a[i-1]) == lower(b[j-1]):
				step = 1
			}
			cur[j] = min(prev[j]+2, cur[j-1]+2, prev[j-1]+step)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+2)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

func lower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
