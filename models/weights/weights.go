// Package weights brings published or saved parameters into a model and says
// exactly what fitted.
//
// A state dict maps names to tensors. [Open] finds the one in a file, whatever
// the format (safetensors, torch's .pth, numpy's .npz) and whatever a training
// program put beside it: of a checkpoint {model, optimizer, epoch} it is the
// model. [Write] stores one.
//
// Models ask for parameters under the names of the reference implementations,
// so little translation is needed: a prefix that some programs put before every
// name ([Names]), and one level more in the names of an MLP that experts have
// been put beside. [Load] copies what has the same name and the same shape and
// reports the rest: what the model has and the file lacks, what the file has
// and the model lacks, and what has another shape. Whether a gap is acceptable
// is for the caller to say ([Report.Err]): a backbone without experts lacks
// them rightly, a decoder without its last layer does not work.
//
// [Fit] is Load for files of other people. It resizes tables of positions to
// the model's image size, knows which layers SAM lacks when masks are wanted at
// full resolution, accepts no other gap, and says what the file is
// ([Recognise]) when it is not one of the model's family. [Overlay] puts a
// checkpoint that holds only what was trained on top of the weights it was
// trained from, and [Diff] compares two files.
package weights

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Mismatch is a parameter that the file holds in another shape.
type Mismatch struct {
	Name            string
	Found, Expected []int
}

// Report says how a state dict fitted a model. Names are sorted.
type Report struct {
	Loaded     []string
	Missing    []string   // in the model, not in the file
	Unexpected []string   // in the file, not in the model
	Mismatched []Mismatch // in both, with different shapes; not loaded
	Ignored    []string   // constants that some programs store beside the parameters, and second names of the same tensor
	Resized    []string   // by Fit: tables of positions that were interpolated; loaded as well
	Fresh      []string   // by Fit: layers that SAM does not have; they keep their first values
}

// prefixes are what training programs put before the names of the reference:
// torch's wrappers for several devices and for compiling, and the name of the
// attribute that holds the network in MedSegX and in Lightning.
var prefixes = []string{"module.", "_orig_mod.", "sam.", "model."}

// Names gives a state dict the names of the reference: prefixes that all of its
// names share are dropped, one after the other. The tensors are shared with the
// argument, not copied.
func Names(from *graph.Params) *graph.Params {
	names := from.Names()
	n := len(commonPrefix(names))
	if n == 0 {
		return from
	}
	out := graph.NewParams()
	for _, name := range names {
		t, _ := from.Get(name)
		if err := out.Set(name[n:], t); err != nil {
			return from // a set that holds a tensor has checked it
		}
	}
	return out
}

// commonPrefix is what training programs have put before all of the names.
func commonPrefix(names []string) string {
	if len(names) == 0 {
		return ""
	}
	found := ""
	for {
		i := slices.IndexFunc(prefixes, func(p string) bool {
			return !slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, found+p) })
		})
		if i < 0 {
			return found
		}
		found += prefixes[i]
	}
}

// deepened renames what stands deeper in the model than in the state dict: the
// MLP of a block, mlp.lin1, is mlp.mlp.lin1 where experts have been put beside
// it.
func deepened(from *graph.Params, specs []graph.Spec) *graph.Params {
	wanted := map[string]bool{}
	for _, s := range specs {
		wanted[s.Name] = true
	}
	out := graph.NewParams()
	for _, name := range from.Names() {
		t, _ := from.Get(name)
		if deeper := strings.Replace(name, ".mlp.lin", ".mlp.mlp.lin", 1); !wanted[name] && wanted[deeper] {
			if _, both := from.Get(deeper); !both {
				name = deeper
			}
		}
		if err := out.Set(name, t); err != nil {
			return from // a set that holds a tensor has checked it
		}
	}
	return out
}

// constants are not parameters although state dicts of the reference hold
// them: the index tables of the first MedSegX generation (identity shifted by
// one, see package experts) and SAM's colours.
var constants = []string{
	"image_encoder.modal_index", "image_encoder.organ_index_1", "image_encoder.organ_index_2", "image_encoder.organ_index_3",
	"pixel_mean", "pixel_std",
}

// Encoder is the image encoder of SAM or of what was made of it, alone; nil for
// other networks. Its tensors are shared with the argument.
func Encoder(from *graph.Params) *graph.Params {
	from = Names(from)
	if !FamilyOf(from).Promptable() {
		return nil
	}
	out := graph.NewParams()
	for _, name := range from.Names() {
		t, _ := from.Get(name)
		if strings.HasPrefix(name, "image_encoder.") {
			if err := out.Set(name, t); err != nil {
				return nil // a set that holds a tensor has checked it
			}
		}
	}
	return out
}

// isSecondName is true for names under which nnU-Net's networks store a tensor
// again: their blocks hold each layer twice, and their decoder the encoder.
func isSecondName(name string) bool {
	return strings.HasPrefix(name, "decoder.encoder.") || strings.Contains(name, ".all_modules.")
}

// Load puts into a model's parameters what a state dict has for them; tensors
// are shared, not copied. specs are the parameters the model asks for; those
// not found keep their values.
func Load(into *graph.Params, specs []graph.Spec, from *graph.Params) (Report, error) {
	from = deepened(Names(from), specs)
	var r Report
	known := map[string]bool{}
	for _, spec := range specs {
		known[spec.Name] = true
		t, ok := from.Get(spec.Name)
		switch {
		case !ok:
			r.Missing = append(r.Missing, spec.Name)
		case !slices.Equal(t.Dims, spec.Dims):
			r.Mismatched = append(r.Mismatched, Mismatch{Name: spec.Name, Found: t.Dims, Expected: spec.Dims})
		default:
			if err := into.Set(spec.Name, t); err != nil {
				return r, err
			}
			r.Loaded = append(r.Loaded, spec.Name)
		}
	}
	for _, name := range from.Names() {
		switch {
		case known[name]:
		case slices.Contains(constants, name), isSecondName(name):
			r.Ignored = append(r.Ignored, name)
		default:
			r.Unexpected = append(r.Unexpected, name)
		}
	}
	slices.Sort(r.Loaded)
	slices.Sort(r.Missing)
	slices.Sort(r.Unexpected)
	slices.Sort(r.Ignored)
	slices.SortFunc(r.Mismatched, func(a, b Mismatch) int { return strings.Compare(a.Name, b.Name) })
	return r, nil
}

// Err is nil if every parameter was found, apart from those that may be
// missing, and nothing has another shape. Tensors the model does not know are
// no error: trainers store more than one model needs. mayMiss nil means that
// nothing may be missing.
func (r Report) Err(mayMiss func(name string) bool) error {
	var missing []string
	for _, name := range r.Missing {
		if mayMiss == nil || !mayMiss(name) {
			missing = append(missing, name)
		}
	}
	var problems []string
	if len(r.Mismatched) > 0 {
		m := r.Mismatched[0]
		problems = append(problems, fmt.Sprintf("%d parameters have another shape, first %s: found %v, expected %v",
			len(r.Mismatched), m.Name, m.Found, m.Expected))
	}
	if len(missing) > 0 {
		problems = append(problems, fmt.Sprintf("%d parameters are not there: %s", len(missing), first(missing, 3)))
	}
	if len(problems) == 0 {
		return nil
	}
	if len(r.Unexpected) > 0 {
		problems = append(problems, fmt.Sprintf("%d tensors have names the model does not know: %s", len(r.Unexpected), first(r.Unexpected, 3)))
	}
	return fmt.Errorf("weights do not fit the model: %s; load them into the architecture and size they were saved from", strings.Join(problems, "; "))
}

// String is one line for people, such as "268 loaded, 2 missing (a, b)".
func (r Report) String() string {
	parts := []string{fmt.Sprintf("%d loaded", len(r.Loaded))}
	list := func(what string, names []string) {
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", len(names), what, first(names, 3)))
		}
	}
	list("resized", r.Resized)
	list("new, to be trained", r.Fresh)
	list("missing", r.Missing)
	list("unexpected", r.Unexpected)
	var other []string
	for _, m := range r.Mismatched {
		other = append(other, fmt.Sprintf("%s %v instead of %v", m.Name, m.Found, m.Expected))
	}
	list("of another shape", other)
	return strings.Join(parts, ", ")
}

// first lists up to n names.
func first(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
}
