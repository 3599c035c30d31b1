package check

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/ir"
)

// Written writes a value as a script would, with every default filled in and every name replaced by what it stands for. Read again it is the same value, as far as values
// can be written: a taxonomy is only named.
func Written(v ir.Value) string {
	switch v := v.(type) {
	case *ir.Node:
		return writtenNode(v)
	case ir.List:
		parts := make([]string, len(v.Items))
		for i, x := range v.Items {
			parts[i] = Written(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case ir.Map:
		parts := make([]string, len(v.Entries))
		for i, x := range v.Entries {
			parts[i] = x.Key + ": " + Written(x.Value)
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case ir.Predicate:
		return writtenCondition(v.Test)
	case ir.Word:
		if v.Place != nil && v.Place.Unplaced {
			return `unplaced("` + v.Text + `")`
		}
	}
	return show(v)
}

// looseness of operators, the loosest first; of one level, the left binds.
var looseness = map[string]int{"or": 1, "and": 2, "in": 3, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5}

// operand writes a side of an operator, in parentheses where it would be torn apart.
func operand(v ir.Value, level int, right bool) string {
	s := Written(v)
	if n, ok := v.(*ir.Node); ok {
		own, operator := looseness[n.Op]
		if operator && n.Builtin == nil && (own < level || right && own == level) || strings.Contains(s, "|>") {
			return "(" + s + ")"
		}
	}
	return s
}

func writtenNode(n *ir.Node) string {
	if n.Op == "fn" {
		if after := n.Node("after"); after != nil {
			return Written(after) + " |> " + n.Label
		}
		if side := n.Text("side"); side != "" {
			return side + "(" + n.Label + ")"
		}
		return n.Label
	}
	if n.Op == "predict" { // see ir.Predictions
		return writtenNode(&ir.Node{Op: "evaluate", Builtin: builtin.Lookup("evaluate")[0], Args: n.Args})
	}
	if n.Builtin == nil {
		switch level, binary := looseness[n.Op]; {
		case n.Op == "select":
			return operand(n.Arg("of"), 9, false) + "." + n.Text("field")
		case n.Op == "index":
			return operand(n.Arg("of"), 9, false) + "[" + Written(n.Arg("by")) + "]"
		case binary && len(n.Args) == 2:
			return operand(n.Args[0].Value, level, false) + " " + n.Op + " " + operand(n.Args[1].Value, level, true)
		}
	}
	var piped ir.Value
	var args []string
	for i, a := range n.Args {
		if a.Value == nil {
			continue
		}
		if n.Builtin != nil && i < len(n.Builtin.Params) {
			p, ok := n.Builtin.Param(a.Name)
			if ok && p.Piped {
				piped = a.Value
				continue
			}
			if ok && p.Rest { // the items stand alone
				if l, isList := a.Value.(ir.List); isList {
					for _, x := range l.Items {
						args = append([]string{Written(x)}, args...)
					}
					reverse(args[:len(l.Items)])
					continue
				}
			}
		}
		if n.Builtin == nil {
			args = append(args, Written(a.Value))
		} else if m, ok := a.Value.(ir.Map); ok && a.Name == "entries" {
			args = append(args, strings.Trim(Written(m), "{} "))
		} else {
			args = append(args, a.Name+": "+Written(a.Value))
		}
	}
	s := n.Op
	if len(args) > 0 || piped != nil {
		s += "(" + strings.Join(args, ", ") + ")"
	}
	if piped != nil {
		s = Written(piped) + " |> " + s
	}
	return s
}

func reverse(s []string) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

func writtenCondition(p *ir.Pred) string {
	switch p.Op {
	case "and", "or":
		parts := make([]string, len(p.Kids))
		for i, k := range p.Kids {
			if parts[i] = writtenCondition(k); k.Op == "or" && p.Op == "and" {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, " "+p.Op+" ")
	case "not":
		return "not (" + writtenCondition(p.Kids[0]) + ")"
	}
	return p.Field + " " + p.Op + " " + Written(p.Value)
}
