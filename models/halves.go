package models

import (
	"strings"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Halves are the two parts of a promptable network: the image encoder, whose
// answer depends on the image (and, with experts, on what it shows), and what
// prompts are answered with. While the encoder stays as it is, what it says of
// an image need not be computed twice.
type Halves struct {
	// Kept is the number of values of an image's embedding.
	Kept int
	// Input is the number of values that Second reads for each image: what is
	// kept and, behind it, pixels if it looks at them.
	Input int
	// First turns images into what is kept, (B,Kept).
	First func(s *graph.Scope, in graph.Inputs) *graph.Node
	// Second is a network that reads (B,Input) in the place of the image. It
	// answers no gates.
	Second graph.Network
}

// Pixels says whether the second half looks at the image again.
func (h *Halves) Pixels() bool { return h.Input > h.Kept }

// OfEncoder says whether a parameter belongs to the first half.
func (h *Halves) OfEncoder(name string) bool { return strings.HasPrefix(name, "image_encoder.") }

func halvesOf(c sam.Config) *Halves {
	grid := c.Grid()
	h := &Halves{Kept: grid * grid * c.Prompt}
	h.Input = h.Kept
	if c.Fine {
		h.Input += c.Image * c.Image * 3
	}
	h.First = func(s *graph.Scope, in graph.Inputs) *graph.Node {
		embedding, _ := c.Encode(s, in)
		return gx.Reshape(embedding, -1, h.Kept)
	}
	h.Second = func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		given := in.Image
		batch := given.Shape().Dim(0)
		embedding := gx.Reshape(gx.SliceAxis(given, 1, gx.AxisRange(0, h.Kept)), batch, grid, grid, c.Prompt)
		in.Image = nil
		if h.Pixels() {
			in.Image = gx.Reshape(gx.SliceAxis(given, 1, gx.AxisRange(h.Kept)), batch, c.Image, c.Image, 3)
		}
		return c.Answer(s, embedding, in)
	}
	return h
}
