package unet

import (
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestValuesAreThoseOfTheReference(t *testing.T) {
	for name, r := range references(t) {
		p := Plan{Patch: r.Size, Features: r.Features, Kernels: r.Kernels, Strides: r.Strides, Encoder: r.Encoder, Decoder: r.Decoder, Residual: r.Residual}
		if got := p.values(1); got != r.FeatureMapSize {
			t.Errorf("%s: %d values, the reference counts %d", name, got, r.FeatureMapSize)
		}
	}
}

// The plans of nnunetv2 2.8.1 for the same fingerprints: its topology and its networks' own count of values, in the loops of its planners.
func TestPlansAreThoseOfTheReference(t *testing.T) {
	square := func(side, samples int) Fingerprint {
		return Fingerprint{Shape: []int{side, side}, Spacing: []float64{1, 1}, Values: float64(side * side * samples), Outputs: 1}
	}
	of := func(shape []int, spacing ...float64) Fingerprint {
		return Fingerprint{Shape: shape, Spacing: spacing, Values: 1e12, Outputs: 1}
	}
	for _, c := range []struct {
		name     string
		f        Fingerprint
		residual bool
		memory   float64
		patch    []int
		halvings []int // by axis
		batch    int
		values   int
	}{
		// The example data set of nnU-Net's documentation: 260 cases of 36×50×35, three classes.
		{"hippocampus", Fingerprint{Shape: []int{50, 35}, Spacing: []float64{1, 1}, Values: 36 * 50 * 35 * 260, Outputs: 3}, false, 8, []int{56, 40}, []int{3, 3}, 366, 651840},
		{"512 px", square(512, 1e6), false, 8, []int{512, 512}, []int{7, 7}, 12, 82362368},
		{"512 px in 4 GiB", square(512, 1e6), false, 4, []int{512, 512}, []int{7, 7}, 6, 82362368},
		{"64 px", square(64, 1e6), false, 8, []int{64, 64}, []int{4, 4}, 816, 1249280},
		{"few images", square(64, 100), false, 8, []int{64, 64}, []int{4, 4}, 5, 1249280},
		{"very few images", square(64, 10), false, 8, []int{64, 64}, []int{4, 4}, 2, 1249280},
		{"between the strides", square(50, 1e6), false, 8, []int{56, 56}, []int{3, 3}, 1125, 906304},
		{"least", square(8, 1e6), false, 8, []int{8, 8}, []int{1, 1}, 50000, 12352},
		{"1024 px", square(1024, 1e6), false, 8, []int{1024, 1024}, []int{8, 8}, 3, 329564160},
		{"2048 px shrink", square(2048, 1e6), false, 8, []int{1280, 1024}, []int{8, 8}, 2, 411955200},
		{"another spacing, shrunk", of([]int{2048, 1500}, 1, 1.3), false, 8, []int{1536, 1024}, []int{8, 8}, 2, 494346240},
		{"one axis is coarse", of([]int{64, 64}, 3, 1), false, 8, []int{64, 64}, []int{3, 4}, 555, 1839104},
		{"one axis is coarse and short", of([]int{64, 256}, 3, 1), false, 8, []int{64, 256}, []int{4, 5}, 134, 7585792},
		{"volumes", of([]int{64, 64, 64}, 1, 1, 1), false, 8, []int{64, 64, 64}, []int{4, 4, 4}, 20, 56008704},
		{"large volumes", of([]int{300, 300, 300}, 1, 1, 1), false, 8, []int{128, 128, 128}, []int{5, 5, 5}, 2, 448602112},
		{"thick slices", of([]int{16, 128, 128}, 5, 1, 1), false, 8, []int{16, 128, 128}, []int{2, 5, 5}, 15, 76734464},
		{"residual 512 px", square(512, 1e6), true, 8, []int{512, 512}, []int{7, 7}, 13, 129179648},
		{"residual 1024 px", square(1024, 1e6), true, 8, []int{512, 512}, []int{7, 7}, 13, 129179648},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := PlanFor(c.f, RulesFor(len(c.f.Shape), c.residual), c.residual, c.memory)
			if err != nil {
				t.Fatal(err)
			}
			halvings := make([]int, len(p.Patch))
			for a, d := range p.divisor() {
				halvings[a] = bits.Len(uint(d)) - 1
			}
			if !slices.Equal(p.Patch, c.patch) || !slices.Equal(halvings, c.halvings) || p.Batch != c.batch || p.Values != c.values {
				t.Errorf("%v, halvings %v, %d values; expected patch %v, halvings %v, batch %d, %d values", p, halvings, p.Values, c.patch, c.halvings, c.batch, c.values)
			}
			if err := p.Staged(p.Patch).Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestChannelsStopGrowing(t *testing.T) {
	p, err := PlanFor(Fingerprint{Shape: []int{256, 256}, Spacing: []float64{1, 1}, Values: 1e9, Outputs: 1}, RulesFor(2, false), false, 8)
	if err != nil || !slices.Equal(p.Features, []int{32, 64, 128, 256, 512, 512, 512}) {
		t.Errorf("channels %v, %v", p.Features, err)
	}
}

// The kernels of a coarse axis are 1 until the finer ones have caught up.
func TestKernelsOfThickSlices(t *testing.T) {
	strides, kernels := RulesFor(3, false).topology([]float64{5, 1, 1}, []int{16, 128, 128})
	if want := [][]int{{1, 1, 1}, {1, 2, 2}, {1, 2, 2}, {2, 2, 2}, {2, 2, 2}, {1, 2, 2}}; !reflect.DeepEqual(strides, want) {
		t.Errorf("strides %v, expected %v", strides, want)
	}
	if want := [][]int{{1, 3, 3}, {1, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}}; !reflect.DeepEqual(kernels, want) {
		t.Errorf("kernels %v, expected %v", kernels, want)
	}
}

func TestPlanRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		f      Fingerprint
		memory float64
	}{
		"too small to be halved": {Fingerprint{Shape: []int{7, 7}, Spacing: []float64{1, 1}, Values: 1, Outputs: 1}, 8},
		"expected two or three":  {Fingerprint{Shape: []int{64}, Spacing: []float64{1}, Values: 1, Outputs: 1}, 8},
		"numbers above 0":        {Fingerprint{Shape: []int{64, 64}, Spacing: []float64{1, 0}, Values: 1, Outputs: 1}, 8},
		"0.0001 GiB":             {Fingerprint{Shape: []int{64, 64}, Spacing: []float64{1, 1}, Values: 1, Outputs: 1}, 1e-4},
	} {
		if p, err := PlanFor(c.f, RulesFor(2, false), false, c.memory); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v; expected an error with %q", p, err, want)
		}
	}
}
