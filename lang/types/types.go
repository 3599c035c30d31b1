// Package types describes what a value of the language is: a number with a unit, a text, a list, a path of the taxonomy, or one of the
// kinds (data, model, eval …). Units are part of the type: 2 px is not 2 mm.
//
// Types are written as text in the registry of builtins and parsed by Parse:
//
//	number  int  number<px>  number<px,mm>  string  bool  path  any
//	range<HU>  list<metric>  map<task>  word<axis>  predicate  file
//	data prep split taxonomy experts model eval compare figure report
//	loss metric optimizer schedule prompt gate expert keep stop augment measure block network
//	tensor
//	a | b
package types

import (
	"fmt"
	"slices"
	"strings"
)

// Type is one alternative or, with Any set, several.
type Type struct {
	Base  string   // see the package comment
	Int   bool     // numbers: whole numbers only
	Units []string // numbers and ranges: units allowed; empty: none; "*": any
	Elem  *Type    // list, map
	Words string   // word: name of the set of words
	Or    []Type   // alternatives; then every other field is zero

	Axes   []Axis // tensor: its axes in their order
	Shaped bool   // tensor: the axes are known
}

// Simple types used by the checker.
var (
	Any       = Type{Base: "any"}
	Number    = Type{Base: "number"}
	Bool      = Type{Base: "bool"}
	String    = Type{Base: "string"}
	Path      = Type{Base: "path"}
	AnyNumber = Type{Base: "number", Units: []string{"*"}}
)

// Of is a plain type by its base name.
func Of(base string) Type { return Type{Base: base} }

// NumberIn is a number with one unit; "" means none.
func NumberIn(unit string) Type {
	if unit == "" {
		return Number
	}
	return Type{Base: "number", Units: []string{unit}}
}

// ListOf is a list of a type.
func ListOf(elem Type) Type { return Type{Base: "list", Elem: &elem} }

// Kinds are the types a binding may declare.
var Kinds = []string{"data", "prep", "split", "taxonomy", "experts", "model", "eval", "compare", "figure", "report"}

var plain = []string{"number", "int", "string", "bool", "path", "any", "predicate", "file", "loss", "metric", "optimizer", "schedule", "prompt", "gate", "expert", "keep", "stop", "augment", "sampling", "inference", "measure", "block", "network", "tensor", "range", "list", "map"}

// Parse reads a type as written in the registry. It panics on a malformed text: the registry is checked by a test.
func Parse(s string) Type {
	parts := splitTop(s, '|')
	if len(parts) > 1 {
		var t Type
		for _, p := range parts {
			t.Or = append(t.Or, Parse(p))
		}
		return t
	}
	s = strings.TrimSpace(s)
	base, arg, has := strings.Cut(s, "<")
	if has {
		if !strings.HasSuffix(arg, ">") {
			panic("types: malformed " + s)
		}
		arg = strings.TrimSuffix(arg, ">")
	}
	if !slices.Contains(plain, base) && !slices.Contains(Kinds, base) && base != "word" {
		panic("types: unknown type " + s)
	}
	t := Type{Base: base}
	if base == "int" {
		t = Type{Base: "number", Int: true}
	}
	if !has {
		if base == "word" {
			panic("types: word needs the name of its set: " + s)
		}
		return t
	}
	switch t.Base {
	case "number", "range":
		t.Units = strings.Split(arg, ",")
	case "list", "map":
		e := Parse(arg)
		t.Elem = &e
	case "word":
		t.Words = arg
	default:
		panic("types: " + base + " takes no argument")
	}
	return t
}

func splitTop(s string, sep rune) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range s {
		switch {
		case r == '<':
			depth++
		case r == '>':
			depth--
		case r == sep && depth == 0:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// Alternatives lists a type's alternatives; a simple type is its own only one.
func (t Type) Alternatives() []Type {
	if len(t.Or) > 0 {
		return t.Or
	}
	return []Type{t}
}

// IsAny says that anything fits (also the result of a mistake already reported).
func (t Type) IsAny() bool { return t.Base == "any" || t.Base == "" && len(t.Or) == 0 }

// String is the type as messages show it.
func (t Type) String() string {
	if len(t.Or) > 0 {
		var parts []string
		for _, o := range t.Or {
			parts = append(parts, o.String())
		}
		return strings.Join(parts, " or ")
	}
	switch t.Base {
	case "number":
		name := "number"
		if t.Int {
			name = "whole number"
		}
		if len(t.Units) == 1 && t.Units[0] == "*" {
			return name
		}
		if len(t.Units) > 0 {
			return name + " in " + strings.Join(t.Units, " or ")
		}
		return name
	case "range":
		if len(t.Units) > 0 && t.Units[0] != "*" {
			return "range in " + strings.Join(t.Units, " or ")
		}
		return "range"
	case "list":
		if t.Elem != nil {
			return "list of " + t.Elem.String()
		}
	case "map":
		if t.Elem != nil {
			return "map to " + t.Elem.String()
		}
	case "word":
		return t.Words
	case "tensor":
		return t.tensorString()
	case "":
		return "any"
	}
	return t.Base
}

// Fits says whether a value of type t may stand where want is expected. Units are compared by name: conversion (cm to mm) is the
// business of whoever holds the value.
func (t Type) Fits(want Type) bool {
	if t.IsAny() || want.IsAny() {
		return true
	}
	for _, w := range want.Alternatives() {
		if t.fitsOne(w) {
			return true
		}
	}
	return false
}

func (t Type) fitsOne(w Type) bool {
	if len(t.Or) > 0 {
		for _, o := range t.Or {
			if o.fitsOne(w) {
				return true
			}
		}
		return false
	}
	if w.IsAny() {
		return true
	}
	if t.Base == "string" && w.Base == "file" {
		return true
	}
	if w.Base == "tensor" {
		return t.tensorFits(w)
	}
	if t.Base != w.Base {
		return false
	}
	switch t.Base {
	case "number", "range":
		return unitsFit(t.Units, w.Units)
	case "list", "map":
		return t.Elem == nil || w.Elem == nil || t.Elem.Fits(*w.Elem)
	case "word":
		return t.Words == w.Words
	}
	return true
}

func unitsFit(have, want []string) bool {
	if len(want) == 1 && want[0] == "*" || len(have) == 1 && have[0] == "*" {
		return true
	}
	if len(have) == 0 {
		return len(want) == 0 || slices.Contains(want, "1")
	}
	return slices.Contains(want, have[0])
}

// Unit conversion and arithmetic.

// exact holds conversions that lose nothing: factor to the base unit.
var exact = map[string]struct {
	base   string
	factor float64
}{
	"mm": {"mm", 1}, "cm": {"mm", 10},
	"s": {"s", 1}, "min": {"s", 60}, "h": {"s", 3600},
	"KiB": {"KiB", 1}, "MiB": {"KiB", 1024}, "GiB": {"KiB", 1024 * 1024},
	"epoch": {"epochs", 1}, "epochs": {"epochs", 1}, "step": {"steps", 1}, "steps": {"steps", 1},
}

// Convert changes a number from one unit to another where that is exact (cm → mm, min → s); ok is false otherwise.
func Convert(v float64, from, to string) (float64, bool) {
	if from == to {
		return v, true
	}
	a, okA := exact[from]
	b, okB := exact[to]
	if !okA || !okB || a.base != b.base {
		return 0, false
	}
	return v * a.factor / b.factor, true
}

// Canonical is the base form of a quantity: 1 cm and 10 mm are one value.
func Canonical(v float64, unit string) (float64, string) {
	if e, ok := exact[unit]; ok {
		return v * e.factor, e.base
	}
	return v, unit
}

// Fmt writes a quantity as a script would.
func Fmt(v float64, unit string) string {
	s := fmt.Sprintf("%g", v)
	if unit != "" {
		s += " " + unit
	}
	return s
}
