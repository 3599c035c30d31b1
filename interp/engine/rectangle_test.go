package engine

import (
	"slices"
	"strings"
	"testing"
)

// Coronal slices of a flat volume are no squares: a network of the same shape learns from them with its box, without parts, and a network that nnunet plans for
// little memory sees parts as they were planned, of another shape again.
func TestSamplesThatAreNotSquare(t *testing.T) {
	const script = `mseg 1
data cases    = phantom(patients: 2, slices: 20, size: 40 px, lesions: 1, modality: CT, tasks: { 1: CT_Liver }, seed: 3)
data flat     = cases |> prep(window(-160 HU .. 240 HU) |> slices(axis: coronal, min_area: 60 px)) |> take(1)
model boxed   = unet(image: 40 px, height: 20 px, base: 4, depth: 2) |> train(flat, loss: dice + bce, optimizer: adamw(1e-2), prompt: box(), epochs: 8, batch: 4, augment: augment(rotate: 10 deg))
eval of_boxed = boxed |> evaluate(flat) { select: first, metrics: [dice] }
model planned = flat |> nnunet(box: false, memory: 3 MiB)
model parts   = planned |> train(flat, loss: dice + bce, epochs: 1, batch: 4, sampling: patches())
eval of_parts = parts |> evaluate(flat, inference: sliding(mirror: true)) { select: first, metrics: [dice] }
model enough  = flat |> nnunet()
expect of_boxed.dice.mean > 0.7
expect of_parts.n == of_boxed.n
expect enough.params > 0
`
	var events []Event
	e := newEngine(t, Config{Backend: "go", Events: func(Event) {}})
	p, out := runAll(t, e, &events, script)
	for _, x := range out.Expects {
		if !x.Holds {
			t.Errorf("%s: %s", x.Expect.Text, x.Found)
		}
	}
	if got := valueOf[*Model](t, e, p, "boxed").extent(); got != (extent{40, 20}) {
		t.Errorf("the network sees %s", got)
	}
	m := valueOf[*Model](t, e, p, "planned")
	if patch := m.Built.Config.Plan.Patch; m.extent() != (extent{patch[1], patch[0]}) || m.extent().square() || patch[1] >= 40 {
		t.Errorf("planned is %v, the network sees %s", patch, m.extent())
	}
	i := slices.IndexFunc(e.NetworkPlans(p), func(n NetworkPlan) bool { return strings.Contains(n.Text, "sees parts") })
	if i < 0 || !strings.Contains(e.NetworkPlans(p)[i].Text, "px wide and ") {
		t.Errorf("plans: %+v", e.NetworkPlans(p))
	}
	if m := valueOf[*Model](t, e, p, "enough"); m.extent() != (extent{40, 20}) || m.Built.Config.NoPrompt {
		t.Errorf("with enough memory the network sees %s", m.extent())
	}
}

func TestAModelSaysWhichShapeItTakes(t *testing.T) {
	text := `mseg 1
data all = phantom(patients: 2, slices: 1, size: 32 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> slices())
model m  = unet(image: 32 px, height: 16 px, base: 2, depth: 2) |> train(all, epochs: 1, loss: dice)
expect m.params > 0
`
	e := newEngine(t, Config{Events: func(Event) {}})
	if _, err := e.Run(t.Context(), checked(t, text), text); err == nil || !strings.Contains(err.Error(), "has 32×32 px, but the model takes 32×16") || strings.Contains(err.Error(), "resize") {
		t.Error(err)
	}
}
