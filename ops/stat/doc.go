// Package stat summarises and compares the per-case values of an evaluation.
//
// It is given slices of numbers, one per case, in which NaN is a missing value.
// It promises the numbers that scipy, numpy and statsmodels give for the same
// data, and it never lets a missing value pass unseen: descriptions and unpaired
// tests drop it, paired tests drop the pair, and every result says how many were
// dropped.
//
// Quantiles interpolate linearly between order statistics (type 7 of Hyndman and
// Fan, numpy's default). Standard deviations divide by n-1. Tests are two-sided.
//
// A result that the data cannot support is NaN, not zero: the interval of one
// value, the t statistic of two constant groups. Data that are constant up to
// the rounding of their mean count as constant, so that six times 0.4 has
// standard deviation 0 and not 6e-17.
//
// Resampling is seeded and gives the same numbers on every machine and with any
// number of cores: each resample draws from a random stream of its own.
package stat
