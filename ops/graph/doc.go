// Package graph is the one room of the house in which GoMLX is met: models,
// losses and optimisers are written here, or against this package, as
// functions from nodes to nodes, and this package alone decides on which
// backend they run.
//
// A network is a Go function that takes a [Scope] and nodes and returns nodes.
// The scope is a place in the tree of parameter names; asking it for a
// parameter declares one, under the name the same parameter has in a PyTorch
// state dict and in PyTorch's layout (Linear (out,in), Conv (out,in,kh,kw),
// transposed Conv (in,out,kh,kw)), so that published weights load without a
// translation table. The function knows neither the values of its parameters
// nor the machine: [Declare] runs it only to list what it asks for,
// [Initialise] draws first values on the host, [NewProgram] compiles it, and
// [NewStep] compiles it together with its gradient and the optimiser.
//
// Activations are channels last: maps are (B,H,W,C), token lists (B,N,C).
//
// Two backends are known. "go" is GoMLX's interpreter, always there; "xla"
// compiles through a PJRT plugin, a shared library installed by [InstallCPU]
// and opened only by its absolute path after its checksum has been verified.
// Nothing is downloaded unasked. The layers choose their lowering by backend,
// because what one does well the other does badly or wrongly: convolutions
// become shifted matrix products on go, means are reduced axis by axis there,
// and no layer relies on a gradient that is known to be wrong.
//
// A program that is only asked is compiled in segments on a CPU's XLA, so that
// blocks which are alike are compiled once; see [Scope.Block]. If it is asked again
// and again, weights of its wide products are packed for them and kept so beside
// the host's; see [DeviceParams.Packed].
//
// A step may compute its products in half precision ([Precision]) and some of
// its activations twice ([Scope.Block]), and what a program needs of memory is
// estimated from its graph before it is compiled ([MemoryError]).
//
// Random numbers (first values, dropout) are drawn on the host from streams
// seeded by purpose and name, so both backends see the same ones, and adding a
// parameter changes no other.
//
// Faults in a graph under construction (a shape that does not fit, a parameter
// asked for twice with different shapes) are raised as panics inside the
// build function, as GoMLX does, and come out of Declare, NewProgram and
// NewStep as plain errors of one line.
package graph
