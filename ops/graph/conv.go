package graph

import (
	"github.com/gomlx/compute"
	gx "github.com/gomlx/gomlx/core/graph"
)

// Conv describes a two-dimensional convolution with a square kernel.
type Conv struct {
	Kernel  int  // side, at least 1
	Stride  int  // 0 means 1
	Padding int  // zeros on every side
	NoBias  bool // leave out the bias
}

func (cfg Conv) stride() int { return max(cfg.Stride, 1) }

// Conv2d is torch.nn.Conv2d on a map: (B,H,W,in) → (B,H',W',out) with
// H' = (H + 2·padding - kernel)/stride + 1, rounded down. Its parameters are
// weight (out,in,k,k) and bias (out).
//
// Three lowerings are used. Where kernel and stride are equal, pixels are
// regrouped into patches and multiplied once. XLA gets its own convolution for
// odd kernels. Everything else is a sum of k² matrix products of shifted maps:
// GoMLX's gradient of a convolution is wrong for even kernels on every
// backend, and its interpreter convolves in a scalar loop.
func Conv2d(s *Scope, x *Node, out int, cfg Conv) *Node {
	_, h, w, in := mapDims(s, x, "convolution")
	k, stride, pad := cfg.Kernel, cfg.stride(), cfg.Padding
	if k < 1 || stride < 1 || pad < 0 || out < 1 {
		s.Failf("convolution %q: kernel %d, stride %d, padding %d, %d output channels is not possible", s.path, k, stride, pad, out)
	}
	if h+2*pad < k || w+2*pad < k {
		s.Failf("convolution %q: a %d×%d kernel does not fit into a %d×%d map with padding %d", s.path, k, k, h, w, pad)
	}
	weight := s.Param("weight", KaimingUniform, out, in, k, k)
	var bias *Node
	if !cfg.NoBias {
		bias = s.Param("bias", torchBias(in*k*k), out)
	}
	return convolve(s, x, weight, bias, stride, pad)
}

// convolve applies a weight (out,in,k,k) to a map.
func convolve(s *Scope, x, weight, bias *Node, stride, pad int) *Node {
	k := weight.Shape().Dimensions[2]
	switch {
	case k == stride && pad == 0:
		return patchConv(x, weight, bias, k)
	case s.c.kind == "xla" && k%2 == 1:
		y := product(x, gx.TransposeAllAxes(weight, 2, 3, 1, 0), func(x, kernel *Node) *Node {
			if s.c.cpu && stride == 1 && pad < k {
				return cpuConvolve(x, kernel, pad)
			}
			return gx.Convolve(x, kernel).Strides(stride).PaddingPerDim([][2]int{{pad, pad}, {pad, pad}}).Done()
		})
		return addBias(y, bias)
	default:
		return shiftConv(padded(x, pad, pad, pad, pad), weight, bias, stride)
	}
}

// patchConv multiplies non-overlapping k×k patches; rows and columns left over
// at the bottom and right are dropped.
func patchConv(x, weight, bias *Node, k int) *Node {
	d := x.Shape().Dimensions
	b, h, w, in := d[0], d[1]/k, d[2]/k, d[3]
	out := weight.Shape().Dimensions[0]
	x = cropped(x, h*k, w*k)
	x = gx.Reshape(x, b, h, k, w, k, in)
	if k > 1 {
		x = gx.TransposeAllAxes(x, 0, 1, 3, 2, 4, 5)     // (B,h,w,k,k,in)
		weight = gx.TransposeAllAxes(weight, 0, 2, 3, 1) // (out,k,k,in)
	}
	y := dense(gx.Reshape(x, b*h*w, k*k*in), gx.Reshape(weight, out, k*k*in), bias)
	return gx.Reshape(y, b, h, w, out)
}

// shiftConv sums one matrix product for every position of the kernel. For few
// input channels the shifted maps are laid side by side instead and multiplied
// once, as a product over three channels would be all overhead.
func shiftConv(x, weight, bias *Node, stride int) *Node {
	d := x.Shape().Dimensions
	b, in := d[0], d[3]
	wd := weight.Shape().Dimensions
	out, k := wd[0], wd[2]
	h, w := (d[1]-k)/stride+1, (d[2]-k)/stride+1

	shifted := make([]*Node, 0, k*k)
	for i := range k {
		for j := range k {
			rows := gx.AxisRange(i, i+(h-1)*stride+1).Stride(stride)
			cols := gx.AxisRange(j, j+(w-1)*stride+1).Stride(stride)
			view := gx.Slice(x, gx.AxisRange(), rows, cols, gx.AxisRange())
			shifted = append(shifted, gx.Reshape(view, b*h*w, in))
		}
	}
	const few = 16
	if in < few {
		kernel := gx.Reshape(gx.TransposeAllAxes(weight, 0, 2, 3, 1), out, k*k*in)
		y := dense(gx.Concatenate(shifted, -1), kernel, bias)
		return gx.Reshape(y, b, h, w, out)
	}
	kernel := gx.Reshape(gx.TransposeAllAxes(weight, 2, 3, 0, 1), k*k, out, in)
	var y *Node
	for t, view := range shifted {
		position := gx.Reshape(gx.Slice(kernel, gx.AxisElem(t)), out, in)
		if t == 0 {
			y = dense(view, position, bias)
		} else {
			y = gx.Add(y, dense(view, position, nil))
		}
	}
	return gx.Reshape(y, b, h, w, out)
}

// ConvTranspose2d is torch.nn.ConvTranspose2d on a map: (B,H,W,in) →
// (B,H',W',out) with H' = (H-1)·stride - 2·padding + kernel. Its parameters
// are weight (in,out,k,k) and bias (out). Where kernel and stride are equal,
// the common case of doubling a map, it is one matrix product followed by
// depth to space.
func ConvTranspose2d(s *Scope, x *Node, out int, cfg Conv) *Node {
	b, h, w, in := mapDims(s, x, "transposed convolution")
	k, stride, pad := cfg.Kernel, cfg.stride(), cfg.Padding
	if k < 1 || pad < 0 || pad > k-1 || k < stride || out < 1 || (h-1)*stride+k <= 2*pad || (w-1)*stride+k <= 2*pad {
		s.Failf("transposed convolution %q: kernel %d, stride %d, padding %d on a %d×%d map is not possible", s.path, k, stride, pad, h, w)
	}
	weight := s.Param("weight", KaimingUniform, in, out, k, k)
	var bias *Node
	if !cfg.NoBias {
		bias = s.Param("bias", torchBias(out*k*k), out)
	}
	if k == stride && pad == 0 {
		kernel := gx.Reshape(gx.TransposeAllAxes(weight, 2, 3, 1, 0), k*k*out, in)
		y := dense(gx.Reshape(x, b*h*w, in), kernel, nil)
		y = gx.TransposeAllAxes(gx.Reshape(y, b, h, w, k, k, out), 0, 1, 3, 2, 4, 5)
		return addBias(gx.Reshape(y, b, h*k, w*k, out), bias)
	}
	// The transpose of a strided convolution is a plain convolution of the map
	// spread out with zeros, by the kernel turned by 180 degrees.
	if stride > 1 {
		zero := gx.ScalarZero(x.Graph(), x.DType())
		x = gx.Reshape(x, b, h, 1, w, 1, in)
		x = gx.Pad(x, zero, padAxis(0, 0), padAxis(0, 0), padAxis(0, stride-1), padAxis(0, 0), padAxis(0, stride-1), padAxis(0, 0))
		x = cropped(gx.Reshape(x, b, h*stride, w*stride, in), (h-1)*stride+1, (w-1)*stride+1)
	}
	turned := gx.Reverse(gx.TransposeAllAxes(weight, 1, 0, 2, 3), 2, 3)
	edge := k - 1 - pad
	return convolve(s, x, turned, bias, 1, edge)
}

// addBias adds a bias (C) to a map, or nothing if it is nil.
func addBias(x, bias *Node) *Node {
	if bias == nil {
		return x
	}
	return gx.Add(x, gx.Reshape(bias, 1, 1, 1, lastDim(x)))
}

// padded adds rows and columns of zeros to a map.
func padded(x *Node, top, bottom, left, right int) *Node {
	if top == 0 && bottom == 0 && left == 0 && right == 0 {
		return x
	}
	zero := gx.ScalarZero(x.Graph(), x.DType())
	return gx.Pad(x, zero, padAxis(0, 0), padAxis(top, bottom), padAxis(left, right), padAxis(0, 0))
}

func padAxis(start, end int) compute.PadAxis { return compute.PadAxis{Start: start, End: end} }

// cropped keeps the first h rows and w columns of a map.
func cropped(x *Node, h, w int) *Node {
	d := x.Shape().Dimensions
	if d[1] == h && d[2] == w {
		return x
	}
	return gx.Slice(x, gx.AxisRange(), gx.AxisRange(0, h), gx.AxisRange(0, w), gx.AxisRange())
}
