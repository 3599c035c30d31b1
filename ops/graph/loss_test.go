package graph

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

type lossNumbers struct {
	Dice  float64     `json:"dice_loss"`
	BCE   float64     `json:"bce"`
	Total float64     `json:"total"`
	Grad  [][]float64 `json:"grad_total"`
}

type lossTable struct {
	Single []struct {
		Name    string      `json:"name"`
		Logits  [][]float64 `json:"logits"`
		Target  [][]float64 `json:"target"`
		Float64 lossNumbers `json:"float64"`
	} `json:"single"`
	Combos []struct {
		Name    string          `json:"name"`
		Logits  [][][][]float64 `json:"logits[sample][mask]"`
		Target  [][][]float64   `json:"target[sample]"`
		Float64 struct {
			PerMask [][]float64     `json:"per_mask[mask][sample]"`
			Chosen  []int           `json:"chosen_mask[sample]"`
			Loss    float64         `json:"loss"`
			Grad    [][][][]float64 `json:"grad"`
		} `json:"float64"`
	} `json:"min_over_masks"`
}

// flat32 lays nested JSON arrays out in a row.
func flat32(v any) []float32 {
	switch v := v.(type) {
	case float64:
		return []float32{float32(v)}
	case [][]float64:
		var out []float32
		for _, row := range v {
			for _, x := range row {
				out = append(out, float32(x))
			}
		}
		return out
	case [][][]float64:
		var out []float32
		for _, m := range v {
			out = append(out, flat32(m)...)
		}
		return out
	case [][][][]float64:
		var out []float32
		for _, m := range v {
			out = append(out, flat32(m)...)
		}
		return out
	}
	panic("unexpected nesting")
}

func near(t *testing.T, what string, got []float32, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if w := float64(want[i]); !(math.Abs(float64(got[i])-w) <= 2e-6*max(1, math.Abs(w))) {
			t.Errorf("%s: value %d is %.9g, want %.9g", what, i, got[i], w)
			return
		}
	}
}

func TestLossesAgreeWithTheReference(t *testing.T) {
	raw, err := os.ReadFile(golden(t, "loss/table.json"))
	if err != nil {
		t.Fatal(err)
	}
	var table lossTable
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Single) < 13 || len(table.Combos) < 1 {
		t.Fatalf("the table holds %d single and %d combined cases", len(table.Single), len(table.Combos))
	}
	eachBackend(t, func(t *testing.T, b *Backend) {
		programs := map[[2]int]*Program{} // one for each shape
		for _, c := range table.Single {
			t.Run(c.Name, func(t *testing.T) {
				h, w := len(c.Logits), len(c.Logits[0])
				p, ok := programs[[2]int{h, w}]
				if !ok {
					var err error
					p, err = NewProgram(b, ProgramConfig{}, []Shape{F32(1, 1, h, w), F32(1, h, w)}, func(s *Scope, in []*Node) []*Node {
						dice, bce := DiceLoss(s, in[0], in[1]), BCELoss(s, in[0], in[1])
						total := DiceBCELoss(s, in[0], in[1])
						return []*Node{dice, bce, total, gx.Gradient(gx.ReduceAllSum(total), in[0])[0]}
					})
					if err != nil {
						t.Fatal(err)
					}
					programs[[2]int{h, w}] = p
				}
				r, err := p.Call(context.Background(), nil, 0, Floats(flat32(c.Logits), 1, 1, h, w), Floats(flat32(c.Target), 1, h, w))
				if err != nil {
					t.Fatal(err)
				}
				got := r.Outputs
				near(t, "dice loss", got[0].Data, flat32(c.Float64.Dice))
				near(t, "cross-entropy", got[1].Data, flat32(c.Float64.BCE))
				near(t, "total", got[2].Data, flat32(c.Float64.Total))
				near(t, "gradient", got[3].Data, flat32(c.Float64.Grad))
			})
		}
		for _, c := range table.Combos {
			t.Run(c.Name, func(t *testing.T) {
				n, m, h, w := len(c.Logits), len(c.Logits[0]), len(c.Logits[0][0]), len(c.Logits[0][0][0])
				got, _ := evaluate(t, b, func(s *Scope, in []*Node) []*Node {
					losses := DiceBCELoss(s, in[0], in[1])
					best, chosen := BestOfMasks(losses)
					loss := Mean(s, best)
					return []*Node{gx.Transpose(losses, 0, 1), chosen, loss, gx.Gradient(loss, in[0])[0]}
				}, Floats(flat32(c.Logits), n, m, h, w), Floats(flat32(c.Target), n, h, w))
				near(t, "losses", got[0].Data, flat32(c.Float64.PerMask))
				for i, want := range c.Float64.Chosen {
					if int(got[1].Data[i]) != want {
						t.Errorf("sample %d: mask %g chosen, want %d", i, got[1].Data[i], want)
					}
				}
				near(t, "loss", got[2].Data, flat32(c.Float64.Loss))
				near(t, "gradient", got[3].Data, flat32(c.Float64.Grad))
			})
		}
	})
}

func TestTiedMasksGiveTheFirstTheWholeGradient(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		got, _ := evaluate(t, b, one(func(_ *Scope, x *Node) *Node {
			best, _ := BestOfMasks(x)
			return gx.Gradient(gx.ReduceAllSum(best), x)[0]
		}), Floats([]float32{2, 1, 1, 3, 3, 3}, 2, 3))
		near(t, "gradient", got[0].Data, []float32{0, 1, 0, 1, 0, 0})
	})
}

func TestWeightedMeanIgnoresFilling(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		nan := float32(math.NaN())
		got, _ := evaluate(t, b, func(_ *Scope, in []*Node) []*Node {
			mean := WeightedMean(in[0], in[1])
			return []*Node{mean, gx.Gradient(mean, in[0])[0]}
		}, Floats([]float32{1, 5, nan, 3}, 4), Floats([]float32{1, 1, 0, 2}, 4))
		near(t, "mean", got[0].Data, []float32{3})
		near(t, "gradient", got[1].Data, []float32{0.25, 0.25, 0, 0.5})
	})
}

func TestTargetOfAnotherShapeIsAFault(t *testing.T) {
	_, err := NewProgram(openForTest(t, "go"), ProgramConfig{Name: "loss"}, []Shape{F32(2, 1, 4, 4), F32(2, 4, 5)}, func(s *Scope, in []*Node) []*Node {
		return []*Node{DiceLoss(s, in[0], in[1])}
	})
	if want := "building loss: the target has shape [2 4 5], masks of shape [2 1 4 4] need [2 4 4]"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCrossEntropyAtZeroAndFarFromIt(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		got, _ := evaluate(t, b, func(s *Scope, in []*Node) []*Node {
			loss := BCELoss(s, in[0], in[1])
			return []*Node{loss, gx.Gradient(gx.ReduceAllSum(loss), in[0])[0]}
		}, Floats([]float32{0, 0, 200, -200}, 1, 1, 1, 4), Floats([]float32{0, 1, 0, 0}, 1, 1, 4))
		near(t, "loss", got[0].Data, []float32{float32(200+2*math.Ln2) / 4})
		near(t, "gradient", got[1].Data, []float32{0.125, -0.125, 0.25, 0})
	})
}
