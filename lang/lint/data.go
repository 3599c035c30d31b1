package lint

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/taxonomy"
)

// sources are data as rules compare them: what they are chosen from, and by which choices. Preparation changes no patient, so it is left out; a sum has several.
type origin struct {
	node    *ir.Node // data from disk, generated data, or a side of a split
	base    string   // its identity
	choices []string // where and take upon it, in order
}

func (x *pass) origins(n *ir.Node) []origin {
	switch {
	case n == nil:
		return nil
	case n.Op == "+":
		return append(x.origins(n.Node("a")), x.origins(n.Node("b"))...)
	case n.Op == "prep" && n.Node("data") != nil:
		return x.origins(n.Node("data"))
	case n.Op == "where" || n.Op == "take":
		out := x.origins(n.Node("data"))
		h := ir.NewHasher(nil)
		choice := n.Op
		for _, a := range n.Args {
			if a.Name != "data" && a.Value != nil {
				choice += " " + a.Name + "=" + h.Hash(a.Value)
			}
		}
		for i := range out {
			out[i].choices = append(slices.Clone(out[i].choices), choice)
		}
		return out
	}
	return []origin{{node: n, base: x.identity(n)}}
}

// source is where data come from in the end: from disk or generated; nil when that cannot be told.
func (o origin) source() *ir.Node {
	n := o.node
	for n != nil {
		switch n.Op {
		case "select":
			n = n.Node("of")
		case "by", "where", "take", "prep":
			n = n.Node("data")
		default:
			return n
		}
	}
	return nil
}

// identity of data, without preparation: a side of a split of prepared data is the same side of the same split of unprepared data.
func (x *pass) identity(n *ir.Node) string {
	if n.Op == "select" && n.Node("of") != nil && n.Node("of").Op == "by" {
		by := n.Node("of")
		return x.split(by) + "." + n.Text("field")
	}
	return x.hash.Hash(n)
}

// split is the identity of a split, without preparation.
func (x *pass) split(by *ir.Node) string {
	parts := []string{"by"}
	h := ir.NewHasher(nil)
	for _, a := range by.Args {
		if a.Name != "data" && a.Value != nil {
			parts = append(parts, a.Name+"="+h.Hash(a.Value))
		}
	}
	for _, o := range x.origins(by.Node("data")) {
		parts = append(parts, o.base, strings.Join(o.choices, ","))
	}
	return strings.Join(parts, ";")
}

// share says whether two data are certain to have patients in common: one is a part of the other.
func (x *pass) share(a, b *ir.Node) bool {
	for _, p := range x.origins(a) {
		for _, q := range x.origins(b) {
			n := min(len(p.choices), len(q.choices))
			if p.base == q.base && slices.Equal(p.choices[:n], q.choices[:n]) {
				return true
			}
		}
	}
	return false
}

// trainings are the train and finetune nodes that a model has gone through, the last first.
func trainings(model *ir.Node) []*ir.Node {
	var out []*ir.Node
	for n := model; n != nil; n = n.Node("model") {
		if n.Op == "train" || n.Op == "finetune" {
			out = append(out, n)
		}
	}
	return out
}

// modalities of data, where the script says them; complete is false when some are not known.
func (x *pass) modalities(n *ir.Node) (out []string, complete bool) {
	complete = true
	for _, o := range x.origins(n) {
		src := o.source()
		if src == nil || src.Text("modality") == "" {
			complete = false
			continue
		}
		out = append(out, src.Text("modality"))
	}
	return out, complete
}

// tasks of data that the script names; complete is false when the data have further ones, which only their files know.
func (x *pass) tasks(n *ir.Node) (out []*taxonomy.Place, complete bool) {
	complete = true
	var visit func(n *ir.Node)
	visit = func(n *ir.Node) {
		switch {
		case n == nil:
			complete = false
		case n.Op == "+":
			visit(n.Node("a"))
			visit(n.Node("b"))
		case n.Op == "select":
			visit(n.Node("of"))
		case n.Op == "where": // which tasks it leaves is known only for some conditions
			visit(n.Node("data"))
		case n.Op == "take" || n.Op == "prep" || n.Op == "by":
			visit(n.Node("data"))
		default:
			m, ok := n.Arg("tasks").(ir.Map)
			if !ok || len(m.Entries) == 0 {
				complete = false
			}
			for _, e := range m.Entries {
				if w, ok := e.Value.(ir.Word); ok && w.Place != nil {
					out = append(out, w.Place)
				}
			}
		}
	}
	visit(n)
	return out, complete
}
