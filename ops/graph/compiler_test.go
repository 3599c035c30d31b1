package graph

import (
	"fmt"
	"strings"
	"testing"
)

// programOf writes operations as go-xla does.
func programOf(lines ...string) []byte {
	return []byte("module @test {\n  func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n    " + strings.Join(lines, "\n    ") + "\n  }\n}\n")
}

func unary(i int, op, kind string) string {
	return fmt.Sprintf(`%%%d = "%s"(%%%d) : (tensor<%s>) -> tensor<%s>`, i+1, op, i, kind, kind)
}

func TestSurveyCountsLoops(t *testing.T) {
	got := survey(programOf(
		unary(0, "stablehlo.tanh", "2x8xf32"),
		unary(1, "stablehlo.tanh", "2x8xf32"),
		unary(2, "stablehlo.negate", "2x8xf32"),
		unary(3, "stablehlo.tanh", "8x2xf32"),
		unary(4, "stablehlo.exponential", "4x15xf32"),
		unary(5, "stablehlo.exponential", "4x16xf32"),
		unary(6, "chlo.erf", "3x8xf32"),
		// No loops: numbers, what moves, products, what takes several lines or yields several.
		unary(7, "stablehlo.tanh", "f32"),
		unary(8, "stablehlo.reshape", "2x8xf32"),
		`%20 = "stablehlo.constant"() { value = dense<0.0> : tensor<2x8xf32> } : () -> tensor<2x8xf32>`,
		`%21 = "stablehlo.broadcast_in_dim"(%20) { broadcast_dimensions = array<i64: 0, 1> } : (tensor<2x8xf32>) -> tensor<2x8xf32>`,
		`%24 = "stablehlo.reduce"(%20, %3) ({`,
		`  ^reductionFn(%lhs: tensor<f32>, %rhs: tensor<f32>) :`,
		`    %23 = "stablehlo.add"(%lhs, %rhs) : (tensor<f32>, tensor<f32>) -> tensor<f32>`,
		`    "stablehlo.return"(%23) : (tensor<f32>) -> ()`,
		`}) { dimensions = array<i64: 1> } : (tensor<2x8xf32>, tensor<f32>) -> tensor<2xf32>`,
		`%25:2 = "stablehlo.optimization_barrier"(%20) : (tensor<2x8xf32>) -> (tensor<2xf32>, tensor<2xf32>)`,
		`"func.return"(%1) : (tensor<2x8xf32>) -> ()`,
	))
	want := shape{loops: 7, kinds: 6, numbers: 4*16 + 60 + 64 + 24, exponentials: 60}
	if got != want {
		t.Errorf("found %+v, want %+v", got, want)
	}
}

func TestProgramsGetTheOptionsThatSuitThem(t *testing.T) {
	repeat := func(n int, op, kind string) (lines []string) {
		for i := range n {
			lines = append(lines, unary(i, op, kind))
		}
		return lines
	}
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	product := []string{
		`%90 = "stablehlo.dot_general"(%1, %2) {`,
		`  dot_dimension_numbers = #stablehlo.dot<`,
		`  lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]`,
		`>,`,
		`  precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]`,
		`} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>`,
	}
	for name, c := range map[string]struct {
		lines []string
		mlir  bool
	}{
		"layers differ":             {join(repeat(5, "stablehlo.tanh", "64x64xf32"), repeat(5, "stablehlo.tanh", "32x64xf32")), false},
		"layers are alike":          {join(repeat(12, "stablehlo.tanh", "64x64xf32"), repeat(12, "stablehlo.tanh", "32x64xf32")), true},
		"and multiply":              {join(product, repeat(12, "stablehlo.tanh", "64x64xf32"), repeat(12, "stablehlo.tanh", "32x64xf32")), true},
		"exponentials over classes": {join(product, repeat(1, "stablehlo.exponential", "256x256x4xf32"), repeat(8, "stablehlo.tanh", "256x256x128xf32")), false},
		"of a narrow GELU":          {join(product, repeat(1, "stablehlo.exponential", "256x256x8xf32"), repeat(8, "stablehlo.tanh", "256x256x16xf32")), true},
		"the same over a wide axis": {join(product, repeat(1, "stablehlo.exponential", "256x32x64xf32"), repeat(8, "stablehlo.tanh", "256x256x16xf32")), false},
		"nothing that loops":        {[]string{unary(0, "stablehlo.tanh", "f32")}, false},
		"a product alone":           {product, false},
	} {
		if got := survey(programOf(c.lines...)).mlir(); got != c.mlir {
			t.Errorf("%s: through MLIR %t, want %t (%+v)", name, got, c.mlir, survey(programOf(c.lines...)))
		}
	}
}
