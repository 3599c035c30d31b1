package check

import (
	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// Record is what a check finds out about the places of a script: what an editor shows. A nil *Record is never written to and costs nothing.
// Bodies of fns are recorded once, for parameters of unknown value.
type Record struct {
	Uses   map[source.Span]Use            // names, by their place
	Values map[source.Span]ir.Value       // expressions, by theirs: known values, nodes, or ir.Unknown with a type
	Keys   map[source.Span]*builtin.Param // names of arguments of builtins
}

// Use says what a name means where it stands. Exactly one of Def, Builtin and Set is given.
type Use struct {
	Name    string
	Def     source.Span      // the name where it is bound; in a library for an imported one
	Builtin *builtin.Builtin // an entry of the registry
	Set     string           // a word of this set
}

// NewRecord makes an empty record.
func NewRecord() *Record {
	return &Record{Uses: map[source.Span]Use{}, Values: map[source.Span]ir.Value{}, Keys: map[source.Span]*builtin.Param{}}
}

func (r *Record) defined(at source.Span, name string, def source.Span) {
	if r != nil && !def.IsZero() {
		r.Uses[at] = Use{Name: name, Def: def}
	}
}

func (r *Record) builtin(at source.Span, b *builtin.Builtin) {
	if r != nil {
		r.Uses[at] = Use{Name: b.Name, Builtin: b}
	}
}

func (r *Record) word(at source.Span, name, set string) {
	if r != nil {
		r.Uses[at] = Use{Name: name, Set: set}
	}
}

func (r *Record) value(e syntax.Expr, v ir.Value) {
	if r != nil {
		r.Values[e.Span()] = v
	}
}

func (r *Record) key(at source.Span, p *builtin.Param) {
	if r != nil {
		r.Keys[at] = p
	}
}
