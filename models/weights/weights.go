// Package weights brings published or saved parameters into a model and says
// exactly what fitted.
//
// A state dict maps names to tensors. Models ask for parameters under the names
// of the reference implementations, so no translation is needed beyond a prefix
// that some programs put before every name ([Names]). [Load] copies what has
// the same name and the same shape and reports the rest: what the model has and
// the file lacks, what the file has and the model lacks, and what has another
// shape. Whether a gap is acceptable is for the caller to say ([Report.Err]):
// a backbone without experts lacks them rightly, a decoder without its last
// layer does not work.
package weights

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/tensorfile"
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
	Ignored    []string   // constants that some programs store beside the parameters
}

// Read reads all tensors of a safetensors file.
func Read(path string) (*graph.Params, error) {
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	params := graph.NewParams()
	for _, name := range f.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		if err := params.Set(name, &graph.Tensor{Dims: t.Dims, Data: t.Data}); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return params, nil
}

// Write stores all tensors in a safetensors file, in their order.
func Write(path string, params *graph.Params, meta map[string]string) error {
	get := func(name string) ([]int, []float32) {
		t, _ := params.Get(name)
		return t.Dims, t.Data
	}
	return tensorfile.Write(path, params.Names(), get, meta)
}

// prefixes are what training programs put before the names of the reference,
// the longest first: MedSegX and its distributed wrapper, torch's data parallel
// wrapper.
var prefixes = []string{"module.sam.", "module.", "sam."}

// Names gives a state dict the names of the reference: a prefix that all of its
// names share is dropped. The tensors are shared with the argument, not copied.
func Names(from *graph.Params) *graph.Params {
	names := from.Names()
	for _, prefix := range prefixes {
		if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix) }) {
			continue
		}
		out := graph.NewParams()
		for _, n := range names {
			t, _ := from.Get(n)
			if err := out.Set(strings.TrimPrefix(n, prefix), t); err != nil {
				return from // a set that holds a tensor has checked it
			}
		}
		return out
	}
	return from
}

// constants are not parameters although state dicts of the reference hold
// them: the index tables of the first MedSegX generation (identity shifted by
// one, see package experts) and SAM's colours.
var constants = []string{
	"image_encoder.modal_index", "image_encoder.organ_index_1", "image_encoder.organ_index_2", "image_encoder.organ_index_3",
	"pixel_mean", "pixel_std",
}

// Load copies into a model's parameters what a state dict has for them. specs
// are the parameters the model asks for; those not found keep their values.
func Load(into *graph.Params, specs []graph.Spec, from *graph.Params) (Report, error) {
	from = Names(from)
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
			if err := into.Set(spec.Name, t.Clone()); err != nil {
				return r, err
			}
			r.Loaded = append(r.Loaded, spec.Name)
		}
	}
	for _, name := range from.Names() {
		switch {
		case known[name]:
		case slices.Contains(constants, name):
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
