package syntax

import (
	"testing"

	"github.com/mseg-lang/mseg/lang/source"
)

func TestScratch(t *testing.T) {
	s, d := Parse(source.New("x", `mseg 1
use medsegdb (tree)
param epochs: int = 30 in 1..500
data brain = volumes("r/{case}_image.nrrd", mask: "x") { # c
  patient: case
  tasks: { 1: MRI_BrainTumor
     2: A }
}
data ct = db |> where(modality == CT and task in /torso/abdomen)
prep p = window(-160 HU .. 240 HU)
  |> slices(axis: axial, min_area: 100 px,)
experts routed = route(atlas) {
  /head_neck: expert(bottleneck: 32)
  else: shared
}
fn pretrain(m: model, rate: number) -> model =
  m |> train(parts.train) {
    loss: best(dice + bce), batch: 64
    epochs: epochs
  }
eval grid = [m |> pretrain(r) for r in [1e-3, 3e-4] if r > 1e-4]
expect id.dice[MRI].mean >= 0.60
`), false)
	for _, x := range d {
		t.Error(x.Error())
	}
	for _, st := range s.Statements {
		t.Logf("%T %+v", st, st.Span().From())
	}
}
