package lint

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

func init() {
	register(Rule{Name: "single-seed", Severity: diag.Warning, Confidence: Certain, Title: "trained models are compared with one seed each",
		Doc: "Two trainings of one recipe with two seeds differ, often by as much as two recipes do. A test over samples does not see that: it treats the weights as given. Train each arm with several seeds, " +
			"`[m |> pretrain(seed: s) |> evaluate(d) for s in 0..4]`, and look at the spread before calling a difference an improvement.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				arms := map[string]int{}
				trained := false
				for _, v := range n.Items("evals") {
					if e, ok := v.(*ir.Node); ok {
						arms[x.seedless(e, map[*ir.Node]string{})]++
						trained = trained || len(trainings(e.Node("model"))) > 0
					}
				}
				for _, count := range arms {
					if count > 1 {
						return
					}
				}
				if trained && len(arms) > 1 {
					x.report(n.Span, "train every arm with several seeds, or allow it with a reason", "every trained model in this comparison has one seed")
				}
			}, "compare")
		}})
}

// seedless is the identity of a node without any seed in or below it.
func (x *pass) seedless(n *ir.Node, memo map[*ir.Node]string) string {
	if s, ok := memo[n]; ok {
		return s
	}
	parts := []string{n.Op}
	for _, a := range n.Args {
		switch v := a.Value.(type) {
		case nil:
		case *ir.Node:
			parts = append(parts, a.Name+"="+x.seedless(v, memo))
		default:
			if a.Name != "seed" {
				parts = append(parts, a.Name+"="+x.hash.Hash(v))
			}
		}
	}
	key := x.hash.Hash(ir.Str{S: strings.Join(parts, ";")})
	memo[n] = key
	return key
}
