package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const watched = `mseg 1
split s = phantom(patients: 4, slices: 1, size: 64 px) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(32 px)) |> by(patient, train: 50 %, val: 50 %, seed: 1)
model m = unet(image: 32 px, base: 2, depth: 2) |> train(s.train, validate: s.val, epochs: 2, batch: 2, seed: 5)
`

func TestCurvesForTensorBoard(t *testing.T) {
	dir := t.TempDir()
	keys := map[string]string{}
	for _, board := range []string{"", filepath.Join(dir, "board")} {
		var events []Event
		e := newEngine(t, Config{Dir: dir, Store: filepath.Join(dir, "store"+filepath.Base(board)), TensorBoard: board, Events: func(ev Event) { events = append(events, ev) }})
		_, out := runAll(t, e, &events, watched)
		keys[board] = out.Steps[len(out.Steps)-1].Key
	}
	files, err := filepath.Glob(filepath.Join(dir, "board", "m-*", "events.out.tfevents.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("event files are %v, want one (%v)", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	steps := len(filesOf(b, "step/loss"))
	for tag, want := range map[string]int{"step/loss": 4, "step/rate": 4, "step/gradient_norm": 4, "epoch/loss": 2, "epoch/validation_dice": 2} {
		if got := len(filesOf(b, tag)); got != want && (want != 4 || got != steps || steps < 2) {
			t.Errorf("%d points of %s, want %d", got, tag, want)
		}
	}
	var names []string
	for board, key := range keys {
		names = append(names, key)
		if key != keys[""] {
			t.Errorf("with the folder %q the identity is another", board)
		}
	}
	if len(names) != 2 {
		t.Error("only one run")
	}
}

// filesOf are the places at which a tag stands.
func filesOf(b []byte, tag string) (at []int) {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(tag))
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + 1
	}
}

// Curves are for watching: a folder that cannot be had is a note, and the training goes on.
func TestCurvesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var events []Event
	e := newEngine(t, Config{Dir: dir, TensorBoard: file, Events: func(ev Event) { events = append(events, ev) }})
	runAll(t, e, &events, watched)
	notes := 0
	for _, ev := range events {
		if strings.Contains(ev.Text, "no further curves for TensorBoard") {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d notes, want 1", notes)
	}
}
