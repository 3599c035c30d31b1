package check

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
)

// route checks what concerns several entries of one route: the mixtures in it have one gate, and what an expert starts with is there and fits.
func (c *checker) route(n *ir.Node) {
	m, _ := n.Arg("entries").(ir.Map)
	targets := map[string]*ir.Node{} // by path
	var first *ir.Node
	each := func(v ir.Value, at source.Span) {
		x, ok := v.(*ir.Node)
		if !ok {
			return
		}
		switch x.Op {
		case "route":
			d := c.diags.Add(diag.WrongType, at, "a route inside a route")
			d.Help = "list its paths here: the nearest listed ancestor wins"
		case "mixture":
			if first == nil {
				first = x
			} else if what := c.gateDiffers(first, x); what != "" {
				d := c.diags.Add(diag.OutOfRange, at, "the mixtures of a route share one gate and cannot differ in %s", what)
				d.Related = []diag.Related{{Span: first.Span, Message: "the first mixture of the route"}}
			}
		}
	}
	for _, e := range m.Entries {
		each(e.Value, e.Span)
		if x, ok := e.Value.(*ir.Node); ok {
			targets[e.Key] = x
		}
	}
	each(n.Arg("else"), n.ArgSpan("else"))
	for _, e := range m.Entries {
		c.start(e.Key, e.Value, e.Span, targets)
	}
	c.start("", n.Arg("else"), n.ArgSpan("else"), targets)
}

// gateDiffers names what keeps two mixtures from having one gate; "" for nothing.
func (c *checker) gateDiffers(a, b *ir.Node) string {
	if c.hasher == nil {
		c.hasher = ir.NewHasher(nil)
	}
	for _, p := range []string{"embedding", "scale", "dropout"} {
		if a.Num(p) != b.Num(p) {
			return p
		}
	}
	soft := func(n *ir.Node) (*ir.Node, float64, bool) {
		g := n.Node("gate")
		if g != nil && g.Op == "top" {
			return g.Node("of"), g.Num("balance"), true
		}
		return g, 0, false
	}
	ga, balanceA, topA := soft(a)
	gb, balanceB, topB := soft(b)
	if ga != nil && gb != nil && c.hasher.Hash(ga) != c.hasher.Hash(gb) {
		return "what the gate sees"
	}
	if topA && topB && balanceA != balanceB {
		return "balance"
	}
	return ""
}

// start checks the init of an expert.
func (c *checker) start(own string, v ir.Value, at source.Span, targets map[string]*ir.Node) {
	x, ok := v.(*ir.Node)
	if !ok || x.Op != "expert" || x.Arg("init") == nil {
		return
	}
	path := x.Text("init")
	if path == own {
		c.diags.Add(diag.CyclicName, x.ArgSpan("init"), "the expert of %s starts with its own values", own)
		return
	}
	from, ok := targets[path]
	switch {
	case !ok:
		d := c.diags.Add(diag.UnknownOrgan, x.ArgSpan("init"), "the route lists no %s to start from", path)
		var known []string
		for k := range targets {
			if k != own {
				known = append(known, k)
			}
		}
		if d.Help = suggestion(path, known); d.Help == "" {
			d.Help = "list it with an expert of its own"
		}
	case from.Op != "expert" && from.Op != "shared":
		c.diags.Add(diag.WrongType, x.ArgSpan("init"), "%s has a %s, not an expert to start from", path, from.Op)
	case !c.sameBlock(from, x):
		d := c.diags.Add(diag.WrongType, x.ArgSpan("init"), "the expert of %s and this one differ in their block", path)
		d.Help = "values are copied only between experts of one form"
	case x.Arg("block") == nil && c.width(from) != x.Int("bottleneck"):
		d := c.diags.Add(diag.OutOfRange, x.ArgSpan("init"), "the expert of %s has a bottleneck of %d, this one of %d", path, c.width(from), x.Int("bottleneck"))
		d.Help = "values are copied only between experts of one bottleneck"
	default:
		for seen, next := []string{own}, from; next.Op == "expert" && next.Arg("init") != nil; next = targets[path] {
			seen = append(seen, path)
			if path = next.Text("init"); targets[path] == nil {
				return // reported at its own place
			}
			for _, s := range seen {
				if s == path {
					c.diags.Add(diag.CyclicName, x.ArgSpan("init"), "experts start with each other's values: %s", strings.Join(append(seen, path), ", "))
					return
				}
			}
		}
	}
}

// sameBlock says whether two experts have the same block, or both none.
func (c *checker) sameBlock(a, b *ir.Node) bool {
	x, y := a.Node("block"), b.Node("block")
	if x == nil || y == nil {
		return x == y
	}
	h := ir.NewHasher(nil)
	return h.Hash(x) == h.Hash(y)
}

// width of an expert; shared has that of an expert by default.
func (c *checker) width(n *ir.Node) int {
	if n.Op == "expert" {
		return n.Int("bottleneck")
	}
	b := builtin.Lookup("expert")[0]
	p, _ := b.Param("bottleneck")
	v, _ := c.defaultOf(b, p).(ir.Number)
	return int(v.V)
}
