package lint

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "seen-prompt", Severity: diag.Warning, Confidence: Certain, Title: "a training is shown masks by a model that has been trained on the same patients",
		Doc: "A model predicts the images it was trained on better than others. A second model that learns to correct those masks, `prompt: mask(of: …)`, sees fewer and other mistakes than the masks of new patients will have, and learns to trust them. " +
			"Train the first model on other patients (a side of a split), or let two halves of the patients predict each other and name both evals: `mask(of: [a_on_b, b_on_a])`.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				prompt := n.Node("prompt")
				if prompt == nil || prompt.Op != "mask" {
					return
				}
				for _, shown := range ir.Outermost(prompt.Arg("of")) {
					if !x.share(shown.Node("data"), n.Node("data")) {
						continue // of the validation data
					}
					for _, before := range trainings(shown.Node("model")) {
						if !x.share(before.Node("data"), shown.Node("data")) {
							continue
						}
						d := x.report(n.ArgSpan("prompt"), "let a model predict these patients that was trained on others", "the masks of the prompt are from a model that was trained on the patients they are of")
						d.Related = append(d.Related, diag.Related{Span: before.ArgSpan("data"), Message: "trained here"}, diag.Related{Span: shown.Span, Message: "predicted here"})
						return
					}
				}
			}, "train", "finetune")
		}})
}
