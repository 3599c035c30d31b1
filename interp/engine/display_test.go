package engine

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/train"
)

func TestFigureText(t *testing.T) {
	dice := func(x float64) *float64 { return &x }
	history := (&Figure{Kind: "history", BestEpoch: 3, History: []train.Record{
		{Epoch: 1, Loss: 1, Dice: dice(0.2)}, {Epoch: 2, Loss: 0.5, Dice: dice(0.4)}, {Epoch: 3, Loss: 0, Dice: dice(0.6)}}}).text()
	for _, want := range []string{"loss             █▅▁  1.0000 → 0.0000", "validation Dice  ▁▅█  0.2000 → 0.6000", "3 epochs, epoch 3 kept"} {
		if !strings.Contains(history, want) {
			t.Errorf("history lacks %q:\n%s", want, history)
		}
	}
	gates := (&Figure{Kind: "gates", Blocks: []int{0, 1}, Tasks: []string{"CT_Liver"}, Counts: []int{7},
		Gates: [][][]float64{{{1, 0}}, {{0.5, 0.5}}}}).text()
	for _, want := range []string{"expert 0", "expert 1", "CT_Liver", "7 ", "0.75 ▇", "0.25 ▃", "over 2 blocks"} {
		if !strings.Contains(gates, want) {
			t.Errorf("gates lack %q:\n%s", want, gates)
		}
	}
}

func TestSparkline(t *testing.T) {
	long := make([]float64, 1000)
	for i := range long {
		long[i] = float64(i)
	}
	for _, c := range []struct {
		name   string
		values []float64
		cells  int
		ends   string
	}{
		{"rising", long, 60, "▁█"},
		{"constant", []float64{3, 3}, 2, "▁▁"},
		{"one", []float64{math.Pi}, 1, "▁▁"},
	} {
		r := []rune(sparkline(c.values))
		if len(r) != c.cells || string([]rune{r[0], r[len(r)-1]}) != c.ends {
			t.Errorf("%s: %q", c.name, string(r))
		}
	}
}

func TestLongTablesAreShortened(t *testing.T) {
	rows := [][]string{{"case"}}
	for range maxRows + 3 {
		rows = append(rows, []string{"x"})
	}
	if s := shorten(rows, "case"); strings.Count(s, "\n") != maxRows+2 || !strings.HasSuffix(s, "… and 3 more cases\n") {
		t.Errorf("%q", s)
	}
}

// Retain keeps what the program reaches in memory and forgets the rest; pages are looked at again.
func TestRetain(t *testing.T) {
	dir := t.TempDir()
	e, err := New(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	run := func(metric string) *ir.Program {
		t.Helper()
		l := script.Text("a.mseg", `data d = phantom(patients: 2, slices: 2, size: 32 px) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(32 px))
eval e = box_fill |> evaluate(d) { metrics: [`+metric+`] }
report r = [e]`, check.Options{})
		if l.Diags.HasErrors() {
			t.Fatal(l.Diags)
		}
		if _, err := e.Run(context.Background(), l.Program, l.File.Text); err != nil {
			t.Fatal(err)
		}
		return l.Program
	}
	old := run("dice")
	first, _ := old.Lookup("e")
	oldKey := e.Key(first.Value.(*ir.Node))
	p := run("iou")
	second, _ := p.Lookup("e")
	page, _ := p.Lookup("r")
	newKey, pageKey := e.Key(second.Value.(*ir.Node)), e.Key(page.Value.(*ir.Node))
	for _, key := range []string{oldKey, newKey, pageKey} {
		if e.values[key] == nil {
			t.Fatal("a value of the run is not in memory")
		}
	}
	e.Retain(p)
	if e.values[oldKey] != nil || e.values[newKey] == nil || e.values[pageKey] != nil {
		t.Errorf("old eval kept: %t, new eval kept: %t, page kept: %t", e.values[oldKey] != nil, e.values[newKey] != nil, e.values[pageKey] != nil)
	}
	if len(e.derived) != 1 {
		t.Errorf("%d derived nodes are kept, want those of one eval", len(e.derived))
	}
}
