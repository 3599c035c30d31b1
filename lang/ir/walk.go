package ir

import "iter"

// Walk goes through values and all that they are made of: the items of lists, the entries of maps, the arguments of nodes. What is made of something comes before
// what it is made of; each node comes once, and so does what is inside it. The body of a Fn is its own business: to look inside, walk from the body.
func Walk(roots ...Value) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		seen := map[*Node]bool{}
		var visit func(Value) bool
		visit = func(v Value) bool {
			n, isNode := v.(*Node)
			if v == nil || isNode && (n == nil || seen[n]) {
				return true
			}
			if !yield(v) {
				return false
			}
			switch v := v.(type) {
			case *Node:
				seen[v] = true
				for _, a := range v.Args {
					if !visit(a.Value) {
						return false
					}
				}
			case List:
				for _, x := range v.Items {
					if !visit(x) {
						return false
					}
				}
			case Map:
				for _, e := range v.Entries {
					if !visit(e.Value) {
						return false
					}
				}
			}
			return true
		}
		for _, v := range roots {
			if !visit(v) {
				return
			}
		}
	}
}

// Nodes are the nodes that Walk finds.
func Nodes(roots ...Value) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for v := range Walk(roots...) {
			if n, ok := v.(*Node); ok && !yield(n) {
				return
			}
		}
	}
}

// InputsFirst goes through nodes and those that they are computed from, each once, after all of its inputs. Inputs says which these are; nil means Node.Inputs.
func InputsFirst(inputs func(*Node) []*Node, roots ...*Node) iter.Seq[*Node] {
	if inputs == nil {
		inputs = (*Node).Inputs
	}
	return func(yield func(*Node) bool) {
		seen := map[*Node]bool{}
		var visit func(*Node) bool
		visit = func(n *Node) bool {
			if seen[n] {
				return true
			}
			seen[n] = true
			for _, in := range inputs(n) {
				if !visit(in) {
					return false
				}
			}
			return yield(n)
		}
		for _, n := range roots {
			if !visit(n) {
				return
			}
		}
	}
}

// Outermost lists the nodes of a value that are in no other node: the value itself, or those in its lists and maps, in order.
func Outermost(v Value) []*Node {
	var out []*Node
	switch v := v.(type) {
	case *Node:
		out = append(out, v)
	case List:
		for _, x := range v.Items {
			out = append(out, Outermost(x)...)
		}
	case Map:
		for _, e := range v.Entries {
			out = append(out, Outermost(e.Value)...)
		}
	}
	return out
}

// Values are all that a program says: what it binds, expects and displays, in order.
func (p *Program) Values() []Value {
	var out []Value
	for _, b := range p.Bindings {
		out = append(out, b.Value)
	}
	for _, x := range p.Expects {
		out = append(out, x.Condition)
	}
	for _, b := range p.Bare {
		out = append(out, b.Value)
	}
	return out
}
