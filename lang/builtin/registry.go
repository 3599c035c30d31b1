// Package builtin is the one registry of everything the language offers by name: functions, constants and sets of words.
//
// Each entry says what it is given (typed parameters with units, limits and defaults), what it gives, what it means, and shows one example.
// The checker, completion, help, reference pages and editor keywords are made from it; the engine binds an implementation to each
// stage by name, and a test demands that none is missing on either side. To add a builtin, add its declaration to the file of its family
// here and its implementation to the engine.
package builtin

import (
	"fmt"
	"slices"
	"sort"

	"github.com/mseg-lang/mseg/lang/types"
)

// Param is one parameter.
type Param struct {
	Name     string
	Type     types.Type
	Default  string   // as written in a script; "" with Need false means "absent"
	Need     bool     // must be given
	Piped    bool     // filled by |>; a positional argument fills it only when its type fits
	Rest     bool     // takes all further positional arguments, as a list
	Cosmetic bool     // cannot change the result: not part of the identity (titles, batch size of an evaluation)
	Min, Max *float64 // limits of a number, inclusive
	Above    bool     // Min itself is excluded
	Doc      string
}

// Builtin is one entry.
type Builtin struct {
	Name    string
	Result  types.Type
	Params  []Param
	Doc     string
	Example string // an expression that checks
	Frame   string // statements that the example needs before it
	Stage   bool   // does work when run; otherwise it only describes
	Keys    string // for entries whose block may hold paths or other free keys: what they mean ("" = none allowed)
	KeyType types.Type
	KeyBase string // what a free key is: path, number, name
	Learned bool   // tensor functions: has weights of its own
}

// ExampleScript is a whole script around the example. Examples of tensor functions stand in the body of a fn.
func (b *Builtin) ExampleScript() string {
	if b.Result.IsTensor() {
		return "fn example(x: features, y: features) -> tensor = " + b.Example + "\n"
	}
	if b.Frame != "" {
		return b.Frame + "\nfn example() = " + b.Example + "\n"
	}
	return "fn example() = " + b.Example + "\n"
}

// Param finds a parameter by name.
func (b *Builtin) Param(name string) (*Param, bool) {
	for i := range b.Params {
		if b.Params[i].Name == name {
			return &b.Params[i], true
		}
	}
	return nil, false
}

// Words is a closed set of words a parameter may take.
type Words struct {
	Name  string
	Doc   string
	Items []string
	Docs  []string
}

var (
	entries = map[string][]*Builtin{}
	words   = map[string]*Words{}
	fields  = map[string]map[string]Field{}
)

// Field is a field of a kind: parts.train, id.dice.
type Field struct {
	Name string
	Type types.Type
	Doc  string
}

func register(b Builtin) {
	if b.Doc == "" || b.Example == "" {
		panic("builtin " + b.Name + " has no doc or example")
	}
	for _, o := range entries[b.Name] {
		if o.Result.String() == b.Result.String() {
			panic("builtin " + b.Name + " registered twice")
		}
	}
	entries[b.Name] = append(entries[b.Name], &b)
}

func registerWords(w Words) {
	if len(w.Docs) != 0 && len(w.Docs) != len(w.Items) {
		panic(fmt.Sprintf("words %s: %d items, %d docs", w.Name, len(w.Items), len(w.Docs)))
	}
	words[w.Name] = &w
}

func registerField(kind, name, typ, doc string) {
	if fields[kind] == nil {
		fields[kind] = map[string]Field{}
	}
	fields[kind][name] = Field{name, types.Parse(typ), doc}
}

// Lookup returns the entries of a name: usually one, two where a name means a loss and a metric.
func Lookup(name string) []*Builtin { return entries[name] }

// Names lists all names, sorted.
func Names() []string {
	out := make([]string, 0, len(entries))
	for n := range entries {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// All lists all entries, sorted by name.
func All() []*Builtin {
	var out []*Builtin
	for _, n := range Names() {
		out = append(out, entries[n]...)
	}
	return out
}

// WordSet finds a set of words.
func WordSet(name string) (*Words, bool) {
	w, ok := words[name]
	return w, ok
}

// FieldsOf lists the fields of a kind, sorted by name.
func FieldsOf(kind string) []Field {
	var out []Field
	for _, f := range fields[kind] {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Field) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// FieldOf finds one field of a kind.
func FieldOf(kind, name string) (Field, bool) {
	f, ok := fields[kind][name]
	return f, ok
}

// samples is the frame of examples that need prepared data: generated ones, so that the examples run anywhere.
const samples = "data samples = phantom(patients: 4) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(64 px))"

// Shorthands for declarations.

func p(name, typ, def, doc string) Param {
	return Param{Name: name, Type: types.Parse(typ), Default: def, Doc: doc}
}

func need(name, typ, doc string) Param {
	return Param{Name: name, Type: types.Parse(typ), Need: true, Doc: doc}
}

func piped(name, typ, doc string) Param {
	return Param{Name: name, Type: types.Parse(typ), Need: true, Piped: true, Doc: doc}
}

func (q Param) within(lo, hi float64) Param { q.Min, q.Max = &lo, &hi; return q }
func (q Param) atLeast(lo float64) Param    { q.Min = &lo; return q }
func (q Param) above(lo float64) Param      { q.Min, q.Above = &lo, true; return q }
func (q Param) atMost(hi float64) Param     { q.Max = &hi; return q }
func (q Param) cosmetic() Param             { q.Cosmetic = true; return q }
func (q Param) optional() Param             { q.Need = false; return q }
func (q Param) rest() Param                 { q.Rest = true; return q }

func result(s string) types.Type { return types.Parse(s) }
