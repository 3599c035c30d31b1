package gemm

import (
	"reflect"
	"strings"
	"testing"
)

// product is a statement of a product of 256 rows; contract is the axis of the weight that is summed over.
func product(result, left, right, contract, weight, out string) string {
	s := strings.Replace(text([2]string{"1", contract}, "", "256x768xf32", weight, out), "%7", result, 1)
	return strings.Replace(s, "(%5, %weight)", "("+left+", "+right+")", 1)
}

func TestTakePacked(t *testing.T) {
	const (
		header = "module @m {\n  func.func @main(%0: tensor<256x768xf32>, %1: tensor<3072x768xf32>, %12: tensor<768x768xf32>) -> (tensor<256x3072xf32>) {\n"
		footer = "    \"func.return\"(%9) : (tensor<256x3072xf32>) -> ()\n  }\n}\n"
	)
	up := product("%9", "%0", "%1", "1", "3072x768xf32", "256x3072xf32")
	mix := product("%8", "%0", "%12", "0", "768x768xf32", "256x768xf32")
	first, second := Operand{1, Layout{3072, 768, true, false}}, Operand{2, Layout{768, 768, false, false}}
	for _, c := range []struct {
		name, program string
		want          []Operand
	}{
		{"two weights", header + up + mix + footer, []Operand{first, second}},
		{"in another order", header + mix + up + footer, []Operand{first, second}},
		{"one, twice", header + up + strings.Replace(up, "%9", "%8", 1) + footer, []Operand{first}},
		{"read by something else", header + up + `    %8 = "stablehlo.tanh"(%1) : (tensor<3072x768xf32>) -> tensor<3072x768xf32>` + "\n" + mix + footer, []Operand{second}},
		{"returned", header + up + mix + strings.Replace(footer, "%9", "%1", 1), []Operand{second}},
		{"on both sides", header + product("%8", "%12", "%12", "1", "768x768xf32", "768x768xf32") + up + footer, []Operand{first}},
		{"in two layouts", header + mix + strings.Replace(product("%7", "%0", "%12", "1", "768x768xf32", "256x768xf32"), "%9", "%7", 1) + up + footer, []Operand{first}},
		{"computed", header + `    %8 = "stablehlo.tanh"(%1) : (tensor<3072x768xf32>) -> tensor<3072x768xf32>` + "\n" + strings.Replace(up, "%1)", "%8)", 1) + footer, nil},
		{"columns that are no whole vectors", strings.ReplaceAll(header+up+footer, "3072", "3064"), nil},
		{"a number of rows for which XLA is as good", strings.ReplaceAll(header+up+footer, "256", "4"), nil},
		{"so many rows that packing does not matter", strings.ReplaceAll(header+up+footer, "256", "1024"), nil},
		{"several devices", strings.Replace(header+up+footer, "module", "// sharding\nmodule", 1), nil},
		{"no signature", up, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, operands := TakePacked([]byte(c.program), func(int) bool { return true }, false)
			if !reflect.DeepEqual(operands, c.want) {
				t.Fatalf("operands are %v, wanted %v", operands, c.want)
			}
			changed := string(got)
			if c.want == nil {
				if changed != c.program {
					t.Fatalf("changed to\n%s", changed)
				}
				return
			}
			slots := map[int]string{1: "tensor<1xi32>", 2: "tensor<2xi32>"}[len(c.want)]
			if !strings.Contains(changed, "%12: tensor<768x768xf32>, %packed: "+slots+") -> (tensor<256x3072xf32>) {") {
				t.Errorf("there is no further argument in\n%s", changed)
			}
			for i, o := range c.want {
				name := map[int]string{1: "%1", 2: "%12"}[o.Argument]
				calls := strings.Count(changed, `"stablehlo.custom_call"(%0, `+name+", %packed)")
				if before := strings.Count(c.program, `dot_general"(%0, `+name+")"); calls != before {
					t.Errorf("%d calls with %s of %d in\n%s", calls, name, before, changed)
				}
				slot := map[int]string{0: "b_slot = 0 : i64", 1: "b_slot = 1 : i64"}[i]
				at := strings.Index(changed, "(%0, "+name+", %packed)")
				if end := strings.Index(changed[at:], "-> "); !strings.Contains(changed[at:at+end], slot) {
					t.Errorf("%s is not at %s:\n%s", name, slot, changed)
				}
			}
			// What is not taken packed is rewritten as ever.
			if all := string(Rewrite(got)); strings.Contains(all, "dot_general") {
				t.Errorf("products are left in\n%s", all)
			}
		})
	}
}

// TestTakeQuarters: products that gain by it are computed in quarters, those with weights alone.
func TestTakeQuarters(t *testing.T) {
	const (
		header = "module @m {\n  func.func @main(%0: tensor<256x768xf32>, %1: tensor<3072x768xf32>, %12: tensor<768x768xf32>) -> (tensor<256x3072xf32>) {\n"
		footer = "    \"func.return\"(%9) : (tensor<256x3072xf32>) -> ()\n  }\n}\n"
	)
	program := header + product("%9", "%0", "%1", "1", "3072x768xf32", "256x3072xf32") + product("%8", "%0", "%12", "0", "768x768xf32", "256x768xf32") + footer
	all := func(int) bool { return true }
	for _, c := range []struct {
		name, program string
		weight        func(int) bool
		winograd      bool
		want          []bool // of the operands
	}{
		{"asked for", program, all, true, []bool{true, true}},
		{"not asked for", program, all, false, []bool{false, false}},
		{"one is no weight", program, func(i int) bool { return i != 1 }, true, []bool{true}},
		{"none is", program, func(int) bool { return false }, true, nil},
		{"few rows", strings.ReplaceAll(program, "256x", "112x"), all, true, []bool{false, false}},
		{"enough", strings.ReplaceAll(program, "256x", "128x"), all, true, []bool{true, true}},
		{"rows that are no tiles of halves", strings.ReplaceAll(program, "256x", "264x"), all, true, []bool{false, false}},
		{"columns that are no vectors of halves", strings.ReplaceAll(program, "3072", "3088"), all, true, []bool{false, true}},
		{"depth that is none", strings.ReplaceAll(program, "768", "784"), all, true, []bool{false, false}},
		{"narrow", strings.ReplaceAll(program, "3072", "480"), all, true, []bool{false, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, operands := TakePacked([]byte(c.program), c.weight, c.winograd)
			var of []bool
			times := 0
			for _, o := range operands {
				if of = append(of, o.Layout.Winograd); o.Layout.Winograd {
					times++
				}
			}
			if !reflect.DeepEqual(of, c.want) || strings.Count(string(got), "winograd = 1 : i64") != times {
				t.Errorf("in quarters are %v, wanted %v:\n%s", of, c.want, got)
			}
			if n := strings.Count(string(Rewrite([]byte(c.program))), "winograd"); n != 0 {
				t.Errorf("without packed operands there are %d products in quarters", n)
			}
		})
	}
}
