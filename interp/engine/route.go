package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// target is an entry of a route: a subtree and the experts of its tasks.
type target struct {
	path  string // "" for all other tasks
	value *ir.Node
	first int // number of its first expert
	size  int
}

// targets of a route, in the order written, else last. Experts are numbered through them.
func targetsOf(n *ir.Node) []target {
	m, _ := n.Arg("entries").(ir.Map)
	var out []target
	next := 0
	add := func(path string, v ir.Value) {
		x, _ := v.(*ir.Node)
		t := target{path, x, next, 1}
		if x != nil && x.Op == "mixture" {
			t.size = x.Int("count")
		}
		out, next = append(out, t), next+t.size
	}
	for _, en := range m.Entries {
		add(en.Key, en.Value)
	}
	add("", n.Arg("else"))
	return out
}

func (t target) bottleneck() int {
	if t.value == nil || t.value.Op == "shared" {
		return 16
	}
	return t.value.Int("bottleneck")
}

// owner is the target of a task at a path: the longest listed path above it wins.
func owner(targets []target, path string) int {
	best := len(targets) - 1
	for i, t := range targets[:len(targets)-1] {
		if taxonomy.Within(path, t.path) && (best == len(targets)-1 || strings.Count(t.path, "/") > strings.Count(targets[best].path, "/")) {
			best = i
		}
	}
	return best
}

// routeOf is a fixed table where every target is one expert, and a gate within groups where one is a mixture.
func (e *Engine) routeOf(n *ir.Node) (*experts.Config, float64, error) {
	targets := targetsOf(n)
	c := &experts.Config{Embedding: 16, Scale: 0.1, Dropout: 0.1, Gate: experts.Route, Taxonomy: e.tables()}
	groups := &experts.Groups{}
	balance, mixed := 0.0, false
	var forms []experts.Form // of each expert
	var texts []string
	for _, t := range targets {
		top := 0
		if t.value != nil && t.value.Op == "mixture" {
			if t.size == 0 {
				return nil, 0, fault(t.value.Span, "a mixture of no experts has nothing for the tasks of %s; a route gives every task an expert", t.path)
			}
			m, b, err := e.mixtureOf(t.value)
			if err != nil {
				return nil, 0, err
			}
			if m.Experts > 1 {
				mixed = true
				c.Gate, c.Terms = m.Gate, m.Terms
			}
			c.Embedding, c.Scale, c.Dropout = m.Embedding, m.Scale, m.Dropout
			top, balance = m.Top, max(balance, b)
		}
		form, text := experts.Form(nil), ""
		if t.value != nil {
			if b := t.value.Node("block"); b != nil {
				form, text = ownBlock(b), ir.NewHasher(nil).Hash(b)
			}
		}
		forms, texts = append(forms, slices.Repeat([]experts.Form{form}, t.size)...), append(texts, text)
		groups.Sizes, groups.Top = append(groups.Sizes, t.size), append(groups.Top, top)
		c.Widths = append(c.Widths, slices.Repeat([]int{t.bottleneck()}, t.size)...)
	}
	if slices.ContainsFunc(texts, func(s string) bool { return s != "" }) {
		c.Block, c.Form = func(e int) experts.Form { return forms[e] }, strings.Join(texts, ",")
	}
	c.Experts, c.Bottleneck = len(c.Widths), slices.Max(c.Widths)
	for _, added := range []bool{false, true} { // in the order of Place.TaskID
		for _, t := range e.tree.Tasks {
			if t.Spare == added {
				groups.Of = append(groups.Of, owner(targets, t.Path))
			}
		}
		if !added {
			groups.Of = append(groups.Of, len(targets)-1) // tasks outside the tree
		}
	}
	if mixed {
		c.Groups = groups
		return c, balance, nil
	}
	for _, of := range groups.Of {
		row := make([]float64, c.Experts)
		row[targets[of].first] = 1
		c.Table = append(c.Table, row)
	}
	return c, 0, nil
}

// routesAdded says whether a route has an expert for a task that was added to the tree. Such a task was once left to the last target: the identity tells the two apart.
func (e *Engine) routesAdded(n *ir.Node) bool {
	if n == nil || n.Op != "route" {
		return false
	}
	targets := targetsOf(n)
	return slices.ContainsFunc(e.tree.Tasks, func(t taxonomy.Task) bool { return t.Spare && owner(targets, t.Path) != len(targets)-1 })
}

// starts says of which expert each expert with an init has the first values. The checker has seen that both are there, fit, and go round in no circle.
func (e *Engine) starts(n *ir.Node) map[int]int {
	if n.Op != "route" {
		return nil
	}
	targets := targetsOf(n)
	byPath := map[string]target{}
	for _, t := range targets {
		byPath[t.path] = t
	}
	out := map[int]int{}
	for _, t := range targets {
		from := t
		for from.value != nil && from.value.Op == "expert" && from.value.Arg("init") != nil {
			from = byPath[from.value.Text("init")]
		}
		if from.path != t.path {
			out[t.first] = from.first
		}
	}
	return out
}

// startedAs are first values in which some experts begin as others, by the number of each.
func startedAs(first func() (*graph.Params, error), starts map[int]int) func() (*graph.Params, error) {
	if len(starts) == 0 {
		return first
	}
	return sync.OnceValues(func() (*graph.Params, error) {
		p, err := first()
		if err != nil {
			return nil, err
		}
		return p, copyStarts(p, starts)
	})
}

// copyStarts gives experts the first values of others, in every block.
func copyStarts(p *graph.Params, starts map[int]int) error {
	for _, name := range p.Names() {
		for to, from := range starts {
			for _, part := range []string{".adapter_down.", ".adapter_up.", ".adapter_block."} {
				head, rest, found := strings.Cut(name, part+fmt.Sprint(to)+".")
				if !found {
					continue
				}
				source := head + part + fmt.Sprint(from) + "." + rest
				v, ok := p.Get(source)
				if !ok {
					return fmt.Errorf("there is no %s to start from", source)
				}
				if err := p.Set(name, &graph.Tensor{Dims: v.Dims, Data: slices.Clone(v.Data)}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Route is one line of the table task → experts that plans show.
type Route struct {
	Path    string   `json:"path"`    // of the subtree; "" for all other tasks, or for all where there is no other line
	Experts []int    `json:"experts"` // that its tasks may use
	Uses    string   `json:"uses"`    // how: one alone, all weighted, the k best
	Init    string   `json:"init,omitempty"`
	Tasks   []string `json:"tasks"`
}

// RouteTable says which experts the tasks use, for a plan.
type RouteTable struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"` // mixture or route
	Routes []Route `json:"routes"`
}

// Routes lists the experts of a program: the named ones, and those written inside other values by the name of the first value they are in.
func (e *Engine) Routes(p *ir.Program) []RouteTable {
	var out []RouteTable
	seen := map[string]bool{}
	add := func(name string, n *ir.Node) {
		if key := e.hasher.Hash(n); !seen[key] {
			seen[key] = true
			out = append(out, RouteTable{name, n.Op, e.routes(n)})
		}
	}
	isExperts := func(n *ir.Node) bool { return n.Op == "mixture" || n.Op == "route" }
	each(p, func(name string, n *ir.Node, outermost bool) {
		if isExperts(n) && outermost {
			add(name, n)
		}
	})
	each(p, func(name string, n *ir.Node, outermost bool) {
		if x := n.Node("experts"); n.Op == "adapt" && x != nil && isExperts(x) {
			add("of "+name, x)
		}
	})
	return out
}

// each visits the nodes of every binding, in the order of the script, under the name of the binding or, in a list, of the item.
func each(p *ir.Program, f func(name string, n *ir.Node, outermost bool)) {
	for _, b := range p.Bindings {
		outermost := map[*ir.Node]bool{}
		for _, n := range ir.Outermost(b.Value) {
			outermost[n] = true
		}
		name := b.Name
		for n := range ir.Nodes(b.Value) {
			if _, list := b.Value.(ir.List); list && outermost[n] && n.Label != "" {
				name = n.Label
			}
			f(name, n, outermost[n])
		}
	}
}

// routes divides the tasks of the tree, and those declared outside it, among the targets of a route; a mixture has one for all.
func (e *Engine) routes(n *ir.Node) []Route {
	var outside []string
	for t := range e.unplaced {
		outside = append(outside, t)
	}
	slices.Sort(outside)
	targets := []target{{value: n, size: n.Int("count")}}
	if n.Op == "route" {
		targets = targetsOf(n)
	}
	out := make([]Route, len(targets))
	for i, t := range targets {
		out[i] = Route{Path: t.path, Uses: t.uses(), Tasks: []string{}}
		for k := range t.size {
			out[i].Experts = append(out[i].Experts, t.first+k)
		}
		if t.value != nil && t.value.Op == "expert" {
			out[i].Init = t.value.Text("init")
		}
	}
	for _, t := range e.tree.Tasks {
		i := owner(targets, t.Path)
		out[i].Tasks = append(out[i].Tasks, t.Name)
	}
	last := &out[len(out)-1]
	last.Tasks = append(last.Tasks, outside...)
	return out
}

func (t target) uses() string {
	if t.value == nil || t.value.Op != "mixture" {
		return "alone"
	}
	gate, what := t.value.Node("gate"), "all, weighted"
	if gate != nil && gate.Op == "top" {
		what = fmt.Sprintf("the best %d of %d", gate.Int("k"), t.size)
		gate = gate.Node("of")
	}
	if t.size == 1 {
		return "alone"
	}
	if gate != nil && gate.Op == "equal" {
		return strings.TrimSuffix(what, ", weighted") + ", in equal parts"
	}
	var terms []string
	if gate != nil {
		for _, x := range gate.Items("terms") {
			terms = append(terms, x.(ir.Word).Text)
		}
	}
	if len(terms) == 0 {
		terms = []string{"organ", "task", "modality", "image"}
	}
	return what + " by " + strings.Join(terms, ", ")
}

// String is the table in columns: path, experts, how they are used, number of tasks and the first few.
func (t RouteTable) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "experts %s: %s\n", t.Name, t.Kind)
	paths, which, uses := 0, 0, 0
	for _, r := range t.Routes {
		paths, which, uses = max(paths, utf8.RuneCountInString(r.path(len(t.Routes)))), max(which, utf8.RuneCountInString(r.numbers())), max(uses, utf8.RuneCountInString(r.how()))
	}
	for _, r := range t.Routes {
		shown := r.Tasks[:min(4, len(r.Tasks))]
		more := ""
		if len(shown) < len(r.Tasks) {
			more = ", …"
		}
		fmt.Fprintf(&b, "  %-*s  %-*s  %-*s  %3d tasks  %s%s\n", paths, r.path(len(t.Routes)), which, r.numbers(), uses, r.how(), len(r.Tasks), strings.Join(shown, ", "), more)
	}
	return b.String()
}

func (r Route) path(lines int) string {
	switch {
	case r.Path != "":
		return r.Path
	case lines == 1:
		return "all tasks"
	}
	return "else"
}

func (r Route) numbers() string {
	if len(r.Experts) == 1 {
		return fmt.Sprintf("expert %d", r.Experts[0])
	}
	return fmt.Sprintf("experts %d–%d", r.Experts[0], r.Experts[len(r.Experts)-1])
}

func (r Route) how() string {
	if r.Init != "" {
		return r.Uses + ", starts as " + r.Init
	}
	return r.Uses
}
