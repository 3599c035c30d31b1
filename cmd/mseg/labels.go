package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/mseg-lang/mseg/ops/image"
)

// labelCounts counts the values of what looks like a label map: whole numbers, at most 256 different ones. nil otherwise.
func labelCounts(m *image.Image) map[string]int {
	counts := map[float64]int{}
	for _, v := range m.Float64() {
		if v != math.Trunc(v) || math.IsInf(v, 0) {
			return nil
		}
		counts[v]++
		if len(counts) > 256 {
			return nil
		}
	}
	out := map[string]int{}
	for v, n := range counts {
		out[fmt.Sprintf("%g", v)] = n
	}
	return out
}

// sortedLabels sorts names, numbers among them by value.
func sortedLabels[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int {
		x, errA := strconv.ParseFloat(a, 64)
		y, errB := strconv.ParseFloat(b, 64)
		if errA == nil && errB == nil && x != y {
			if x < y {
				return -1
			}
			return 1
		}
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	return out
}
