// Package experts is the contextual mixture of adapter experts (ConMoAE) that
// turns a frozen block of tokens into one that knows what it is looking at.
//
// Beside a block's own MLP stand E small bottleneck adapters. For each image,
// and anew in each block, a gate reads the context — where in the taxonomy of
// organs the target lies, which task it is, which modality the image was taken
// with, and the image itself as the mean of its tokens — and gives each expert
// a weight. All experts see the same normalised tokens x as the MLP:
//
//	out = mlp(x) + scale · Σ_e gate_e · Up_e(GELU(Down_e(x)))
//
// Written out like this it is 2E small products. The package computes the same
// with two: the Down matrices are stacked to one [E·b, C], every hidden unit is
// multiplied by the weight of its expert, and the Up matrices, side by side,
// sum over experts and hidden units at once. Parameters keep the names of the
// published checkpoints, one tensor for each expert (adapter_down.0.weight …).
// Experts of another form are given by [Config.Block]; they are computed one by
// one, beside those of the product.
//
// Gates (see [Gate]) differ in where the weights come from, not in how they are
// used: the published soft gate in its two generations, the k largest of it, or
// a fixed route from task to expert. A single adapter is a mixture of one.
//
// Source: MedSegX, github MedSegX/MedSegX-code; hierarchical gate at fcad7ff, flat gate at
// 536303c. Weights, activations and gradients are tested against both.
package experts

import (
	"fmt"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Gate says how the weights of the experts are found.
type Gate int

const (
	// Hierarchical first weighs the levels of the taxonomy, then the experts
	// (the published second generation).
	Hierarchical Gate = iota
	// Flat reads all levels side by side (the published first generation,
	// May 2025). Its tables have a row 0 for unknown values.
	Flat
	// Route reads the weights of the experts from a fixed table, by task.
	Route
)

// Taxonomy gives the sizes of the embedding tables.
type Taxonomy struct {
	Modalities int
	Levels     []int // number of nodes on each level below the root, task excluded
	Tasks      int
}

// MedSegDB is the taxonomy of the published checkpoints: 10 modalities; 5 body
// parts, 12 subregions, 39 organs; 111 tasks.
var MedSegDB = Taxonomy{Modalities: 10, Levels: []int{5, 12, 39}, Tasks: 111}

// Terms switches parts of the context off, for ablations. The zero value uses all.
type Terms struct {
	WithoutOrgan, WithoutTask, WithoutModality, WithoutImage bool
}

// Config describes a mixture.
type Config struct {
	Experts    int   // number of experts, at least 1
	Bottleneck int   // hidden units of each expert
	Widths     []int // hidden units by expert; overrides Bottleneck where given
	Embedding  int   // length of every embedding of the context
	Blocks     []int // blocks with experts; empty: all

	Scale   float64 // factor of the experts' sum
	Dropout float64 // on the hidden units, in training

	// Block, where set, says by its number which expert has another form than Up(GELU(Down(x))); nil stays a bottleneck.
	Block func(expert int) Form
	// Form tells Blocks apart wherever configurations are compared: the same text, the same forms.
	Form string

	Gate     Gate
	Terms    Terms
	Top      int         // keep only the Top largest weights and scale them to sum 1; 0: all
	Table    [][]float64 // Route: one row for each task, one for a task outside the taxonomy, and one for each that has a place in it and no row in the embeddings; one weight for each expert
	Groups   *Groups     // each task sees the experts of its group only; nil: all tasks see all
	Taxonomy Taxonomy
}

// Form is an expert's own form: it is called once for each such expert in each block, with a scope of that expert's own (adapter_block.N) and the normalised
// tokens (B,N,C), and answers the same shape. Bottleneck, Widths and Dropout are then its own affair; gate and Scale act as ever. A form that answers zeros at
// first leaves the network as it was when training begins; nothing here makes it do so.
type Form func(s *graph.Scope, x *graph.Node) *graph.Node

// Alike gives all experts one form.
func Alike(f Form) func(int) Form { return func(int) Form { return f } }

// form of an expert; nil for a bottleneck.
func (c Config) form(expert int) Form {
	if c.Block == nil {
		return nil
	}
	return c.Block(expert)
}

// Published is the mixture of the paper: four experts of 16 units with
// embeddings of 16, scale 0.1 and dropout 0.1, in every block.
func Published() Config {
	return Config{Experts: 4, Bottleneck: 16, Embedding: 16, Scale: 0.1, Dropout: 0.1, Taxonomy: MedSegDB}
}

// Validate reports the first thing that is wrong with the configuration of a
// mixture in a network of depth blocks.
func (c Config) Validate(depth int) error {
	switch {
	case c.Experts < 1:
		return fmt.Errorf("experts: found %d, expected at least 1", c.Experts)
	case len(c.Widths) != 0 && len(c.Widths) != c.Experts:
		return fmt.Errorf("experts: found %d bottleneck widths for %d experts, expected one for each", len(c.Widths), c.Experts)
	case c.Embedding < 1 && c.learnsGate():
		return fmt.Errorf("experts: embedding of %d values, expected at least 1", c.Embedding)
	case c.Dropout < 0 || c.Dropout >= 1:
		return fmt.Errorf("experts: dropout %g, expected a probability below 1", c.Dropout)
	case c.Top < 0 || c.Top > c.Experts:
		return fmt.Errorf("experts: top %d of %d experts, expected 1 to %d", c.Top, c.Experts, c.Experts)
	case c.Top > 0 && c.Gate == Route:
		return fmt.Errorf("experts: top %d asked for on a fixed route, which has no gate to take the largest weights of; leave one of them out", c.Top)
	case c.Gate < Hierarchical || c.Gate > Route:
		return fmt.Errorf("experts: gate kind %d is unknown", c.Gate)
	case c.learnsGate() && (c.Taxonomy.Modalities < 1 || c.Taxonomy.Tasks < 1 || len(c.Taxonomy.Levels) != 3):
		return fmt.Errorf("experts: the taxonomy has %d modalities, %d levels and %d tasks, expected at least one, three, and at least one",
			c.Taxonomy.Modalities, len(c.Taxonomy.Levels), c.Taxonomy.Tasks)
	}
	for e, b := range c.widths() {
		if b < 1 && c.form(e) == nil {
			return fmt.Errorf("experts: expert %d has a bottleneck of %d units, expected at least 1", e, b)
		}
	}
	for _, i := range c.Blocks {
		if i < 0 || i >= depth {
			return fmt.Errorf("experts: block %d does not exist, expected 0 to %d", i, depth-1)
		}
	}
	if c.Groups != nil {
		return c.validateGroups()
	}
	if c.Gate == Route {
		return c.validateTable()
	}
	return nil
}

func (c Config) validateTable() error {
	if len(c.Table) < c.Taxonomy.Tasks+1 {
		return fmt.Errorf("experts: the route table has %d rows, expected %d or more: one for each task and one for tasks outside the taxonomy",
			len(c.Table), c.Taxonomy.Tasks+1)
	}
	for task, row := range c.Table {
		if len(row) != c.Experts {
			return fmt.Errorf("experts: row %d of the route table has %d weights, expected %d", task, len(row), c.Experts)
		}
		for _, w := range row {
			if !(w >= 0 && w <= 1) {
				return fmt.Errorf("experts: row %d of the route table holds %g, expected weights from 0 to 1", task, w)
			}
		}
	}
	return nil
}

// In reports whether block i has experts.
func (c Config) In(i int) bool {
	if len(c.Blocks) == 0 {
		return true
	}
	for _, b := range c.Blocks {
		if b == i {
			return true
		}
	}
	return false
}

// widths is the number of hidden units of each expert; of those with a form of
// their own it says nothing.
func (c Config) widths() []int {
	if len(c.Widths) != 0 {
		return c.Widths
	}
	w := make([]int, c.Experts)
	for e := range w {
		w[e] = c.Bottleneck
	}
	return w
}

// learnsGate is false where the weights of the experts are constants.
func (c Config) learnsGate() bool {
	return c.Gate != Route && c.Experts > 1 && c.Terms != Terms{true, true, true, true}
}
