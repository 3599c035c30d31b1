package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/train"
)

// What a training is shown of a sample is one part of it: image and target say of every pixel where it was.
func TestPartsOfSamplesAreOfOnePlace(t *testing.T) {
	const width, height, side = 30, 22, 12
	s := data.Sample{ID: "a", Width: width, Height: height, Channels: 3, Image: make([]uint8, 3*width*height), Mask: make([]uint8, width*height)}
	for i := range s.Mask {
		x, y := i%width, i/width
		s.Image[3*i], s.Image[3*i+1], s.Image[3*i+2] = uint8(x), uint8(y), 7
		s.Mask[i] = uint8(1 + (5*x+31*y)%251)
	}
	m := &Model{Built: &models.Model{}}
	x := &examples{samples: []data.Sample{s}, rows: make([][5]int32, 1)}
	src := patched{x, picturesOf(x, m), train.Patches{Foreground: 0.5}, extent{side, side}}
	corners := map[[2]float32]bool{}
	for seed := range uint64(40) {
		e := &train.Example{Image: make([]float32, 3*side*side), Target: make([]uint8, side*side)}
		if err := src.Fill(0, rand.New(rand.NewPCG(seed, 1)), e); err != nil {
			t.Fatal(err)
		}
		corner := [2]float32{e.Image[0], e.Image[1]}
		corners[corner] = true
		for i, got := range e.Target {
			px, py := int(corner[0])+i%side, int(corner[1])+i/side
			if e.Image[3*i] != float32(px) || e.Image[3*i+1] != float32(py) || e.Image[3*i+2] != 7 {
				t.Fatalf("pixel %d of the part at %v shows %v", i, corner, e.Image[3*i:3*i+3])
			}
			if want := uint8(1 + (5*px+31*py)%251); got != want {
				t.Fatalf("pixel %d of the part at %v: target %d, expected %d", i, corner, got, want)
			}
		}
	}
	if len(corners) < 20 {
		t.Errorf("%d places in 40 draws", len(corners))
	}
}
