package format

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// shape writes a tree without its places, so that two layouts of one script can be compared.
func shape(text string) string {
	s, _ := syntax.Parse(source.New("t", text), true)
	var b strings.Builder
	var visit func(v reflect.Value)
	visit = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if v.IsNil() {
				b.WriteString("nil ")
				return
			}
			visit(v.Elem())
		case reflect.Slice:
			b.WriteString("[")
			for i := range v.Len() {
				visit(v.Index(i))
			}
			b.WriteString("] ")
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[source.Span]() {
				fmt.Fprintf(&b, "%t ", v.Interface().(source.Span).IsZero()) // whether there is a place tells a block from none
				return
			}
			b.WriteString(v.Type().Name() + "{")
			for i := range v.NumField() {
				visit(v.Field(i))
			}
			b.WriteString("} ")
		default:
			fmt.Fprintf(&b, "%#v ", v.Interface())
		}
	}
	for _, st := range s.Statements {
		visit(reflect.ValueOf(st))
		b.WriteString("\n")
	}
	return b.String()
}

func TestShapeTellsTreesApart(t *testing.T) {
	same := shape("model  m=f( a,\n b:1 px )")
	if same != shape("model m = f(a, b: 1 px)\n\n") {
		t.Error("two layouts of one script have two shapes")
	}
	for _, other := range []string{"model m = f(a, b: 1 mm)", "model m = f(a) { b: 1 px }", "model m = f(a, c: 1 px)", "model m = a |> f(b: 1 px)", "model n = f(a, b: 1 px)"} {
		if shape(other) == same {
			t.Errorf("%s has the shape of another script", other)
		}
	}
}
