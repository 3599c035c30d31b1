package graph

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// GoMLX ends the gradient of every matrix product with a transposition, also
// where the axes are in order already. XLA removes it; the interpreter copies
// the whole array, an eighth of the time of a U-Net's training step. So the
// rule for the gradient is wrapped in one that leaves such transpositions out.
func init() {
	rule := gx.VJPRegistration[gx.NodeTypeDotGeneral]
	gx.VJPRegistration[gx.NodeTypeDotGeneral] = func(node *Node, adjoints []*Node, shape shapes.Shape) []*Node {
		grads := rule(node, adjoints, shape)
		for i, g := range grads {
			if g != nil && idleTransposition(g) {
				grads[i] = g.Inputs()[0]
			}
		}
		return grads
	}
}

// idleTransposition says whether a node only puts axes where they are. The
// permutation is not accessible but for the node's description.
func idleTransposition(n *Node) bool {
	if n.Type() != gx.NodeTypeTranspose || n.NumOutputs() != 1 || !n.Shape().Equal(n.Inputs()[0].Shape()) {
		return false
	}
	axes := make([]string, n.Rank())
	for i := range axes {
		axes[i] = fmt.Sprint(i)
	}
	return strings.Contains(n.String(), "permutation=["+strings.Join(axes, " ")+"]")
}
