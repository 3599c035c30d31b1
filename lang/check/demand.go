package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/types"
)

// Whether a value may stand where it stands, and how a value and a type are named in messages.

// demand checks that a value fits its place, converts it to the unit of the place, and returns it; a misfit is reported and becomes unknown.
func (c *checker) demand(v ir.Value, want types.Type, at source.Span, place string) ir.Value {
	if isUnknown(v) || want.IsAny() {
		return v
	}
	v = plainCount(v, want)
	t := v.Type()
	if n, ok := v.(ir.Number); ok {
		if slices.ContainsFunc(want.Alternatives(), func(w types.Type) bool { return w.IsTensor() && t.Fits(w) }) {
			return n
		}
		for _, w := range want.Alternatives() {
			if w.Base != "number" {
				continue
			}
			if n.Unit == "" && len(w.Units) > 0 && w.Units[0] != "*" || n.Unit != "" && len(w.Units) == 0 {
				continue
			}
			out, ok := n, len(w.Units) == 0 || w.Units[0] == "*"
			for _, u := range w.Units {
				if x, exact := types.Convert(n.V, n.Unit, u); exact && !ok {
					out, ok = ir.Number{V: x, Unit: u}, true
				}
			}
			if !ok {
				continue
			}
			if w.Int && out.V != math.Trunc(out.V) {
				c.diags.Add(diag.WrongType, at, "%s is a whole number, found %s", place, show(v))
				return unknown
			}
			return out
		}
	}
	if r, ok := v.(ir.Range); ok {
		for _, w := range want.Alternatives() {
			if w.Base != "range" {
				continue
			}
			for _, u := range w.Units {
				lo, a := types.Convert(r.Lo, r.Unit, u)
				hi, b := types.Convert(r.Hi, r.Unit, u)
				if a && b {
					return ir.Range{Lo: lo, Hi: hi, Unit: u}
				}
			}
		}
	}
	if t.Fits(want) {
		if s, ok := v.(ir.Str); ok {
			return s
		}
		if _, ok := v.(ir.Number); !ok {
			if _, ok := v.(ir.Range); !ok || len(unitsOf(want, "range")) == 0 {
				return v
			}
		}
	}
	c.misfit(v, want, at, place)
	return unknown
}

// plainCount drops the unit of a number of epochs where a place takes a plain number of them too: both are one value.
func plainCount(v ir.Value, want types.Type) ir.Value {
	n, ok := v.(ir.Number)
	if !ok || n.Unit == "" {
		return v
	}
	plain := false
	for _, w := range want.Alternatives() {
		plain = plain || w.Int && len(w.Units) == 0
	}
	if x, exact := types.Convert(n.V, n.Unit, "epochs"); exact && plain && slices.Equal(unitsOf(want, "number"), []string{"epochs"}) {
		return ir.Number{V: x}
	}
	return v
}

func unitsOf(want types.Type, base string) []string {
	var out []string
	for _, w := range want.Alternatives() {
		if w.Base == base {
			out = append(out, w.Units...)
		}
	}
	return out
}

func (c *checker) misfit(v ir.Value, want types.Type, at source.Span, place string) {
	base := v.Type().Base
	if base == "number" || base == "range" {
		units := unitsOf(want, base)
		sameBase := slices.ContainsFunc(want.Alternatives(), func(w types.Type) bool { return w.Base == base })
		if sameBase {
			unit := ""
			switch x := v.(type) {
			case ir.Number:
				unit = x.Unit
			case ir.Range:
				unit = x.Unit
			}
			code := diag.WrongUnit
			switch {
			case len(units) == 0:
				d := c.diags.Add(code, at, "%s is a number without unit, found %s", place, show(v))
				d.Help = "leave the unit out"
			case unit == "":
				d := c.diags.Add(code, at, "%s needs a unit: %s", place, strings.Join(units, " or "))
				d.Help = fmt.Sprintf("write %s %s", strings.TrimSpace(at.Text()), units[0])
				if base == "number" {
					d.Fixes = []diag.Fix{{Message: "add the unit", Span: at, Replacement: at.Text() + " " + units[0]}}
				}
			default:
				d := c.diags.Add(code, at, "%s is in %s, found %s", place, strings.Join(units, " or "), show(v))
				switch {
				case unit == "px" && slices.Contains(units, "mm"), unit == "mm" && slices.Contains(units, "px"):
					d.Help = "pixels and millimetres are related only by an image's spacing"
				case slices.Contains(units, "HU"):
					d.Help = "Hounsfield units fit only CT; for other modalities use percentile(0.5 % .. 99.5 %)"
				}
			}
			return
		}
	}
	code := diag.WrongType
	if want.IsTensor() && v.Type().IsTensor() {
		code = diag.ShapesDiffer
	}
	d := c.diags.Add(code, at, "%s is %s, found %s", place, article(want), article(v.Type()))
	if s, ok := v.(ir.Str); ok && len(wordSets(want)) > 0 {
		d.Help = fmt.Sprintf("words are written without quotes: %s", s.S)
	}
	for _, w := range want.Alternatives() {
		if w.Base == "list" && w.Elem != nil && v.Type().Fits(*w.Elem) {
			d.Help = fmt.Sprintf("write [%s]", at.Text())
			d.Fixes = []diag.Fix{{Message: "make it a list", Span: at, Replacement: "[" + at.Text() + "]", Safe: true}}
		}
	}
}

// article is a type as a message names it: "a number in px", "an eval", "data".
func article(t types.Type) string {
	s := t.String()
	if len(t.Or) > 0 {
		parts := make([]string, len(t.Or))
		for i, o := range t.Or {
			parts[i] = article(o)
		}
		return strings.Join(parts, " or ")
	}
	switch {
	case s == "data" || s == "experts" || s == "any":
		return s
	case s == "file":
		return "a path in quotes"
	case s == "string":
		return "a text in quotes"
	case strings.ContainsRune("aeiou", rune(s[0])):
		return "an " + s
	}
	return "a " + s
}

// show writes a value as a script would.
func show(v ir.Value) string {
	switch v := v.(type) {
	case ir.Number:
		return types.Fmt(v.V, v.Unit)
	case ir.Str:
		return fmt.Sprintf("%q", v.S)
	case ir.Bool:
		return fmt.Sprint(v.B)
	case ir.Range:
		return types.Fmt(v.Lo, v.Unit) + " .. " + types.Fmt(v.Hi, v.Unit)
	case ir.Word:
		return v.Text
	case ir.Path:
		return v.P
	case ir.List:
		parts := make([]string, len(v.Items))
		for i, x := range v.Items {
			parts[i] = show(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return article(v.Type())
}

// Show writes a known value as a script would; nodes are named by their type.
func Show(v ir.Value) string { return show(v) }
