package check

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// A parameter `name: type?` of a fn may be left out. There is no value that stands for it then, which every operation would have to know: the body may only pass
// it on, as a whole argument that may be left out itself, and that argument is then not given. So what a body means with and without it is what the two bodies
// mean that have the argument and do not have it, and neither has an identity of its own.

// argument evaluates what is written for a parameter. Given is false where that is a parameter of the fn around it that has been left out; optional says
// whether the argument may be.
func (c *checker) argument(e syntax.Expr, want types.Type, optional bool, env *scope) (v ir.Value, given bool) {
	if r, ok := e.(*syntax.Ref); ok && optional {
		if s, ok := env.lookup(r.Text); ok && s.maybe {
			c.rec.defined(r.Where, r.Text, s.where)
			if s.value != nil {
				c.rec.value(e, s.value)
			}
			return s.value, s.value != nil
		}
	}
	return c.value(e, want, env), true
}

// needed reports a parameter that may be left out where a value is needed. It is told where the fn is declared, once: in a call the parameter is either an
// ordinary one or absent.
func (c *checker) needed(s *scope, e *syntax.Ref) ir.Value {
	if s.value == nil {
		return unknown
	}
	d := c.diags.Add(diag.MayBeAbsent, e.Where, "%s may be left out, but this place needs a value", e.Text)
	d.Help = "pass it on as an argument that may be left out too, or give the parameter a default"
	d.Related = []diag.Related{{Span: s.where, Message: "declared here"}}
	return unknown
}
