package repl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// statement is one accepted statement with the text it is saved as: its own and the comments above and behind it.
type statement struct {
	node syntax.Statement
	text string
}

// session is the statements accepted so far. All of them form one program; a value of this type is never changed, an entry makes a new one.
type session struct {
	statements []statement
}

// entry is what one entry means: the session that it would lead to, its program, and what in it asks for an answer.
type entry struct {
	file    *source.File
	next    session
	program *ir.Program // its Bare are the expressions of this entry
	bound   []string    // names bound by this entry, in order, with their kind: "data brain"
	diags   diag.List
}

// expects are the expectations of this entry.
func (e entry) expects() []ir.Expect {
	var out []ir.Expect
	for _, x := range e.program.Expects {
		if x.Span.File == e.file {
			out = append(out, x)
		}
	}
	return out
}

// read checks an entry against the session. Where diags has errors, nothing else is of use.
func (s session) read(f *source.File, bare bool) entry {
	parsed, diags := syntax.Parse(f, bare)
	e := entry{file: f, diags: diags}
	if diags.HasErrors() {
		return e
	}
	added := slices.Clone(parsed.Statements)
	fresh := map[string]bool{}
	for _, st := range added {
		for _, n := range boundNames(st) {
			fresh[n] = true
		}
		if h := heading(st); h != "" {
			e.bound = append(e.bound, h)
		}
	}
	e.next = s.with(fresh, added, split(f, added))
	var bares []syntax.Statement
	for _, st := range added {
		if _, ok := st.(*syntax.Bare); ok {
			bares = append(bares, st)
		}
	}
	var more diag.List
	e.program, more = check.Script(e.next.script(f, bares), check.Options{})
	// What an earlier entry was warned of is not said again.
	for _, d := range more {
		if d.Severity == diag.Error || d.Span.File == f {
			e.diags = append(e.diags, d)
		}
	}
	return e
}

// with is the session after an entry: a statement takes the place of an older one that bound the same name, the others follow at the end; of a
// use whose names are partly bound anew the rest is left; an expectation that is typed again, and a second edition line, are there once.
func (s session) with(names map[string]bool, added []syntax.Statement, texts []string) session {
	var out session
	placed := make([]bool, len(added))
	place := func(i int) {
		if _, bare := added[i].(*syntax.Bare); !bare && !placed[i] {
			out.statements = append(out.statements, statement{added[i], texts[i]})
		}
		placed[i] = true
	}
	for _, st := range s.statements {
		if i := slices.IndexFunc(added, func(a syntax.Statement) bool { return replaces(a, st.node) }); i >= 0 {
			place(i)
			continue
		}
		old := boundNames(st.node)
		left := slices.DeleteFunc(slices.Clone(old), func(n string) bool { return names[n] })
		u, isUse := st.node.(*syntax.Use)
		switch {
		case len(left) == len(old):
			out.statements = append(out.statements, st)
		case isUse && len(left) > 0:
			text := fmt.Sprintf("use %s (%s)", u.Library.Text, strings.Join(left, ", "))
			if p, _ := syntax.Parse(source.New("session", text), false); len(p.Statements) == 1 {
				out.statements = append(out.statements, statement{p.Statements[0], text})
			}
		}
	}
	for i := range added {
		place(i)
	}
	return out
}

// replaces says whether a statement stands for an older one: it binds the same single name, expects the same, or is an edition line too.
func replaces(a, old syntax.Statement) bool {
	switch o := old.(type) {
	case *syntax.Edition:
		_, ok := a.(*syntax.Edition)
		return ok
	case *syntax.Expect:
		x, ok := a.(*syntax.Expect)
		return ok && x.Condition.Span().Text() == o.Condition.Span().Text()
	}
	names := boundNames(a)
	return len(names) == 1 && slices.Equal(names, boundNames(old))
}

// withoutExpects leaves out the expectations of an entry.
func (s session) withoutExpects(f *source.File) session {
	return session{slices.DeleteFunc(slices.Clone(s.statements), func(st statement) bool {
		_, ok := st.node.(*syntax.Expect)
		return ok && st.node.Span().File == f
	})}
}

func (s session) script(f *source.File, more []syntax.Statement) *syntax.Script {
	out := &syntax.Script{File: f}
	for _, st := range s.statements {
		out.Statements = append(out.Statements, st.node)
	}
	out.Statements = append(out.Statements, more...)
	return out
}

// program checks the session as it stands; an accepted session has no errors.
func (s session) program(name string) *ir.Program {
	p, _ := check.Script(s.script(source.New(name, ""), nil), check.Options{})
	return p
}

// source is the session as a script: an edition line, then the statements in order.
func (s session) source() string {
	var b strings.Builder
	edition := "mseg 1"
	for _, st := range s.statements {
		if _, ok := st.node.(*syntax.Edition); ok {
			edition = st.text
		}
	}
	b.WriteString(edition + "\n")
	last := ""
	for _, st := range s.statements {
		if _, ok := st.node.(*syntax.Edition); ok {
			continue
		}
		head, _, _ := strings.Cut(st.node.Span().Text(), " ")
		if head != last || strings.Contains(st.text, "\n") {
			b.WriteString("\n")
		}
		last = head
		b.WriteString(st.text + "\n")
	}
	return b.String()
}

// split gives every statement of a file its text, with the comments above it and behind it.
func split(f *source.File, statements []syntax.Statement) []string {
	out := make([]string, len(statements))
	from := 0
	for i, st := range statements {
		end := st.Span().End
		if nl := strings.IndexByte(f.Text[end:], '\n'); nl >= 0 {
			end += nl
		} else {
			end = len(f.Text)
		}
		text := strings.ReplaceAll(f.Text[from:end], "\r", "")
		for line, rest, ok := strings.Cut(text, "\n"); ok && strings.TrimSpace(line) == ""; line, rest, ok = strings.Cut(text, "\n") {
			text = rest
		}
		out[i] = strings.TrimRight(text, " \t\n")
		from = end
	}
	return out
}

// boundNames are the names that a statement binds at the top level.
func boundNames(st syntax.Statement) []string {
	switch st := st.(type) {
	case *syntax.Binding:
		return []string{st.Name.Text}
	case *syntax.Param:
		return []string{st.Name.Text}
	case *syntax.Fn:
		return []string{st.Name.Text}
	case *syntax.Use:
		if len(st.Names) == 0 {
			return check.LibraryNames(st.Library.Text)
		}
		var out []string
		for _, n := range st.Names {
			out = append(out, n.Text)
		}
		return out
	}
	return nil
}

// heading is how a statement is named in answers: "data brain"; "" for one that binds nothing.
func heading(st syntax.Statement) string {
	switch st := st.(type) {
	case *syntax.Binding:
		return st.Kind.Text + " " + st.Name.Text
	case *syntax.Param:
		return "param " + st.Name.Text
	case *syntax.Fn:
		return "fn " + st.Name.Text
	case *syntax.Use:
		return "use " + st.Library.Text
	}
	return ""
}
