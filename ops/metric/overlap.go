package metric

import "math"

// Counts is a confusion matrix of pixels.
type Counts struct{ TP, FP, FN, TN int }

// of returns a metric of the confusion matrix by name; ok is false for other
// names. 0/0 is NaN.
func (c Counts) of(name string) (value float64, ok bool) {
	tp, fp, fn, tn := float64(c.TP), float64(c.FP), float64(c.FN), float64(c.TN)
	all := tp + fp + fn + tn
	switch name {
	case "dice":
		return 2 * tp / (2*tp + fp + fn), true
	case "iou":
		return tp / (tp + fp + fn), true
	case "sensitivity":
		return tp / (tp + fn), true
	case "specificity":
		return tn / (tn + fp), true
	case "precision":
		return tp / (tp + fp), true
	case "accuracy":
		return (tp + tn) / all, true
	case "balanced_accuracy":
		return (tp/(tp+fn) + tn/(tn+fp)) / 2, true
	case "mcc":
		// The product of the four sums overflows no float64; its root is taken in
		// parts to keep all digits.
		return (tp*tn - fp*fn) / (math.Sqrt(tp+fp) * math.Sqrt(tp+fn) * math.Sqrt(tn+fp) * math.Sqrt(tn+fn)), true
	case "kappa":
		observed := (tp + tn) / all
		chance := ((tp+fp)/all)*((tp+fn)/all) + ((tn+fn)/all)*((tn+fp)/all)
		return (observed - chance) / (1 - chance), true
	case "tp":
		return tp, true
	case "fp":
		return fp, true
	case "fn":
		return fn, true
	case "tn":
		return tn, true
	case "rvd":
		return (fp - fn) / (tp + fn), true
	case "avd":
		return math.Abs(fp-fn) / (tp + fn), true
	}
	return 0, false
}
