package plot

import (
	"strings"
	"testing"
)

func TestEpochsHaveWholeTicks(t *testing.T) {
	epochs := LineChart{Lines: []Line{{Name: "loss", X: []float64{1, 2, 3, 4, 5}, Y: []float64{5, 4, 3, 2, 1.5}}}}
	if svg := epochs.SVG(); strings.Contains(svg, ">1.5<") {
		t.Error("an axis of epochs has a tick at 1.5")
	}
	shares := LineChart{Lines: []Line{{Name: "Dice", X: []float64{0.5, 1, 1.5}, Y: []float64{5, 4, 3}}}}
	if svg := shares.SVG(); !strings.Contains(svg, ">0.6<") && !strings.Contains(svg, ">0.7<") {
		t.Error("an axis of shares has lost its fractions")
	}
}
