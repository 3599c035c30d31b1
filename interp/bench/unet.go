package bench

import (
	"fmt"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/ops/graph"
)

// unetCase measures a U-Net: forward, or one training step with Dice and cross-entropy.
func unetCase(net graph.Network, steps bool) func(*graph.Backend, Setting) (*work, error) {
	return func(b *graph.Backend, set Setting) (*work, error) {
		if steps {
			return training(b, net, nil, set, nil)
		}
		return program(b, set, models.InputShapes(set.Batch, side), example(set.Batch), models.Flat(net))
	}
}

// inst16 is this program's own U-Net in the sizes of the peers' inst16. It reads three colours where that reads one: 0.4 % more arithmetic.
func inst16() graph.Network {
	return unet.Config{Image: side, Base: 16, Depth: 4, Prompt: unet.None}.Network()
}

// basicUNet has the shapes of MONAI's BasicUNet with one input and one output channel: two convolutions with instance norm and leaky ReLU a
// level, 32, 32, 64, 128 and 256 channels, transposed convolutions on the way up. It is here to be measured beside it, no model of the
// language. BasicUNet's dropout has probability 0.
func basicUNet() graph.Network {
	widths := []int{32, 32, 64, 128, 256}
	last := 32 // channels of the first level on the way up
	return func(s *graph.Scope, in graph.Inputs) graph.Outputs {
		x := gx.Slice(in.Image, gx.AxisRange(), gx.AxisRange(), gx.AxisRange(), gx.AxisRange(0, 1)) // grey
		x = gx.MulScalar(x, 1./255)
		var skips []*gx.Node
		for i, width := range widths {
			if i > 0 {
				x = graph.MaxPool2(s, x)
			}
			x = double(s.In("down.%d", i), x, width)
			skips = append(skips, x)
		}
		for i := len(widths) - 2; i >= 0; i-- {
			up := s.In("up.%d", i)
			halved := widths[i+1] / 2
			out := widths[i]
			if i == 0 {
				halved, out = widths[1], last
			}
			x = graph.ConvTranspose2d(up.In("expand"), x, halved, graph.Conv{Kernel: 2, Stride: 2})
			x = double(up, gx.Concatenate([]*gx.Node{skips[i], x}, -1), out)
		}
		logits := graph.Conv2d(s.In("head"), x, 1, graph.Conv{Kernel: 1})
		return graph.Outputs{Masks: gx.TransposeAllAxes(logits, 0, 3, 1, 2)}
	}
}

func double(s *graph.Scope, x *gx.Node, width int) *gx.Node {
	for i := range 2 {
		x = graph.Conv2d(s.In("conv%d", i), x, width, graph.Conv{Kernel: 3, Padding: 1})
		x = graph.LeakyReLU(graph.InstanceNorm(s.In(fmt.Sprintf("norm%d", i)), x, 1e-5, true), 0.1)
	}
	return x
}
