package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// Files of a finished training that a longer one can go on from, and the names they have in the folder of a training that runs.
var prolonged = map[string]string{"state.safetensors": train.LastFile, "best-so-far.safetensors": train.BestFile}

// lineage is the identity of a training but for its number of epochs.
func (e *Engine) lineage(n *ir.Node) string {
	m := *n
	m.Args = slices.DeleteFunc(slices.Clone(n.Args), func(a ir.Arg) bool { return a.Name == "epochs" })
	return e.hasher.Hash(&m)
}

// ancestor is the longest finished training that differs from a node in having fewer epochs.
func (e *Engine) ancestor(n *ir.Node) (epochs int, key string) {
	for epochs0, k := range e.store.Line(e.lineage(n)) {
		if epochs0 > epochs && epochs0 < n.Int("epochs") {
			epochs, key = epochs0, k
		}
	}
	return epochs, key
}

// fixedLength is the schedule that decides every rate by the number of epochs, or "".
func fixedLength(n *ir.Node) string {
	s := n.Node("optimizer").Node("schedule").Op
	if (train.Schedule{Kind: s}).NeedsTotal() {
		return s
	}
	return ""
}

// prolongation says whether a training that must run has done a part of its epochs already.
func (e *Engine) prolongation(n *ir.Node) string {
	if n.Op != "train" && n.Op != "finetune" {
		return ""
	}
	epochs, key := e.ancestor(n)
	switch s := fixedLength(n); {
	case key == "":
		return ""
	case s != "":
		return fmt.Sprintf("%d epochs are done, but the rates of %s depend on the number of all, so it begins anew", epochs, s)
	}
	return fmt.Sprintf("goes on from epoch %d", epochs)
}

// prolong puts the state of a shorter training of the same line into the folder of this one, unless it has been begun itself.
func (j *Job) prolong(dir string, b *graph.Backend) error {
	if _, err := os.Stat(filepath.Join(dir, train.LastFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	epochs, key := j.ancestor(j.Node)
	if key == "" {
		return nil
	}
	if fixedLength(j.Node) != "" {
		j.note("%s", j.prolongation(j.Node))
		return nil
	}
	a, err := j.store.Get(key)
	if errors.Is(err, store.ErrDamaged) {
		j.note("%v; training begins anew", err)
		return nil
	}
	if err != nil {
		return err
	}
	made, _ := a.Notes["backend"].(map[string]any)
	backend, _ := made["backend"].(string)
	device, _ := made["device"].(string)
	now := b.Provenance()
	if was, is := computer(backend, device), computer(now.Backend, now.Device); was != is {
		j.note("%d epochs are done, but on %s, this is %s: training begins anew", epochs, was, is)
		return nil
	}
	if _, ok := a.Files["state.safetensors"]; !ok {
		return nil
	}
	for from, to := range prolonged {
		if _, ok := a.Files[from]; ok {
			if err := a.Lend(from, filepath.Join(dir, to)); err != nil {
				return err
			}
		}
	}
	j.note("goes on from epoch %d, where the same training with fewer epochs ended", epochs)
	return nil
}

// computer is where a training was computed, as far as its numbers depend on it: another processor or driver changes last bits only, another
// backend or kind of device more.
func computer(backend, device string) string {
	kind, _, _ := strings.Cut(device, ",") // NVIDIA H100 80GB HBM3, 80 GiB, driver …
	if kind == "" {
		return "the backend " + backend
	}
	return "the backend " + backend + " with " + kind
}

// begun says where a training that was interrupted has been computed so far, in the order of its interruptions; nil where it was here alone. It is noted in the folder of
// the training: a checkpoint fits any backend, and a run that goes on on another one has no longer the numbers of either.
func (j *Job) begun(dir, here string) (elsewhere []string, err error) {
	const name = "computed-on"
	path := filepath.Join(dir, name)
	var all []string
	if _, err := os.Stat(filepath.Join(dir, train.LastFile)); err == nil { // else it begins anew
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		all = strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
	}
	if len(all) > 0 && all[len(all)-1] != here {
		j.note("goes on on %s; so far it was computed on %s", here, strings.Join(all, " and "))
	}
	if len(all) == 0 || all[len(all)-1] != here {
		all = append(all, here)
		if err := store.WriteFile(path, []byte(strings.Join(all, "\n")+"\n")); err != nil {
			return nil, err
		}
	}
	return all[:len(all)-1], nil
}

// keepState makes the state of a finished training part of its artefact, where a longer one could go on from it. The training's parameters
// and the optimiser's tensors are what is kept: at most three or four times the weights that were trained.
func (j *Job) keepState(dir string, w *store.Writer) error {
	if fixedLength(j.Node) != "" {
		return nil
	}
	for to, from := range prolonged {
		err := w.Adopt(filepath.Join(dir, from), to)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
