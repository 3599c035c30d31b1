package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/train"
)

// A training goes on where it was computed by the same kind of machine: XLA on a processor and XLA on a GPU are two.
func TestComputersThatATrainingGoesOnOn(t *testing.T) {
	const gpu, updated, other = "NVIDIA H100 80GB HBM3, 80 GiB, driver 550.1", "NVIDIA H100 80GB HBM3, 80 GiB, driver 560.2", "NVIDIA A100, 40 GiB, driver 550.1"
	for name, c := range map[string]struct {
		a, b [2]string
		same bool
	}{
		"go and go":                    {[2]string{"go", ""}, [2]string{"go", ""}, true},
		"go and xla":                   {[2]string{"go", ""}, [2]string{"xla", ""}, false},
		"xla on a processor and a GPU": {[2]string{"xla", ""}, [2]string{"xla", gpu}, false},
		"a driver that was updated":    {[2]string{"xla", gpu}, [2]string{"xla", updated}, true},
		"two kinds of GPU":             {[2]string{"xla", gpu}, [2]string{"xla", other}, false},
	} {
		if got := computer(c.a[0], c.a[1]) == computer(c.b[0], c.b[1]); got != c.same {
			t.Errorf("%s are the same: %t", name, got)
		}
	}
}

// The longest training that is shorter is gone on from; one that was removed, as long or longer is not.
func TestAncestors(t *testing.T) {
	e := newEngine(t, Config{})
	p := checked(t, "mseg 1\nmodel m = unet(image: 32 px) |> train(phantom() |> prep(resize(32 px)), epochs: 5, batch: 2)\n")
	e.Use(p, "")
	b, _ := p.Lookup("m")
	n := nodeOf(b.Value)
	join := func(epochs int, digit string, made bool) string {
		t.Helper()
		key := ""
		for range 64 {
			key += digit
		}
		if made {
			w, err := e.store.Create()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Commit(store.Meta{Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.store.Join(e.lineage(n), epochs, key); err != nil {
			t.Fatal(err)
		}
		return key
	}
	if epochs, key := e.ancestor(n); epochs != 0 || key != "" {
		t.Errorf("without any: %d %q", epochs, key)
	}
	join(1, "a", true)
	want := join(3, "b", true)
	join(2, "c", true)
	join(4, "d", false)
	join(5, "e", true)
	join(9, "f", true)
	if epochs, key := e.ancestor(n); epochs != 3 || key != want {
		t.Errorf("found %d epochs in %q, expected 3 in %q", epochs, key, want)
	}
}

// An interrupted training may go on on another backend; its record says so.
func TestTrainingsSayWhereTheyWereBegun(t *testing.T) {
	var said []string
	e := newEngine(t, Config{Events: func(ev Event) { said = append(said, ev.Text) }})
	j, dir := &Job{Engine: e, Node: &ir.Node{Op: "train"}, Key: strings.Repeat("a", 64)}, t.TempDir()
	step := func(here string, want ...string) {
		t.Helper()
		got, err := j.begun(dir, here)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("on %s: %v %v, expected %v", here, got, err, want)
		}
	}
	step("go")
	step("xla") // there is no checkpoint: it begins anew
	if err := os.WriteFile(filepath.Join(dir, train.LastFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	step("xla")
	if len(said) > 0 {
		t.Errorf("said %v", said)
	}
	step("go", "xla")
	step("go", "xla")
	step("xla", "xla", "go")
	if want := []string{"goes on on go; so far it was computed on xla", "goes on on xla; so far it was computed on xla and go"}; !slices.Equal(said, want) {
		t.Errorf("said %q, expected %q", said, want)
	}
}
