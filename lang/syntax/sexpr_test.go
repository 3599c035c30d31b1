package syntax

import (
	"fmt"
	"strings"
)

// sexpr writes an expression so that its structure can be read: operators first, calls as (call f args).
func sexpr(e Expr) string {
	list := func(head string, xs ...string) string {
		return "(" + strings.Join(append([]string{head}, xs...), " ") + ")"
	}
	args := func(as []Arg) []string {
		var out []string
		for _, a := range as {
			s := sexpr(a.Value)
			if a.Key != nil {
				s = sexpr(a.Key) + ":" + s
			}
			out = append(out, s)
		}
		return out
	}
	switch e := e.(type) {
	case nil:
		return "nil"
	case *NumberLit:
		return fmt.Sprintf("%g%s", e.Value, e.Unit)
	case *StringLit:
		return fmt.Sprintf("%q", e.Value)
	case *BoolLit:
		return fmt.Sprint(e.Value)
	case *PathLit:
		return e.Text
	case *Ref:
		return e.Text
	case *ListLit:
		var out []string
		for _, x := range e.Items {
			out = append(out, sexpr(x))
		}
		return "[" + strings.Join(out, " ") + "]"
	case *Comprehension:
		out := []string{sexpr(e.Value)}
		for _, c := range e.Clauses {
			if c.Var.Text == "" {
				out = append(out, "if", sexpr(c.Over))
			} else {
				out = append(out, "for", c.Var.Text, sexpr(c.Over))
			}
		}
		return list("each", out...)
	case *MapLit:
		return "{" + strings.Join(args(e.Entries), " ") + "}"
	case *Call:
		head := "call"
		if !e.Block.IsZero() {
			head = "call+"
		}
		return list(head, append([]string{sexpr(e.Fn)}, args(e.Args)...)...)
	case *Pipe:
		return list("|>", sexpr(e.Left), sexpr(e.Right))
	case *Field:
		return list(".", sexpr(e.Of), e.Name.Text)
	case *Index:
		return list("at", sexpr(e.Of), sexpr(e.By))
	case *Unary:
		return list(e.Op, sexpr(e.Of))
	case *Binary:
		return list(e.Op, sexpr(e.Left), sexpr(e.Right))
	}
	return fmt.Sprintf("%T", e)
}

// ssexpr writes a statement.
func ssexpr(s Statement) string {
	typ := func(t *TypeExpr) string {
		out := ""
		for t != nil {
			out += ":" + t.Name.Text
			t = t.Of
		}
		return out
	}
	switch s := s.(type) {
	case *Edition:
		return fmt.Sprintf("edition %d", s.Number)
	case *Use:
		out := "use " + s.Library.Text
		for _, n := range s.Names {
			out += " " + n.Text
		}
		return out
	case *Param:
		return fmt.Sprintf("param %s%s %s in %s", s.Name.Text, typ(s.Type), sexpr(s.Default), sexpr(s.Limits))
	case *Fn:
		out := "fn " + s.Name.Text
		for _, p := range s.Params {
			out += " " + p.Name.Text + typ(p.Type)
			if p.Optional {
				out += "?"
			}
			if p.Default != nil {
				out += "=" + sexpr(p.Default)
			}
		}
		return out + " ->" + typ(s.Returns) + " " + sexpr(s.Body)
	case *Binding:
		return s.Kind.Text + " " + s.Name.Text + " " + sexpr(s.Value)
	case *Expect:
		return "expect " + sexpr(s.Condition)
	case *Bare:
		return sexpr(s.Value)
	}
	return fmt.Sprintf("%T", s)
}
