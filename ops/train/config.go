package train

import (
	"fmt"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Config is everything that decides a training run, besides network,
// parameters and data.
type Config struct {
	Size   int // side of the square images, or width of others, pixels
	Height int // of images that are not square, pixels; 0: they are
	// Input is the number of values that the network reads in the place of an
	// image, 0 for an image itself: embeddings that were computed before. The
	// sources fill them into Example.Image, and images cannot be augmented.
	Input int
	// Parts says that images are parts of samples, whose source sets
	// Example.Whole. The network is told mean and deviation of the sample
	// (graph.Inputs.Whole).
	Parts     bool
	Epochs    int
	BatchSize int

	// Accumulate batches are taken for one update: their gradients are added up,
	// weighted by their samples, so that the update is that of one batch
	// Accumulate times as large (up to rounding, and to losses and random
	// numbers that are not those of a sample on its own). 0 means 1. A step is
	// an update everywhere.
	Accumulate int

	Rate      float64 // learning rate
	Schedule  Schedule
	Optimizer graph.Optimizer        // nil means graph.DefaultAdamW
	Groups    []Group                // parameters with a learning rate of their own
	NoDecay   NoDecay                // parameters without weight decay
	ClipNorm  float64                // largest norm of the gradient; 0: no limit
	Trainable func(name string) bool // nil means all
	Loss      Loss                   // nil means BestDiceBCE

	// Average, above 0, keeps a moving average of the parameters (EMA), which
	// takes this share of itself at every step. The average is validated, kept
	// as the best, and returned in the place of the parameters.
	Average   float64
	Precision graph.Precision
	Scaling   graph.LossScaling // of precision f16
	// Recompute saves memory: activations within the blocks that a network
	// marks (graph.Scope.Block) are computed twice instead of kept.
	Recompute bool

	Jitter  Jitter
	Points  Points // prompts beside the box or instead of it, drawn anew each epoch
	Augment Augment
	Seeds   Seeds

	// Validation is predicted after every epoch; the parameters with the
	// highest mean Dice, or the best mean of Measure, are kept. nil: no
	// validation, nothing is best.
	Validation Source
	Measure    *Measure // what is compared then; nil: Dice
	// Whole puts the answers to validation together, where the examples are parts of samples. nil: every example is a sample.
	Whole    Assembly
	Select   Selection // which of several masks is validated
	Patience Patience  // when to stop early

	// Dir receives last.safetensors and best.safetensors; empty: no files.
	Dir string
	// CheckpointSteps writes a checkpoint every so many steps too; 0: only
	// after each epoch and when the run is interrupted.
	CheckpointSteps int
	// CheckpointAfter writes one too at the first step that ends so long after
	// the last checkpoint; 0: never. When it is written decides no number.
	CheckpointAfter time.Duration
	// Resume continues from last.safetensors in Dir, if it is there.
	Resume bool

	Progress func(Event) // called from the goroutine of Run; may be nil
}

// Seeds by purpose. Init is used only for parameters that are not given.
type Seeds struct{ Init, Shuffle, Jitter, Augment, Dropout uint64 }

// SameSeeds uses one seed for every purpose.
func SameSeeds(seed uint64) Seeds { return Seeds{seed, seed, seed, seed, seed} }

// Target is what the outputs of a network are compared with.
type Target struct {
	Masks   *graph.Node // (B,H,W) zeros and ones
	Weights *graph.Node // (B) of the samples; 0 for those that only fill the batch
}

// Loss compares the outputs of a network with a target and gives one value per
// sample, (B), of which the weighted mean is the loss of the batch.
type Loss func(s *graph.Scope, out graph.Outputs, target Target) *graph.Node

// BestDiceBCE is Dice loss plus binary cross-entropy of every candidate mask,
// of which each sample's smallest counts (MedSegX).
func BestDiceBCE(s *graph.Scope, out graph.Outputs, target Target) *graph.Node {
	best, _ := graph.BestOfMasks(graph.DiceBCELoss(s, out.Masks, target.Masks))
	return best
}

// Event reports progress. Epochs and steps are counted from 1.
type Event struct {
	Phase           string // compiling, training, validating, or epoch at its end
	Epoch, Epochs   int
	Step, Steps     int     // over the whole run
	Loss            float64 // of the step; of the epoch at its end
	GradientNorm    float64
	Rate            float64
	Skipped         bool    // the gradient overflowed in half precision, nothing was updated
	ImagesPerSecond float64 // since the last step; at the end of an epoch, of the epoch with its validation
	Busy            float64 // part of that time that the device computed, 0 to 1; the rest it waited
	Record          *Record // at the end of an epoch
}

// Record is the history of one epoch.
type Record struct {
	Epoch int      `json:"epoch"` // from 1
	Loss  float64  `json:"loss"`  // mean over the samples
	Rate  float64  `json:"rate"`  // of the last step
	Dice  *float64 `json:"dice,omitempty"`
	// Measure is what was compared instead of Dice and Score its mean; nil where
	// it is defined for no sample.
	Measure string   `json:"measure,omitempty"`
	Score   *float64 `json:"score,omitempty"`
	// Skipped counts the steps of the epoch whose gradient overflowed in half
	// precision; Stopped says that training was ended early after it.
	Skipped int  `json:"skipped,omitempty"`
	Stopped bool `json:"stopped,omitempty"`
}

func (c *Config) check(data Source) error {
	switch {
	case c.Size < 1 || c.Height < 0:
		return fmt.Errorf("the image size is %d×%d pixels, expected at least 1", c.Size, rows(c.Size, c.Height))
	case c.Input < 0:
		return fmt.Errorf("the network reads %d values for each image, expected at least 1", c.Input)
	case c.Input > 0 && c.Augment != (Augment{}):
		return fmt.Errorf("embeddings that were computed before cannot be augmented; train on the images")
	case c.Epochs < 1:
		return fmt.Errorf("%d epochs were asked for, expected at least 1", c.Epochs)
	case c.BatchSize < 1:
		return fmt.Errorf("the batch size is %d, expected at least 1", c.BatchSize)
	case !(c.Rate > 0) || c.Rate > 1e6:
		return fmt.Errorf("the learning rate is %g, expected a number above 0 and at most 1e6", c.Rate)
	case c.Jitter.Min < 0 || c.Jitter.Max < c.Jitter.Min:
		return fmt.Errorf("the box jitter goes from %d to %d pixels, expected 0 ≤ min ≤ max", c.Jitter.Min, c.Jitter.Max)
	case c.Resume && c.Dir == "":
		return fmt.Errorf("a run can only be resumed from a folder, none is given")
	case data.Len() == 0:
		return fmt.Errorf("training: %w", errEmpty)
	case c.Validation != nil && c.Validation.Len() == 0:
		return fmt.Errorf("validation: %w", errEmpty)
	}
	if err := c.Points.Check(); err != nil {
		return err
	}
	if err := c.Select.check(); err != nil {
		return err
	}
	if err := c.Augment.Check(); err != nil {
		return err
	}
	if err := c.Schedule.Check(c.Epochs); err != nil {
		return err
	}
	if c.Loss == nil {
		c.Loss = BestDiceBCE
	}
	if c.Optimizer == nil {
		c.Optimizer = graph.DefaultAdamW()
	}
	return c.checkRules()
}
