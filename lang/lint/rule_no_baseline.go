package lint

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "no-baseline", Severity: diag.Note, Confidence: Certain, Title: "a trained model is evaluated and nothing simple beside it",
		Doc: "A box around a round organ already has a Dice near 0.8. A number means something beside that of doing nothing clever: evaluate `box_fill` or `box_ellipse` on the same data.",
		run: func(x *pass) {
			baseline := map[string]bool{}
			x.each(func(n *ir.Node) {
				if m := n.Node("model"); m != nil && len(trainings(m)) == 0 {
					baseline[x.hash.Hash(n.Node("data"))] = true
				}
			}, "evaluate")
			reported := map[string]bool{}
			x.each(func(n *ir.Node) {
				data := x.hash.Hash(n.Node("data"))
				if len(trainings(n.Node("model"))) > 0 && !baseline[data] && !reported[data] {
					reported[data] = true
					x.report(n.Span, "add eval baseline = box_ellipse |> evaluate(…) on the same data", "no simple model is evaluated on these data")
				}
			}, "evaluate")
		}})
}
