// Package ir is the meaning of a checked script: values and the graph of nodes that will compute the rest.
//
// A Value is either known already (numbers with units, texts, words, paths, lists, taxonomies …) or a *Node: an application of a builtin
// whose result exists only after a run. Names, order of statements, comments and spelling are gone; defaults are filled in. So
// equal meaning is equal structure, and Hash of a value is its identity.
package ir

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/lang/types"
)

// Value is one of the types of this file.
type Value interface {
	Type() types.Type
	canonical(h *hasher) string
}

type (
	// Number is a number with its unit as written.
	Number struct {
		V    float64
		Unit string
	}
	// Str is a text.
	Str struct{ S string }
	// Bool is true or false.
	Bool struct{ B bool }
	// Range is lo .. hi, both inclusive, in one unit.
	Range struct {
		Lo, Hi float64
		Unit   string
	}
	// List is a list; all items have the type Elem.
	List struct {
		Items []Value
		Elem  types.Type
	}
	// Map has its entries in the order written; identity does not depend on the order.
	Map struct {
		Entries []Entry
		Elem    types.Type
	}
	// Path is a path or pattern of a taxonomy.
	Path struct{ P string }
	// Word is a member of a set of words. A task carries its place in the tree.
	Word struct {
		Set, Text string
		Place     *taxonomy.Place
	}
	// Taxonomy is a tree.
	Taxonomy struct{ Tree *taxonomy.Tree }
	// Predicate is a condition over the fields of a case.
	Predicate struct{ Test *Pred }
	// Unknown stands for a value that could not be made (its mistake is reported), or for a parameter of a fn while its body is checked.
	Unknown struct{ T types.Type }
)

// Entry is a key of a Map: a text form of a number, name, string or path.
type Entry struct {
	Key   string
	Value Value
	Span  source.Span
}

// Pred is a node of a Predicate: and, or, not over Kids; or Field Op Value with == != < <= > >= in.
type Pred struct {
	Op    string
	Kids  []*Pred
	Field string
	Value Value
}

// Node is an application whose result is computed by a run.
type Node struct {
	Op      string // name of a builtin, or select, index, + - * / == != < <= > >= and or not, member
	T       types.Type
	Args    []Arg
	Builtin *builtin.Builtin // nil for the operators
	Span    source.Span
	Label   string    // first name it was bound to; not part of the identity
	Swept   []Setting // of an item of a sweep; not part of the identity
}

// Setting is the value that a variable of a sweep had when an item of it was made.
type Setting struct {
	Name  string
	Value Value
}

// Arg is one argument of a Node, in the order of the registry, defaults included.
type Arg struct {
	Name     string
	Value    Value
	Cosmetic bool
	Span     source.Span // where it is written; zero for a default
}

// Arg finds an argument; nil when it is absent.
func (n *Node) Arg(name string) Value {
	for _, a := range n.Args {
		if a.Name == name {
			return a.Value
		}
	}
	return nil
}

// ArgSpan is where an argument is written, or the node when it is a default.
func (n *Node) ArgSpan(name string) source.Span {
	for _, a := range n.Args {
		if a.Name == name && !a.Span.IsZero() {
			return a.Span
		}
	}
	return n.Span
}

// Node returns an argument that is a node, or nil.
func (n *Node) Node(name string) *Node {
	v, _ := n.Arg(name).(*Node)
	return v
}

// Num returns a number argument in its unit; 0 when absent.
func (n *Node) Num(name string) float64 {
	v, _ := n.Arg(name).(Number)
	return v.V
}

// Int returns a number argument as an integer.
func (n *Node) Int(name string) int { return int(n.Num(name)) }

// Text returns the text of a string, word or path argument; "" when absent.
func (n *Node) Text(name string) string {
	switch v := n.Arg(name).(type) {
	case Str:
		return v.S
	case Word:
		return v.Text
	case Path:
		return v.P
	}
	return ""
}

// Words returns the texts of an argument that is a word or a list of words; given is false where it is absent.
func (n *Node) Words(name string) (words []string, given bool) {
	switch v := n.Arg(name).(type) {
	case Word:
		return []string{v.Text}, true
	case List:
		for _, x := range v.Items {
			if w, ok := x.(Word); ok {
				words = append(words, w.Text)
			}
		}
		return words, true
	}
	return nil, false
}

// Flag returns a bool argument.
func (n *Node) Flag(name string) bool {
	v, _ := n.Arg(name).(Bool)
	return v.B
}

// Items returns the items of a list argument.
func (n *Node) Items(name string) []Value {
	v, _ := n.Arg(name).(List)
	return v.Items
}

// Inputs lists the nodes among the arguments, in order, those inside lists and maps included.
func (n *Node) Inputs() []*Node {
	var out []*Node
	for _, a := range n.Args {
		out = append(out, Outermost(a.Value)...)
	}
	return out
}

// Types of the values.
func (v Number) Type() types.Type    { return types.NumberIn(v.Unit) }
func (v Str) Type() types.Type       { return types.String }
func (v Bool) Type() types.Type      { return types.Bool }
func (v List) Type() types.Type      { return types.ListOf(v.Elem) }
func (v Path) Type() types.Type      { return types.Path }
func (v Word) Type() types.Type      { return types.Type{Base: "word", Words: v.Set} }
func (v Taxonomy) Type() types.Type  { return types.Of("taxonomy") }
func (v Predicate) Type() types.Type { return types.Of("predicate") }
func (v Unknown) Type() types.Type   { return v.T }
func (v *Node) Type() types.Type     { return v.T }
func (v Range) Type() types.Type {
	t := types.Type{Base: "range"}
	if v.Unit != "" {
		t.Units = []string{v.Unit}
	}
	return t
}
func (v Map) Type() types.Type { e := v.Elem; return types.Type{Base: "map", Elem: &e} }

// hasher computes canonical texts; nodes are hashed once.
type hasher struct {
	extra func(*Node) string
	memo  map[*Node]string
}

// Hasher computes identities: SHA-256 of the canonical form. Extra adds to a node's identity what the script does not say:
// contents of files, version of the implementation. It may be nil.
type Hasher struct{ h hasher }

// NewHasher makes a hasher with a memo of its own.
func NewHasher(extra func(*Node) string) *Hasher {
	return &Hasher{hasher{extra, map[*Node]string{}}}
}

// Hash is the identity of a value, in hexadecimal. What is absent, an argument that a broken script lacks, has one too.
func (h *Hasher) Hash(v Value) string {
	if n, ok := v.(*Node); ok && n != nil {
		return h.h.node(n)
	} else if ok || v == nil {
		v = Str{}
	}
	sum := sha256.Sum256([]byte(v.canonical(&h.h)))
	return hex.EncodeToString(sum[:])
}

// Canonical is the text whose hash is the node's identity: its operation, arguments and, as hashes, its inputs.
func (h *Hasher) Canonical(n *Node) string { return h.h.text(n) }

func (h *hasher) node(n *Node) string {
	if k, ok := h.memo[n]; ok {
		return k
	}
	sum := sha256.Sum256([]byte(h.text(n)))
	k := hex.EncodeToString(sum[:])
	h.memo[n] = k
	return k
}

func (h *hasher) text(n *Node) string {
	var b strings.Builder
	b.WriteString(n.Op)
	b.WriteByte('(')
	sep := ""
	for _, a := range n.Args {
		if a.Cosmetic || a.Value == nil {
			continue
		}
		fmt.Fprintf(&b, "%s%s=%s", sep, a.Name, a.Value.canonical(h))
		sep = ", "
	}
	b.WriteByte(')')
	if h.extra != nil {
		if x := h.extra(n); x != "" {
			b.WriteString(" + " + x)
		}
	}
	return b.String()
}

func num(v float64, unit string) string {
	v, unit = types.Canonical(v, unit)
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if unit != "" {
		s += " " + unit
	}
	return s
}

func (v Number) canonical(*hasher) string { return num(v.V, v.Unit) }
func (v Str) canonical(*hasher) string    { return strconv.Quote(v.S) }
func (v Bool) canonical(*hasher) string   { return strconv.FormatBool(v.B) }
func (v Range) canonical(*hasher) string  { return num(v.Lo, v.Unit) + ".." + num(v.Hi, v.Unit) }
func (v Path) canonical(*hasher) string   { return v.P }
func (v Word) canonical(*hasher) string {
	if v.Place != nil {
		return fmt.Sprintf("%s:%s%v/%d", v.Set, v.Text, v.Place.Rows, v.Place.ModalityRow)
	}
	return v.Set + ":" + v.Text
}
func (v Taxonomy) canonical(*hasher) string { return "tree{" + v.Tree.Canonical() + "}" }
func (v Unknown) canonical(*hasher) string  { return "unknown" }
func (v *Node) canonical(h *hasher) string  { return h.node(v) }
func (v List) canonical(h *hasher) string {
	parts := make([]string, len(v.Items))
	for i, x := range v.Items {
		parts[i] = x.canonical(h)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
func (v Map) canonical(h *hasher) string {
	parts := make([]string, len(v.Entries))
	for i, e := range v.Entries {
		parts[i] = e.Key + ": " + e.Value.canonical(h)
	}
	sort.Strings(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}
func (v Predicate) canonical(h *hasher) string { return v.Test.canonical(h) }
func (p *Pred) canonical(h *hasher) string {
	if p.Field != "" {
		return p.Field + " " + p.Op + " " + p.Value.canonical(h)
	}
	parts := make([]string, len(p.Kids))
	for i, k := range p.Kids {
		parts[i] = k.canonical(h)
	}
	return p.Op + "(" + strings.Join(parts, ", ") + ")"
}

// Program is a checked script.
type Program struct {
	Name     string
	Params   []ParamValue
	Bindings []Binding
	Expects  []Expect
	Bare     []Bare
	Tree     *taxonomy.Tree // the tree that tasks were looked up in
}

// ParamValue is a param with the value it has in this run.
type ParamValue struct {
	Name  string
	Value Value
	Set   bool // by --set, not by the script
}

// Binding is a named value.
type Binding struct {
	Kind, Name string
	Value      Value
	Span       source.Span
}

// Expect is a condition to be checked after the run.
type Expect struct {
	Condition Value
	Text      string
	Span      source.Span
}

// Bare is an expression to be displayed.
type Bare struct {
	Value Value
	Span  source.Span
}

// Lookup finds a binding by name.
func (p *Program) Lookup(name string) (Binding, bool) {
	for _, b := range p.Bindings {
		if b.Name == name {
			return b, true
		}
	}
	return Binding{}, false
}
