package lint

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "test-selection", Severity: diag.Error, Confidence: Certain, Title: "the checkpoint was chosen on the data of the result",
		Doc: "`validate:` chooses the checkpoint that is kept. When the result is then measured on the same data, the best of many looks is reported as if it were the only one. Give the split " +
			"three sides: train, val to choose, test to report.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				for _, t := range trainings(n.Node("model")) {
					if t.Node("validate") != nil && x.share(n.Node("data"), t.Node("validate")) {
						d := x.report(n.ArgSpan("data"), "choose on parts.val, report on parts.test", "these data chose the checkpoint of the model")
						d.Related = append(d.Related, diag.Related{Span: t.ArgSpan("validate"), Message: "chosen on here"})
						return
					}
				}
			}, "evaluate")
		}})
}
