package train

import (
	"fmt"
	"math"
)

// Schedule is how the learning rate moves over a run. It is evaluated before
// every step at the time e in epochs, e = step / steps per epoch; E is the
// number of epochs. The zero value is a constant rate.
//
//	constant       rate
//	warmup_cosine  rate·e/W while e < W, then
//	               floor + (rate-floor)·(1+cos(π·(e-W)/(E-W)))/2
//	poly           rate·(1-e/E)^power
//	step_decay     rate·factor^⌊e/every⌋, torch's StepLR
type Schedule struct {
	Kind   string  // constant (or empty), warmup_cosine, poly, step_decay
	Warmup float64 // W, epochs
	Floor  float64 // lowest rate of warmup_cosine
	Power  float64 // of poly; 0 means 0.9, nnU-Net's

	// Of step_decay: epochs between two falls, and what the rate is multiplied
	// by at each. EverySteps counts in steps instead.
	Every      float64 `json:",omitzero"`
	EverySteps int     `json:",omitzero"`
	Factor     float64 `json:",omitzero"`
}

// Check returns an error for a schedule that is not possible.
func (s Schedule) Check(epochs int) error {
	switch s.Kind {
	case "", "constant", "poly":
	case "warmup_cosine":
		if s.Warmup < 0 || s.Warmup >= float64(epochs) {
			return fmt.Errorf("schedule warmup_cosine: a warm-up of %g epochs does not fit into %d epochs", s.Warmup, epochs)
		}
	case "step_decay":
		if !(s.Every > 0) == !(s.EverySteps > 0) {
			return fmt.Errorf("schedule step_decay: a fall every %g epochs or %d steps is not possible; one of the two must be above 0", s.Every, s.EverySteps)
		}
		if !(s.Factor > 0 && s.Factor <= 1) {
			return fmt.Errorf("schedule step_decay: the factor is %g, expected above 0 and at most 1", s.Factor)
		}
	default:
		return fmt.Errorf("schedule %q is unknown; use constant, warmup_cosine, poly or step_decay", s.Kind)
	}
	if s.Floor < 0 || s.Power < 0 {
		return fmt.Errorf("schedule %s: floor %g and power %g must not be negative", s.Kind, s.Floor, s.Power)
	}
	return nil
}

// NeedsTotal says whether the rate depends on the number of epochs, so that a
// run cannot be prolonged without changing what it did before.
func (s Schedule) NeedsTotal() bool { return s.Kind == "warmup_cosine" || s.Kind == "poly" }

// Rate is the learning rate of a step, counted from 0.
func (s Schedule) Rate(rate float64, step, stepsPerEpoch, epochs int) float64 {
	e, total := float64(step)/float64(stepsPerEpoch), float64(epochs)
	switch s.Kind {
	case "warmup_cosine":
		if e < s.Warmup {
			return rate * e / s.Warmup
		}
		return s.Floor + (rate-s.Floor)*(1+math.Cos(math.Pi*(e-s.Warmup)/(total-s.Warmup)))/2
	case "poly":
		power := s.Power
		if power == 0 {
			power = 0.9
		}
		return rate * math.Pow(math.Max(0, 1-e/total), power)
	case "step_decay":
		if s.EverySteps > 0 {
			return rate * math.Pow(s.Factor, float64(step/s.EverySteps))
		}
		// Multiplied out, since step/stepsPerEpoch/every may round below a whole number.
		falls := math.Floor(float64(step) / (s.Every * float64(stepsPerEpoch)))
		return rate * math.Pow(s.Factor, falls)
	}
	return rate
}
