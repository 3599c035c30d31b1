package ir_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
)

// a feeds b and c, which feed d; a list, a map and a Fn stand between.
func diamond() (d *ir.Node) {
	a := &ir.Node{Op: "a"}
	b := &ir.Node{Op: "b", Args: []ir.Arg{{Name: "x", Value: ir.List{Items: []ir.Value{ir.Number{V: 1}, a}}}}}
	c := &ir.Node{Op: "c", Args: []ir.Arg{{Name: "x", Value: ir.Map{Entries: []ir.Entry{{Key: "k", Value: a}}}}, {Name: "absent"}}}
	f := &ir.Node{Op: "fn", Args: []ir.Arg{{Name: "body", Value: ir.Fn{Body: &ir.Node{Op: "inside"}}}}}
	return &ir.Node{Op: "d", Args: []ir.Arg{{Name: "b", Value: b}, {Name: "c", Value: c}, {Name: "f", Value: f}}}
}

func ops(nodes []*ir.Node) string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Op)
	}
	return strings.Join(out, " ")
}

func TestWalks(t *testing.T) {
	d := diamond()
	if got := ops(slices.Collect(ir.Nodes(d, d))); got != "d b a c fn" {
		t.Errorf("from the outside in: %s", got)
	}
	if got := ops(slices.Collect(ir.InputsFirst(nil, d, d))); got != "a b c fn d" {
		t.Errorf("inputs first: %s", got)
	}
	none := func(n *ir.Node) []*ir.Node { return n.Inputs()[:min(1, len(n.Inputs()))] }
	if got := ops(slices.Collect(ir.InputsFirst(none, d))); got != "a b d" {
		t.Errorf("by inputs of its own: %s", got)
	}
	numbers := 0
	for v := range ir.Walk(ir.List{Items: []ir.Value{d, ir.Number{V: 2}}}) {
		if _, ok := v.(ir.Number); ok {
			numbers++
		}
	}
	if numbers != 2 {
		t.Errorf("%d numbers, expected the one in b and the one beside d", numbers)
	}
	var absent *ir.Node
	if got := slices.Collect(ir.Walk(absent, nil)); len(got) != 0 {
		t.Errorf("absent values are made of %v", got)
	}
	if got := ops(ir.Outermost(ir.List{Items: []ir.Value{d, ir.List{Items: []ir.Value{d.Node("b")}}, ir.Number{}}})); got != "d b" {
		t.Errorf("outermost: %s", got)
	}
}

// A walk that is left early asks for nothing more.
func TestWalksEnd(t *testing.T) {
	d := diamond()
	for name, walk := range map[string]func(yield func(*ir.Node) bool){"nodes": ir.Nodes(d, d), "inputs first": ir.InputsFirst(nil, d, d)} {
		for k := range 5 {
			count := 0
			for range walk {
				if count++; count == k+1 {
					break
				}
			}
			if count != k+1 {
				t.Errorf("%s: %d steps, expected %d", name, count, k+1)
			}
		}
	}
}
