package lint

import (
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "window-modality", Severity: diag.Error, Confidence: Certain, Title: "a window of Hounsfield units is applied to images that have none",
		Doc: "Hounsfield units are calibrated only in CT. The numbers of an MR or ultrasound image have another meaning in every scan, so a fixed window cuts off what it should show. Use `percentile(0.5 % .. 99.5 %)`.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				w := find(n.Node("steps"), "window", "after")
				if w == nil {
					return
				}
				found, _ := x.modalities(n.Node("data"))
				for _, m := range found {
					if !slices.Contains([]string{"CT", "CTA", "CBCT"}, m) {
						d := x.report(n.ArgSpan("steps"), "use percentile(0.5 % .. 99.5 %)", "a window in HU is applied to %s", m)
						d.Related = append(d.Related, diag.Related{Span: w.Span, Message: "the window"})
						return
					}
				}
			}, "prep")
		}})
}

// find goes back along an argument to a node of an operation.
func find(n *ir.Node, op, along string) *ir.Node {
	for ; n != nil; n = n.Node(along) {
		if n.Op == op {
			return n
		}
	}
	return nil
}
