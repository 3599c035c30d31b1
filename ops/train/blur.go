package train

import "math"

// blur convolves an image with a Gaussian of the given
// standard deviation in pixels, sampled at whole pixels up to 4 deviations away
// and normalised to sum 1: scipy.ndimage.gaussian_filter with mode "nearest",
// the edge's pixels being repeated outwards.
func blur(image []float32, width, channels int, sigma float64) {
	weights := gaussian(sigma)
	if len(weights) == 1 {
		return
	}
	height := len(image) / channels / width
	whole := make([]float64, max(width, height))
	along := func(start, stride, length int) {
		line := whole[:length]
		for i := range line {
			line[i] = float64(image[start+i*stride])
		}
		for i := range line {
			sum := weights[0] * line[i]
			for k := 1; k < len(weights); k++ {
				sum += weights[k] * (line[max(i-k, 0)] + line[min(i+k, length-1)])
			}
			image[start+i*stride] = float32(sum)
		}
	}
	for i := range height {
		for c := range channels {
			along(i*width*channels+c, channels, width) // row i
		}
	}
	for i := range width {
		for c := range channels {
			along(i*channels+c, width*channels, height) // column i
		}
	}
}

// gaussian is one half of the kernel, from its middle outwards.
func gaussian(sigma float64) []float64 {
	radius := int(4*sigma + 0.5)
	weights := []float64{1}
	sum := 1.0
	for k := 1; k <= radius; k++ {
		w := math.Exp(-float64(k*k) / (2 * sigma * sigma))
		weights = append(weights, w)
		sum += 2 * w
	}
	for k := range weights {
		weights[k] /= sum
	}
	return weights
}
