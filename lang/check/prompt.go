package check

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

// prompt checks what a prompt is joined with. The evals of a mask become their predictions: another metric in them changes no prompt.
func (c *checker) prompt(n *ir.Node) {
	within := func(arg, help string, allowed ...string) {
		x := n.Node(arg)
		if x == nil {
			return
		}
		for _, op := range allowed {
			if x.Op == op {
				return
			}
		}
		c.diags.Add(diag.WrongType, n.ArgSpan(arg), "%s stands within %s", x.Op, n.Op).Help = help
	}
	switch n.Op {
	case "points":
		within("with", "points are shown with a box: points(…, with: box()); further points belong to the numbers of one points(…), and a mask has points: mask(…, with: points(…))", "box")
	case "mask":
		within("with", "a mask is shown with a box or points: mask(…, with: points(…, with: box()))", "box", "points")
		for i, a := range n.Args {
			if a.Name == "of" {
				n.Args[i].Value = c.predicted(n, a.Value)
			}
		}
	case "refine":
		within("prompt", "write the rounds of one refine(…)", "box", "points", "mask")
	}
}

func (c *checker) predicted(mask *ir.Node, v ir.Value) ir.Value {
	switch v := v.(type) {
	case *ir.Node:
		if v.Op == "evaluate" {
			return ir.Predictions(v)
		}
	case ir.List:
		out := ir.List{Elem: v.Elem}
		for _, x := range v.Items {
			out.Items = append(out.Items, c.predicted(mask, x))
		}
		return out
	}
	if !isUnknown(v) {
		c.diags.Add(diag.NotConstant, mask.ArgSpan("of"), "which eval this is cannot be told before a run").Help = "name the eval whose predictions are meant"
	}
	return unknown
}

// trainingPrompt refuses prompts that a training cannot give.
func (c *checker) trainingPrompt(n *ir.Node) {
	if p := n.Node("prompt"); p != nil && p.Op == "refine" {
		d := c.diags.Add(diag.WrongType, n.ArgSpan("prompt"), "%s shows each sample one prompt, and refine needs answers between", n.Op)
		d.Help = "train with clicks at masks made worse, as in mask(grow: -4 px .. 4 px, shift: 0 px .. 5 px, clicks: 2), and refine in evaluate"
	}
}
