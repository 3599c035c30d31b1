package check

import (
	"strings"

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

func writtenNode(n *ir.Node) string {
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
	if n.Builtin == nil && len(args) == 2 {
		return args[0] + " " + n.Op + " " + args[1]
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
