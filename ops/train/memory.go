package train

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph"
)

// batchBytes is the size of a batch on the host: image, or the input values that
// stand in its place, and target; what else there is is small.
func batchBytes(count, side, input int) int64 {
	pixels := int64(side) * int64(side)
	values := 3 * pixels
	if input > 0 {
		values = int64(input)
	}
	return 4 * int64(count) * (values + pixels)
}

// fits checks that the batches themselves find a place: two are with the device,
// whose memory may be the host's, while a third is filled. The room of single
// samples that are worked on is left out.
func (c *Config) fits() error {
	return c.explained(graph.FitsHost(3 * batchBytes(c.BatchSize, c.Size, c.Input)))
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
	advice = append(advice, fmt.Sprintf("lower the image of %d px", c.Size))
	if !c.Recompute {
		advice = append(advice, "set recompute: true, which keeps fewer activations")
	}
	return fmt.Errorf("%w; %s", err, strings.Join(advice, ", or "))
}

// smaller does the same for a prediction, whose batch changes no result.
func smaller(err error, batch, size int) error {
	var want *graph.MemoryError
	if err == nil || !errors.As(err, &want) {
		return err
	}
	if batch > 1 {
		return fmt.Errorf("%w; lower the batch of %d: no result depends on it", err, batch)
	}
	return fmt.Errorf("%w; lower the image of %d px", err, size)
}
