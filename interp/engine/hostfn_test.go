package engine

import (
	"testing"

	"github.com/mseg-lang/mseg/lang/ir"
)

// A step of preparation meets images of any number of sizes: it keeps the programs of the last ones only, all answers are right, and it can be used after it was freed.
func TestOwnStepsKeepFewPrograms(t *testing.T) {
	p := checked(t, "mseg 1\nfn dimmed(x: image) -> image = x / 2 + 1\nprep all = percentile(0 % .. 100 %) |> dimmed\n")
	b, _ := p.Lookup("all")
	h, err := newHostFn(b.Value.(*ir.Node))
	if err != nil {
		t.Fatal(err)
	}
	call := func(width int) {
		t.Helper()
		x := make([]float32, 2*width)
		for i := range x {
			x[i] = float32(3 * i)
		}
		got, err := h.call(t.Context(), []int{2, width, 1}, x)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if v != float64(x[i])/2+1 {
				t.Fatalf("%d×2: value %d is %g", width, i, v)
			}
		}
		if len(h.programs) > hostPrograms {
			t.Fatalf("%d programs are kept", len(h.programs))
		}
	}
	for width := 1; width <= hostPrograms; width++ {
		call(width)
	}
	first := h.programs[0].Program
	call(1) // now the one used last
	call(hostPrograms + 1)
	if len(h.programs) != hostPrograms || h.programs[hostPrograms-2].Program != first {
		t.Errorf("the program that was called a moment ago is not among the %d kept", len(h.programs))
	}
	for _, kept := range h.programs {
		if kept.shape[1] == 2 {
			t.Error("the program that was not called for longest is kept")
		}
	}
	call(2)
	h.free()
	if len(h.programs) != 0 {
		t.Errorf("%d programs are left when it is freed", len(h.programs))
	}
	call(3)
	h.free()
}

// At the end of a stage no step of a preparation holds a program, and each can still be used.
func TestPreparationFreesItsSteps(t *testing.T) {
	p := checked(t, "mseg 1\nfn dimmed(x: image) -> image = x / 2\nfn lit(x: image) -> image = x + 1\nprep all = percentile(0 % .. 100 %) |> dimmed |> resize(8 px) |> lit\n")
	b, _ := p.Lookup("all")
	steps, err := prepOf(b.Value.(*ir.Node))
	if err != nil {
		t.Fatal(err)
	}
	if len(steps.Before) != 1 || len(steps.After) != 1 || len(steps.own) != 2 {
		t.Fatalf("%d steps before resize, %d behind it, %d of them own ones", len(steps.Before), len(steps.After), len(steps.own))
	}
	for range 2 {
		for _, apply := range []func([]float32, int, int, int) error{steps.Before[0].Apply, steps.After[0].Apply} {
			if err := apply(make([]float32, 4), 2, 2, 1); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []int{1, 0} {
			for _, h := range steps.own {
				if len(h.programs) != want {
					t.Errorf("%s holds %d programs, expected %d", h.name, len(h.programs), want)
				}
			}
			steps.free()
		}
	}
}
