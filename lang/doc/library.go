package doc

import (
	"fmt"
	"strings"
	"sync"

	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/stdlib"
)

// LibraryEntry is a name that a library of the standard library offers.
type LibraryEntry struct {
	Library, Name string
	Heading       string // as declared, without its body
	Body          string // of a fn, its lines as written, the first below the heading; "" for a value
	Comment       string // directly above it
}

var libraries sync.Map // name → []LibraryEntry

// Library lists what a library offers, in the order of its text; nil when there is none of that name.
func Library(name string) []LibraryEntry {
	if known, ok := libraries.Load(name); ok {
		return known.([]LibraryEntry)
	}
	text, ok := stdlib.Text(name)
	if !ok {
		return nil
	}
	file := source.New(name+".mseg", text)
	s, _ := syntax.Parse(file, false)
	var out []LibraryEntry
	for _, st := range s.Statements {
		e := LibraryEntry{Library: name, Comment: CommentAbove(file, st.Span().Start)}
		switch st := st.(type) {
		case *syntax.Fn:
			if st.Body == nil {
				continue
			}
			e.Name, e.Body = st.Name.Text, indented(st.Body.Span())
			heading := strings.TrimSpace(file.Text[st.Where.Start:st.Body.Span().Start])
			e.Heading = oneLine(strings.TrimSuffix(heading, "="))
		case *syntax.Binding:
			e.Name, e.Heading = st.Name.Text, st.Kind.Text+" "+st.Name.Text
		default:
			continue
		}
		out = append(out, e)
	}
	libraries.Store(name, out)
	return out
}

// InLibraries finds a name in all libraries.
func InLibraries(name string) []LibraryEntry {
	var out []LibraryEntry
	for _, l := range stdlib.Names() {
		for _, e := range Library(l) {
			if e.Name == name {
				out = append(out, e)
			}
		}
	}
	return out
}

// String is the entry as Markdown.
func (e LibraryEntry) String() string {
	text := e.Heading
	if e.Body != "" {
		text += " =\n" + e.Body
	}
	out := "```mseg\n" + text + "\n```\n\n"
	if e.Comment != "" {
		out += e.Comment + "\n\n"
	}
	return out + fmt.Sprintf("from the library %s: `use %s (%s)`\n", e.Library, e.Library, e.Name)
}

// indented is the text of an expression as it stands in its file, two blanks from the margin.
func indented(at source.Span) string {
	lines := strings.Split(at.Text(), "\n")
	margin := -1 // of the lines behind the first
	for _, l := range lines[1:] {
		if n := len(l) - len(strings.TrimLeft(l, " ")); strings.TrimSpace(l) != "" && (margin < 0 || n < margin) {
			margin = n
		}
	}
	for i, l := range lines {
		if i > 0 {
			l = l[min(max(margin, 0), len(l)):]
		}
		lines[i] = strings.TrimRight("  "+l, " ")
	}
	return strings.Join(lines, "\n")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// CommentAbove is the comment on the lines directly above a place in a text, in one paragraph.
func CommentAbove(f *source.File, start int) string {
	var out []string
	for l := f.Position(start).Line - 1; l > 0; l-- {
		text := strings.TrimSpace(f.Line(l))
		if !strings.HasPrefix(text, "#") {
			break
		}
		out = append([]string{strings.TrimSpace(strings.TrimLeft(text, "#"))}, out...)
	}
	return strings.Join(out, " ")
}

// libraryReference is the page of all libraries.
func libraryReference() string {
	var out strings.Builder
	for _, l := range stdlib.Names() {
		fmt.Fprintf(&out, "\n### %s\n", l)
		for _, e := range Library(l) {
			fmt.Fprintf(&out, "\n%s", e)
		}
	}
	return out.String()
}

func entriesOfLibraries() map[string][]LibraryEntry {
	out := map[string][]LibraryEntry{}
	for _, l := range stdlib.Names() {
		out[l] = Library(l)
	}
	return out
}
