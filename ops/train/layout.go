package train

import "github.com/mseg-lang/mseg/ops/graph"

// layout is the form of the batches of a run: how many examples, of which size,
// and what goes with the images.
type layout struct {
	count         int // examples
	width, height int // of an image, pixels
	input         int // see Config.Input
	parts         bool
	points        Points
}

// layout of the batches that are trained with.
func (c *Config) layout() layout {
	return layout{c.BatchSize, c.Size, rows(c.Size, c.Height), c.Input, c.Parts, c.Points}
}

// rows is the height of an image: its width, unless another is said.
func rows(width, height int) int {
	if height > 0 {
		return height
	}
	return width
}

func (l layout) pixels() int { return l.width * l.height }

// values is the number of those that stand in the place of one image.
func (l layout) values() int {
	if l.input > 0 {
		return l.input
	}
	return l.pixels() * 3
}

// pictures is the shape of a batch of images, or of what stands in their place.
func (l layout) pictures() []int {
	if l.input > 0 {
		return []int{l.count, l.input}
	}
	return []int{l.count, l.height, l.width, 3}
}

// bytes is the size of a batch on the host: images, or what stands in their place, and targets; what else there is is small.
func (l layout) bytes() int64 { return 4 * int64(l.count) * int64(l.values()+l.pixels()) }

// shapes are the network's inputs for a batch, in the order of graph.Inputs.
func (l layout) shapes() []graph.Shape {
	s := []graph.Shape{graph.F32(l.pictures()...), graph.F32(l.count, 4), graph.I32(l.count), graph.I32(l.count, 4)}
	if l.parts {
		s = append(s, graph.F32(l.count, 2, 3))
	}
	if n := l.points.Count(); n > 0 {
		s = append(s, graph.F32(l.count, n, 2), graph.I32(l.count, n))
	}
	if m := l.points.Mask.Side; m > 0 {
		s = append(s, graph.F32(l.count, m, m, 1))
	}
	return s
}

// network applies a network to the nodes of shapes and checks its masks.
func (l layout) network(s *graph.Scope, net graph.Network, in []*graph.Node) graph.Outputs {
	given := graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]}
	if l.parts {
		given.Whole = in[4]
		in = in[1:]
	}
	if l.points.Count() > 0 {
		given.Points, given.Labels = in[4], in[5]
		in = in[2:]
	}
	if l.points.Mask.Side > 0 {
		given.Mask = in[4]
	}
	if l.points.NoBox {
		given.Box = nil
	}
	out := net(s, given)
	if out.Masks == nil {
		s.Failf("the network returns no masks")
	}
	d := out.Masks.Shape().Dimensions
	if len(d) != 4 || d[0] != l.count || d[2] != l.height || d[3] != l.width {
		s.Failf("the network returns masks of shape %v, expected [%d M %d %d]", d, l.count, l.height, l.width)
	}
	return out
}
