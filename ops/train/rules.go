package train

import (
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Group is a set of parameters with a learning rate of their own.
type Group struct {
	Name     string
	Contains func(name string) bool
	Factor   float64 // of the learning rate, above 0
}

// NoDecay says which parameters weight decay leaves alone.
type NoDecay struct {
	Norm bool `json:",omitzero"` // weight and bias of norms
	Bias bool `json:",omitzero"` // biases of all other layers
}

// Patience ends a training when validation has not become better for a number
// of epochs in a row. The zero value never does.
type Patience struct {
	Epochs int     `json:",omitzero"`
	Least  float64 `json:",omitzero"` // gain of what is compared that counts as better; any gain if 0
}

// factor is the factor of the learning rate by parameter: that of the last
// group that contains it, 1 outside all.
func (c *Config) factor(name string) float64 {
	f := 1.0
	for _, g := range c.Groups {
		if g.Contains(name) {
			f = g.Factor
		}
	}
	return f
}

// decayed tells which parameters the decay acts on; nil means all. A norm is
// known by the shape of its weight, the only one of a single axis: layers that
// multiply have at least two.
func (n NoDecay) decayed(specs []graph.Spec) func(name string) bool {
	if n == (NoDecay{}) {
		return nil
	}
	axes := map[string]int{}
	for _, s := range specs {
		axes[s.Name] = len(s.Dims)
	}
	return func(name string) bool {
		layer, own := cutLast(name)
		norm := axes[layer+"weight"] == 1 && (own == "weight" || own == "bias")
		if norm {
			return !n.Norm
		}
		return own != "bias" || !n.Bias
	}
}

// cutLast splits a name behind its last dot.
func cutLast(name string) (before, last string) {
	i := strings.LastIndexByte(name, '.')
	return name[:i+1], name[i+1:]
}

// checkRules checks what decides an update.
func (c *Config) checkRules() error {
	switch {
	case c.Accumulate < 0:
		return fmt.Errorf("%d batches were asked for in a step, expected at least 1", c.Accumulate)
	case !(c.ClipNorm >= 0):
		return fmt.Errorf("the largest gradient norm is %g, expected a number above 0, or 0 for no limit", c.ClipNorm)
	case !(c.Average >= 0 && c.Average < 1):
		return fmt.Errorf("the moving average keeps %g of itself, expected at least 0 and below 1", c.Average)
	case c.Patience.Epochs < 0 || !(c.Patience.Least >= 0):
		return fmt.Errorf("patience of %d epochs for a gain of %g is not possible", c.Patience.Epochs, c.Patience.Least)
	case c.Patience.Epochs > 0 && c.Validation == nil:
		return fmt.Errorf("to stop early, validation samples are needed, none are given")
	}
	for _, g := range c.Groups {
		if !(g.Factor > 0) || g.Factor > 1e6 {
			return fmt.Errorf("the learning rate of group %s has the factor %g, expected a number above 0 and at most 1e6", g.Name, g.Factor)
		}
	}
	return c.Optimizer.Check()
}

// parts is the number of batches to an update.
func (c *Config) parts() int { return max(c.Accumulate, 1) }
