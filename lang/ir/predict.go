package ir

import "github.com/mseg-lang/mseg/lang/types"

// Predictions is what an evaluate node measures: a node with the Op "predict" that has its model, data and prompt, and no metrics, groups or level. So
// changing those changes no prediction, and nothing that is made of one.
func Predictions(evaluate *Node) *Node {
	p := &Node{Op: "predict", T: types.Of("eval"), Span: evaluate.Span, Label: evaluate.Label}
	for _, a := range evaluate.Args {
		switch a.Name {
		case "model", "data", "prompt", "select", "seed", "batch", "inference":
			p.Args = append(p.Args, a)
		}
	}
	return p
}
