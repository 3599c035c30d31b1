package lsp

import (
	"slices"
	"unicode"

	"github.com/creachadair/jrpc2"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

func (s *server) definition(v view, p positionParams) (any, error) {
	n, ok := v.nameAt(v.enc.offset(v.file, p.Position))
	if !ok {
		return nil, nil
	}
	return location{v.uri, v.enc.span(n.def)}, nil
}

func (s *server) references(v view, p referenceParams) ([]location, error) {
	out := []location{}
	n, ok := v.nameAt(v.enc.offset(v.file, p.Position))
	if !ok {
		return out, nil
	}
	for _, x := range v.sharing(n.def) {
		if x.at != x.def || p.Context.IncludeDeclaration {
			out = append(out, location{v.uri, v.enc.span(x.at)})
		}
	}
	return out, nil
}

func (s *server) highlight(v view, p positionParams) ([]documentHighlight, error) {
	out := []documentHighlight{}
	n, ok := v.nameAt(v.enc.offset(v.file, p.Position))
	if !ok {
		return out, nil
	}
	for _, x := range v.sharing(n.def) {
		kind := 2 // read
		if x.at == x.def {
			kind = 3 // written
		}
		out = append(out, documentHighlight{v.enc.span(x.at), kind})
	}
	return out, nil
}

// renameable finds the name at a place, or says why it cannot be renamed.
func (v view) renameable(p position) (name, error) {
	n, ok := v.nameAt(v.enc.offset(v.file, p))
	if !ok {
		return name{}, jrpc2.Errorf(jrpc2.InvalidParams, "only names that the script binds can be renamed")
	}
	for _, st := range v.script.Statements {
		if u, ok := st.(*syntax.Use); ok && u.Where.Start <= n.def.Start && n.def.End <= u.Where.End {
			return name{}, jrpc2.Errorf(jrpc2.InvalidParams, "%s comes from the library %s and keeps its name", n.def.Text(), u.Library.Text)
		}
	}
	return n, nil
}

func (s *server) prepareRename(v view, p positionParams) (any, error) {
	n, err := v.renameable(p.Position)
	if err != nil {
		return nil, err
	}
	return v.enc.span(n.at), nil
}

func (s *server) rename(v view, p renameParams) (*workspaceEdit, error) {
	n, err := v.renameable(p.Position)
	if err != nil {
		return nil, err
	}
	if err := v.mayBeNamed(p.NewName, n); err != nil {
		return nil, err
	}
	var edits []textEdit
	for _, x := range v.sharing(n.def) {
		edits = append(edits, textEdit{v.enc.span(x.at), p.NewName})
	}
	return v.edit(edits...), nil
}

// mayBeNamed refuses names that are none, that mean something already, or that another value of the script has.
func (v view) mayBeNamed(to string, n name) error {
	refuse := func(format string, args ...any) error { return jrpc2.Errorf(jrpc2.InvalidParams, format, args...) }
	for i, r := range to {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return refuse("%q is no name: names are letters, digits and _", to)
		}
	}
	switch {
	case to == "":
		return refuse("a name has at least one letter")
	case slices.Contains(syntax.Words, to) || slices.Contains(syntax.Heads, to):
		return refuse("%q is a word of the language", to)
	case len(builtin.Lookup(to)) > 0:
		return refuse("%q is a builtin", to)
	}
	for _, other := range v.names {
		if other.at == other.def && other.def != n.def && other.def.Text() == to {
			return refuse("%q is bound in line %d already", to, other.def.From().Line)
		}
	}
	return nil
}

// Symbol kinds of the protocol.
const (
	symbolModule   = 2
	symbolFunction = 12
	symbolVariable = 13
	symbolConstant = 14
	symbolObject   = 19
)

func (s *server) symbols(v view, _ documentParams) ([]documentSymbol, error) {
	out := []documentSymbol{}
	add := func(n syntax.Name, where source.Span, kind int, detail string) {
		if n.Text != "" {
			out = append(out, documentSymbol{n.Text, detail, kind, v.enc.span(where), v.enc.span(n.Where)})
		}
	}
	for _, st := range v.script.Statements {
		switch st := st.(type) {
		case *syntax.Use:
			add(st.Library, st.Where, symbolModule, "use")
		case *syntax.Param:
			add(st.Name, st.Where, symbolConstant, "param")
		case *syntax.Fn:
			add(st.Name, st.Where, symbolFunction, "fn")
		case *syntax.Binding:
			kind := symbolVariable
			if st.Kind.Text == "model" || st.Kind.Text == "report" {
				kind = symbolObject
			}
			add(st.Name, st.Where, kind, st.Kind.Text)
		}
	}
	return out, nil
}

// inlayHints show what the script leaves to be inferred: the type of a param, the result of a fn.
func (s *server) inlayHints(v view, p rangeParams) ([]inlayHint, error) {
	from, to := v.enc.offset(v.file, p.Range.Start), v.enc.offset(v.file, p.Range.End)
	out := []inlayHint{}
	add := func(at int, label string) {
		if label != "" && from <= at && at <= to {
			out = append(out, inlayHint{v.enc.position(v.file, at), label, 1})
		}
	}
	for _, st := range v.script.Statements {
		switch st := st.(type) {
		case *syntax.Param:
			if st.Type == nil && st.Default != nil {
				if x, ok := v.record.Values[st.Default.Span()]; ok {
					add(st.Name.Where.End, prefixed(": ", x.Type()))
				}
			}
		case *syntax.Fn:
			if st.Returns == nil && st.Body != nil {
				if x, ok := v.record.Values[st.Body.Span()]; ok {
					add(v.closing(st.Name.Where.End), prefixed(" -> ", x.Type()))
				}
			}
		}
	}
	return out, nil
}

func prefixed(prefix string, t types.Type) string {
	if t.IsAny() {
		return ""
	}
	return prefix + t.String()
}

// closing is the end of the parentheses that open behind an offset.
func (v view) closing(offset int) int {
	depth := 0
	for _, t := range v.tokens {
		if t.Start < offset {
			continue
		}
		switch t.Text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return t.End
			}
		}
	}
	return offset
}
