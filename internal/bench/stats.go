package bench

import (
	"math"
	"slices"
)

// median is the middle of the samples, or the mean of the two in the middle; 0 without any.
func median(samples []float64) float64 {
	n := len(samples)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// p90 is the smallest sample that at least nine in ten do not exceed, so that it is always one that was seen. Of fewer than
// ten samples it is the largest.
func p90(samples []float64) float64 {
	n := len(samples)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[int(math.Ceil(0.9*float64(n)))-1]
}
