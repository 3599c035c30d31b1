package metric

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// State says whether a value was measured.
type State uint8

// A value is Measured when both masks have foreground. Otherwise the state tells
// which one was empty, and the value is what the [Empty] rule or the formula
// gives. Undefined values are NaN: the formula divides nothing by nothing and no
// rule sets it.
const (
	Measured State = iota
	BothEmpty
	PredictionEmpty
	ReferenceEmpty
	Undefined
)

func (s State) String() string {
	switch s {
	case Measured:
		return "measured"
	case BothEmpty:
		return "both empty"
	case PredictionEmpty:
		return "prediction empty"
	case ReferenceEmpty:
		return "reference empty"
	}
	return "undefined"
}

// Empty names a rule for masks without foreground.
//
//	                      both empty      one empty
//	Worst     overlap     1               0
//	          distance    0               image diagonal
//	NaN       overlap     NaN             0
//	          distance    NaN             NaN
//	Inf       overlap     NaN             0
//	          distance    NaN             +Inf
//	MedSegX   overlap     NaN             0; dice NaN for an empty reference
//	          distance    NaN             NaN
//
// Overlap stands for dice, iou, nsd and boundary_iou. The other ratios
// (sensitivity, precision, specificity, volume differences, clDice) follow their formula
// under every rule and are NaN where it is 0/0, except that Worst gives an
// empty prediction of a reference with foreground precision 0 and clDice 0.
// hd95 of variant medsegx follows the reference implementation under every rule.
type Empty string

// The rules. The zero value "" is Worst.
const (
	Worst   Empty = "worst"
	NaN     Empty = "nan"
	Inf     Empty = "inf"
	MedSegX Empty = "medsegx"
)

// ErrEmpty is wrapped by the error about an unknown rule.
var ErrEmpty = errors.New("unknown rule for empty masks")

// Resolve fills in the default and rejects names that are no rule.
func (e Empty) Resolve() (Empty, error) {
	if e == "" {
		return Worst, nil
	}
	rules := []string{string(Worst), string(NaN), string(Inf), string(MedSegX)}
	if !slices.Contains(rules, string(e)) {
		return e, fmt.Errorf("rule %q for empty masks, expected one of %s: %w", e, strings.Join(rules, ", "), ErrEmpty)
	}
	return e, nil
}

// StateOf is the state of a pair of masks with so many foreground pixels.
func StateOf(pred, ref int) State {
	switch {
	case pred == 0 && ref == 0:
		return BothEmpty
	case pred == 0:
		return PredictionEmpty
	case ref == 0:
		return ReferenceEmpty
	}
	return Measured
}

// overlap is the value of a score in 0..1 for masks in state s.
func (e Empty) overlap(name string, s State) float64 {
	if s == BothEmpty {
		if e == Worst {
			return 1
		}
		return math.NaN()
	}
	if e == MedSegX && name == "dice" && s == ReferenceEmpty {
		return math.NaN()
	}
	return 0
}

// distance is the value of a distance for masks in state s in an image of the
// given diagonal.
func (e Empty) distance(s State, diagonal float64) float64 {
	switch {
	case e == Worst && s == BothEmpty:
		return 0
	case e == Worst:
		return diagonal
	case e == Inf && s != BothEmpty:
		return math.Inf(1)
	}
	return math.NaN()
}
