package diag

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/source"
)

// ApplyFixes applies the safe fixes of a list to a file, from front to back, leaving out any that touches text which an earlier one has changed.
// It returns the new text and how many were applied. The result should be checked again: mending one mistake may show another.
func ApplyFixes(f *source.File, l List) (string, int) {
	var fixes []Fix
	for _, d := range l {
		for _, x := range d.Fixes {
			if x.Safe && x.Span.File == f {
				fixes = append(fixes, x)
				break // further fixes of one mistake are alternatives
			}
		}
	}
	slices.SortStableFunc(fixes, func(a, b Fix) int { return a.Span.Start - b.Span.Start })
	var out strings.Builder
	at, n := 0, 0
	for _, x := range fixes {
		if x.Span.Start < at {
			continue
		}
		out.WriteString(f.Text[at:x.Span.Start])
		out.WriteString(x.Replacement)
		at = x.Span.End
		n++
	}
	out.WriteString(f.Text[at:])
	return out.String(), n
}
