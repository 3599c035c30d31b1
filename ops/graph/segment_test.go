package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// network is a listing written line by line: "%name = op(%a, %b)"; every value is of the type t.
func network(results string, inputs string, lines ...string) listing {
	l := listing{results: strings.Fields(results)}
	for _, name := range strings.Fields(inputs) {
		l.inputs = append(l.inputs, value{name, "t"})
	}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " =")
		l.ops = append(l.ops, operation{text: "    " + line, defines: []value{{name, "t"}}})
	}
	return l
}

// TestDivide: parts that compute the same become one text, whatever their values are called and wherever their constants were made.
func TestDivide(t *testing.T) {
	repeated := network("%9", "%x %w0 %w1 %w2",
		"%c = constant 1",
		"%1 = add(%x, %c)",  // what is before the blocks
		"%2 = mul(%1, %w0)", // block
		"%3 = add(%2, %c)",
		"%4 = mul(%3, %w1)", // block
		"%5 = add(%4, %c)",
		"%6 = mul(%5, %w2)", // block
		"%7 = add(%6, %c)",
		"%8 = neg(%7)",
		"%9 = neg(%8)",
	)
	const block = "module @segment {\n  func.func @main(%0: t, %1: t) -> (t) {\n    %2 = mul(%0, %1)\n    %3 = constant 1\n    %4 = add(%2, %3)\n    \"func.return\"(%4) : (t) -> ()\n  }\n}\n"
	got := repeated.divide([]int{2, 4, 6, 8})
	if len(got) != 5 {
		t.Fatalf("%d segments, want 5: %v", len(got), got)
	}
	for i, s := range got[1:4] {
		from := []string{"%1", "%3", "%5"}[i]
		if s.program != block || !slices.Equal(s.args, []string{from, fmt.Sprintf("%%w%d", i)}) || len(s.results) != 1 {
			t.Errorf("block %d reads %v, returns %v and is\n%s", i, s.args, s.results, s.program)
		}
	}
	if s := got[4]; !slices.Equal(s.args, []string{"%7"}) || !slices.Equal(s.results, []string{"%9"}) {
		t.Errorf("the end reads %v and returns %v", s.args, s.results)
	}

	for _, c := range []struct {
		name string
		l    listing
		cuts []int
		want string // of each segment: what it reads > what it returns
	}{
		{"nothing alike stays whole", network("%3", "%x", "%1 = neg(%x)", "%2 = abs(%1)", "%3 = exp(%2)"), []int{1, 2}, "%x>%3"},
		{"cuts at both ends, twice and out of order", network("%2", "%x", "%1 = neg(%x)", "%2 = neg(%1)"), []int{2, 1, 0, 1}, "%x>%1 %1>%2"},
		{"a value that two later parts read", network("%4", "%x", "%1 = neg(%x)", "%2 = neg(%1)", "%3 = neg(%2)", "%4 = add(%3, %1)"), []int{1, 2, 3}, "%x>%1 %1>%2 %2>%3 %3,%1>%4"},
		{"what nobody needs is not computed", network("%3", "%x %y", "%1 = neg(%x)", "%2 = add(%1, %y)", "%3 = neg(%1)"), []int{1}, "%x>%1 %1>%3"},
		{"an inner result that is returned too, twice", network("%2 %3 %2", "%x", "%1 = neg(%x)", "%2 = neg(%1)", "%3 = neg(%2)"), []int{1, 2}, "%x>%1 %1>%2,%2 %2>%3"},
		{"an input that is returned", network("%3 %x", "%x", "%1 = neg(%x)", "%2 = neg(%1)", "%3 = neg(%2)"), []int{1, 2}, "%x>%1 %1>%2 %2,%x>%3,%x"},
		{"a constant that is returned", network("%3 %c", "%x", "%c = constant 2", "%1 = neg(%x)", "%2 = neg(%1)", "%3 = neg(%2)"), []int{2, 3}, "%x>%1 %1>%2 %2>%3,%c"},
		{"only constants behind the last cut", network("%1 %c", "%x", "%1 = neg(%x)", "%c = constant 2"), []int{1}, "%x>%1,%c"},
		{"a name in quotes is none", network("%2", "%x", `%1 = call(%x) {name = "%x \"%1"}`, `%2 = call(%1) {name = "%x \"%1"}`), []int{1}, "%x>%1 %1>%2"},
		{"a region reads from outside", network("%2", "%x %y", "%1 = neg(%x)", "%2 = reduce(%1) ({\n ^f(%a: t):\n   %b = add(%a, %y)\n  return(%b)\n})"), []int{1}, "%x,%y>%2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range c.l.divide(c.cuts) {
				got = append(got, strings.Join(s.args, ",")+">"+strings.Join(s.results, ","))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("found  %s\nwanted %s", strings.Join(got, " "), c.want)
			}
		})
	}
}
