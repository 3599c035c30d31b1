package graph

import (
	"slices"

	gx "github.com/gomlx/gomlx/core/graph"
)

// Layers over any number of spatial axes: a map is (B,x₁,…,xₙ,C), n = 2 for
// images and 3 for volumes. On square kernels over images they are the layers
// of conv.go.

// SameConv describes a convolution that keeps the size of a map, or divides it
// by the stride, with an odd kernel centred on each position: zeros of half a
// kernel stand around the map.
type SameConv struct {
	Kernel []int // side along each spatial axis, odd
	Stride []int // nil means 1 along each
	NoBias bool
	Init   Init // of the weight; nil means KaimingUniform, with torch's start of the bias. With an Init the bias starts at zero
}

// ConvSame is torch.nn.Conv2d or Conv3d with padding (kernel-1)/2:
// (B,x₁,…,xₙ,in) → (B,⌈x₁/s₁⌉,…,out). Its parameters are weight
// (out,in,k₁,…,kₙ) and bias (out).
func ConvSame(s *Scope, x *Node, out int, cfg SameConv) *Node {
	n, in := spatialAxes(s, x, "convolution"), lastDim(x)
	stride := cfg.Stride
	if stride == nil {
		stride = slices.Repeat([]int{1}, n)
	}
	if len(cfg.Kernel) != n || len(stride) != n || slices.Min(stride) < 1 || out < 1 {
		s.Failf("convolution %q: kernel %v and stride %v over %d axes to %d channels is not possible", s.path, cfg.Kernel, stride, n, out)
	}
	for _, k := range cfg.Kernel {
		if k < 1 || k%2 == 0 {
			s.Failf("convolution %q: kernel %v has an even side; only odd ones have a centre", s.path, cfg.Kernel)
		}
	}
	fan := in * size(cfg.Kernel)
	weightInit, biasInit := Init(KaimingUniform), torchBias(fan)
	if cfg.Init != nil {
		weightInit, biasInit = cfg.Init, Zeros
	}
	weight := s.Param("weight", weightInit, slices.Concat([]int{out, in}, cfg.Kernel)...)
	var bias *Node
	if !cfg.NoBias {
		bias = s.Param("bias", biasInit, out)
	}
	if n == 2 && cfg.Kernel[0] == cfg.Kernel[1] && stride[0] == stride[1] {
		return convolve(s, x, weight, bias, stride[0], (cfg.Kernel[0]-1)/2)
	}
	var y *Node
	if s.c.kind == "xla" {
		order := []int{} // (k₁,…,kₙ,in,out)
		pads := make([][2]int, n)
		for a, k := range cfg.Kernel {
			order = append(order, 2+a)
			pads[a] = [2]int{(k - 1) / 2, (k - 1) / 2}
		}
		y = product(x, gx.TransposeAllAxes(weight, append(order, 1, 0)...), func(x, kernel *Node) *Node {
			return gx.Convolve(x, kernel).StridePerAxis(stride...).PaddingPerDim(pads).Done()
		})
	} else {
		y = shiftConvSame(x, weight, stride)
	}
	return addChannels(y, bias)
}

// shiftConvSame sums one matrix product for every position of the kernel.
func shiftConvSame(x, weight *Node, stride []int) *Node {
	n := len(stride)
	out, in, kernel := weight.Shape().Dimensions[0], weight.Shape().Dimensions[1], weight.Shape().Dimensions[2:]
	x = aroundZeros(x, func(axis int) (int, int) { return (kernel[axis] - 1) / 2, (kernel[axis] - 1) / 2 })
	dims := slices.Clone(x.Shape().Dimensions)
	for a := range n {
		dims[1+a] = (dims[1+a]-kernel[a])/stride[a] + 1
	}
	dims[n+1] = out
	flat := gx.Reshape(weight, out, in, size(kernel))
	var y *Node
	for t := range size(kernel) {
		specs := make([]gx.SliceAxisSpec, n+2)
		specs[0], specs[n+1] = gx.AxisRange(), gx.AxisRange()
		for a, rest := n-1, t; a >= 0; a-- {
			i := rest % kernel[a]
			rest /= kernel[a]
			specs[1+a] = gx.AxisRange(i, i+(dims[1+a]-1)*stride[a]+1).Stride(stride[a])
		}
		view := gx.Reshape(gx.Slice(x, specs...), -1, in)
		part := dense(view, gx.Reshape(gx.Slice(flat, gx.AxisRange(), gx.AxisRange(), gx.AxisElem(t)), out, in), nil)
		if y == nil {
			y = part
		} else {
			y = gx.Add(y, part)
		}
	}
	return gx.Reshape(y, dims...)
}

// Upsample is torch.nn.ConvTranspose2d or 3d with a kernel equal to its stride:
// every position becomes a patch. (B,x₁,…,xₙ,in) → (B,x₁·f₁,…,xₙ·fₙ,out). Its
// parameters are weight (in,out,f₁,…,fₙ) and bias (out). init may be nil, as in
// SameConv.
func Upsample(s *Scope, x *Node, out int, factor []int, init Init) *Node {
	n, in := spatialAxes(s, x, "transposed convolution"), lastDim(x)
	if len(factor) != n || slices.Min(factor) < 1 || out < 1 {
		s.Failf("transposed convolution %q: factors %v over %d axes to %d channels is not possible", s.path, factor, n, out)
	}
	weightInit, biasInit := Init(KaimingUniform), torchBias(out*size(factor))
	if init != nil {
		weightInit, biasInit = init, Zeros
	}
	weight := s.Param("weight", weightInit, slices.Concat([]int{in, out}, factor)...)
	bias := s.Param("bias", biasInit, out)

	d := x.Shape().Dimensions
	kernel := gx.Reshape(weight, in, out, size(factor))
	kernel = gx.Reshape(gx.TransposeAllAxes(kernel, 2, 1, 0), size(factor)*out, in)
	y := dense(gx.Reshape(x, -1, in), kernel, nil) // (B·x₁…xₙ, f·out)
	y = gx.Reshape(y, slices.Concat(d[:n+1], factor, []int{out})...)
	order := []int{0}
	dims := []int{d[0]}
	for a := range n {
		order = append(order, 1+a, 1+n+a) // x₁,f₁,x₂,f₂,…
		dims = append(dims, d[1+a]*factor[a])
	}
	y = gx.TransposeAllAxes(y, append(order, 1+2*n)...)
	return addChannels(gx.Reshape(y, append(dims, out)...), bias)
}

// AvgPool is the mean over patches that do not overlap: (B,x₁,…,xₙ,C) →
// (B,x₁/f₁,…,C). It is a fault if a side is no multiple of its factor.
func AvgPool(s *Scope, x *Node, factor []int) *Node {
	n := spatialAxes(s, x, "average pooling")
	d := x.Shape().Dimensions
	split, axes := []int{d[0]}, []int{}
	for a := range n {
		if len(factor) != n || factor[a] < 1 || d[1+a]%factor[a] != 0 {
			s.Failf("average pooling %q: a map of %v cannot be divided by %v", s.path, d[1:n+1], factor)
		}
		split = append(split, d[1+a]/factor[a], factor[a])
		axes = append(axes, 2+2*a)
	}
	return Mean(s, gx.Reshape(x, append(split, d[n+1])...), axes...)
}

// Enlarged adds zeros behind the end of each spatial axis, up to the given
// sizes; Cropped takes them away again.
func Enlarged(s *Scope, x *Node, sizes []int) *Node {
	spatialAxes(s, x, "padding")
	return aroundZeros(x, func(axis int) (int, int) { return 0, sizes[axis] - x.Shape().Dimensions[1+axis] })
}

// Cropped keeps the first positions along each spatial axis.
func Cropped(s *Scope, x *Node, sizes []int) *Node {
	n := spatialAxes(s, x, "cropping")
	specs := make([]gx.SliceAxisSpec, n+2)
	specs[0], specs[n+1] = gx.AxisRange(), gx.AxisRange()
	for a := range n {
		specs[1+a] = gx.AxisRange(0, sizes[a])
	}
	if slices.Equal(x.Shape().Dimensions[1:n+1], sizes) {
		return x
	}
	return gx.Slice(x, specs...)
}

func aroundZeros(x *Node, of func(axis int) (before, behind int)) *Node {
	pads := []gx.PadAxis{padAxis(0, 0)}
	any := false
	for a := range x.Rank() - 2 {
		before, behind := of(a)
		any = any || before > 0 || behind > 0
		pads = append(pads, padAxis(before, behind))
	}
	if !any {
		return x
	}
	return gx.Pad(x, gx.ScalarZero(x.Graph(), x.DType()), append(pads, padAxis(0, 0))...)
}

// addChannels adds a bias (C) to a map of any rank, or nothing if it is nil.
func addChannels(x, bias *Node) *Node {
	if bias == nil {
		return x
	}
	dims := slices.Repeat([]int{1}, x.Rank())
	dims[x.Rank()-1] = lastDim(x)
	return gx.Add(x, gx.Reshape(bias, dims...))
}

func spatialAxes(s *Scope, x *Node, what string) int {
	if x.Rank() < 3 {
		s.Failf("%s %q needs a map (B,…,C) with at least one spatial axis, it got shape %v", what, s.path, x.Shape().Dimensions)
	}
	return x.Rank() - 2
}
