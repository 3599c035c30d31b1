package train

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// fits checks that the batches themselves find a place: two are with the device,
// whose memory may be the host's, while a third is filled. The room of single
// samples that are worked on is left out.
func (c *Config) fits() error {
	return c.explained(graph.FitsHost(3 * c.layout().bytes()))
}

// explained adds to a want of memory what can be done about it.
func (c *Config) explained(err error) error {
	var want *graph.MemoryError
	if err == nil || !errors.As(err, &want) {
		return err
	}
	var advice []string
	if c.BatchSize > 1 {
		half := max(c.BatchSize/2, 1)
		advice = append(advice, fmt.Sprintf("lower the batch of %d (batch: %d with accumulate: %d takes the same steps)", c.BatchSize, half, c.parts()*((c.BatchSize+half-1)/half)))
	}
	advice = append(advice, fmt.Sprintf("lower the image of %d px", max(c.Size, c.Height)))
	if !c.Recompute {
		advice = append(advice, "set recompute: true, which keeps fewer activations")
	}
	return fmt.Errorf("%w; %s", err, strings.Join(advice, ", or "))
}

// smaller does the same for a prediction, whose batch changes no result.
func (p *Predictor) smaller(err error) error {
	var want *graph.MemoryError
	if err == nil || !errors.As(err, &want) {
		return err
	}
	if n := p.layout.count; n > 1 {
		return fmt.Errorf("%w; lower the batch of %d: no result depends on it", err, n)
	}
	return fmt.Errorf("%w; lower the image of %d px", err, max(p.layout.width, p.layout.height))
}
