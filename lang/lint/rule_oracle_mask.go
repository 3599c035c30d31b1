package lint

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "oracle-mask", Severity: diag.Warning, Confidence: Certain, Title: "the reference chooses among the proposed masks",
		Doc: "`select: oracle` takes, of the masks a model proposes, the one nearest to the truth, which nobody has when the model is used. The result is an upper bound. Use it only to compare with papers that did so, and say so.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				if n.Text("select") == "oracle" {
					x.report(n.ArgSpan("select"), "leave select out, or allow it with a reason", "the mask nearest to the truth is chosen: an upper bound, not a result")
				}
			}, "evaluate")
		}})
}
