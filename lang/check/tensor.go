package check

import (
	"fmt"
	"math"
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

// visitTensors calls f for every node of a body, outermost first.
func visitTensors(v ir.Value, f func(ir.Value)) {
	seen := map[*ir.Node]bool{}
	var visit func(ir.Value)
	visit = func(v ir.Value) {
		n, ok := v.(*ir.Node)
		if ok && seen[n] {
			return
		}
		f(v)
		if ok {
			seen[n] = true
			for _, a := range n.Args {
				visit(a.Value)
			}
		}
	}
	visit(v)
}

// unfinished says that a body holds a value that is not known yet: a parameter of the fn around it.
func unfinished(body ir.Value) bool {
	found := false
	visitTensors(body, func(v ir.Value) {
		_, is := v.(ir.Unknown)
		found = found || is
	})
	return found
}

func learnedIn(body ir.Value) *ir.Node {
	var found *ir.Node
	visitTensors(body, func(v ir.Value) {
		if n, ok := v.(*ir.Node); ok && n.Builtin != nil && (n.Builtin.Learned || n.Op == "dropout") && found == nil {
			found = n
		}
	})
	return found
}

// tensorBinary types an operator of which one side is a tensor.
func (c *checker) tensorBinary(e *syntax.Binary, a, b ir.Value) ir.Value {
	switch e.Op {
	case "+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=":
	default:
		d := c.diags.Add(diag.BadOperands, e.Where, "%s cannot join tensors", e.Op)
		switch e.Op {
		case "and":
			d.Help = "write a * b"
		case "or":
			d.Help = "write maximum(a, b)"
		}
		return unknown
	}
	joined, ok := c.join(e.Where, e.Op, a, b)
	if !ok {
		return unknown
	}
	return c.node(e, joined, a, b)
}

// join is the shape of tensors and numbers taken together, element by element.
func (c *checker) join(at source.Span, what string, parts ...ir.Value) (types.Type, bool) {
	out := types.Scalar
	for _, v := range parts {
		t := v.Type()
		if n, ok := v.(ir.Number); ok && n.Unit != "" {
			d := c.diags.Add(diag.WrongUnit, at, "tensors have no unit, found %s", show(n))
			d.Help = fmt.Sprintf("write %g", n.V)
			return out, false
		}
		if t.Base == "number" {
			continue
		}
		if !t.IsTensor() {
			c.diags.Add(diag.BadOperands, at, "%s cannot join %s and %s", what, article(parts[0].Type()), article(parts[len(parts)-1].Type()))
			return out, false
		}
		joined, differ := types.Join(out, t)
		if differ != "" {
			mine, _ := out.Size(differ)
			theirs, _ := t.Size(differ)
			d := c.diags.Add(diag.ShapesDiffer, at, "%s: the %s is %s on one side and %s on the other", what, differ, mine, theirs)
			switch {
			case differ == types.Channel:
				d.Help = "linear(x, channels) changes the number of channels; mean(x, over: channel) leaves none"
			default:
				d.Help = "resize(x, factor) changes height and width"
			}
			return out, false
		}
		if out = joined; !out.Shaped {
			return types.AnyTensor, true
		}
	}
	return out, true
}

// tensorCall finds the shape of a call of a tensor builtin; numbers alone are worked out at once.
func (c *checker) tensorCall(n *ir.Node) ir.Value {
	if v, ok := fold(n); ok {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.diags.Add(diag.OutOfRange, n.Span, "%s has no value here", n.Op)
			return unknown
		}
		return ir.Number{V: v}
	}
	var tensors []ir.Value
	for _, a := range n.Args {
		if p, ok := n.Builtin.Param(a.Name); ok && p.Type.IsTensor() {
			tensors = append(tensors, a.Value)
		}
	}
	t, ok := types.AnyTensor, true
	if n.Op != "concat" { // whose sides have other channels
		t, ok = c.join(n.Span, n.Op, tensors...)
	}
	if !ok {
		return unknown
	}
	shape, known := shapes[n.Op]
	if !known {
		panic("check: no shape rule for " + n.Op)
	}
	if n.T, ok = shape(c, n, t); !ok {
		return unknown
	}
	return n
}

// shapes has the rule of every tensor builtin: from the joined shape of its tensors to that of the result. A rule reports what is wrong.
var shapes = map[string]func(c *checker, n *ir.Node, t types.Type) (types.Type, bool){}

func init() {
	same := func(_ *checker, _ *ir.Node, t types.Type) (types.Type, bool) { return t, true }
	for _, op := range []string{"instance_norm", "max_pool", "adaptable"} {
		shapes[op] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
			if !c.needs(n, t, types.Height, types.Width, types.Channel) {
				return t, false
			}
			if !t.Shaped || n.Op != "max_pool" {
				return t, true
			}
			return divided(t, 2), true
		}
	}
	shapes["concat"] = concatenated
	for _, op := range []string{"abs", "exp", "log", "sqrt", "sigmoid", "tanh", "relu", "gelu", "softplus", "pow", "maximum", "minimum", "clip", "where", "stop_gradient", "dropout"} {
		shapes[op] = same
	}
	for _, op := range []string{"sum", "mean", "max", "min"} {
		shapes[op] = reduced
	}
	shapes["softmax"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.needs(n, t, n.Text("over"))
	}
	for _, op := range []string{"average", "dilate", "erode"} {
		shapes[op] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
			return t, c.odd(n, "size") && c.needs(n, t, types.Height, types.Width)
		}
	}
	shapes["shift"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.whole(n, "down") && c.whole(n, "right") && c.needs(n, t, types.Height, types.Width)
	}
	shapes["convolve"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.kernel(n) && c.needs(n, t, types.Height, types.Width)
	}
	shapes["resize"] = resized
	shapes["distance"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		return t, c.needs(n, t, types.Height, types.Width) && c.lacks(n, t, types.Channel)
	}
	shapes["rows"], shapes["columns"] = coordinates, coordinates
	shapes["layer_norm"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) { return t, c.needs(n, t, types.Channel) }
	shapes["linear"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		if !c.needs(n, t, types.Channel) {
			return t, false
		}
		if !t.Shaped {
			return t, true
		}
		return channels(n, t), true
	}
	shapes["conv"] = func(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
		if !c.odd(n, "size") || !c.needs(n, t, types.Height, types.Width, types.Channel) {
			return t, false
		}
		if !t.Shaped {
			return t, true
		}
		stride, ok := n.Arg("stride").(ir.Number)
		if !ok {
			return types.AnyTensor, true
		}
		return channels(n, divided(t, int(stride.V))), true
	}
}

// divided is the type with height and width divided.
func divided(t types.Type, by int) types.Type {
	for _, axis := range []string{types.Height, types.Width} {
		s, _ := t.Size(axis)
		t = t.With(axis, s.Times(1, by))
	}
	return t
}

// concatenated has the planes of both sides, which must be equal, and their channels one after another.
func concatenated(c *checker, n *ir.Node, _ types.Type) (types.Type, bool) {
	a, b := n.Arg("a").Type(), n.Arg("b").Type()
	if !a.Shaped || !b.Shaped {
		return types.AnyTensor, true
	}
	plane := types.Scalar
	count := types.Known(0)
	for i, t := range []types.Type{a, b} {
		if !c.needs(n, t, types.Height, types.Width) {
			return t, false
		}
		k, ok := t.Size(types.Channel)
		if !ok {
			k = types.Known(1)
		}
		if i == 0 {
			plane, count = t.Without(types.Channel), k
			continue
		}
		count = count.Plus(k)
		if other := t.Without(types.Channel); !other.Fits(plane) {
			c.diags.Add(diag.ShapesDiffer, n.Span, "concat joins maps of one height and width, found %s and %s", article(a), article(b))
			return t, false
		}
	}
	return plane.With(types.Channel, count), true
}

// channels is the type with the number of channels that a layer gives; a parameter of the fn that is not known yet leaves the shape open.
func channels(n *ir.Node, t types.Type) types.Type {
	k, ok := n.Arg("channels").(ir.Number)
	if !ok {
		return types.AnyTensor
	}
	return t.With(types.Channel, types.Known(int(k.V)))
}

func reduced(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
	axes, all := axesOf(n)
	if all {
		return types.Scalar, true
	}
	if !c.needs(n, t, axes...) {
		return t, false
	}
	if !t.Shaped {
		return t, true
	}
	return t.Without(axes...), true
}

// axesOf lists the axes of over; all is true where it is absent.
func axesOf(n *ir.Node) (axes []string, all bool) {
	switch v := n.Arg("over").(type) {
	case ir.Word:
		return []string{v.Text}, false
	case ir.List:
		for _, x := range v.Items {
			if w, ok := x.(ir.Word); ok {
				axes = append(axes, w.Text)
			}
		}
		return axes, false
	}
	return nil, true
}

func resized(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
	if !c.needs(n, t, types.Height, types.Width) {
		return t, false
	}
	f, ok := n.Arg("factor").(ir.Number)
	if !ok || !t.Shaped {
		return types.AnyTensor, true
	}
	num, den := factor(f.V)
	if num == 0 {
		d := c.diags.Add(diag.OutOfRange, n.ArgSpan("factor"), "factor of resize is %g, expected a whole number or one over a whole number", f.V)
		d.Help = "for example 2, 0.5 or 0.25"
		return t, false
	}
	for _, axis := range []string{types.Height, types.Width} {
		s, _ := t.Size(axis)
		t = t.With(axis, s.Times(num, den))
	}
	return t, true
}

// factor reads a number as n/1 or 1/n; 0 when it is neither.
func factor(v float64) (num, den int) {
	if r := math.Round(v); v >= 1 && r == v {
		return int(r), 1
	}
	if r := math.Round(1 / v); v > 0 && math.Abs(1/v-r) < 1e-6*r {
		return 1, int(r)
	}
	return 0, 0
}

func coordinates(c *checker, n *ir.Node, t types.Type) (types.Type, bool) {
	axis := map[string]string{"rows": types.Height, "columns": types.Width}[n.Op]
	if !c.needs(n, t, types.Height, types.Width) {
		return t, false
	}
	if !t.Shaped {
		return t, true
	}
	s, _ := t.Size(axis)
	return types.Tensor(types.Axis{Name: axis, Size: s}), true
}

// needs reports axes that a tensor lacks.
func (c *checker) needs(n *ir.Node, t types.Type, axes ...string) bool {
	if !t.Shaped {
		return true
	}
	for _, a := range axes {
		if _, ok := t.Size(a); !ok {
			d := c.diags.Add(diag.ShapesDiffer, n.Span, "%s needs the axis %s, found %s", n.Op, a, article(t))
			if len(t.Axes) == 0 {
				d.Help = "a sum or mean over all axes leaves none; name those to reduce: over: channel"
			}
			return false
		}
	}
	return true
}

func (c *checker) lacks(n *ir.Node, t types.Type, axis string) bool {
	if _, ok := t.Size(axis); t.Shaped && ok {
		d := c.diags.Add(diag.ShapesDiffer, n.Span, "%s takes one plane, found %s", n.Op, article(t))
		d.Help = "max(x, over: channel) leaves one"
		return false
	}
	return true
}

func (c *checker) odd(n *ir.Node, arg string) bool {
	v, ok := n.Arg(arg).(ir.Number)
	if ok && (v.V != math.Trunc(v.V) || int(v.V)%2 == 0) {
		d := c.diags.Add(diag.OutOfRange, n.ArgSpan(arg), "%s of %s is %s, expected an odd number: the window has a centre", arg, n.Op, show(v))
		d.Help = fmt.Sprintf("write %d px", int(v.V)/2*2+1)
		return false
	}
	return true
}

func (c *checker) whole(n *ir.Node, arg string) bool {
	v, ok := n.Arg(arg).(ir.Number)
	if ok && v.V != math.Trunc(v.V) {
		c.diags.Add(diag.OutOfRange, n.ArgSpan(arg), "%s of %s is %s, expected whole pixels", arg, n.Op, show(v))
		return false
	}
	return true
}

func (c *checker) kernel(n *ir.Node) bool {
	l, ok := n.Arg("kernel").(ir.List)
	if !ok {
		return true
	}
	width := -1
	for _, row := range l.Items {
		r, ok := row.(ir.List)
		if !ok {
			return true
		}
		if width >= 0 && len(r.Items) != width {
			width = 0
			break
		}
		width = len(r.Items)
	}
	if len(l.Items)%2 == 0 || width <= 0 || width%2 == 0 || len(l.Items) > 31 || width > 31 {
		c.diags.Add(diag.OutOfRange, n.ArgSpan("kernel"), "the kernel of convolve has an odd number of rows of one odd length, up to 31")
		return false
	}
	return true
}

// fold works out a tensor builtin of numbers alone.
func fold(n *ir.Node) (float64, bool) {
	var x []float64
	for _, a := range n.Args {
		if p, ok := n.Builtin.Param(a.Name); !ok || !p.Type.IsTensor() {
			continue
		}
		v, ok := a.Value.(ir.Number)
		if !ok || v.Unit != "" {
			return 0, false
		}
		x = append(x, v.V)
	}
	one := map[string]func(float64) float64{"abs": math.Abs, "exp": math.Exp, "log": math.Log, "sqrt": math.Sqrt, "tanh": math.Tanh,
		"sigmoid": func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }, "relu": func(v float64) float64 { return max(v, 0) }}
	two := map[string]func(a, b float64) float64{"pow": math.Pow, "maximum": math.Max, "minimum": math.Min}
	if f, ok := one[n.Op]; ok && len(x) == 1 {
		return f(x[0]), true
	}
	if f, ok := two[n.Op]; ok && len(x) == 2 {
		return f(x[0], x[1]), true
	}
	return 0, false
}

// TensorOps lists the tensor builtins that have a shape rule, for tests.
func TensorOps() []string { return sortedKeys(shapes) }

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
		d := c.diags.Add(diag.UnknownField, e.Name.Where, "this eval measures %s in %d ways", e.Name.Text, found)
		d.Help = "write a fn for each: fn mine(p: mask, t: mask) -> scalar = " + e.Name.Text + "(p, t, …)"
		return unknown
	}
	return &ir.Node{Op: "select", T: measure, Span: e.Where, Args: []ir.Arg{{Name: "of", Value: n}, {Name: "field", Value: ir.Str{S: e.Name.Text}}}}
}

// FnName is the name of the fn that a node with Op "fn" was made of.
func FnName(n *ir.Node) string {
	name, _, _ := strings.Cut(n.Label, "(")
	return name
}
