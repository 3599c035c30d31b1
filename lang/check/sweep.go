package check

import (
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/lang/ir"
)

// withSettings notes on an item of a sweep what its variables were. A variable that goes through another sweep stands for the settings of that: of `for m in trained`, where
// trained is `[… for rate in rates]`, the rate is noted. The item is a copy, since the value may stand elsewhere under other settings, or under none; identities do not see it.
func withSettings(v ir.Value, vars []ir.Setting) ir.Value {
	switch v := v.(type) {
	case *ir.Node:
		item := *v
		item.Swept = merged(vars, item.Swept)
		return &item
	case ir.List: // of a sweep within: these settings are the outer ones
		out := ir.List{Items: make([]ir.Value, len(v.Items)), Elem: v.Elem}
		for i, x := range v.Items {
			out.Items[i] = withSettings(x, vars)
		}
		return out
	}
	return v
}

func merged(outer, inner []ir.Setting) []ir.Setting {
	var out []ir.Setting
	add := func(s ir.Setting) {
		if !slices.ContainsFunc(out, func(o ir.Setting) bool { return o.Name == s.Name }) {
			out = append(out, s)
		}
	}
	for _, s := range outer {
		if n, ok := s.Value.(*ir.Node); ok && len(n.Swept) > 0 {
			for _, x := range n.Swept {
				add(x)
			}
			continue
		}
		add(s)
	}
	for _, s := range inner {
		add(s)
	}
	return out
}

// labelItems names the items of a list as a script would: grid[0], and grid[0][1] of a list of lists.
func labelItems(name string, l ir.List) {
	for i, x := range l.Items {
		own := fmt.Sprintf("%s[%d]", name, i)
		switch x := x.(type) {
		case *ir.Node:
			if x.Label == "" {
				x.Label = own
			}
		case ir.List:
			labelItems(own, x)
		}
	}
}
