package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/ir"
)

// Every example of the registry that computes something runs as it stands, but for those that name files of the reader's own: these are recognised by what they name. Trainings
// run with fewer epochs and samples.
func TestEveryExampleRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("examples train for some seconds")
	}
	kinds := []string{"data", "split", "model", "eval", "compare", "figure", "report"}
	ran := 0
	for _, b := range builtin.All() {
		if !slices.Contains(kinds, b.Result.Base) {
			continue // described values are read by TestEveryDescriptionIsUnderstood, tensors by TestTensorBuiltins
		}
		t.Run(b.Name, func(t *testing.T) {
			text := fmt.Sprintf("mseg 1\n%s\n%s example = %s\n", b.Frame, b.Result.Base, b.Example)
			if b.Result.Base == "model" {
				text += "expect example.params >= 0\n"
			}
			if b.Name == "box_fill" || b.Name == "box_ellipse" {
				text = fmt.Sprintf("mseg 1\n%s\neval example = %s |> evaluate(%s)\n", builtinFrame(t, "evaluate"), b.Example, "samples")
			}
			if strings.Contains(text, "epochs: ") {
				text = strings.NewReplacer("epochs: 5", "epochs: 1", "epochs: 3", "epochs: 1", "phantom(patients: 4)", "phantom(patients: 2, slices: 1, lesions: 1)").Replace(text)
			}
			p := checked(t, text)
			for n := range ir.Nodes(p.Values()...) {
				if n.Op == "volumes" || n.Op == "medsegdb" || n.Text("weights") != "" {
					return
				}
			}
			ran++
			e := newEngine(t, Config{Events: func(Event) {}})
			out, err := e.Run(t.Context(), p, text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			for _, x := range out.Expects {
				if !x.Holds {
					t.Errorf("%s: %s", x.Expect.Text, x.Found)
				}
			}
		})
	}
	if ran < 20 {
		t.Errorf("only %d examples ran", ran)
	}
}

func builtinFrame(t *testing.T, name string) string {
	t.Helper()
	b := builtin.Lookup(name)
	if len(b) != 1 || b[0].Frame == "" {
		t.Fatalf("%s has no frame", name)
	}
	return b[0].Frame
}
