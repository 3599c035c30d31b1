package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// thousand is a script of 1,000 statements such as people write: data, preparation, splits, models, training, evaluation, expectations.
func thousand() string {
	var b strings.Builder
	b.WriteString("mseg 1\nparam seed: int = 1\nfn pretrain(m: model, d: data, rate: number) -> model = m |> train(d) { optimizer: adamw(rate), epochs: 5, seed: seed }\n")
	b.WriteString("prep plane = percentile(0.5 % .. 99.5 %) |> slices(axis: axial, min_area: 10 px) |> resize(96 px)\n")
	for i := 0; b.Len() >= 0 && i < 142; i++ {
		fmt.Fprintf(&b, `data images%[1]d = volumes("site%[1]d/{case}_image.nrrd", mask: "site%[1]d/{case}_label.nrrd") {
  patient: case    # never on two sides
  modality: MRI
  tasks: { 1: MRI_BrainWholeTumor }
}
data ready%[1]d = images%[1]d |> where(modality == MRI and task in /head_neck/head) |> prep(plane)
split parts%[1]d = ready%[1]d |> by(patient, train: 60 %%, val: 20 %%, test: 20 %%, seed: seed)
model start%[1]d = sam_tiny(image: 96 px, seed: %[1]d) |> adapt(mixture(4, bottleneck: 16), blocks: all, train: [experts, decoder])
model base%[1]d = start%[1]d |> pretrain(parts%[1]d.train, 1e-3)
eval result%[1]d = base%[1]d |> evaluate(parts%[1]d.test) { metrics: [dice, hd95(mm), nsd(2 mm)], by: [body_part, organ, task], ci: 95 %% }
expect result%[1]d.dice.mean >= 0.5
`, i)
	}
	b.WriteString("eval sweep = start0 |> pretrain(parts0.train, 1e-4) |> evaluate(parts0.test)\nreport all = [result0, sweep]\n")
	return b.String()
}

func BenchmarkThousandStatements(b *testing.B) {
	text := thousand()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s, diags := syntax.Parse(source.New("bench.mseg", text), false)
		p, more := check.Script(s, check.Options{})
		if diags.HasErrors() || more.HasErrors() {
			b.Fatal(append(diags, more...)[0])
		}
		h := ir.NewHasher(nil)
		for _, x := range p.Bindings {
			h.Hash(x.Value)
		}
	}
}

func BenchmarkParseOnly(b *testing.B) {
	text := thousand()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		syntax.Parse(source.New("bench.mseg", text), false)
	}
}
