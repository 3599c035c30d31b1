package graph

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// XLA's CPU plugin has two convolutions. YNNPACK's is fast and is only used
// where one side has more than narrow channels; Eigen's lays patches out with
// divisions for every element. Worst off are the gradients of weights, which are
// convolutions with filters as large as the map: the 32 → 16 channels of a
// U-Net's last level at 256 px take 52 ms of CPU time by the one and 11 ms by the
// other, 16 → 16 channels 28 and 9 ms, and together they were a third of the
// training step. So narrow convolutions are written in a form with more channels:
// n neighbouring columns of the result become n times the channels of one, by a
// kernel that is n-1 columns wider and moves n columns at a time. Its additional
// weights are zeros, (k+n-1)/k times the arithmetic.
const narrow = 16

// mostColumns bounds n, and so the zeros: 3×3 kernels cost at most 10/3 of their arithmetic.
const mostColumns = 8

// fewFilters is up to where it pays for the gradient of a weight to take the
// wider of its two maps as the filter: 64 → 32 channels at 128 px 10.4 → 8.6 ms, but 128 → 64 at 64 px 8.1 → 8.6 ms.
const fewFilters = 32

// columns is how many neighbouring columns have to be taken together for so
// many channels, in a map of this width; 0: none or not possible.
func columns(channels, width int) int {
	n := 2
	for n*channels <= narrow {
		n *= 2
	}
	if channels > narrow || n > mostColumns || width%n != 0 {
		return 0
	}
	return n
}

// cpuConvolve is a convolution of stride 1 for XLA on a CPU: x (B,H,W,in) by a
// kernel (k,k,in,out) with fewer than k zeros around.
func cpuConvolve(x, kernel *Node, pad int) *Node {
	d, k, in, out := x.Shape().Dimensions, kernel.Shape().Dimensions[0], lastDim(x), lastDim(kernel)
	width := d[2] + 2*pad - k + 1
	n := 1
	if in <= narrow {
		n = max(1, columns(out, width))
	}
	kernel = spread(kernel, n)
	odd := in > 1 && in < narrow && in%2 == 1
	if odd {
		// YNNPACK takes channels two by two: 3 → 32 channels of 256 × 256 pixels in
		// 6.5 ms, 4 → 32 in 3.0.
		x, kernel = longer(x, 3, 1), longer(kernel, 2, 1)
	}
	y := gx.Convolve(x, kernel).StridePerAxis(1, n).PaddingPerDim([][2]int{{pad, pad}, {pad, pad}}).Done()
	if n > 1 || odd || in > out && out <= fewFilters {
		y = y.WithAlias(fmt.Sprintf(cpuAlias+"%d", in, n, pad, y.Id()))
	}
	return gx.Reshape(y, d[0], y.Shape().Dimensions[1], width, out)
}

// longer adds zeros at the end of an axis.
func longer(x *Node, axis, by int) *Node {
	if by == 0 {
		return x
	}
	pads := make([]compute.PadAxis, x.Rank())
	pads[axis] = padAxis(0, by)
	return gx.Pad(x, gx.ScalarZero(x.Graph(), x.DType()), pads...)
}

// spread makes a kernel (k,k,in,out) one of n columns at a time, (k,k+n-1,in,n·out).
func spread(kernel *Node, n int) *Node {
	if n == 1 {
		return kernel
	}
	zero := gx.ScalarZero(kernel.Graph(), kernel.DType())
	parts := make([]*Node, n)
	for b := range n {
		parts[b] = gx.Pad(kernel, zero, padAxis(0, 0), padAxis(b, n-1-b), padAxis(0, 0), padAxis(0, 0))
	}
	return gx.Concatenate(parts, -1)
}

// cpuAlias is how the nodes made by cpuConvolve are named, which is how their gradient's rule knows them: GoMLX keeps the name of a node that is
// computed again, and lets nothing else be attached to it.
const cpuAlias = "/narrow convolution of %d channels, %d columns at once, padding %d, node "

// The gradients of these convolutions are convolutions of the same kind.
func init() {
	rule := gx.VJPRegistration[gx.NodeTypeConvGeneral]
	gx.VJPRegistration[gx.NodeTypeConvGeneral] = func(node *Node, adjoints []*Node, shape shapes.Shape) []*Node {
		var in, n, pad int
		if _, err := fmt.Sscanf(node.GetAlias(), cpuAlias, &in, &n, &pad); err != nil {
			return rule(node, adjoints, shape)
		}
		x, kernel := node.Inputs()[0], node.Inputs()[1]
		kd, d := kernel.Shape().Dimensions, node.Shape().Dimensions
		k, out, added := kd[0], kd[3]/n, kd[2]-in
		v := gx.Reshape(adjoints[0], d[0], d[1], d[2]*n, out)
		all, channels := gx.AxisRange(), gx.AxisRange(0, in)
		weight := gx.Slice(kernel, all, gx.AxisRange(0, k), channels, gx.AxisRange(0, out))
		dx := cpuConvolve(v, gx.TransposeAllAxes(gx.Reverse(weight, 0, 1), 0, 1, 3, 2), k-1-pad)
		// The kernel is n copies of the weight between zeros, whose gradients are added up; one of them takes everything.
		dw := weightGradient(gx.Slice(x, all, all, all, channels), v, k, pad)
		dw = longer(longer(longer(dw, 1, n-1), 2, added), 3, (n-1)*out)
		return []*Node{longer(dx, 3, added), dw}
	}
}

// weightGradient is the gradient (k,k,in,out) of the kernel of a convolution of
// stride 1, from what it was given, x (B,H,W,in), and the gradient v (B,H',W',out)
// of its result: the products of both at every distance that the kernel spans,
// added up over the pixels. The one with more channels serves as the filter.
func weightGradient(x, v *Node, k, pad int) *Node {
	if lastDim(v) >= lastDim(x) || lastDim(v) > fewFilters {
		return correlation(x, v, k, pad, false)
	}
	return gx.TransposeAllAxes(correlation(v, x, k, k-1-pad, true), 0, 1, 3, 2)
}

// correlation adds up a(p+t-pad)·f(p) over the pixels p of a batch, for all pairs
// of channels of a and f: (k,k,a,f); with turned, t counts from the end. For a
// narrow f, n columns of it are taken together, which gives n-1 distances more
// than are asked for, and every n-th pixel's products for each; the right ones
// are added up.
func correlation(a, f *Node, k, pad int, turned bool) *Node {
	d := f.Shape().Dimensions
	n := max(1, columns(d[3], d[2]))
	all := gx.AxisRange()
	r := gx.Convolve(a, gx.Reshape(f, d[0], d[1], d[2]/n, n*d[3])).
		AxesConfig(compute.ConvolveAxesConfig{
			InputBatch: 3, InputSpatial: []int{1, 2}, InputChannels: 0,
			KernelInputChannels: 0, KernelSpatial: []int{1, 2}, KernelOutputChannels: 3,
			OutputBatch: 2, OutputSpatial: []int{0, 1}, OutputChannels: 3,
		}).
		PaddingPerDim([][2]int{{pad, pad}, {pad, pad}}).DilationPerAxis(1, n).Done() // (k, k+n-1, a, n·f)
	if turned {
		r = gx.Reverse(r, 0)
	}
	if n == 1 {
		if turned {
			r = gx.Reverse(r, 1)
		}
		return r
	}
	var sum *Node
	for b := range n {
		part := gx.Slice(r, all, gx.AxisRange(b, b+k), all, gx.AxisRange(b*d[3], (b+1)*d[3]))
		if sum == nil {
			sum = part
		} else {
			sum = gx.Add(sum, part)
		}
	}
	if turned {
		sum = gx.Reverse(sum, 1)
	}
	return sum
}
