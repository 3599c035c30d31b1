package ir

import (
	"strings"

	"github.com/mseg-lang/mseg/lang/types"
)

// Fn is a function over tensors with all but its tensors given: a loss, a metric, a step of preparation or a block that a script has written. Its body is built of
// nodes whose leaves are inputs: a *Node with Op "input" and a Number "index" for each parameter, in order.
//
// A node that a Fn makes has the Op "fn", the type of the place it stands at (loss, metric, …) and the Fn as its argument "body". A metric may have a Str "side" beside it:
// lower_is_better or higher_is_better. Inputs of that node are the Fn's own business, so
// Node.Inputs does not list what is inside.
type Fn struct {
	Params []string // types as declared: mask, logits, image, features
	Body   Value
}

// Type of a Fn; the node that holds it says what it is used as.
func (Fn) Type() types.Type { return types.AnyTensor }

// The names of parameters are no part of the identity: inputs are known by their index.
func (f Fn) canonical(h *hasher) string {
	return "(" + strings.Join(f.Params, ", ") + ") -> " + f.Body.canonical(h)
}

// Fn returns the function that a node with Op "fn" is made of.
func (n *Node) Fn() (Fn, bool) {
	f, ok := n.Arg("body").(Fn)
	return f, ok
}

// TensorInput is the leaf for parameter i of a Fn.
func TensorInput(i int, t types.Type) *Node {
	return &Node{Op: "input", T: t, Args: []Arg{{Name: "index", Value: Number{V: float64(i)}}}}
}
