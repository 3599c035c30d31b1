package metric

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Unit is the unit of a distance or a volume.
type Unit string

// The units of lengths; the same names stand for px², px³, mm² and mm³ where a
// volume is asked for.
const (
	Pixels      Unit = "px"
	Millimetres Unit = "mm"
)

// Spec asks for one metric.
type Spec struct {
	Name      string  // one of the names in Definitions
	Variant   string  // "" is the first variant of the definition
	Unit      Unit    // needed by distances, volumes and tolerances, absent elsewhere
	Tolerance float64 // nsd: largest distance that counts as agreement; boundary_iou: width of the band
}

// Result is the value of one metric for one pair of masks.
type Result struct {
	Value float64
	State State
}

// Better says which direction of a metric is good.
type Better int8

// Neutral metrics (counts, volumes, signed differences) have no better side.
const (
	Neutral Better = iota
	Higher
	Lower
)

// Definition describes a metric for documentation, tables and checking.
type Definition struct {
	Name     string
	Title    string   // as a column head: "HD95"
	Better   Better   // which direction is good
	Variants []string // the first is the default; nil when there is one definition only
	HasUnit  bool     // needs px or mm
	Scaled   string   // the parameter measured in Unit: "distance", "tolerance" or "volume"; "" without unit
	Doc      string   // one or two sentences with the formula and its source
}

// Names of the variants.
const (
	VariantMax     = "max"
	VariantPooled  = "pooled"
	VariantEdge    = "edge"
	VariantSurfel  = "surfel"
	VariantMedSegX = "medsegx"
)

var definitions = []Definition{
	{Name: "dice", Title: "DSC", Better: Higher, Doc: "Dice similarity coefficient 2TP/(2TP+FP+FN) (Dice, Ecology 1945)."},
	{Name: "iou", Title: "IoU", Better: Higher, Doc: "Intersection over union TP/(TP+FP+FN), the Jaccard index."},
	{Name: "sensitivity", Title: "Sensitivity", Better: Higher, Doc: "TP/(TP+FN), also recall. Undefined when the reference is empty."},
	{Name: "specificity", Title: "Specificity", Better: Higher, Doc: "TN/(TN+FP). Undefined when the reference fills the image; depends on the field of view."},
	{Name: "precision", Title: "Precision", Better: Higher, Doc: "TP/(TP+FP), also positive predictive value. An empty prediction of a reference with foreground has precision 0 under the worst rule."},
	{Name: "accuracy", Title: "Accuracy", Better: Higher, Doc: "(TP+TN)/all pixels. Dominated by background for small structures."},
	{Name: "balanced_accuracy", Title: "Balanced accuracy", Better: Higher, Doc: "Mean of sensitivity and specificity."},
	{Name: "mcc", Title: "MCC", Better: Higher, Doc: "Matthews correlation coefficient of the confusion matrix."},
	{Name: "kappa", Title: "Kappa", Better: Higher, Doc: "Cohen's kappa, agreement beyond chance."},
	{Name: "tp", Title: "TP", Doc: "Number of true positive pixels."},
	{Name: "fp", Title: "FP", Doc: "Number of false positive pixels."},
	{Name: "fn", Title: "FN", Doc: "Number of false negative pixels."},
	{Name: "tn", Title: "TN", Doc: "Number of true negative pixels."},
	{Name: "volume_pred", Title: "Predicted volume", HasUnit: true, Scaled: "volume", Doc: "Area (2-D) or volume (3-D) of the prediction, in px or mm to the power of the number of axes."},
	{Name: "volume_ref", Title: "Reference volume", HasUnit: true, Scaled: "volume", Doc: "Area (2-D) or volume (3-D) of the reference, in px or mm to the power of the number of axes."},
	{Name: "rvd", Title: "RVD", Doc: "Relative volume difference (|prediction|-|reference|)/|reference|, signed: positive is over-segmentation."},
	{Name: "avd", Title: "AVD", Better: Lower, Doc: "Absolute relative volume difference ||prediction|-|reference||/|reference|."},
	{Name: "hd", Title: "HD", Better: Lower, Variants: []string{VariantMax, VariantSurfel}, HasUnit: true, Scaled: "distance",
		Doc: "Hausdorff distance: the largest distance from a surface pixel of one mask to the surface of the other."},
	{Name: "hd95", Title: "HD95", Better: Lower, Variants: []string{VariantMax, VariantPooled, VariantSurfel, VariantMedSegX}, HasUnit: true, Scaled: "distance",
		Doc: "95th percentile of surface distances. max: the larger of the two directed percentiles, linear interpolation (MONAI, Metrics Reloaded); pooled: one percentile of both directions together (MedPy); surfel: area-weighted surface elements, no interpolation (Nikolov et al.); medsegx: max with MedSegX's own rule for empty masks."},
	{Name: "nsd", Title: "NSD", Better: Higher, Variants: []string{VariantEdge, VariantSurfel}, HasUnit: true, Scaled: "tolerance",
		Doc: "Normalised surface distance, also surface Dice: share of both surfaces that lies within the tolerance of the other (Nikolov et al., arXiv:1809.04430). edge counts surface pixels, surfel weighs by area."},
	{Name: "assd", Title: "ASSD", Better: Lower, Variants: []string{VariantEdge, VariantSurfel}, HasUnit: true, Scaled: "distance",
		Doc: "Average symmetric surface distance: mean over all surface pixels of both masks together."},
	{Name: "masd", Title: "MASD", Better: Lower, Variants: []string{VariantEdge, VariantSurfel}, HasUnit: true, Scaled: "distance",
		Doc: "Mean average surface distance: mean of the two directed means."},
	{Name: "asd_pred", Title: "ASD prediction to reference", Better: Lower, Variants: []string{VariantEdge, VariantSurfel}, HasUnit: true, Scaled: "distance",
		Doc: "Mean distance from the surface of the prediction to that of the reference."},
	{Name: "asd_ref", Title: "ASD reference to prediction", Better: Lower, Variants: []string{VariantEdge, VariantSurfel}, HasUnit: true, Scaled: "distance",
		Doc: "Mean distance from the surface of the reference to that of the prediction."},
	{Name: "boundary_iou", Title: "Boundary IoU", Better: Higher, HasUnit: true, Scaled: "tolerance",
		Doc: "IoU of the bands of mask pixels nearer than the given width to the mask's edge (Cheng et al., CVPR 2021); width 1 px is the edge itself."},
	{Name: "cldice", Title: "clDice", Better: Higher,
		Doc: "Centre-line Dice: harmonic mean of the shares of each skeleton that lies in the other mask (Shit et al., CVPR 2021). Skeletons by the thinning of Lee et al. (1994), which keeps the topology; tools that thin 2-D masks after Zhang and Suen give slightly other values."},
}

// Definitions lists all metrics in the order of their documentation.
func Definitions() []Definition { return slices.Clone(definitions) }

// Define returns the definition of a metric.
func Define(name string) (Definition, bool) {
	for _, d := range definitions {
		if d.Name == name {
			return d, true
		}
	}
	return Definition{}, false
}

// ErrSpec is wrapped by the errors about metric specifications.
var ErrSpec = errors.New("invalid metric")

// Resolve fills in the default variant and checks the specification: unknown
// names and variants, missing or superfluous units and tolerances.
func (s Spec) Resolve() (Spec, error) {
	d, ok := Define(s.Name)
	if !ok {
		names := make([]string, len(definitions))
		for i, d := range definitions {
			names[i] = d.Name
		}
		return s, fmt.Errorf("unknown metric %q, expected one of %s: %w", s.Name, strings.Join(names, ", "), ErrSpec)
	}
	switch {
	case s.Variant == "" && len(d.Variants) > 0:
		s.Variant = d.Variants[0]
	case s.Variant != "" && !slices.Contains(d.Variants, s.Variant):
		if len(d.Variants) == 0 {
			return s, fmt.Errorf("%s has no variant %q, leave it out: %w", s.Name, s.Variant, ErrSpec)
		}
		return s, fmt.Errorf("%s has no variant %q, expected one of %s: %w", s.Name, s.Variant, strings.Join(d.Variants, ", "), ErrSpec)
	}
	switch {
	case d.HasUnit && s.Unit == "":
		return s, fmt.Errorf("%s needs a unit, write px for pixels or mm for physical distance: %w", s.Name, ErrSpec)
	case !d.HasUnit && s.Unit != "":
		return s, fmt.Errorf("%s has no unit, found %s, leave it out: %w", s.Name, s.Unit, ErrSpec)
	case d.HasUnit && s.Unit != Pixels && s.Unit != Millimetres:
		return s, fmt.Errorf("%s in unit %q, expected px or mm: %w", s.Name, s.Unit, ErrSpec)
	}
	if d.Scaled == "tolerance" {
		least := 0.0
		if s.Name == "boundary_iou" {
			least = math.SmallestNonzeroFloat64 // a band of no width holds no pixel
		}
		if !(s.Tolerance >= least) || math.IsInf(s.Tolerance, 0) {
			return s, fmt.Errorf("%s with tolerance %v %s, expected a positive number: %w", s.Name, s.Tolerance, s.Unit, ErrSpec)
		}
	} else if s.Tolerance != 0 {
		return s, fmt.Errorf("%s has no tolerance, found %v %s, leave it out: %w", s.Name, s.Tolerance, s.Unit, ErrSpec)
	}
	if s.Variant == VariantMedSegX && s.Unit != Pixels {
		return s, fmt.Errorf("hd95 medsegx in %s, expected px: the reference implementation knows no spacing: %w", s.Unit, ErrSpec)
	}
	return s, nil
}

// String is the specification as it is written in tables and file headers:
// "dice", "hd95 (mm)", "hd95.pooled (px)", "nsd (2 mm)". The default variant is
// not written.
func (s Spec) String() string {
	var b strings.Builder
	b.WriteString(s.Name)
	d, ok := Define(s.Name)
	if s.Variant != "" && !(ok && len(d.Variants) > 0 && d.Variants[0] == s.Variant) {
		b.WriteString("." + s.Variant)
	}
	if s.Unit == "" {
		return b.String()
	}
	b.WriteString(" (")
	if s.Tolerance != 0 || (ok && d.Scaled == "tolerance") {
		b.WriteString(strconv.FormatFloat(s.Tolerance, 'g', -1, 64) + " ")
	}
	b.WriteString(string(s.Unit) + ")")
	return b.String()
}
