package check_test

import (
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// What is written is, read again, the same value.
func TestWrittenValuesReadBack(t *testing.T) {
	empty, _ := syntax.Parse(source.New("", ""), false)
	for _, text := range []string{
		"2 * (dice + bce)", "dice + 2 * bce", "best_of_masks(dice + bce) + quality",
		"(phantom() |> by(patient, train: 50 %, test: 50 %)).test", "phantom() + (phantom(seed: 1) + phantom(seed: 2))",
		"(box_fill |> evaluate(phantom())).dice[CT_Liver].mean > 0.5", "phantom(tasks: { 1: CT_Liver, 3: unplaced(\"CT_Odd\") }, modality: CT)",
		"phantom() |> where(task in /torso/** and (slice >= 3 or not (patient in [\"a\", \"b\"])) and area > 100 px)",
		"mixture(2, gate: soft(image, organ))", "route { /torso: mixture(2), /skin: expert(init: /skeleton), /skeleton: expert(), else: shared }",
		"0.5 % .. 99.5 %", "[1 px, 2 px]", "mask(of: [box_fill |> evaluate(phantom(), prompt: box(jitter: 0 px .. 2 px))], with: points(2)) |> refine(2)",
	} {
		of := types.Any
		if strings.Contains(text, "bce") {
			of = types.Of("loss")
		}
		want := check.NewScope(empty).Value(text, of)
		if want == nil {
			t.Errorf("%s does not check", text)
			continue
		}
		written := check.Written(want)
		got := check.NewScope(empty).Value(written, of)
		h := ir.NewHasher(nil)
		if got == nil || h.Hash(got) != h.Hash(want) {
			t.Errorf("%s is written %s, which is another value", text, written)
		}
	}
}
