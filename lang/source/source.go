// Package source holds the text of a script and the places in it.
//
// A place is a byte range (Span). Lines, columns and UTF-16 columns are derived from a line table when a person or an editor
// asks for them, so that every pass can work on plain offsets and no pass has to keep several coordinates in step.
package source

import (
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

// File is one script (or one REPL entry): a name for messages and the text. The text never changes after New.
type File struct {
	Name  string
	Text  string
	lines []int // byte offset of the start of every line
	marks func() []mark
}

// mark is a place at which characters and UTF-16 units have been counted from the start of the text, so that a place far behind in a long line is found without going through
// the whole of it: a file of one line and ten thousand mistakes would be gone through ten thousand times.
type mark struct{ at, runes, units int }

// markEvery is the least distance of two marks, in bytes.
const markEvery = 1024

// New makes a file. A leading byte order mark is dropped; offsets count from after it.
func New(name, text string) *File {
	text = strings.TrimPrefix(text, "\ufeff")
	f := &File{Name: name, Text: text, lines: []int{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	f.marks = sync.OnceValue(f.count)
	return f
}

func (f *File) count() []mark {
	out := []mark{{}}
	runes, units := 0, 0
	for i, r := range f.Text {
		if i-out[len(out)-1].at >= markEvery {
			out = append(out, mark{i, runes, units})
		}
		runes++
		units++
		if r > 0xffff {
			units++
		}
	}
	return out
}

// counted is the number of characters and UTF-16 units before an offset.
func (f *File) counted(offset int) (runes, units int) {
	marks := f.marks()
	m := marks[sort.Search(len(marks), func(i int) bool { return marks[i].at > offset })-1]
	for _, r := range f.Text[m.at:offset] {
		m.runes++
		m.units++
		if r > 0xffff {
			m.units++
		}
	}
	return m.runes, m.units
}

// Position is a place as people and editors count: Line from 1, Column from 1 in runes, UTF16 from 0 in UTF-16 units.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	UTF16  int `json:"-"`
	Offset int `json:"offset"`
}

// Position converts a byte offset; offsets outside the text are moved to its nearest end, those within a character to its first byte.
func (f *File) Position(offset int) Position {
	offset = f.boundary(max(0, min(offset, len(f.Text))))
	line := sort.Search(len(f.lines), func(i int) bool { return f.lines[i] > offset }) - 1
	p := Position{Line: line + 1, Column: 1, Offset: offset}
	if offset-f.lines[line] > 4*markEvery {
		runes, units := f.counted(offset)
		before, unitsBefore := f.counted(f.lines[line])
		p.Column, p.UTF16 = 1+runes-before, units-unitsBefore
		return p
	}
	for _, r := range f.Text[f.lines[line]:offset] {
		p.Column++
		p.UTF16++
		if r > 0xffff {
			p.UTF16++
		}
	}
	return p
}

// boundary is the first byte of the character that an offset lies in. Bytes that belong to no character are one each.
func (f *File) boundary(offset int) int {
	for back := 1; back < utf8.UTFMax && back <= offset && offset < len(f.Text) && !utf8.RuneStart(f.Text[offset]); back++ {
		if start := offset - back; utf8.RuneStart(f.Text[start]) {
			if _, w := utf8.DecodeRuneInString(f.Text[start:]); w > back {
				return start
			}
			break
		}
	}
	return offset
}

// Line returns the text of line n (from 1) without its line break, or "" when there is no such line.
func (f *File) Line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	start, end := f.lines[n-1], len(f.Text)
	if n < len(f.lines) {
		end = f.lines[n] - 1
	}
	return strings.TrimSuffix(f.Text[start:end], "\r")
}

// Lines is the number of lines; an empty text has one.
func (f *File) Lines() int { return len(f.lines) }

// Offset is the byte offset of a line (from 1) and a rune column (from 1), moved inside the text where it lies outside.
func (f *File) Offset(line, column int) int {
	if line < 1 {
		return 0
	}
	if line > len(f.lines) {
		return len(f.Text)
	}
	start := f.lines[line-1]
	rest := f.Line(line)
	at := 0
	for c := 1; c < column && at < len(rest); c++ {
		_, w := utf8.DecodeRuneInString(rest[at:])
		at += w
	}
	return start + at
}

// Span is the byte range [Start, End) of a file. The zero Span means "no place".
type Span struct {
	File       *File
	Start, End int
}

// IsZero says that the span names no place.
func (s Span) IsZero() bool { return s.File == nil }

// Text is the spanned text.
func (s Span) Text() string {
	if s.File == nil || s.Start < 0 || s.End > len(s.File.Text) || s.Start > s.End {
		return ""
	}
	return s.File.Text[s.Start:s.End]
}

// To is the smallest span that covers both.
func (s Span) To(t Span) Span {
	if s.IsZero() {
		return t
	}
	if t.IsZero() || t.File != s.File {
		return s
	}
	return Span{s.File, min(s.Start, t.Start), max(s.End, t.End)}
}

// From and Until are the two ends as positions.
func (s Span) From() Position {
	if s.File == nil {
		return Position{}
	}
	return s.File.Position(s.Start)
}

// Until is the position just after the span.
func (s Span) Until() Position {
	if s.File == nil {
		return Position{}
	}
	return s.File.Position(s.End)
}
