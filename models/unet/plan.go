package unet

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Fingerprint is what nnU-Net's rules look at: images after preparation, of 2 or
// 3 spatial axes.
type Fingerprint struct {
	Shape   []int     // median size along each axis, px
	Spacing []float64 // mm from one pixel to the next along each axis; only ratios count
	Values  float64   // pixels of all images together
	Outputs int       // channels of the answer: 1, or the number of classes
}

// Rules are the numbers that nnU-Net chose. The estimate of memory is the number
// of values in all maps of features of one image (see [Plan.Values]).
type Rules struct {
	Base        int   // channels of the first stage, doubled at each further one
	MaxFeatures int   // most channels of a stage
	MinEdge     int   // least side of the coarsest map, px
	Encoder     []int // convolutions, or residual blocks, by stage; the last for all further stages
	Decoder     int   // convolutions of each stage of the decoder
	MinBatch    int
	Share       float64 // most of all pixels that one batch may hold

	// Reference is how many values of one image fit into 8 GiB in a batch of
	// ReferenceBatch.
	Reference      float64
	ReferenceBatch int
	// Strict shrinks the patch until a whole reference batch fits, instead of two images.
	Strict bool
}

// RulesFor are the published numbers for 2 or 3 axes: nnU-Net v2's
// ExperimentPlanner and, for residual networks, its preset ResEnc M (github
// MIC-DKFZ/nnUNet, default_experiment_planner.py at 017de4a and
// residual_encoder_unet_planners.py at 64aeec9; Isensee et al. 2021, supplementary
// note 2, and Isensee et al. 2024).
func RulesFor(axes int, residual bool) Rules {
	r := Rules{Base: 32, MaxFeatures: 512, MinEdge: 4, Reference: 85e6, ReferenceBatch: 12, MinBatch: 2, Share: 0.05, Encoder: []int{2}, Decoder: 2}
	if axes == 3 {
		r.MaxFeatures, r.Reference, r.ReferenceBatch = 320, 560e6, 2
	}
	if residual {
		r.Reference, r.Share, r.Encoder, r.Decoder, r.Strict = 135e6, 1, []int{1, 3, 4, 6}, 1, true
		if axes == 3 {
			r.Reference = 680e6
		}
	}
	return r
}

// Plan is a network and a batch that were decided from a fingerprint.
type Plan struct {
	Patch    []int   `json:"patch"` // px
	Features []int   `json:"features"`
	Kernels  [][]int `json:"kernels"`
	Strides  [][]int `json:"strides"`
	Encoder  []int   `json:"encoder"`
	Decoder  []int   `json:"decoder"`
	Residual bool    `json:"residual"`
	Batch    int     `json:"batch"`
	Values   int     `json:"values"` // of all maps of features of one image
}

// PlanFor follows nnU-Net's planner for a memory of so many GiB (8 unless told
// otherwise).
//
// The patch begins as the median image, at most 2048² pixels (or 256³), and is
// filled up to what the halvings need. Axes are halved while their map has at
// least twice the least edge, except those whose spacing is twice that of the
// finest, which wait; a kernel is 1 along these until their turn comes. While the
// values of the maps of two images exceed the budget the patch shrinks, along
// the axis that keeps most of the median image. What memory remains decides the
// batch, at most a share of the data set and at least two.
func PlanFor(f Fingerprint, rules Rules, residual bool, memory float64) (Plan, error) {
	n := len(f.Shape)
	if n < 2 || n > 3 || len(f.Spacing) != n || slices.Min(f.Shape) < 1 || !(slices.Min(f.Spacing) > 0) || !(f.Values > 0) || !(memory > 0) || f.Outputs < 1 {
		return Plan{}, fmt.Errorf("nnU-Net: images of %v px with a spacing of %v, %g pixels in all, %d outputs, %g GiB: expected two or three axes and numbers above 0", f.Shape, f.Spacing, f.Values, f.Outputs, memory)
	}
	largest := math.Pow(2048*2048, 1/float64(n))
	if n == 3 {
		largest = 256
	}
	volume := 1.0
	for _, s := range f.Spacing {
		volume *= s
	}
	first := make([]int, n)
	for a, s := range f.Spacing {
		first[a] = min(int(math.RoundToEven(largest*math.Pow(volume, 1/float64(n))/s)), f.Shape[a])
	}
	budget := rules.Reference * memory / 8
	fits := func(p Plan) bool {
		if rules.Strict {
			return float64(p.Values) <= budget
		}
		return float64(p.Values)/float64(rules.ReferenceBatch)*2 <= budget
	}
	p, err := rules.network(first, f, residual)
	if err != nil {
		return Plan{}, err
	}
	none := fmt.Errorf("nnU-Net: no patch of images of %v px fits into %g GiB; give it more memory", f.Shape, memory)
	for !fits(p) {
		// Along the axis that keeps most of the median image. The divisor is that of the smaller patch, or sizes would be left out.
		axis, most := 0, 0.0
		for a := range n {
			if kept := float64(p.Patch[a]) / float64(f.Shape[a]); kept >= most {
				axis, most = a, kept
			}
		}
		patch, smaller := slices.Clone(p.Patch), slices.Clone(p.Patch)
		smaller[axis] -= p.divisor()[axis]
		if smaller[axis] < 1 {
			return Plan{}, none
		}
		strides, _ := rules.topology(f.Spacing, smaller)
		patch[axis] -= product(strides)[axis]
		if patch[axis] < 1 {
			return Plan{}, none
		}
		if p, err = rules.network(patch, f, residual); err != nil {
			return Plan{}, none
		}
	}
	pixels := 1.0
	for _, s := range p.Patch {
		pixels *= float64(s)
	}
	batch := math.RoundToEven(budget / float64(p.Values) * float64(rules.ReferenceBatch))
	batch = min(batch, math.RoundToEven(f.Values*rules.Share/pixels))
	p.Batch = max(int(batch), rules.MinBatch)
	return p, nil
}

// network is the plan, without a batch, for a patch of about the given size.
func (r Rules) network(patch []int, f Fingerprint, residual bool) (Plan, error) {
	strides, kernels := r.topology(f.Spacing, patch)
	if len(strides) < 2 {
		return Plan{}, fmt.Errorf("nnU-Net: images of %v px are too small to be halved once; expected at least %d px along an axis", patch, 2*r.MinEdge)
	}
	p := Plan{Patch: slices.Clone(patch), Kernels: kernels, Strides: strides, Residual: residual}
	for a, d := range p.divisor() {
		p.Patch[a] = (p.Patch[a] + d - 1) / d * d
	}
	for i := range strides {
		p.Features = append(p.Features, min(r.Base<<min(i, 20), r.MaxFeatures))
		p.Encoder = append(p.Encoder, r.Encoder[min(i, len(r.Encoder)-1)])
		if i > 0 {
			p.Decoder = append(p.Decoder, r.Decoder)
		}
	}
	p.Values = p.values(f.Outputs)
	return p, nil
}

// topology decides which axes are halved at each stage and how wide kernels are.
func (r Rules) topology(spacing []float64, patch []int) (strides, kernels [][]int) {
	n := len(patch)
	size, space := slices.Clone(patch), slices.Clone(spacing)
	kernel := slices.Repeat([]int{1}, n)
	strides = [][]int{slices.Repeat([]int{1}, n)}
	for {
		var large []int // axes that may still be halved
		finest := math.Inf(1)
		for a := range n {
			if size[a] >= 2*r.MinEdge {
				large, finest = append(large, a), min(finest, space[a])
			}
		}
		halved := slices.DeleteFunc(large, func(a int) bool { return space[a]/finest >= 2 })
		if len(halved) == 0 || len(halved) == 1 && size[halved[0]] < 3*r.MinEdge {
			break
		}
		stride := slices.Repeat([]int{1}, n)
		all := slices.Min(space)
		for a := range n {
			if space[a]/all < 2 {
				kernel[a] = 3
			}
		}
		for _, a := range halved {
			stride[a] = 2
			space[a] *= 2
			size[a] = (size[a] + 1) / 2
		}
		strides, kernels = append(strides, stride), append(kernels, slices.Clone(kernel))
	}
	return strides, append(kernels, slices.Repeat([]int{3}, n))
}

func product(strides [][]int) []int {
	d := slices.Clone(strides[0])
	for _, s := range strides[1:] {
		for a := range d {
			d[a] *= s[a]
		}
	}
	return d
}

func (p Plan) divisor() []int { return product(p.Strides) }

// values is the number of values in all maps that convolutions answer with for
// one image, nnU-Net's measure of the memory a network needs.
func (p Plan) values(outputs int) int {
	area := make([]int, len(p.Strides)) // of the maps of each stage
	size := slices.Clone(p.Patch)
	for i, stride := range p.Strides {
		area[i] = 1
		for a := range size {
			size[a] /= stride[a]
			area[i] *= size[a]
		}
	}
	total := 0
	if p.Residual {
		total += p.Features[0] * area[0] // stem
	}
	for i, f := range p.Features {
		each := p.Encoder[i]
		if p.Residual {
			each *= 2
			if i > 0 && (p.Features[i-1] != f || area[i-1] != area[i]) {
				each++ // projection of the first block
			}
		}
		total += each * f * area[i]
		if k := len(p.Features) - 2 - i; k >= 0 {
			total += (p.Decoder[k] + 1) * f * area[i] // with the transposed convolution
		}
	}
	return total + outputs*area[0]
}

// Staged is the network of the plan for images of the given size.
func (p Plan) Staged(size []int) Staged {
	return Staged{Size: slices.Clone(size), Features: p.Features, Kernels: p.Kernels, Strides: p.Strides, Encoder: p.Encoder, Decoder: p.Decoder, Residual: p.Residual}
}

// String is the plan in one line.
func (p Plan) String() string {
	kind := "convolutions"
	if p.Residual {
		kind = "residual blocks"
	}
	text := func(v []int, sep string) string {
		return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(v)), sep), "[]")
	}
	return fmt.Sprintf("patch %s px, %d stages of %s channels with %s %s, batch %d",
		text(p.Patch, "×"), len(p.Features), text(p.Features, ", "), text(p.Encoder, ", "), kind, p.Batch)
}
