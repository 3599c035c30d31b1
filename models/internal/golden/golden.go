// Package golden finds numbers that the reference implementations computed, for
// the tests of the models. The files lie beside the repository, not in it
// (../shared/golden seen from its root); where they are absent the test is
// skipped with a plain message.
package golden

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"

	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// Path is a file or folder among the numbers, or among other shared data if
// it begins with "../".
func Path(t testing.TB, elements ...string) string {
	t.Helper()
	return nearby.Path(t, "golden", elements...)
}

// Arrays reads a .npz file.
func Arrays(t testing.TB, elements ...string) map[string]*image.Array {
	t.Helper()
	arrays, err := image.ReadNPZ(Path(t, elements...))
	if err != nil {
		t.Fatal(err)
	}
	return arrays
}

// Weights reads a safetensors file.
func Weights(t testing.TB, elements ...string) *graph.Params {
	t.Helper()
	params, err := weights.Read(Path(t, elements...))
	if err != nil {
		t.Fatal(err)
	}
	return params
}

// JSON reads a JSON file into a value.
func JSON(t testing.TB, into any, elements ...string) {
	t.Helper()
	raw, err := os.ReadFile(Path(t, elements...))
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Close fails the test unless got and want differ by at most abs + rel·|want|
// everywhere. It returns the largest difference.
func Close(t testing.TB, what string, got []float32, want []float64, abs, rel float64) float64 {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, expected %d", what, len(got), len(want))
		return math.Inf(1)
	}
	worst, bad, at := 0.0, 0, -1
	for i := range got {
		d := math.Abs(float64(got[i]) - want[i])
		if d > worst || math.IsNaN(d) {
			worst, at = d, i
		}
		if !(d <= abs+rel*math.Abs(want[i])) {
			bad++
		}
	}
	if bad > 0 {
		t.Errorf("%s: %d of %d values differ by more than %.2g + %.2g of the value; worst at %d: %g, expected %g",
			what, bad, len(got), abs, rel, at, got[at], want[at])
	}
	return worst
}

// ChannelsLast turns (B,C,H,W) into (B,H,W,C).
func ChannelsLast(data []float32, b, c, h, w int) []float32 {
	out := make([]float32, len(data))
	for i := range b {
		for j := range c {
			for k := range h * w {
				out[(i*h*w+k)*c+j] = data[(i*c+j)*h*w+k]
			}
		}
	}
	return out
}

// ChannelsFirst turns (B,H,W,C) into (B,C,H,W).
func ChannelsFirst(data []float32, b, c, h, w int) []float32 {
	out := make([]float32, len(data))
	for i := range b {
		for j := range c {
			for k := range h * w {
				out[(i*c+j)*h*w+k] = data[(i*h*w+k)*c+j]
			}
		}
	}
	return out
}
