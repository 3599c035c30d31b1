package check

import (
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/ir"
)

// A default is written in the registry as it would be in a script; it must check there, within its own limits, like any argument.
func TestEveryDefaultChecks(t *testing.T) {
	c := newChecker()
	for _, b := range builtin.All() {
		for i := range b.Params {
			p := &b.Params[i]
			if p.Default == "" {
				continue
			}
			t.Run(b.Name+"."+p.Name, func(t *testing.T) {
				defer func() {
					if r := recover(); r != nil {
						t.Errorf("%s: %v", p.Default, r)
					}
				}()
				if p.Need {
					t.Error("it must be given, so its default is never used")
				}
				v := c.defaultOf(b, p)
				if isUnknown(v) {
					t.Fatalf("%s has no value", p.Default)
				}
				limits := func(x float64) {
					if p.Min != nil && (x < *p.Min || p.Above && x == *p.Min) || p.Max != nil && x > *p.Max {
						t.Errorf("%s is outside its own limits", p.Default)
					}
				}
				switch v := v.(type) {
				case ir.Number:
					limits(v.V)
				case ir.Range:
					limits(v.Lo)
					limits(v.Hi)
				}
			})
		}
	}
}
