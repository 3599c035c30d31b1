package lsp

import (
	"unicode/utf8"

	"github.com/mseg-lang/mseg/lang/source"
)

// encoding is how a position counts columns: bytes, or UTF-16 units, in which a letter beyond the first 65,536 is two.
type encoding string

const (
	utf8Bytes  encoding = "utf-8"
	utf16Units encoding = "utf-16"
)

// position converts a byte offset.
func (e encoding) position(f *source.File, offset int) position {
	p := f.Position(offset)
	if e == utf8Bytes {
		return position{p.Line - 1, p.Offset - f.Offset(p.Line, 1)}
	}
	return position{p.Line - 1, p.UTF16}
}

// offset converts a position; one behind the end of its line means that end.
func (e encoding) offset(f *source.File, p position) int {
	if p.Line < 0 {
		return 0
	}
	if p.Line >= f.Lines() {
		return len(f.Text)
	}
	start := f.Offset(p.Line+1, 1)
	line := f.Line(p.Line + 1)
	if e == utf8Bytes {
		at := max(0, min(p.Character, len(line)))
		for at > 0 && at < len(line) && !utf8.RuneStart(line[at]) {
			at--
		}
		return start + at
	}
	units := 0
	for i, r := range line {
		if units >= p.Character {
			return start + i
		}
		units++
		if r > 0xffff {
			units++
		}
	}
	return start + len(line)
}

func (e encoding) span(s source.Span) textRange {
	return textRange{e.position(s.File, s.Start), e.position(s.File, s.End)}
}

// length is the width of a text in the units of the encoding.
func (e encoding) length(s string) int {
	if e == utf8Bytes {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}
