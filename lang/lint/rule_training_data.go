package lint

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "training-data", Severity: diag.Error, Confidence: Certain, Title: "a model is evaluated on data it was trained on",
		Doc: "A network can learn its training images by heart, so a result on them says nothing about others. Evaluate on a side of a split that no training has seen: `evaluate(parts.test)`. " +
			"The rule follows a model through all its trainings, and data through where, take, prep and sums.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				for _, t := range trainings(n.Node("model")) {
					if x.share(n.Node("data"), t.Node("data")) {
						d := x.report(n.ArgSpan("data"), "evaluate on another side of a split", "these data were used to train the model")
						d.Related = append(d.Related, diag.Related{Span: t.ArgSpan("data"), Message: "trained on here"})
						return
					}
				}
			}, "evaluate")
		}})
}
