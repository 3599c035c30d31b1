package gemm

import (
	"bytes"
	"strings"
	"testing"
)

// statement of a product as go-xla writes it.
func text(contract [2]string, batch, a, b, c string) string {
	return `    %7 = "stablehlo.dot_general"(%5, %weight) {
      dot_dimension_numbers = #stablehlo.dot<
  lhs_batching_dimensions = [` + batch + `],
  rhs_batching_dimensions = [` + batch + `],
  lhs_contracting_dimensions = [` + contract[0] + `],
  rhs_contracting_dimensions = [` + contract[1] + `]
>,
      precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]
    } : (tensor<` + a + `>, tensor<` + b + `>) -> tensor<` + c + `>
`
}

func TestRewrite(t *testing.T) {
	const before, after = "module @m {\n    %5 = \"stablehlo.tanh\"(%4) : (tensor<f32>) -> tensor<f32>\n", "    \"stablehlo.return\"(%7) : (tensor<f32>) -> ()\n}\n"
	for _, c := range []struct {
		name      string
		statement string
		want      string // of the attributes; "" where the product stays XLA's
	}{
		{"weights as torch has them", text([2]string{"1", "1"}, "", "256x768xf32", "3072x768xf32", "256x3072xf32"), "a_transposed = 0 : i64, b_transposed = 1 : i64, k = 768 : i64"},
		{"gradient of the input", text([2]string{"1", "0"}, "", "512x3072xf32", "3072x768xf32", "512x768xf32"), "a_transposed = 0 : i64, b_transposed = 0 : i64, k = 3072 : i64"},
		{"gradient of the weights", text([2]string{"0", "0"}, "", "512x3072xf32", "512x768xf32", "3072x768xf32"), "a_transposed = 1 : i64, b_transposed = 0 : i64, k = 512 : i64"},
		{"of experts, over two axes", text([2]string{"0, 1", "0, 1"}, "", "2x256x768xf32", "2x256x64xf32", "768x64xf32"), "a_transposed = 1 : i64, b_transposed = 0 : i64, k = 512 : i64"},
		{"tokens of images", text([2]string{"2", "0"}, "", "2x256x768xf32", "768x64xf32", "2x256x64xf32"), "a_transposed = 0 : i64, b_transposed = 0 : i64, k = 768 : i64"},
		{"a batch", text([2]string{"2", "2"}, "0", "24x256x768xf32", "24x768x768xf32", "24x256x768xf32"), ""},
		{"an axis in the middle", text([2]string{"1", "0"}, "", "2x768x256xf32", "768x768xf32", "2x256x768xf32"), ""},
		{"axes out of order", text([2]string{"1, 0", "1, 0"}, "", "2x256x768xf32", "2x256x64xf32", "768x64xf32"), ""},
		{"narrow", text([2]string{"1", "1"}, "", "4096x256xf32", "128x256xf32", "4096x128xf32"), ""},
		{"small", text([2]string{"1", "1"}, "", "4x768xf32", "768x768xf32", "4x768xf32"), ""},
		{"halves", text([2]string{"1", "1"}, "", "256x768xbf16", "3072x768xbf16", "256x3072xbf16"), ""},
		{"a number", text([2]string{"0", "0"}, "", "768xf32", "768xf32", "f32"), ""},
		{"broken off", text([2]string{"1", "1"}, "", "256x768xf32", "3072x768xf32", "256x3072xf32")[:200], ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Twice the same: what follows a product is looked at as well.
			program := before + c.statement + c.statement + after
			got := string(Rewrite([]byte(program)))
			if c.want == "" {
				if got != program {
					t.Fatalf("changed to\n%s", got)
				}
				return
			}
			if n := strings.Count(got, c.want); n != 2 || strings.Contains(got, "dot_general") {
				t.Errorf("%d calls with %s in\n%s", n, c.want, got)
			}
			types := c.statement[strings.LastIndex(c.statement, " : ("):]
			if !strings.HasPrefix(got, before+`    %7 = "stablehlo.custom_call"(%5, %weight) {`) || !strings.HasSuffix(got, types+after) {
				t.Errorf("what is around has changed:\n%s", got)
			}
		})
	}
}

func TestRewriteLeavesSeveralDevicesAlone(t *testing.T) {
	program := []byte(`module @m { sdy.mesh @mesh = <["x"=2]> "sdy.sharding_constraint"(%1)` + text([2]string{"1", "1"}, "", "256x768xf32", "3072x768xf32", "256x3072xf32") + "}")
	if !bytes.Equal(Rewrite(program), program) {
		t.Error("a program with shardings was changed")
	}
}
