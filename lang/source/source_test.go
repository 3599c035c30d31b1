package source

import (
	"testing"
	"unicode/utf8"
)

func TestPosition(t *testing.T) {
	f := New("f", "ab\nä😀c\r\n\nend")
	for _, c := range []struct {
		offset              int
		line, column, utf16 int
	}{
		{0, 1, 1, 0}, {2, 1, 3, 2}, {3, 2, 1, 0}, {5, 2, 2, 1}, {9, 2, 3, 3}, {10, 2, 4, 4}, {12, 3, 1, 0}, {13, 4, 1, 0}, {16, 4, 4, 3},
		{-5, 1, 1, 0}, {99, 4, 4, 3},
	} {
		p := f.Position(c.offset)
		if p.Line != c.line || p.Column != c.column || p.UTF16 != c.utf16 {
			t.Errorf("offset %d: line %d column %d utf16 %d, want %d %d %d", c.offset, p.Line, p.Column, p.UTF16, c.line, c.column, c.utf16)
		}
	}
}

func TestOffsetIsTheInverseOfPosition(t *testing.T) {
	f := New("f", "ab\nä😀c\n\n日本 x\n")
	for at := range f.Text {
		p := f.Position(at)
		if got := f.Offset(p.Line, p.Column); got != at && f.Text[at] != '\n' {
			t.Errorf("offset %d is line %d column %d, which is offset %d", at, p.Line, p.Column, got)
		}
	}
	for _, c := range [][3]int{{0, 1, 0}, {-1, 5, 0}, {99, 1, len(f.Text)}, {1, 99, 2}} {
		if got := f.Offset(c[0], c[1]); got != c[2] {
			t.Errorf("Offset(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestLines(t *testing.T) {
	for text, want := range map[string][]string{
		"": {""}, "a": {"a"}, "a\n": {"a", ""}, "a\r\nb": {"a", "b"}, "\ufeffa": {"a"}, "\n\n": {"", "", ""},
	} {
		f := New("f", text)
		if f.Lines() != len(want) {
			t.Errorf("%q has %d lines, want %d", text, f.Lines(), len(want))
		}
		for i, w := range want {
			if got := f.Line(i + 1); got != w {
				t.Errorf("line %d of %q is %q, want %q", i+1, text, got, w)
			}
		}
		if f.Line(0) != "" || f.Line(len(want)+1) != "" {
			t.Errorf("%q has text outside its lines", text)
		}
	}
}

func TestSpan(t *testing.T) {
	f, g := New("f", "hello world"), New("g", "x")
	a, b := Span{f, 0, 5}, Span{f, 6, 11}
	if got := a.To(b).Text(); got != "hello world" {
		t.Errorf("To gives %q", got)
	}
	if got := b.To(a); got != a.To(b) {
		t.Errorf("To depends on the order")
	}
	if a.To(Span{}) != a || (Span{}).To(a) != a || a.To(Span{g, 0, 1}) != a {
		t.Error("a place that cannot be joined changes the span")
	}
	if !(Span{}).IsZero() || (Span{}).Text() != "" || (Span{f, 5, 99}).Text() != "" {
		t.Error("a span of no place has text")
	}
	if (Span{}).From() != (Position{}) || a.Until().Column != 6 {
		t.Error("ends are wrong")
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("ab\nä😀c\r\n", 4)
	f.Add("😀\x8a😀", 2)
	f.Fuzz(func(t *testing.T, text string, offset int) {
		file := New("f", text)
		p := file.Position(offset)
		if p.Offset < 0 || p.Offset > len(file.Text) || p.Line < 1 || p.Line > file.Lines() || p.Column < 1 {
			t.Fatalf("offset %d of %q: %+v", offset, text, p)
		}
		if next := file.Position(offset + 1); offset >= 0 && offset < len(file.Text) && (next.Line < p.Line || next.Line == p.Line && (next.Column < p.Column || next.UTF16 < p.UTF16)) {
			t.Fatalf("offset %d of %q is %+v, the next one %+v", offset, text, p, next)
		}
		if at := p.Offset; utf8.ValidString(file.Text) && (at == len(file.Text) || utf8.RuneStart(file.Text[at])) && file.Offset(p.Line, p.Column) > p.Offset {
			t.Fatalf("offset %d of %q comes back as %d", offset, text, file.Offset(p.Line, p.Column))
		}
	})
}
