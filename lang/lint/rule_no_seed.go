package lint

import (
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "no-seed", Severity: diag.Note, Confidence: Certain, Title: "a training or a split does not say its seed",
		Doc: "Without `seed:` the seed is 0: the run can be repeated, but a reader cannot see that the result is that of one seed, and a sweep over seeds has nothing to change. Write `seed: seed` with a param.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				i := slices.IndexFunc(n.Args, func(a ir.Arg) bool { return a.Name == "seed" })
				if i < 0 || n.Args[i].Span.IsZero() {
					x.report(n.Span, "write seed: … ; a param makes it easy to vary", "%s has no seed", n.Op)
				}
			}, "train", "finetune", "by")
		}})
}
