package lint

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "patient-leak", Severity: diag.Error, Confidence: Certain, Title: "training and test data come from two different splits of the same patients",
		Doc: "One split keeps every patient on one side. Two splits with other shares or another seed divide the same patients anew, so some of those trained on are tested on. Make one split and use its sides everywhere.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				for _, t := range trainings(n.Node("model")) {
					if a, b := x.splitOf(n.Node("data")), x.splitOf(t.Node("data")); a != nil && b != nil && x.split(a) != x.split(b) && x.share(a.Node("data"), b.Node("data")) {
						d := x.report(n.ArgSpan("data"), "use the sides of one split for both", "the model was trained on another split of these patients")
						d.Related = append(d.Related, diag.Related{Span: b.Span, Message: "the split it was trained on"})
						return
					}
				}
			}, "evaluate")
		}})
}

// splitOf is the split that data are a side of, or nil.
func (x *pass) splitOf(n *ir.Node) *ir.Node {
	for _, o := range x.origins(n) {
		if o.node.Op == "select" && o.node.Node("of") != nil && o.node.Node("of").Op == "by" {
			return o.node.Node("of")
		}
	}
	return nil
}
