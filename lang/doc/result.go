package doc

import (
	"fmt"
	"strings"
	"sync"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

var results sync.Map // *builtin.Builtin → string

// Result is what the checker makes of the example of a builtin: its kind, and the value with every default filled in, or the facts of what cannot be written in a line.
// It is worked out anew in every program, so that it cannot say something else than the language does. Markdown.
func Result(b *builtin.Builtin) string {
	if s, ok := results.Load(b); ok {
		return s.(string)
	}
	s := result(b)
	results.Store(b, s)
	return s
}

func result(b *builtin.Builtin) string {
	if b.Result.IsTensor() {
		s, _ := syntax.Parse(source.New("", b.ExampleScript()), false)
		_, shape, ok := check.NewScope(s).Fn("example")
		switch {
		case !ok:
			return ""
		case len(shape.Axes) == 0:
			return "tensor without axes, one number a sample"
		}
		return shape.String()
	}
	frame, _ := syntax.Parse(source.New("", b.Frame), false)
	v := check.NewScope(frame).Value(b.Example, b.Result)
	if v == nil {
		return ""
	}
	kind := TypeName(v.Type())
	switch v := v.(type) {
	case ir.Taxonomy:
		t := v.Tree
		return fmt.Sprintf("%s of %s, %s, %s and %s", kind, diag.Counted(len(t.BodyParts), "body part"), diag.Counted(len(t.Subregions), "subregion"), diag.Counted(len(t.Organs), "organ"), diag.Counted(len(t.Tasks), "task"))
	case ir.Word:
		if v.Place != nil && v.Place.Unplaced {
			return fmt.Sprintf("%s `%s` of modality %s, at no place of the taxonomy", kind, v.Text, v.Place.Modality)
		}
	}
	if written := check.Written(v); !same(written, b.Example) {
		return kind + " `" + written + "`"
	}
	return kind
}

// same says whether two texts differ in blanks only.
func same(a, b string) bool {
	return strings.Join(strings.Fields(a), "") == strings.Join(strings.Fields(b), "")
}
