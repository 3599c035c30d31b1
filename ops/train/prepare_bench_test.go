package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mseg-lang/mseg/ops/graph"
)

// square is a source that costs nothing: a bright square.
type square struct{ side int }

func (square) Len() int { return 1 << 20 }

func (s square) Fill(i int, _ *rand.Rand, into *Example) error {
	for p := range into.Target {
		x, y := p%s.side, p/s.side
		into.Target[p] = 0
		if x > s.side/4 && x < s.side/2 && y > s.side/4 && y < s.side/2 {
			into.Target[p] = 1
		}
		v := float32(60 + 100*int(into.Target[p]) + p%7)
		into.Image[3*p], into.Image[3*p+1], into.Image[3*p+2] = v, v, v
	}
	into.Box, _ = boundingBox(into.Target, s.side)
	into.Name = "square"
	return nil
}

// How many images a second can be prepared decides whether a fast device starves: batches of 16 at 256 px, without augmentation and with all of
// it, by one goroutine and by several.
func BenchmarkPrepare(b *testing.B) {
	const side = 256
	all := Augment{FlipHorizontal: 0.5, FlipVertical: 0.5, Rotate: 15, Scale: [2]float64{0.9, 1.1}, Gain: [2]float64{0.8, 1.2}, Bias: [2]float64{-25, 25},
		Gamma: [2]float64{0.8, 1.2}, Noise: 5, Blur: 1}
	for name, a := range map[string]Augment{"plain": {}, "augmented": all} {
		for _, workers := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, workers), func(b *testing.B) {
				in := newBatch(layout{count: 16, width: side, height: side})
				samples := make([]int, 16)
				images := 0
				for b.Loop() {
					for k := range samples {
						samples[k] = images + k
					}
					rng := func(i int) *rand.Rand { return graph.Stream(1, fmt.Sprint(i)) }
					if err := in.fill(context.Background(), square{side}, samples, workers, rng, func(_, i int, e *Example) {
						if a != (Augment{}) {
							a.apply(rng(i), e, side)
						}
					}); err != nil {
						b.Fatal(err)
					}
					images += len(samples)
				}
				b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}
