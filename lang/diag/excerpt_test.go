package diag

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/source"
)

func TestLongLinesAreCutAroundTheMark(t *testing.T) {
	for name, at := range map[string]int{"start": 0, "middle": 500, "end": 994} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat("x", at) + "MARKED" + strings.Repeat("y", 994-at)
			f := source.New("long.mseg", text)
			var b bytes.Buffer
			WriteText(&b, List{{Code: UnknownName, Severity: Error, Summary: "s", Span: source.Span{File: f, Start: at, End: at + 6}}}, false)
			lines := strings.Split(b.String(), "\n")
			code, marks := []rune(lines[2]), []rune(lines[3])
			if len(code) > longest+7 {
				t.Errorf("%d columns are shown, expected at most %d", len(code), longest+7)
			}
			var under []rune
			for i, r := range marks {
				if r == '^' {
					under = append(under, code[i])
				}
			}
			if string(under) != "MARKED" {
				t.Errorf("%q is marked in %s", string(under), lines[2])
			}
		})
	}
}
