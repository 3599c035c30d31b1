package graph

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// Products in half precision, and those of their gradients, are near the ones in float32, and not one multiplies float32.
func TestGradientsOfHalvesAreHalves(t *testing.T) {
	b := openForTest(t, "xla")
	for _, c := range []struct {
		equation string
		a, b     []int
	}{
		{"bhnd,bhmd->bhnm", []int{2, 3, 4, 5}, []int{2, 3, 6, 5}},
		{"bhnm,bhmd->bhnd", []int{2, 3, 4, 5}, []int{2, 3, 5, 6}},
		{"nhwd,hkd->nhwk", []int{2, 3, 4, 5}, []int{3, 6, 5}},
		{"nhwd,wkd->nhwk", []int{2, 3, 4, 5}, []int{4, 6, 5}},
		{"bhwc,ow->bhoc", []int{2, 3, 4, 5}, []int{6, 4}},
		{"bmc,bhwc->bmhw", []int{2, 3, 4}, []int{2, 5, 6, 4}},
		{"btc,nc->btn", []int{2, 3, 4}, []int{5, 4}},
		{"dense", []int{2, 3, 4}, []int{5, 4}},
	} {
		t.Run(c.equation, func(t *testing.T) {
			inputs := []Value{random(1, c.a...), random(2, c.b...)}
			results := func(p Precision) [][]float32 {
				var wrong []string
				build := func(s *Scope, in []*Node) []*Node {
					var y *Node
					if c.equation == "dense" {
						y = dense(in[0], in[1], nil)
					} else {
						y = Einsum(c.equation, in[0], in[1])
					}
					loss := gx.ReduceAllSum(gx.Mul(y, gx.Sin(gx.IotaFull(s.Graph(), y.Shape()))))
					grads := gx.Gradient(loss, in[0], in[1])
					for _, n := range s.Graph().Nodes() {
						if n.Type() == gx.NodeTypeDotGeneral && n.Inputs()[0].DType() == dtypes.Float32 {
							wrong = append(wrong, n.String())
						}
					}
					return append([]*Node{y}, grads...)
				}
				prog, err := NewProgram(b, ProgramConfig{Name: "halves", Precision: p}, []Shape{F32(c.a...), F32(c.b...)}, build)
				if err != nil {
					t.Fatal(err)
				}
				defer prog.Free()
				if p == BF16 && len(wrong) > 0 {
					t.Errorf("products of float32: %s", wrong)
				}
				if p == Float32 && len(wrong) != 3 {
					t.Errorf("%d products were seen, expected 3: the check looks at the wrong nodes", len(wrong))
				}
				r, err := prog.Call(context.Background(), nil, 0, inputs...)
				if err != nil {
					t.Fatal(err)
				}
				var out [][]float32
				for _, o := range r.Outputs {
					out = append(out, append([]float32{float32(len(o.Dims))}, o.Data...))
				}
				return out
			}
			want, got := results(Float32), results(BF16)
			for i, name := range []string{"product", "gradient of the first", "gradient of the second"} {
				var off, scale float64
				for k := range want[i] {
					off, scale = max(off, math.Abs(float64(want[i][k]-got[i][k]))), max(scale, math.Abs(float64(want[i][k])))
				}
				if !(off <= 0.02*scale) || off == 0 {
					t.Errorf("%s: off by %g, the largest number is %g%s", name, off, scale, fmt.Sprint(want[i][:3], got[i][:3]))
				}
			}
		})
	}
}
