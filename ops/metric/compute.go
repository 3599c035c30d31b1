package metric

import (
	"fmt"
	"math"
	"sync"
)

// Workspace holds the memory of the computation. One that is used again
// allocates nothing for masks that are not larger than before. Its zero value
// is ready; it serves one goroutine at a time.
type Workspace struct {
	mask    [2]grid // prediction, reference
	edge    [2]grid
	surfel  [2]grid
	scratch [2]grid
	field   field
	specs   []Spec
	edges   [2]edgeSet // by unit: px, mm
	surfels [2]surfelSet
	values  []float64

	// The pair at hand.
	dims    int
	union   box
	counts  Counts
	state   State
	spacing [2][3]float64 // by unit
	known   bool          // whether the spacing in mm is known
	hasEdge bool
}

// edgeSet holds the distances between the edges of the two masks, of either
// direction: [0] from the prediction to the reference, [1] back.
type edgeSet struct {
	done     bool
	distance [2][]float64
}

// surfelSet is the same for surface elements, with their sizes.
type surfelSet struct {
	done     bool
	distance [2][]weighted
}

var pool = sync.Pool{New: func() any { return new(Workspace) }}

// Compute returns the value of each specification for a prediction and its
// reference, in the order of specs. It may be called from several goroutines.
// It fails on masks that do not fit together and on invalid specifications.
func Compute(pred, ref Mask, specs []Spec, empty Empty) ([]Result, error) {
	w := pool.Get().(*Workspace)
	defer pool.Put(w)
	return w.Compute(make([]Result, 0, len(specs)), pred, ref, specs, empty)
}

// Compute appends the results to dst, as the function of the same name.
func (w *Workspace) Compute(dst []Result, pred, ref Mask, specs []Spec, empty Empty) ([]Result, error) {
	empty, err := empty.Resolve()
	if err != nil {
		return dst, err
	}
	w.specs = w.specs[:0]
	for _, s := range specs {
		if s, err = s.Resolve(); err != nil {
			return dst, err
		}
		w.specs = append(w.specs, s)
	}
	if err := w.load(pred, ref); err != nil {
		return dst, err
	}
	for _, s := range w.specs {
		if s.Unit == Millimetres && !w.known {
			return dst, fmt.Errorf("%s asks for mm but the masks have no spacing, ask for px or read the spacing from the image header: %w", s, ErrSpec)
		}
	}
	for _, s := range w.specs {
		dst = append(dst, w.value(s, empty))
	}
	return dst, nil
}

// Count returns the confusion matrix of two masks.
func Count(pred, ref Mask) (Counts, error) {
	w := pool.Get().(*Workspace)
	defer pool.Put(w)
	err := w.load(pred, ref)
	return w.counts, err
}

// load packs the masks and counts them.
func (w *Workspace) load(pred, ref Mask) error {
	if err := checkPair(pred, ref); err != nil {
		return err
	}
	w.dims = len(ref.Shape)
	n := lift(ref.Shape)
	for i, m := range [2]Mask{pred, ref} {
		w.mask[i].resize(n)
		w.mask[i].pack(m.Data)
	}
	both, union := common(&w.mask[0], &w.mask[1])
	w.union = union
	np, nr := w.mask[0].count(), w.mask[1].count()
	w.counts = Counts{TP: both, FP: np - both, FN: nr - both, TN: len(ref.Data) - np - nr + both}
	w.state = StateOf(np, nr)
	w.spacing[0] = [3]float64{1, 1, 1}
	mm := ref.Spacing
	if mm == nil {
		mm = pred.Spacing
	}
	if w.known = mm != nil; w.known {
		w.spacing[1] = liftSpacing(mm)
	}
	w.hasEdge = false
	for u := range w.edges {
		w.edges[u].done, w.surfels[u].done = false, false
	}
	return nil
}

func unitIndex(u Unit) int {
	if u == Millimetres {
		return 1
	}
	return 0
}

// value computes one resolved specification.
func (w *Workspace) value(s Spec, empty Empty) Result {
	if v, ok := w.counts.of(s.Name); ok {
		return w.countValue(s, v, empty)
	}
	u := unitIndex(s.Unit)
	switch s.Name {
	case "volume_pred":
		return Result{Value: float64(w.counts.TP+w.counts.FP) * w.pixel(u)}
	case "volume_ref":
		return Result{Value: float64(w.counts.TP+w.counts.FN) * w.pixel(u)}
	case "cldice":
		return w.centreLine(empty)
	}
	if w.state != Measured {
		switch {
		case s.Variant == VariantMedSegX:
			return Result{w.medsegxEmpty(), w.state}
		case s.Name == "nsd" || s.Name == "boundary_iou":
			return Result{empty.overlap(s.Name, w.state), w.state}
		}
		return Result{empty.distance(w.state, diagonal(w.mask[1].n, w.dims, w.spacing[u])), w.state}
	}
	switch {
	case s.Name == "boundary_iou":
		return Result{Value: w.boundaryIoU(u, s.Tolerance)}
	case s.Variant == VariantSurfel:
		return Result{Value: w.surfelValue(s, u)}
	}
	return Result{Value: w.edgeValue(s, u)}
}

// countValue applies the rule for empty masks to a metric of the confusion
// matrix whose formula gave v.
func (w *Workspace) countValue(s Spec, v float64, empty Empty) Result {
	switch s.Name {
	case "tp", "fp", "fn", "tn":
		return Result{Value: v}
	case "dice", "iou":
		if w.state != Measured {
			return Result{empty.overlap(s.Name, w.state), w.state}
		}
		return Result{Value: v}
	case "precision":
		if w.state == PredictionEmpty && empty == Worst {
			return Result{0, w.state}
		}
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Result{math.NaN(), Undefined}
	}
	return Result{v, w.state}
}

// pixel is the area or volume of one pixel.
func (w *Workspace) pixel(u int) float64 {
	s := w.spacing[u]
	if w.dims == 2 {
		return s[0] * s[2]
	}
	return s[0] * s[1] * s[2]
}

// makeEdges extracts the edges of both masks.
func (w *Workspace) makeEdges() {
	if !w.hasEdge {
		w.edge[0].edge(&w.mask[0], w.union, w.dims)
		w.edge[1].edge(&w.mask[1], w.union, w.dims)
		w.hasEdge = true
	}
}

func (w *Workspace) edgeDistances(u int) *edgeSet {
	e := &w.edges[u]
	if e.done {
		return e
	}
	e.done = true
	w.makeEdges()
	// With pixels of one size, millimetres are a multiple of pixels.
	if other := &w.edges[1-u]; other.done && isotropic(w.spacing[1], w.dims) {
		scale := w.spacing[u][0] / w.spacing[1-u][0]
		for i, v := range other.distance {
			e.distance[i] = grow(e.distance[i], len(v))
			for j, d := range v {
				e.distance[i][j] = d * scale
			}
		}
		return e
	}
	for i := range 2 {
		e.distance[i] = w.field.distances(e.distance[i][:0], &w.edge[1-i], &w.edge[i], w.union, w.spacing[u])
	}
	return e
}

func isotropic(s [3]float64, dims int) bool {
	return s[0] == s[2] && (dims == 2 || s[0] == s[1])
}

// edgeValue computes a metric of the edge family for masks with foreground.
func (w *Workspace) edgeValue(s Spec, u int) float64 {
	e := w.edgeDistances(u)
	a, b := e.distance[0], e.distance[1]
	n := float64(len(a) + len(b))
	switch s.Name {
	case "hd":
		return max(largest(a), largest(b))
	case "hd95":
		if s.Variant == VariantPooled {
			w.values = append(append(w.values[:0], a...), b...)
			return percentile(w.values, 95)
		}
		return max(percentile(a, 95), percentile(b, 95))
	case "nsd":
		return float64(within(a, s.Tolerance)+within(b, s.Tolerance)) / n
	case "assd":
		return (sum(a) + sum(b)) / n
	case "masd":
		return (mean(a) + mean(b)) / 2
	case "asd_pred":
		return mean(a)
	case "asd_ref":
		return mean(b)
	}
	panic("metric: no computation for " + s.Name)
}

func largest(v []float64) float64 {
	var m float64
	for _, x := range v {
		m = max(m, x)
	}
	return m
}

func (w *Workspace) surfelDistances(u int) *surfelSet {
	e := &w.surfels[u]
	if e.done {
		return e
	}
	e.done = true
	var weight [256]float64
	if w.dims == 2 {
		weight = contourLengths(w.spacing[u])
	} else {
		weight = surfaceAreas(w.spacing[u])
	}
	var at box
	for i := range 2 {
		at = w.surfel[i].surfels(&w.mask[i], w.union, w.dims)
	}
	for i := range 2 {
		e.distance[i] = e.distance[i][:0]
		w.values = surfelWeights(w.values[:0], &w.surfel[i], &w.mask[i], at, w.dims, &weight)
		for _, size := range w.values {
			e.distance[i] = append(e.distance[i], weighted{weight: size})
		}
		w.values = w.field.distances(w.values[:0], &w.surfel[1-i], &w.surfel[i], at, w.spacing[u])
		for j, d := range w.values {
			e.distance[i][j].distance = d
		}
		sortWeighted(e.distance[i])
	}
	return e
}

// surfelValue computes a metric of the surfel family for masks with foreground.
func (w *Workspace) surfelValue(s Spec, u int) float64 {
	e := w.surfelDistances(u)
	a, b := e.distance[0], e.distance[1]
	switch s.Name {
	case "hd":
		return max(weightedPercentile(a, 100), weightedPercentile(b, 100))
	case "hd95":
		return max(weightedPercentile(a, 95), weightedPercentile(b, 95))
	case "nsd":
		return (weightWithin(a, s.Tolerance) + weightWithin(b, s.Tolerance)) / (totalWeight(a) + totalWeight(b))
	case "assd":
		wa, wb := totalWeight(a), totalWeight(b)
		return (weightedMean(a)*wa + weightedMean(b)*wb) / (wa + wb)
	case "masd":
		return (weightedMean(a) + weightedMean(b)) / 2
	case "asd_pred":
		return weightedMean(a)
	case "asd_ref":
		return weightedMean(b)
	}
	panic("metric: no computation for " + s.Name)
}

// boundaryIoU is the IoU of the bands of mask pixels nearer than width to their
// mask's edge.
func (w *Workspace) boundaryIoU(u int, width float64) float64 {
	w.makeEdges()
	for i := range 2 {
		band := &w.scratch[i]
		band.resize(w.mask[i].n)
		band.clear()
		w.values = w.field.distances(w.values[:0], &w.edge[i], &w.mask[i], w.union, w.spacing[u])
		band.keep(&w.mask[i], w.union, w.values, width)
	}
	both, _ := common(&w.scratch[0], &w.scratch[1])
	return float64(both) / float64(w.scratch[0].count()+w.scratch[1].count()-both)
}

// keep sets the pixels of m in b whose distance, given in C order, is less than
// width.
func (g *grid) keep(m *grid, b box, distance []float64, width float64) {
	k := 0
	for z := b.lo[0]; z < b.hi[0]; z++ {
		for y := b.lo[1]; y < b.hi[1]; y++ {
			dst := g.row(z, y)
			for i, word := range m.row(z, y) {
				for ; word != 0; word &= word - 1 {
					if distance[k]*slack < width {
						dst[i] |= word & -word
					}
					k++
				}
			}
		}
	}
}

// medsegxEmpty is the HD95 that MedSegX's utils/HausdorffDistance.py on MONAI
// 1.2.0 gives when a mask is empty: for an empty prediction, the 95th percentile
// of the distance to the reference over all background pixels of the image; for
// an empty reference NaN. When both are empty it is an artefact without
// meaning: a distance transform without target measures to the pixel before the
// first one along the first axis.
func (w *Workspace) medsegxEmpty() float64 {
	ref := &w.mask[1]
	all := box{hi: ref.n}
	switch w.state {
	case PredictionEmpty:
		background := &w.scratch[0]
		background.resize(ref.n)
		for r := range ref.n[0] * ref.n[1] {
			for i := range ref.words {
				inside := ^uint64(0)
				if rest := ref.n[2] - i*64; rest < 64 {
					inside = 1<<rest - 1
				}
				background.bits[r*ref.words+i] = inside &^ ref.bits[r*ref.words+i]
			}
		}
		w.values = w.field.distances(w.values[:0], ref, background, all, w.spacing[0])
		if len(w.values) == 0 {
			return math.NaN()
		}
		return percentile(w.values, 95)
	case BothEmpty:
		w.values = w.values[:0]
		for z := range ref.n[0] {
			for y := range ref.n[1] {
				for x := range ref.n[2] {
					w.values = append(w.values, math.Sqrt(square(float64(z+1))+square(float64(y))+square(float64(x))))
				}
			}
		}
		return percentile(w.values, 95)
	}
	return math.NaN()
}
