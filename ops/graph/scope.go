package graph

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// Node is a value in a graph under construction.
type Node = gx.Node

// Build is a network, or any part of one that can run alone: it turns the
// nodes of the declared inputs into the nodes of the outputs.
type Build func(s *Scope, in []*Node) []*Node

// Scope is a place in the name tree of a model under construction. Scopes are
// made by Declare, NewProgram and NewStep and are of no use after the build
// function has returned.
type Scope struct {
	c    *construction
	path string
}

// construction is what all scopes of one graph share.
type construction struct {
	g        *gx.Graph
	kind     string // which lowering the layers choose: "go" or "xla"
	cpu      bool   // XLA on a processor of the host
	float    dtypes.DType
	training bool
	// recompute lets Block have effect on gradients.
	recompute bool
	// divide lets Block cut the program; cuts are the numbers of operations before which it did.
	divide  bool
	cuts    []int
	scale   *Node // [loss scale, 1/loss scale], if there is one
	wantTap func(name string) bool

	feeds   []feed // in order of the graph's parameters
	aliases []alias
	beside  int64 // bytes that are held while the graph runs and are no argument of it
	params  map[string]*Node
	specs   []Spec
	draws   map[string]*Node
	taps    []tap

	// see, if set, stands between a parameter and those who ask for it; the
	// gradient check moves parameters along a direction this way.
	see func(name string, n *Node) *Node
}

type feedKind int

const (
	feedInput feedKind = iota
	feedParam
	feedDraw
)

// feed is one argument of the compiled graph.
type feed struct {
	kind  feedKind
	name  string
	index int // of the input
	dims  []int
}

// alias says that a result takes the memory of an argument, which is given up.
type alias struct {
	feed, result int
}

// inPlace lets a result take the memory of an argument that has been declared.
func (c *construction) inPlace(f feed, result int) {
	i := slices.IndexFunc(c.feeds, func(g feed) bool { return g.kind == f.kind && g.name == f.name && g.index == f.index })
	c.aliases = append(c.aliases, alias{i, result})
}

type tap struct {
	name string
	node *Node
}

func newConstruction(g *gx.Graph, kind string, float dtypes.DType) *construction {
	return &construction{
		g: g, kind: kind, float: float,
		params: map[string]*Node{}, draws: map[string]*Node{},
	}
}

func (c *construction) root() *Scope { return &Scope{c: c} }

func (c *construction) inputs(declared []Shape) []*Node {
	nodes := make([]*Node, len(declared))
	for i, s := range declared {
		dtype := c.float
		if s.Integer {
			dtype = dtypes.Int32
		}
		nodes[i] = gx.Parameter(c.g, fmt.Sprintf("input %d", i), shapes.Make(dtype, s.Dims...))
		c.feeds = append(c.feeds, feed{kind: feedInput, index: i, dims: s.Dims})
	}
	return nodes
}

// In is the scope of a part of this one; names are joined by a dot. The part
// may be a format: s.In("blocks.%d", i).
func (s *Scope) In(part string, a ...any) *Scope {
	if len(a) > 0 {
		part = fmt.Sprintf(part, a...)
	}
	return &Scope{c: s.c, path: s.join(part)}
}

func (s *Scope) join(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// Path is the full name of this place, empty at the root.
func (s *Scope) Path() string { return s.path }

// Param is the parameter of that name in this scope, declared on first use;
// the full name is the parameter's key in a PyTorch state dict. Asking again
// returns the same node; asking again with other dimensions is a fault.
func (s *Scope) Param(name string, init Init, dims ...int) *Node {
	full := s.join(name)
	if n, ok := s.c.params[full]; ok {
		i := slices.IndexFunc(s.c.specs, func(sp Spec) bool { return sp.Name == full })
		if !slices.Equal(s.c.specs[i].Dims, dims) {
			s.Failf("parameter %q is asked for with shape %v, but it was declared with %v", full, dims, s.c.specs[i].Dims)
		}
		return s.c.seen(full, n)
	}
	for _, d := range dims {
		if d <= 0 {
			s.Failf("parameter %q has the shape %v; every dimension must be at least 1", full, dims)
		}
	}
	dims = slices.Clone(dims)
	n := gx.Parameter(s.c.g, "parameter "+full, shapes.Make(s.c.float, dims...))
	s.c.feeds = append(s.c.feeds, feed{kind: feedParam, name: full, dims: dims})
	s.c.specs = append(s.c.specs, Spec{Name: full, Dims: dims, Init: init})
	s.c.params[full] = n
	return s.c.seen(full, n)
}

func (c *construction) seen(name string, n *Node) *Node {
	if c.see == nil {
		return n
	}
	return c.see(name, n)
}

// Graph is the graph under construction, for GoMLX functions that need one.
func (s *Scope) Graph() *gx.Graph { return s.c.g }

// Training says whether the graph is built for training: dropout acts only then.
func (s *Scope) Training() bool { return s.c.training }

// DType is the type of the graph's real numbers: float32, or float64 in a
// gradient check. Constants are to be made with it.
func (s *Scope) DType() dtypes.DType { return s.c.float }

// Uniform is a tensor of numbers from U[0,1), drawn anew on the host for every
// call of the program from the stream of (the call's seed, the full name). It
// is the same on every backend.
func (s *Scope) Uniform(name string, dims ...int) *Node {
	full := s.join(name)
	if n, ok := s.c.draws[full]; ok {
		if !slices.Equal(n.Shape().Dimensions, dims) {
			s.Failf("random tensor %q is asked for with shape %v, but it was declared with %v", full, dims, n.Shape().Dimensions)
		}
		return n
	}
	dims = slices.Clone(dims)
	n := gx.Parameter(s.c.g, "random "+full, shapes.Make(s.c.float, dims...))
	s.c.feeds = append(s.c.feeds, feed{kind: feedDraw, name: full, dims: dims})
	s.c.draws[full] = n
	return n
}

// Block marks where a part of a network begins that others of its parts may be
// like; it is x. The part ends at the next Block, or at Unblock. Results are the
// same with and without, but for roundings where a program is divided.
//
// A program that is only asked, on XLA on the host, is divided there, so that
// parts that are alike are compiled once (segment.go). In a training step
// built with Recompute the activations of the part are not kept for the gradient
// but computed again from x when it is taken (Chen et al., Training Deep Nets with
// Sublinear Memory Cost, 2016), to the same bits.
func (s *Scope) Block(x *Node) *Node {
	s.c.cut()
	if !s.c.recompute {
		return x
	}
	return x.Checkpoint()
}

// Unblock ends the last of a row of parts begun with Block.
func (s *Scope) Unblock(x *Node) *Node {
	s.c.cut()
	if !s.c.recompute {
		return x
	}
	return x.StopCheckpoint()
}

// cut divides the program before the next operation.
func (c *construction) cut() {
	if !c.divide {
		return
	}
	n, err := underway(c.g)
	if err != nil {
		panic(err)
	}
	c.cuts = append(c.cuts, n)
}

// Tap names an intermediate activation. It costs nothing unless the program is
// asked for it (ProgramConfig.Taps).
func (s *Scope) Tap(name string, x *Node) {
	full := s.join(name)
	if s.c.wantTap != nil && s.c.wantTap(full) {
		s.c.taps = append(s.c.taps, tap{name: full, node: x})
	}
}

// Failf ends the construction; the message comes out of Declare, NewProgram or
// NewStep as an error.
func (s *Scope) Failf(format string, a ...any) {
	panic(buildFault{fmt.Errorf(format, a...)})
}

// buildFault marks an error raised by Failf.
type buildFault struct{ error }

func (f buildFault) Unwrap() error { return f.error }

// Declare runs the build function without compiling anything and lists the
// parameters it asks for, in order of creation.
func Declare(inputs []Shape, build Build) ([]Spec, error) {
	var specs []Spec
	err := caught(func() {
		g := gx.NewGraph(interpreter(), "declare")
		defer g.Finalize()
		c := newConstruction(g, "go", dtypes.Float32)
		build(c.root(), c.inputs(inputs))
		specs = c.specs
	})
	return specs, err
}
