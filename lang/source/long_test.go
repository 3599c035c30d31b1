package source

import (
	"strings"
	"testing"
)

// Places far behind in a long line are counted from marks, and are the same as counted from its start.
func TestPositionsInLongLines(t *testing.T) {
	for name, unit := range map[string]string{"ascii": "x", "wide": "ä日😀", "broken": "a\xff\x80", "mixed": "ab\r\tä"} {
		line := strings.Repeat(unit, 20_000/len(unit))
		f := New(name, "first\n"+line+"\n"+line+"😀")
		for at, end := len("first\n"), len(f.Text); at < end; at += 997 {
			start := f.boundary(at)
			from := strings.LastIndexByte(f.Text[:start], '\n') + 1
			column, units := 1, 0
			for _, r := range f.Text[from:start] {
				column++
				units++
				if r > 0xffff {
					units++
				}
			}
			if p := f.Position(at); p.Column != column || p.UTF16 != units || p.Offset != start {
				t.Fatalf("%s: offset %d is %+v, want column %d, UTF-16 column %d", name, start, p, column, units)
			}
		}
	}
}

func BenchmarkPositionInALongLine(b *testing.B) {
	f := New("t", strings.Repeat("x, ", 100_000))
	b.ReportAllocs()
	for b.Loop() {
		f.Position(len(f.Text) - 7)
	}
}
