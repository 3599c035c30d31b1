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

// Of a very long line a record keeps what is around the place, and says where that begins; the text is the same as of the whole line.
func TestRecordsOfVeryLongLines(t *testing.T) {
	text := strings.Repeat("ä ", 4000) + "MARKED" + strings.Repeat(" ö", 4000)
	at := strings.Index(text, "MARKED")
	f := source.New("long.mseg", "param x = 1\n"+text)
	at += len("param x = 1\n")
	r := Records(List{{Code: UnknownName, Severity: Error, Summary: "s", Span: source.Span{File: f, Start: at, End: at + 6}}})[0]
	if len(r.Span.Source) > 2*around+8 || r.Span.Text != "MARKED" || r.Span.Start.Column != 8001 {
		t.Errorf("%d bytes of the line, %q at column %d", len(r.Span.Source), r.Span.Text, r.Span.Start.Column)
	}
	if got := string([]rune(r.Span.Source)[r.Span.Start.Column-r.Span.Column:][:6]); got != "MARKED" {
		t.Errorf("%q stands where the place should be", got)
	}
	var b bytes.Buffer
	writeFull(&b, []Record{r}, false)
	lines := strings.Split(b.String(), "\n")
	if code, marks := []rune(lines[2]), lines[3]; string(code[strings.Index(marks, "^"):][:6]) != "MARKED" || strings.Count(marks, "^") != 6 || !strings.Contains(lines[2], "| …") || !strings.HasSuffix(lines[2], "…") {
		t.Errorf("%s\n%s", lines[2], lines[3])
	}
}
