package unet

import (
	"fmt"
	"slices"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Staged is a U-Net whose stages are given one by one, as nnU-Net's plans give
// them: a stage divides the map by its stride in its first convolution and has
// so many convolutions, or residual blocks, of so many channels. It has as many
// spatial axes as Size, 2 or 3; nothing else in here knows their number.
//
// It is PlainConvUNet and, with Residual, ResidualEncoderUNet of github
// MIC-DKFZ/dynamic-network-architectures 0.4.4, the networks of nnU-Net
// (Isensee et al. 2021) and of its residual presets (Isensee et al. 2024): the
// same parameters under the same names, the same first values, the same answers
// from the same numbers, which are tested. What differs is around it: the box
// prompt is a further input channel, and one sigmoid takes the place of the
// softmax over classes.
//
// Each convolution is followed by instance norm and leaky ReLU. A residual block
// is two convolutions whose result is added to what came in before the last
// activation (He et al. 2016); where it changes the size or the number of
// channels, what came in is averaged over the stride and taken through a 1×1
// convolution with norm.
type Staged struct {
	Size     []int   // of the input along each spatial axis
	Features []int   // channels of each stage, at least two stages
	Kernels  [][]int // of each stage along each axis, odd
	Strides  [][]int // of each stage along each axis; all 1 in the first
	Encoder  []int   // convolutions, or residual blocks, of each stage
	Decoder  []int   // convolutions of each stage of the decoder, the coarsest first; one stage less

	Residual bool
	// Deep answers at lower resolutions too, for deep supervision. The heads
	// have parameters in either case, as in nnU-Net.
	Deep bool

	Prompt      Prompt
	Intensities []Intensity     // for images of these modalities; others are standardised one by one
	Experts     *experts.Config // adapts the stages of the encoder; nil: none
}

// Intensity is how the values of images of one modality enter a network, for
// modalities whose values mean the same in all images (CT): cut to Low..High,
// then (x-Mean)/Deviation. All are in the units of the prepared image, 0..255.
type Intensity struct {
	Modality  int     `json:"modality"` // row in the modality table, see graph.Inputs
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
}

// Validate reports the first thing that is wrong.
func (c Staged) Validate() error {
	n, stages := len(c.Size), len(c.Features)
	switch {
	case n < 2 || n > 3:
		return fmt.Errorf("unet: %d spatial axes, expected 2 or 3", n)
	case stages < 2:
		return fmt.Errorf("unet: %d stages, expected at least 2", stages)
	case len(c.Kernels) != stages || len(c.Strides) != stages || len(c.Encoder) != stages || len(c.Decoder) != stages-1:
		return fmt.Errorf("unet: %d kernels, %d strides, %d and %d numbers of convolutions for %d stages; expected one for each, and one less in the decoder",
			len(c.Kernels), len(c.Strides), len(c.Encoder), len(c.Decoder), stages)
	}
	for i := range stages {
		if c.Features[i] < 1 || c.Encoder[i] < 1 || i > 0 && c.Decoder[i-1] < 1 {
			return fmt.Errorf("unet: stage %d has no channels or no convolutions", i)
		}
		if len(c.Kernels[i]) != n || len(c.Strides[i]) != n {
			return fmt.Errorf("unet: stage %d has kernel %v and stride %v, expected a number for each of %d axes", i, c.Kernels[i], c.Strides[i], n)
		}
		for a := range n {
			if c.Kernels[i][a] < 1 || c.Kernels[i][a]%2 == 0 || c.Strides[i][a] < 1 || i == 0 && c.Strides[i][a] != 1 {
				return fmt.Errorf("unet: stage %d has kernel %v and stride %v; expected odd kernels, and strides of at least 1 that begin with 1", i, c.Kernels[i], c.Strides[i])
			}
		}
	}
	for a, size := range c.Size {
		if size < 1 {
			return fmt.Errorf("unet: size %v, expected at least 1 along every axis", c.Size)
		}
		if last := c.padded()[a] / c.divisor()[a]; last < 1 {
			return fmt.Errorf("unet: a side of %d px cannot be divided by %d", size, c.divisor()[a])
		}
	}
	if c.Prompt != Box && c.Prompt != None {
		return fmt.Errorf("unet: prompt kind %d is unknown", c.Prompt)
	}
	for _, i := range c.Intensities {
		if !(i.Deviation > 0) || i.High < i.Low {
			return fmt.Errorf("unet: values of modality %d are cut to %g..%g and divided by %g; expected a range, and a number above 0", i.Modality, i.Low, i.High, i.Deviation)
		}
	}
	if c.Experts != nil {
		return c.Experts.Validate(stages)
	}
	return nil
}

// divisor is the product of the strides along each axis.
func (c Staged) divisor() []int {
	d := slices.Repeat([]int{1}, len(c.Size))
	for _, stride := range c.Strides {
		for a := range d {
			d[a] *= stride[a]
		}
	}
	return d
}

// padded is the size that the stages work on: the next multiple of the divisor.
func (c Staged) padded() []int {
	size, d := slices.Clone(c.Size), c.divisor()
	for a := range size {
		size[a] = (size[a] + d[a] - 1) / d[a] * d[a]
	}
	return size
}

// Network builds the network of a flat image. The configuration must be valid
// and have two spatial axes.
func (c Staged) Network() graph.Network {
	return func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		x := c.entering(s, in) // (B,S,S,3), standardised
		if c.Prompt == Box {
			x = gx.Concatenate([]*gx.Node{x, filled(s, in.Box, c.Size[0], c.Size[1])}, -1) // (B,S,S,4)
		}
		answers, gates := c.Answers(s, in, x)
		out := graph.Outputs{Masks: channelsFirst(answers[0]), Gates: gates}
		for _, a := range answers[1:] {
			out.Deep = append(out.Deep, channelsFirst(a))
		}
		return out
	}
}

func channelsFirst(x *gx.Node) *gx.Node { return gx.TransposeAllAxes(x, 0, 3, 1, 2) }

// entering brings 0..255 to mean 0 and deviation 1: each sample and colour by
// itself, or with the numbers of its modality.
func (c Staged) entering(s *graph.Scope, in graph.Inputs) *gx.Node {
	x := standardised(s, in)
	for _, i := range c.Intensities {
		fixed := gx.MinScalar(gx.MaxScalar(in.Image, i.Low), i.High)
		fixed = gx.MulScalar(gx.AddScalar(fixed, -i.Mean), 1/i.Deviation)
		this := gx.Equal(in.Modality, gx.MulScalar(gx.OnesLike(in.Modality), i.Modality)) // (B)
		this = gx.BroadcastToDims(gx.Reshape(this, -1, 1, 1, 1), x.Shape().Dimensions...)
		x = gx.Where(this, fixed, x)
	}
	return x
}

// Answers runs the stages on a map of any number of input channels.
//
// x: (B,x₁,…,xₙ,C) of the size of the configuration. in.Modality and in.Organ
// are read only where experts are. Returns logits (B,x₁,…,xₙ,1), with Deep
// followed by those of the coarser stages of the decoder but the coarsest; and
// the weights of the experts of each adapted stage.
func (c Staged) Answers(s *graph.Scope, in graph.Inputs, x *gx.Node) (answers, gates []*gx.Node) {
	var context experts.Context
	if c.Experts != nil {
		context = c.Experts.Look(s, in)
	}
	s.Tap("input", x)
	x = graph.Enlarged(s, x, c.padded())
	encoder, decoder := s.In("encoder"), s.In("decoder")
	if c.Residual {
		x = c.convolution(encoder.In("stem.convs.0"), x, c.Features[0], c.Kernels[0], nil)
	}
	skips := make([]*gx.Node, len(c.Features))
	for i := range c.Features {
		stage := encoder.In("stages.%d", i)
		x = c.stage(stage, x, i) // (B,x/s,…,features)
		if c.Experts != nil && c.Experts.In(i) {
			var gate *gx.Node
			x, gate = c.Experts.Adapt(stage, context, x, x)
			gates = append(gates, gate)
		}
		s.Tap(fmt.Sprintf("encoder.stages.%d", i), x)
		skips[i] = x
	}
	for k := range c.Decoder {
		i := len(c.Features) - 2 - k // the stage of the encoder with the same size
		x = graph.Upsample(decoder.In("transpconvs.%d", k), x, c.Features[i], c.Strides[i+1], he)
		x = gx.Concatenate([]*gx.Node{x, skips[i]}, -1)
		x = s.Block(x)
		for j := range c.Decoder[k] {
			x = c.convolution(decoder.In("stages.%d.convs.%d", k, j), x, c.Features[i], c.Kernels[i], nil)
		}
		x = s.Unblock(x)
		s.Tap(fmt.Sprintf("decoder.stages.%d", k), x)
		logits := graph.ConvSame(decoder.In("seg_layers.%d", k), x, 1, graph.SameConv{Kernel: slices.Repeat([]int{1}, len(c.Size)), Init: he})
		decoder.Tap(fmt.Sprintf("seg_layers.%d", k), logits)
		switch {
		case i == 0:
			answers = append(answers, graph.Cropped(s, logits, c.Size))
		case c.Deep && k > 0:
			answers = append(answers, logits)
		}
	}
	slices.Reverse(answers)
	return answers, gates
}

// he is how nnU-Net starts its convolutions.
var he = graph.HeNormal(slope)

// stage is one stage of the encoder.
func (c Staged) stage(s *graph.Scope, x *gx.Node, i int) *gx.Node {
	x = s.Block(x)
	for j := range c.Encoder[i] {
		stride := c.Strides[i]
		if j > 0 {
			stride = nil
		}
		if c.Residual {
			x = c.block(s.In("blocks.%d", j), x, c.Features[i], c.Kernels[i], stride)
		} else {
			x = c.convolution(s.In("0.convs.%d", j), x, c.Features[i], c.Kernels[i], stride)
		}
	}
	return s.Unblock(x)
}

// convolution is convolution, norm and activation. A nil stride is 1.
func (c Staged) convolution(s *graph.Scope, x *gx.Node, channels int, kernel, stride []int) *gx.Node {
	x = graph.LeakyReLU(c.linear(s, x, channels, kernel, stride), slope)
	s.Tap("out", x)
	return x
}

// linear is convolution and norm.
func (c Staged) linear(s *graph.Scope, x *gx.Node, channels int, kernel, stride []int) *gx.Node {
	x = graph.ConvSame(s.In("conv"), x, channels, graph.SameConv{Kernel: kernel, Stride: stride, Init: he})
	return graph.InstanceNorm(s.In("norm"), x, instanceNormEps, true)
}

// block is a residual block. Its last norm starts at zero, so that a network
// begins as one without blocks.
func (c Staged) block(s *graph.Scope, x *gx.Node, channels int, kernel, stride []int) *gx.Node {
	last := s.In("conv2.norm")
	last.Param("weight", graph.Zeros, channels)
	y := c.convolution(s.In("conv1"), x, channels, kernel, stride)
	y = c.linear(s.In("conv2"), y, channels, kernel, nil)

	strided := stride != nil && slices.Max(stride) > 1
	if strided {
		x = graph.AvgPool(s, x, stride)
	}
	if x.Shape().Dim(-1) != channels {
		skip := s.In("skip.0") // its number in the sequence of pooling and projection
		if strided {
			skip = s.In("skip.1")
		}
		x = graph.ConvSame(skip.In("conv"), x, channels, graph.SameConv{Kernel: slices.Repeat([]int{1}, len(kernel)), NoBias: true, Init: he})
		x = graph.InstanceNorm(skip.In("norm"), x, instanceNormEps, true)
	}
	x = graph.LeakyReLU(gx.Add(x, y), slope)
	s.Tap("out", x)
	return x
}

// Even is the network of a square image whose stages each halve the map and
// double the channels; two convolutions in each of the encoder's, one in the
// decoder's.
func Even(image, base, stages int) (Staged, error) {
	if stages < 2 || stages > 10 || base < 1 || base > 1<<16 {
		return Staged{}, fmt.Errorf("unet: %d stages that begin with %d channels, expected 2 to 10 stages and at least 1 channel", stages, base)
	}
	c := Staged{Size: []int{image, image}, Kernels: threes(stages, 2), Strides: halves(stages, 2)}
	for i := range stages {
		c.Features = append(c.Features, base<<i)
		c.Encoder = append(c.Encoder, 2)
		if i > 0 {
			c.Decoder = append(c.Decoder, 1)
		}
	}
	return c, nil
}

// threes and halves are what most stages have: kernels of 3, and a stride of 2
// in all but the first.
func threes(stages, axes int) [][]int {
	return slices.Repeat([][]int{slices.Repeat([]int{3}, axes)}, stages)
}

func halves(stages, axes int) [][]int {
	strides := [][]int{slices.Repeat([]int{1}, axes)}
	return append(strides, slices.Repeat([][]int{slices.Repeat([]int{2}, axes)}, stages-1)...)
}
