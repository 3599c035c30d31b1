package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
)

// settingsOf writes the settings of the items of a bound list: name=value.
func settingsOf(t *testing.T, text, name string) (out []string) {
	t.Helper()
	p, diags := read("sweep.mseg", text)
	for _, d := range diags {
		t.Fatalf("%v | %s", d, d.Help)
	}
	var value ir.Value
	if b, ok := p.Lookup(name); ok {
		value = b.Value
	}
	for _, x := range p.Params {
		if x.Name == name {
			value = x.Value
		}
	}
	var visit func(l ir.List)
	visit = func(l ir.List) {
		for _, x := range l.Items {
			switch x := x.(type) {
			case ir.List:
				visit(x)
			case *ir.Node:
				parts := []string{x.Label}
				for _, s := range x.Swept {
					value := check.Show(s.Value)
					if n, ok := s.Value.(*ir.Node); ok {
						value = n.Label
					}
					parts = append(parts, s.Name+"="+value)
				}
				out = append(out, strings.Join(parts, " "))
			}
		}
	}
	visit(value.(ir.List))
	return out
}

func TestItemsOfSweepsKnowTheirSettings(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"one variable", "model x = [unet(base: b) for b in [4, 8]]", "x[0] b=4; x[1] b=8"},
		{"a range with a unit", "model x = [unet(image: s) for s in 32 px .. 33 px]", "x[0] s=32 px; x[1] s=33 px"},
		{"nested", "model x = [unet(base: b, seed: s) for b in [4, 8] for s in 0..1]", "x[0] b=4 s=0; x[1] b=4 s=1; x[2] b=8 s=0; x[3] b=8 s=1"},
		{"filtered", "model x = [unet(base: b, seed: s) for b in [4, 8] if b > 4 for s in 0..2 if s != 1]", "x[0] b=8 s=0; x[1] b=8 s=2"},
		{"a list of lists", "param x = [[unet(base: b, seed: s) for s in 0..1] for b in [4, 8]]", " b=4 s=0;  b=4 s=1;  b=8 s=0;  b=8 s=1"},
		{"values with names", "model a = unet()\nmodel b = box_fill\neval x = [m |> evaluate(phantom()) for m in [a, b]]", "x[0] m=a; x[1] m=b"},
		{"another sweep", "model ms = [unet(base: b) for b in [4, 8]]\neval x = [m |> evaluate(phantom()) for m in ms]", "x[0] b=4; x[1] b=8"},
		{"another sweep, and more", "model ms = [unet(base: b) for b in [4, 8]]\neval x = [m |> evaluate(phantom(seed: s)) for m in ms for s in 1..2]", "x[0] b=4 s=1; x[1] b=4 s=2; x[2] b=8 s=1; x[3] b=8 s=2"},
		{"through a fn", "fn f(n: int) -> model = unet(base: n)\nmodel x = [f(b) for b in [4, 8]]", "x[0] b=4; x[1] b=8"},
		{"items that are not swept", "model a = unet()\nmodel x = [a, box_fill]", "a; x[1]"},
	} {
		if got := strings.Join(settingsOf(t, c.text, "x"), "; "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Settings are no part of what a value is: an item has the identity that it has alone, under other variables, and in another list.
func TestSettingsAreNoPartOfTheIdentity(t *testing.T) {
	hash := func(text string) string {
		p, diags := read("sweep.mseg", text)
		if len(diags) > 0 {
			t.Fatal(diags[0])
		}
		b, _ := p.Lookup("x")
		v := b.Value
		if l, ok := v.(ir.List); ok {
			v = l.Items[0]
		}
		return ir.NewHasher(nil).Hash(v)
	}
	want := hash("model x = unet(base: 8)")
	for i, text := range []string{"model x = [unet(base: b) for b in [8]]", "model x = [unet(base: width) for width in [8, 9] for k in 1..2]", "model x = [unet(base: 2 * n) for n in [4]]"} {
		if hash(text) != want {
			t.Errorf("%d: %s has another identity", i, text)
		}
	}
	// A value that stands in a sweep and outside keeps no settings outside.
	p, _ := read("sweep.mseg", "model a = unet()\nmodel x = [a for k in 1..2]\n")
	b, _ := p.Lookup("a")
	if n := b.Value.(*ir.Node); len(n.Swept) != 0 || n.Label != "a" {
		t.Errorf("the value outside has the settings %s", fmt.Sprint(n.Swept))
	}
}
