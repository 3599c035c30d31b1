package engine

import (
	"fmt"
	"testing"
)

// A network that is trained on parts learns what the same network learns from whole samples in as many steps, and finds it in whole samples: cutting, turning,
// blending and validation fit together. An organ of some 14 px in samples of 40, seen in parts of 24; where nothing is learnt Dice is below 0.3.
func TestPartsAreLearnt(t *testing.T) {
	const script = `mseg 1
data cases  = phantom(patients: 24, slices: 1, size: 40 px, lesions: 1, modality: CT, tasks: { 1: CT_Liver }, seed: 11)
split parts = cases |> prep(window(-160 HU .. 240 HU) |> slices(axis: axial, min_area: 10 px)) |> by(patient, train: 60 %, val: 40 %, seed: 1)
fn fitted(m: model) -> model = m |> train(parts.train, loss: batch_dice + bce, optimizer: adamw(1e-2), epochs: 14, batch: 4)
model whole = residual_unet(image: 40 px, base: 4, depth: 3, blocks: [1, 1, 1], box: false) |> fitted
model part  = residual_unet(image: 24 px, base: 4, depth: 3, blocks: [1, 1, 1], box: false) |> train(parts.train, validate: parts.val, loss: batch_dice + bce,
  optimizer: adamw(1e-2), epochs: 14, batch: 4, sampling: patches(), augment: augment(rotate: 20 deg, scale: 20 %, probability: 20 %), keep: last)
eval of_whole = whole |> evaluate(parts.val) { select: first, metrics: [dice] }
eval of_parts = part |> evaluate(parts.val, inference: sliding()) { select: first, metrics: [dice] }
expect of_whole.n == of_parts.n
`
	var events []Event
	e := newEngine(t, Config{Backend: "go", Events: func(Event) {}})
	p, _ := runAll(t, e, &events, script)
	dice := func(name string) float64 {
		s := valueOf[*Scores](t, e, p, name)
		sum := 0.0
		for _, r := range s.Rows {
			sum += r.Value(0)
		}
		return sum / float64(len(s.Rows))
	}
	whole, parts := dice("of_whole"), dice("of_parts")
	t.Logf("Dice after the same steps: %.3f from whole samples, %.3f from parts", whole, parts)
	if parts < 0.55 || parts < whole-0.25 {
		t.Errorf("learnt from parts: Dice %.3f, from whole samples %.3f", parts, whole)
	}
	// What validation found after the last epoch is what an evaluation finds.
	h := valueOf[*Model](t, e, p, "part").History
	if got := fmt.Sprintf("%.4f", *h[len(h)-1].Dice); got != fmt.Sprintf("%.4f", parts) {
		t.Errorf("validation says Dice %s, an evaluation %.4f", got, parts)
	}
}
