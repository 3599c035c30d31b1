package check

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
)

// A finite program can still be far too large: a fn that calls another twice, which calls a third twice, doubles with every line. These bounds end
// such a script with a message; no experiment comes near them.
const (
	maxSteps = 2_000_000 // expressions worked out for one script
	maxText  = 1 << 20   // bytes of a text joined by +
	maxItems = 100_000   // items of one list or comprehension
)

// spend counts work and says whether there may be more. The first refusal is reported, and everything after it is unknown.
func (c *checker) spend(n int, at source.Span) bool {
	if c.steps > maxSteps {
		return false
	}
	if c.steps += n; c.steps <= maxSteps {
		return true
	}
	d := c.diags.Add(diag.TooDeep, at, "this script takes more than %d steps to work out", maxSteps)
	d.Help = "fewer values in its sweeps, or fewer fns that call each other several times"
	return false
}

// weigh charges for the items of a list within lists: two copies of a list in a list in a list … are few characters and much memory.
func (c *checker) weigh(l ir.List, at source.Span) bool {
	if _, nested := first(l).(ir.List); !nested {
		return true
	}
	for _, x := range l.Items {
		if inner, ok := x.(ir.List); ok && (!c.spend(len(inner.Items), at) || !c.weigh(inner, at)) {
			return false
		}
	}
	return true
}

func first(l ir.List) ir.Value {
	if len(l.Items) == 0 {
		return nil
	}
	return l.Items[0]
}
