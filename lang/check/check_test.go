package check

import (
	"os"
	"testing"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

func checkText(t *testing.T, text string) (*ir.Program, diag.List) {
	t.Helper()
	s, d := syntax.Parse(source.New("test.mseg", text), true)
	p, more := Script(s, Options{})
	d = append(d, more...)
	d.Sort()
	return p, d
}

func TestScratch(t *testing.T) {
	b, _ := os.ReadFile("../../examples/first.mseg")
	_, d := checkText(t, string(b))
	diag.WriteText(os.Stdout, d, false)
	_, d = checkText(t, `data a = volumes("x/{case}.nrrd", mask: "y/{case}.nrrd") { modality: CT, tasks: {1: CT_Livr, 2: MRI_BrainWholeTumor} }
prep p = window(0 px .. 3 px) |> slices(axs: axial) |> resize(64)
model m = sam_tiny() |> adapt(mixture(0)) |> train(b)
eval e = m |> evaluate(a) { metrics: dice, ci: 120 % }
split s = a |> by(patient, train: 50 %, test: 20 %)
report r = [e]
expect e.dice >= 0.5
expect e.dice.meen >= 0.5
data z = a |> where(modlity == CT and task in /torso/abdomn)
`)
	diag.WriteText(os.Stdout, d, false)
}
