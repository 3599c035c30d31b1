package syntax

import "github.com/mseg-lang/mseg/lang/source"

// Node is anything with a place.
type Node interface{ Span() source.Span }

// At is the place of a node; every node embeds it.
type At struct{ Where source.Span }

// Span is the place of the node.
func (a At) Span() source.Span { return a.Where }

// Name is an identifier with its place.
type Name struct {
	At
	Text string
}

// Script is a parsed file. Statements that could not be read are missing; their diagnostics are not.
type Script struct {
	File       *source.File
	Statements []Statement
}

// Statement is one of Edition, Use, Param, Fn, Binding, Expect, Bare.
type Statement interface {
	Node
	statement()
}

// Edition is `mseg 1`.
type Edition struct {
	At
	Number int
}

// Use is `use library (a, b)`; no names means all.
type Use struct {
	At
	Library Name
	Names   []Name
}

// Param is `param name: type = default in limits`.
type Param struct {
	At
	Name    Name
	Type    *TypeExpr // nil: taken from the default
	Default Expr
	Limits  Expr // nil, or a range or list
	Doc     string
}

// Fn is `fn name(parameters) -> type = body`.
type Fn struct {
	At
	Name    Name
	Params  []FnParam
	Returns *TypeExpr // nil: inferred
	Body    Expr
}

// FnParam is one parameter of a Fn.
type FnParam struct {
	Name     Name
	Type     *TypeExpr
	Default  Expr // nil: none
	Optional bool // name: type? may be left out, and is then an argument that is not given
}

// Binding is `kind name = expression`.
type Binding struct {
	At
	Kind  Name
	Name  Name
	Value Expr
}

// Expect is `expect condition`.
type Expect struct {
	At
	Condition Expr
}

// Bare is an expression alone: a statement of the REPL.
type Bare struct {
	At
	Value Expr
}

func (*Edition) statement() {}
func (*Use) statement()     {}
func (*Param) statement()   {}
func (*Fn) statement()      {}
func (*Binding) statement() {}
func (*Expect) statement()  {}
func (*Bare) statement()    {}

// TypeExpr is a type as written: a name, or list(type).
type TypeExpr struct {
	At
	Name Name
	Of   *TypeExpr
}

// Expr is one of the expression nodes below.
type Expr interface {
	Node
	expr()
}

type (
	// NumberLit is a number with an optional unit.
	NumberLit struct {
		At
		Value float64
		Unit  string
	}
	// StringLit is a string; Value has its escapes resolved.
	StringLit struct {
		At
		Value string
	}
	// BoolLit is true or false.
	BoolLit struct {
		At
		Value bool
	}
	// PathLit is a path of a taxonomy or a pattern over it.
	PathLit struct {
		At
		Text string
	}
	// Ref is a name where a value is expected.
	Ref struct{ Name }
	// ListLit is [a, b, c].
	ListLit struct {
		At
		Items []Expr
	}
	// Comprehension is [e for x in xs if c].
	Comprehension struct {
		At
		Value   Expr
		Clauses []Clause
	}
	// MapLit is { key: value, … } where a value is expected.
	MapLit struct {
		At
		Entries []Arg
	}
	// Call is f(a, b, name: c) { name: d }; the arguments of the block follow those in parentheses.
	Call struct {
		At
		Fn    Expr
		Args  []Arg
		Block source.Span // zero when there is none
	}
	// Pipe is x |> f(a).
	Pipe struct {
		At
		Left  Expr
		Right Expr
	}
	// Field is x.name.
	Field struct {
		At
		Of   Expr
		Name Name
	}
	// Index is x[a].
	Index struct {
		At
		Of Expr
		By Expr
	}
	// Unary is -x or not x.
	Unary struct {
		At
		Op string
		Of Expr
	}
	// Binary is x op y; ranges are Binary with op "..".
	Binary struct {
		At
		Op          string
		Left, Right Expr
	}
)

// Clause is `for x in xs` or, with an empty Var, `if condition`.
type Clause struct {
	Var  Name
	Over Expr
}

// Arg is one argument or entry. Key is nil for a positional one; it is a Ref, StringLit, NumberLit or PathLit otherwise.
type Arg struct {
	Key   Expr
	Value Expr
}

func (*NumberLit) expr()     {}
func (*StringLit) expr()     {}
func (*BoolLit) expr()       {}
func (*PathLit) expr()       {}
func (*Ref) expr()           {}
func (*ListLit) expr()       {}
func (*Comprehension) expr() {}
func (*MapLit) expr()        {}
func (*Call) expr()          {}
func (*Pipe) expr()          {}
func (*Field) expr()         {}
func (*Index) expr()         {}
func (*Unary) expr()         {}
func (*Binary) expr()        {}

// Walk calls f for an expression and everything inside it, outside first; f returning false leaves the inside out.
func Walk(e Expr, f func(Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	args := func(as []Arg) {
		for _, a := range as {
			if a.Key != nil {
				Walk(a.Key, f)
			}
			Walk(a.Value, f)
		}
	}
	switch e := e.(type) {
	case *ListLit:
		for _, x := range e.Items {
			Walk(x, f)
		}
	case *Comprehension:
		Walk(e.Value, f)
		for _, c := range e.Clauses {
			Walk(c.Over, f)
		}
	case *MapLit:
		args(e.Entries)
	case *Call:
		Walk(e.Fn, f)
		args(e.Args)
	case *Pipe:
		Walk(e.Left, f)
		Walk(e.Right, f)
	case *Field:
		Walk(e.Of, f)
	case *Index:
		Walk(e.Of, f)
		Walk(e.By, f)
	case *Unary:
		Walk(e.Of, f)
	case *Binary:
		Walk(e.Left, f)
		Walk(e.Right, f)
	}
}
