package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

func (c *checker) param(st *syntax.Param) ir.Value {
	if st.Default == nil {
		return unknown
	}
	want := types.Any
	if st.Type != nil {
		want = c.typeOf(st.Type)
	}
	e := st.Default
	if text, ok := c.opt.Set[st.Name.Text]; ok {
		if x := c.expression("--set "+st.Name.Text, text); x != nil {
			e = x
		}
	}
	v := c.value(e, want, nil)
	before := len(c.diags)
	v = c.demand(v, want, e.Span(), fmt.Sprintf("param %s", st.Name.Text))
	if want.Base == "bool" && st.Limits != nil && len(c.diags) > before { // a condition was meant
		c.diags[before].Help = fmt.Sprintf("what follows `in` are the limits of the param; a condition is written (%s in %s)", e.Span().Text(), st.Limits.Span().Text())
		return unknown
	}
	if st.Limits != nil && !isUnknown(v) {
		c.limits(st, v, e.Span())
	}
	return v
}

// expression parses a text from outside the script.
func (c *checker) expression(name, text string) syntax.Expr {
	s, diags := syntax.Parse(source.New(name, text), true)
	c.diags = append(c.diags, diags...)
	if len(s.Statements) == 1 {
		if b, ok := s.Statements[0].(*syntax.Bare); ok {
			return b.Value
		}
	}
	if len(diags) == 0 {
		c.diags.Add(diag.UnexpectedToken, source.Span{File: s.File, Start: 0, End: len(s.File.Text)}, "found %s, expected one value", describeEntry(text))
	}
	return nil
}

func (c *checker) limits(st *syntax.Param, v ir.Value, at source.Span) {
	limits := c.value(st.Limits, types.Any, nil)
	fail := func(what string) {
		d := c.diags.Add(diag.OutOfRange, at, "param %s is %s, expected %s", st.Name.Text, show(v), what)
		d.Related = []diag.Related{{Span: st.Limits.Span(), Message: "limits are declared here"}}
	}
	switch l := limits.(type) {
	case ir.Range:
		n, ok := v.(ir.Number)
		if !ok {
			c.diags.Add(diag.WrongType, st.Limits.Span(), "a range limits numbers, but %s is %s", st.Name.Text, article(v.Type()))
			return
		}
		x, fits := types.Convert(n.V, n.Unit, l.Unit)
		if !fits || x < l.Lo || x > l.Hi {
			fail(show(l))
		}
	case ir.List:
		h := ir.NewHasher(nil)
		if !slices.ContainsFunc(l.Items, func(i ir.Value) bool { return h.Hash(i) == h.Hash(v) }) {
			fail("one of " + show(l))
		}
	case ir.Unknown:
	default:
		c.diags.Add(diag.WrongType, st.Limits.Span(), "limits are a range (1..500) or a list, not %s", article(limits.Type()))
	}
}

func describeEntry(text string) string {
	if strings.TrimSpace(text) == "" {
		return "nothing"
	}
	return strconv.Quote(text)
}
