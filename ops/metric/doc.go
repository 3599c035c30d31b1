// Package metric scores a predicted binary mask against a reference mask.
//
// It is given two masks of one shape, two- or three-dimensional, with the
// spacing of their pixels, and a list of metric specifications. It promises the
// exact value of each: no sampling, no chamfer approximation, no hidden
// resampling, and the same number on every machine and with every number of
// cores.
//
// # Surfaces
//
// Two families of surface metrics are in use, and they give different numbers
// for the same pair of masks. Both are here, by name.
//
// The edge family (MONAI, MedSegX, Metrics Reloaded, MedPy) takes as surface
// the mask pixels that an erosion with the cross-shaped element removes: pixels
// with a background neighbour among the 4 (in 2-D) or 6 (in 3-D). Everything
// outside the image is background, so mask pixels on the image rim are surface.
// Each surface pixel counts once.
//
// The surfel family (surface-distance of Google DeepMind, Nikolov et al.,
// arXiv:1809.04430) places surface elements on the corners between pixels,
// wherever the 2x2 or 2x2x2 neighbourhood is mixed, and weighs each by the
// length or area of the iso-surface that passes through it.
//
// Three numbers are called HD95 in the literature; [Spec.Variant] tells them
// apart: "max" (default) is the larger of the two directed 95th percentiles,
// "pooled" is the 95th percentile of both directions' distances in one list,
// "surfel" weighs by area and does not interpolate.
//
// # Units
//
// A distance is asked for in px, where the pixel grid has spacing one along
// every axis, or in mm, where the mask's spacing is used. There is no default:
// a distance without a unit is an error, and so is mm on a mask without
// spacing.
//
// # Empty masks
//
// Most disagreement between tools, and most inflated averages, come from masks
// without foreground. [Empty] names the rule; its zero value is [Worst]: both
// empty is a perfect score (Dice 1, NSD 1, distance 0) and one empty is the
// worst (Dice 0, NSD 0, distance = the image diagonal), following Metrics
// Reloaded (Maier-Hein, Reinke et al., Nature Methods 2024), which sets missing
// structures to the worst value before averaging. Every [Result] also carries
// its [State], so that a report can say how many cases were decided by the rule
// and not by a measurement.
//
// # How it is computed
//
// Masks are packed into one bit per pixel. Counts are population counts of
// words, erosion is a few logical operations on words, and only the bounding
// box of the union is looked at further. Distances come from an exact separable
// Euclidean distance transform (Felzenszwalb and Huttenlocher, Theory of
// Computing 2012) in which the last pass is evaluated at the surface pixels
// only. All metrics of one call share these transforms.
package metric
