package engine

import (
	"math"
	"path/filepath"
	"strings"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/ops/tensorboard"
	"github.com/mseg-lang/mseg/ops/train"
)

// curves writes what a training reports into event files for TensorBoard: loss, rate, gradient norm and images a second at every step, loss
// and validation Dice at the end of every epoch, all over the number of steps. They are for watching: a file that cannot be written is a
// note, not a failure, and nothing is read back.
type curves struct {
	j   *Job
	dir string // "" writes nothing
	w   *tensorboard.Writer
}

// curvesOf is the writer of a training: a folder of its own in the one asked for, named by label and key, so that trainings are drawn side by side.
func (j *Job) curvesOf() *curves {
	c := &curves{j: j}
	if d := j.cfg.TensorBoard; d != "" {
		c.dir = filepath.Join(d, strings.ReplaceAll(j.Label, string(filepath.Separator), "_")+"-"+store.Short(j.Key))
	}
	return c
}

func (c *curves) event(ev train.Event) {
	if c.dir == "" || ev.Phase != "training" && ev.Phase != "epoch" {
		return
	}
	if c.w == nil {
		w, err := tensorboard.Create(c.dir, ev.Step)
		if err != nil {
			c.fail(err)
			return
		}
		c.w = w
	}
	points := []tensorboard.Scalar{{Tag: "step/loss", Value: ev.Loss}, {Tag: "step/rate", Value: ev.Rate}}
	if ev.Phase == "training" {
		if !ev.Skipped { // an overflow is no norm
			points = append(points, tensorboard.Scalar{Tag: "step/gradient_norm", Value: ev.GradientNorm})
		}
		if v := ev.ImagesPerSecond; !math.IsInf(v, 0) {
			points = append(points, tensorboard.Scalar{Tag: "step/images_per_second", Value: v}, tensorboard.Scalar{Tag: "step/busy", Value: ev.Busy})
		}
	} else {
		points = []tensorboard.Scalar{{Tag: "epoch/loss", Value: ev.Loss}}
		if r := ev.Record; r != nil && r.Dice != nil {
			points = append(points, tensorboard.Scalar{Tag: "epoch/validation_dice", Value: *r.Dice})
		}
		if r := ev.Record; r != nil && r.Score != nil {
			points = append(points, tensorboard.Scalar{Tag: "epoch/validation_" + r.Measure, Value: *r.Score})
		}
	}
	if err := c.w.Write(ev.Step, points...); err != nil {
		c.fail(err)
	}
}

func (c *curves) fail(err error) {
	c.j.note("no further curves for TensorBoard: %v", err)
	c.close()
	c.dir = ""
}

func (c *curves) close() {
	if c.w != nil {
		if err := c.w.Close(); err != nil {
			c.j.note("the curves for TensorBoard may not be whole: %v", err)
		}
		c.w = nil
	}
}
