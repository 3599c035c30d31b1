package lsp

import (
	"slices"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/taxonomy"
)

// Types of semantic tokens, as the protocol names them; the index is what is sent.
var tokenTypes = []string{"keyword", "function", "variable", "parameter", "property", "enumMember", "number", "string", "operator", "comment", "type", "namespace"}

var tokenModifiers = []string{"declaration", "defaultLibrary"}

const (
	declaration    = 1 << 0
	defaultLibrary = 1 << 1
)

func (s *server) semanticTokens(v view, _ documentParams) (semanticTokens, error) {
	out := semanticTokens{Data: []int{}}
	line, column := 0, 0
	starts := map[int]syntax.Statement{}
	for _, st := range v.script.Statements {
		starts[st.Span().Start] = st
	}
	types := v.typeNames()
	declared := map[int]bool{}
	for _, n := range v.names {
		if n.at == n.def {
			declared[n.at.Start] = true
		}
	}
	for i, t := range v.tokens {
		kind, modifiers := v.classify(i, starts, types, declared)
		if kind == "" {
			continue
		}
		p := v.enc.position(v.file, t.Start)
		if p.Line != line {
			column = 0
		}
		out.Data = append(out.Data, p.Line-line, p.Character-column, v.enc.length(t.Text), slices.Index(tokenTypes, kind), modifiers)
		line, column = p.Line, p.Character
	}
	return out, nil
}

var plainTypes = map[lexer.TokenType]string{
	syntax.Comment: "comment", syntax.String: "string", syntax.Number: "number", syntax.Unit: "number", syntax.Path: "enumMember", syntax.Word: "keyword",
}

// classify says what a token is; "" for brackets, commas and what is not understood.
func (v view) classify(i int, starts map[int]syntax.Statement, typeNames, declared map[int]bool) (kind string, modifiers int) {
	t := v.tokens[i]
	if k := plainTypes[t.Type]; k != "" {
		return k, 0
	}
	if t.Type == syntax.Punct {
		switch t.Text {
		case "|>", "->", "..", "+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "=":
			return "operator", 0
		}
		return "", 0
	}
	if t.Type != syntax.Ident {
		return "", 0
	}
	at := source.Span{File: v.file, Start: t.Start, End: t.End}
	if _, ok := starts[t.Start]; ok {
		return "keyword", 0
	}
	if _, ok := v.record.Keys[at]; ok {
		return "parameter", 0
	}
	if typeNames[t.Start] {
		return "type", 0
	}
	if u, ok := v.record.Uses[at]; ok {
		switch {
		case u.Builtin != nil:
			return "function", defaultLibrary
		case u.Set != "":
			return "enumMember", 0
		}
		return v.kindOf(u.Def), 0
	}
	if declared[t.Start] {
		return v.kindOf(at), declaration
	}
	if i > 0 && v.tokens[i-1].Text == "." {
		return "property", 0
	}
	if i > 0 && v.tokens[i-1].Text == "use" {
		return "namespace", 0
	}
	return "", 0
}

// kindOf is what the name bound at a place is.
func (v view) kindOf(def source.Span) string {
	for _, st := range v.script.Statements {
		if fn, ok := st.(*syntax.Fn); ok {
			if fn.Name.Where == def {
				return "function"
			}
			for _, p := range fn.Params {
				if p.Name.Where == def {
					return "parameter"
				}
			}
		}
	}
	return "variable"
}

// typeNames are the places of types in params and fns.
func (v view) typeNames() map[int]bool {
	out := map[int]bool{}
	add := func(t *syntax.TypeExpr) {
		for ; t != nil; t = t.Of {
			out[t.Name.Where.Start] = true
		}
	}
	for _, st := range v.script.Statements {
		switch st := st.(type) {
		case *syntax.Param:
			add(st.Type)
		case *syntax.Fn:
			add(st.Returns)
			for _, p := range st.Params {
				add(p.Type)
			}
		}
	}
	return out
}

func within(path, pattern string) bool { return taxonomy.Within(path, pattern) }
