package weights

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Allowed says which gaps between a file and a model are accepted; the zero
// value accepts none.
type Allowed struct {
	Missing    func(name string) bool // parameters that may keep their first values; nil: none
	Unexpected bool                   // tensors that the model has no place for
}

// Fit loads the state dict of a published or foreign file into a model: [Load],
// with tables of positions resized to the model's image ([Resized]).
//
// SAM paints masks at a quarter of the image. A model that paints them finer
// has more layers to enlarge them and other vectors to paint with; these keep
// their first values when the file is SAM's, as in MedSegX, and are listed as
// Fresh: they must be trained. Every other gap is an error unless it is
// allowed, and the error says what the file is and what the model is. So is a number
// that is none.
func Fit(into *graph.Params, specs []graph.Spec, from *graph.Params, allowed Allowed) (Report, error) {
	file, model := FamilyOf(from), familyOf(specs)
	from, resized, err := Resized(from, specs)
	if err != nil {
		return Report{}, err
	}
	r, err := Load(into, specs, from)
	if err != nil {
		return r, err
	}
	r.Resized = resized
	if model.FullResolution && !file.FullResolution && file.Promptable() {
		r.paintFiner()
	}
	if err := r.strict(allowed); err != nil {
		return r, explain(err, file, model)
	}
	return r, finite(into)
}

// finite refuses numbers with which nothing can be computed: a training would stop at its first step and blame the data.
func finite(p *graph.Params) error {
	for _, name := range p.Names() {
		t, _ := p.Get(name)
		for i, x := range t.Data {
			if math.Float32bits(x)&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("%s holds %g at place %d; the file is damaged, or of a training that went wrong", name, x, i)
			}
		}
	}
	return nil
}

var finer = regexp.MustCompile(`^mask_decoder\.(output_upscaling\.([4-9]|\d\d+)|output_hypernetworks_mlps\.\d+\.layers\.2)\.(weight|bias)$`)

// paintFiner moves the layers that SAM does not have from the gaps to Fresh.
func (r *Report) paintFiner() {
	var missing []string
	for _, name := range r.Missing {
		if finer.MatchString(name) {
			r.Fresh = append(r.Fresh, name)
		} else {
			missing = append(missing, name)
		}
	}
	var mismatched []Mismatch
	for _, m := range r.Mismatched {
		if finer.MatchString(m.Name) {
			r.Fresh = append(r.Fresh, m.Name)
		} else {
			mismatched = append(mismatched, m)
		}
	}
	r.Missing, r.Mismatched = missing, mismatched
}

// strict is Err, with unexpected tensors an error too.
func (r Report) strict(allowed Allowed) error {
	if err := r.Err(allowed.Missing); err != nil {
		return err
	}
	if len(r.Unexpected) > 0 && !allowed.Unexpected {
		return fmt.Errorf("weights do not fit the model: %d tensors have names the model does not know: %s; load them into the architecture they were saved from",
			len(r.Unexpected), first(r.Unexpected, 3))
	}
	return nil
}

// explain puts before an error what file and model are, where that helps.
func explain(err error, file, model Family) error {
	a, b := file.String(), model.String()
	switch {
	case file.Partial:
		return fmt.Errorf("the file holds %s; put it on top of the weights it was trained from: mseg weights convert FILE OUT --base BASE (%w)", a, err)
	case a == b || model.Name == "":
		return err
	}
	return fmt.Errorf("the file holds %s; the model is %s: %w", a, b, err)
}

// trainedFrom says whether a checkpoint can come of training a network. A mask
// decoder alone has the same names in all of them.
func (f Family) trainedFrom(base Family) bool {
	switch f.Name {
	case SAMMed2D:
		return base.Name == SAMMed2D
	case MedSegXV1, MedSegXV2:
		return base.Name != SAMMed2D
	}
	return true
}

// Overlay puts a checkpoint of the trained part on top of the weights that
// training began with: all tensors of both, where both have one that of top.
// Blocks that top puts experts into have their MLP one level deeper than in
// base. It is an error if the two have nothing to do with each other.
//
// Tables of positions keep the size of base; loading resizes them.
func Overlay(base, top *graph.Params) (*graph.Params, error) {
	base, top = Names(base), Names(top)
	under, over := FamilyOf(base), FamilyOf(top)
	if !under.Promptable() || under.Partial {
		return nil, fmt.Errorf("the base is %s; expected the weights of a whole network, such as SAM's", under)
	}
	if !over.Promptable() || over.Depth > under.Depth || !over.trainedFrom(under) {
		return nil, fmt.Errorf("the base is %s and the checkpoint is %s; these do not belong together", under, over)
	}
	adapted := map[string]bool{}
	for _, i := range over.Adapted {
		adapted[fmt.Sprintf("image_encoder.blocks.%d.", i)] = true
	}
	out := graph.NewParams()
	for _, name := range base.Names() {
		t, _ := base.Get(name)
		if at := strings.Index(name, "mlp.lin"); at > 0 && adapted[name[:at]] {
			name = name[:at] + "mlp." + name[at:]
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	for _, name := range top.Names() {
		t, _ := top.Get(name)
		if down, ok := strings.CutSuffix(name, ".mlp.adapter_down.0.weight"); ok {
			q, found := base.Get(down + ".attn.qkv.weight")
			if !found || len(q.Dims) != 2 || len(t.Dims) != 2 || q.Dims[1] != t.Dims[1] {
				return nil, fmt.Errorf("the base is %s; the experts of the checkpoint are %v at %s and do not fit its width", under, t.Dims, name)
			}
		}
		if err := out.Set(name, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}
