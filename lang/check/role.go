package check

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// Fns over tensors are checked like all others, with leaves of symbolic shape for their tensors: the same recursion finds the shape of every part of the body, once where the
// fn is declared and again where it is used. Where a loss, metric, step or block is expected, such a fn stands for it, given all but its tensors (role).

// role is what a fn over tensors can be used as.
type role struct {
	kind    string     // type of the place
	params  [][]string // admissible types of the leading parameters
	returns string
	form    string // as messages show it
	learned bool   // may have weights
}

var roles = []role{
	{"loss", [][]string{{"mask", "logits"}, {"mask"}}, "scalar", "fn(predicted: mask, reference: mask, …) -> scalar", false},
	{"metric", [][]string{{"mask"}, {"mask"}}, "scalar", "fn(predicted: mask, reference: mask, …) -> scalar", false},
	{"prep", [][]string{{"image"}}, "image", "fn(x: image, …) -> image", false},
	{"block", [][]string{{"features"}}, "features", "fn(x: features, …) -> features", true},
	{"network", [][]string{{"image"}, {"mask"}}, "logits", "fn(x: image, box: mask, …) -> logits", true},
}

// roleFor finds the role that a place asks for.
func roleFor(want types.Type) (role, bool) {
	if want.IsAny() {
		return role{}, false
	}
	for _, t := range want.Alternatives() {
		for _, r := range roles {
			if r.kind == t.Base {
				return r, true
			}
		}
	}
	return role{}, false
}

// fits says whether a fn has the parameters and the result of a role.
func (r role) fits(fn *syntax.Fn) bool {
	if len(fn.Params) < len(r.params) {
		return false
	}
	for i, p := range fn.Params {
		name := ""
		if p.Type != nil {
			name = p.Type.Name.Text
		}
		if i < len(r.params) {
			if !slices.Contains(r.params[i], name) {
				return false
			}
		} else if _, tensor := types.TensorNamed(name); tensor {
			return false
		}
	}
	if fn.Returns == nil {
		return true // its body decides
	}
	name := fn.Returns.Name.Text
	if name == "tensor" {
		return true
	}
	have, ok := types.TensorNamed(name)
	want, _ := types.TensorNamed(r.returns)
	return ok && have.Fits(want)
}

// overTensors says whether a fn takes tensors.
func overTensors(fn *syntax.Fn) bool {
	return slices.ContainsFunc(fn.Params, func(p syntax.FnParam) bool {
		if p.Type == nil {
			return false
		}
		_, ok := types.TensorNamed(p.Type.Name.Text)
		return ok
	})
}

// leaf is what a parameter of a type stands for while a body is looked at: a tensor of symbolic shape, or an unknown value.
func leaf(i int, t types.Type) ir.Value {
	if t.IsTensor() && t.Shaped {
		return ir.TensorInput(i, t)
	}
	return ir.Unknown{T: t}
}

// standsFor says whether a name is a fn that a place of this type can use as it is, without its tensors.
func (c *checker) standsFor(name string, want types.Type) (*symbol, *syntax.Fn, role, bool) {
	sym, ok := c.symbols[name]
	if !ok {
		return nil, nil, role{}, false
	}
	fn, ok := sym.stmt.(*syntax.Fn)
	if !ok || !overTensors(fn) {
		return nil, nil, role{}, false
	}
	r, ok := roleFor(want)
	return sym, fn, r, ok
}

// lift makes a loss, metric, step or block of a fn over tensors. The arguments are those behind its tensors; after is the prep that a step follows, or nil.
func (c *checker) lift(sym *symbol, fn *syntax.Fn, r role, e *syntax.Call, after ir.Value, env *scope) ir.Value {
	if !r.fits(fn) {
		d := c.diags.Add(diag.WrongType, e.Where, "fn %s cannot be used as %s", fn.Name.Text, article(types.Of(r.kind)))
		d.Help = "that is " + r.form
		d.Related = []diag.Related{{Span: fn.Name.Where, Message: "declared here"}}
		return unknown
	}
	n := len(r.params)
	m := c.fnMatcher(fn, e)
	names := make([]string, n)
	for i := range n {
		names[i] = fn.Params[i].Type.Name.Text
		t := c.quietType(fn.Params[i].Type)
		if r.kind == "network" && names[i] == "image" {
			t = t.With(types.Channel, types.Known(3))
		}
		m.values[i] = leaf(i, t)
	}
	m.next = n
	values := m.arguments(env)
	before := len(c.diags)
	body := c.body(sym, fn, values, e.Where)
	if isUnknown(body) || len(c.diags) > before {
		return unknown
	}
	want, _ := types.TensorNamed(r.returns)
	if !body.Type().Fits(want) {
		if fn.Returns != nil && fn.Returns.Name.Text != "tensor" {
			return unknown // reported where it is declared
		}
		d := c.diags.Add(diag.WrongReturn, fn.Body.Span(), "fn %s gives %s, %s needs %s", fn.Name.Text, article(body.Type()), article(types.Of(r.kind)), article(want))
		d.Related = []diag.Related{{Span: e.Where, Message: "used here"}}
		return unknown
	}
	if unfinished(body) {
		return ir.Unknown{T: types.Of(r.kind)}
	}
	if op := learnedIn(body); op != nil && !r.learned {
		d := c.diags.Add(diag.LearnedWeights, e.Where, "fn %s has weights of its own (%s), but %s has none", fn.Name.Text, op.Op, article(types.Of(r.kind)))
		d.Help = "layers stand in blocks, fn(x: features, …) -> features, and in networks"
		d.Related = []diag.Related{{Span: op.Span, Message: "here"}}
		return unknown
	}
	node := &ir.Node{Op: "fn", T: types.Of(r.kind), Span: e.Where, Label: callText(fn, values[n:], n)}
	if after != nil {
		node.Args = append(node.Args, ir.Arg{Name: "after", Value: after})
	}
	node.Args = append(node.Args, ir.Arg{Name: "body", Value: ir.Fn{Params: names, Body: body}})
	return node
}

// callText shows a fn with those arguments that are not its defaults' spelling: tversky(alpha: 0.7).
func callText(fn *syntax.Fn, values []ir.Value, from int) string {
	var args []string
	for i, v := range values {
		p := fn.Params[from+i]
		if v == nil { // left out
			continue
		}
		if p.Default != nil {
			if lit, ok := p.Default.(*syntax.NumberLit); ok {
				if n, ok := v.(ir.Number); ok && n.V == lit.Value {
					continue
				}
			}
		}
		args = append(args, p.Name.Text+": "+show(v))
	}
	if len(args) == 0 {
		return fn.Name.Text
	}
	return fn.Name.Text + "(" + strings.Join(args, ", ") + ")"
}

// unfinished says that a body holds a value that is not known yet: a parameter of the fn around it.
func unfinished(body ir.Value) bool {
	for v := range ir.Walk(body) {
		if _, is := v.(ir.Unknown); is {
			return true
		}
	}
	return false
}

// learnedIn is the outermost node of a body that has weights of its own, or nil.
func learnedIn(body ir.Value) *ir.Node {
	for n := range ir.Nodes(body) {
		if n.Builtin != nil && (n.Builtin.Learned || n.Op == "dropout") {
			return n
		}
	}
	return nil
}

// ownMetric is the measure of a metric that the script has written: a field of an eval by the name of its fn. It is nil when the eval has none of that name.
func (c *checker) ownMetric(e *syntax.Field, of ir.Value) ir.Value {
	measure := types.Of("measure")
	n, ok := of.(*ir.Node)
	if ok && n.Op == "compare" {
		if m := n.Node("metric"); m != nil && m.Op == "fn" && FnName(m) == e.Name.Text {
			return &ir.Node{Op: "select", T: measure, Span: e.Where, Args: []ir.Arg{{Name: "of", Value: n}, {Name: "field", Value: ir.Str{S: e.Name.Text}}}}
		}
		return nil
	}
	if !ok {
		if _, fn, r, ok := c.standsFor(e.Name.Text, types.Of("metric")); ok && r.fits(fn) {
			return ir.Unknown{T: measure}
		}
		return nil
	}
	found := 0
	for _, m := range n.Items("metrics") {
		if m, ok := m.(*ir.Node); ok && m.Op == "fn" && FnName(m) == e.Name.Text {
			found++
		}
	}
	switch {
	case found == 0:
		return nil
	case found > 1:
		d := c.diags.Add(diag.AmbiguousName, e.Name.Where, "this eval measures %s in %d ways", e.Name.Text, found)
		d.Help = "write a fn for each: fn mine(p: mask, t: mask) -> scalar = " + e.Name.Text + "(p, t, …)"
		return unknown
	}
	return &ir.Node{Op: "select", T: measure, Span: e.Where, Args: []ir.Arg{{Name: "of", Value: n}, {Name: "field", Value: ir.Str{S: e.Name.Text}}}}
}

// sided says of a metric that the script has written which side of it is better: the metric with one argument more.
func (c *checker) sided(by string, metric ir.Value, call, at source.Span) ir.Value {
	n, ok := metric.(*ir.Node)
	switch {
	case !ok:
		return ir.Unknown{T: types.Of("metric")}
	case n.Op != "fn":
		d := c.diags.Add(diag.WrongType, at, "which side of %s is better is known already", n.Op)
		d.Help = "leave " + by + "(…) out, or name a fn(predicted: mask, reference: mask, …) -> scalar"
		return unknown
	case n.Arg("side") != nil:
		c.diags.Add(diag.WrongType, at, "which side of %s is better is said twice", FnName(n)).Help = "leave one of them out"
		return unknown
	}
	out := *n
	out.Span = call
	out.Args = append(slices.Clone(n.Args), ir.Arg{Name: "side", Value: ir.Str{S: by}})
	return &out
}

// FnName is the name of the fn that a node with Op "fn" was made of.
func FnName(n *ir.Node) string {
	name, _, _ := strings.Cut(n.Label, "(")
	return name
}
