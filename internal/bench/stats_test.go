package bench

import (
	"slices"
	"testing"
)

func TestMedianAndP90(t *testing.T) {
	for _, c := range []struct {
		samples     []float64
		median, p90 float64
	}{
		{nil, 0, 0},
		{[]float64{3}, 3, 3},
		{[]float64{4, 1}, 2.5, 4},
		{[]float64{9, 1, 5}, 5, 9},
		{[]float64{5, 4, 3, 2, 1}, 3, 5},
		{[]float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 5.5, 9},
		{[]float64{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 6, 10},
		{[]float64{2, 2, 2, 100}, 2, 100},
	} {
		before := slices.Clone(c.samples)
		if m, p := median(c.samples), p90(c.samples); m != c.median || p != c.p90 {
			t.Errorf("%v: median %v, p90 %v", c.samples, m, p)
		}
		if !slices.Equal(c.samples, before) {
			t.Errorf("%v became %v", before, c.samples)
		}
	}
}
