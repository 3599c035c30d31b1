package experts

import (
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Recognise finds out from the names and shapes of a state dict with which
// mixture it was trained: the published generations cannot be told from each
// other by file name. found is false if the dict holds no experts. Scale,
// dropout and Top leave no trace; they are those of [Published].
//
// It is an error if the experts have no gate (a fixed route is not stored with
// the weights) or if their parts do not fit each other.
func Recognise(params *graph.Params) (c Config, found bool, err error) {
	c = Published()
	c.Taxonomy = Taxonomy{}
	const block = "image_encoder.blocks.%d"
	dims := func(format string, a ...any) []int {
		t, ok := params.Get(fmt.Sprintf(format, a...))
		if !ok {
			return nil
		}
		return t.Dims
	}
	var widths []int
	depth := 0
	for dims(block+".norm1.weight", depth) != nil || dims(block+".mlp.adapter_down.0.weight", depth) != nil {
		var here []int
		for d := dims(block+".mlp.adapter_down.0.weight", depth); len(d) == 2; d = dims(block+".mlp.adapter_down.%d.weight", depth, len(here)) {
			here = append(here, d[0])
		}
		if here != nil {
			if widths != nil && !slices.Equal(widths, here) {
				return c, false, fmt.Errorf("experts: the bottlenecks of block %d are %v, those of a block before %v; all blocks must have the same", depth, here, widths)
			}
			widths = here
			c.Blocks = append(c.Blocks, depth)
		}
		depth++
	}
	if widths == nil {
		return c, false, nil
	}
	first := c.Blocks[0]
	if len(c.Blocks) == depth {
		c.Blocks = nil
	}
	c.Experts, c.Bottleneck = len(widths), widths[0]
	if !slices.Equal(widths, slices.Repeat(widths[:1], len(widths))) {
		c.Widths = widths
	}

	rows := func(format string, a ...any) int {
		d := dims(format, a...)
		if len(d) != 2 {
			return 0
		}
		c.Embedding = d[1]
		return d[0]
	}
	gate := dims(block+".mlp.adapter_gate.weight", first)
	if gate == nil && c.Experts > 1 {
		return c, false, fmt.Errorf("experts: %d experts without a gate; weights that were trained on a fixed route need the route to be given", c.Experts)
	}
	levels := []int{rows("image_encoder.organ_embed.1.weight"), rows("image_encoder.organ_embed.2.weight"), rows("image_encoder.organ_embed.3.weight")}
	tasks, modalities := rows("image_encoder.organ_embed.4.weight"), rows("image_encoder.modal_embed.weight")
	c.Terms = Terms{
		WithoutOrgan: levels[0] == 0, WithoutTask: tasks == 0, WithoutModality: modalities == 0,
		WithoutImage: dims(block+".mlp.adapter_input_embed.weight", first) == nil,
	}
	// Both generations have a table of modalities and of tasks; where there are
	// levels, only the hierarchical gate weighs them.
	if dims(block+".mlp.adapter_organ_gate.weight", first) != nil || c.Terms.WithoutOrgan {
		c.Gate = Hierarchical
		tasks--
	} else {
		c.Gate = Flat
		modalities--
		for i := range levels {
			levels[i]--
		}
	}
	// A table that is not there has the size of the published one: it is not read.
	c.Taxonomy = Taxonomy{Modalities: modalities, Levels: levels, Tasks: tasks}
	if c.Terms.WithoutOrgan {
		c.Taxonomy.Levels = MedSegDB.Levels
	}
	if c.Terms.WithoutTask {
		c.Taxonomy.Tasks = MedSegDB.Tasks
	}
	if c.Terms.WithoutModality {
		c.Taxonomy.Modalities = MedSegDB.Modalities
	}
	if c.Embedding == 0 {
		c.Embedding = Published().Embedding
	}
	return c, true, c.Validate(depth)
}
