package engine

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/train"
)

// prediction is the node that an evaluate node takes its predictions from. It has no metrics, groups or level among its arguments, so
// changing those runs no model.
func (e *Engine) prediction(n *ir.Node) *ir.Node {
	if p, ok := e.derived[n]; ok {
		return p
	}
	p := ir.Predictions(n)
	e.derived[n] = p
	return p
}

// Predictions is what a model answers to data: one mask a sample, in the order of the data.
type Predictions struct {
	Samples []string // keys
	Masks   [][]uint8
	Boxes   [][4]float32
	Quality []float64 // predicted IoU, empty when there is none
}

// prompted gives every sample the box and the points that the prompt asks for.
type prompted struct {
	*examples
	prompting
	seed uint64
}

func (p prompted) Fill(i int, rng *rand.Rand, into *train.Example) error {
	if err := p.examples.Fill(i, rng, into); err != nil {
		return err
	}
	into.Box = p.box(i)
	p.points.Prompt(into, p.samples[i].Width, func(part string) *rand.Rand { return p.draws(i, part) })
	return nil
}

// box is the tight box of the mask, moved outwards where the prompt is jittered; the draw depends on seed and sample only.
func (p prompted) box(i int) [4]float32 {
	s := p.samples[i]
	b, _ := data.BoxOf(s.Mask, s.Width)
	if p.jitter.Max > 0 {
		b = b.Jitter(p.jitter.Min, p.jitter.Max, s.Width, s.Height, p.draws(i, "box"))
	}
	return [4]float32{float32(b.X0), float32(b.Y0), float32(b.X1), float32(b.Y1)}
}

func runPredict(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	m, err := j.modelArg(ctx, n, "model")
	if err != nil {
		return nil, err
	}
	d, err := j.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	sliding, err := slidingOf(n, m)
	if err != nil {
		return nil, err
	}
	var x *examples
	if sliding != nil {
		x, err = j.samplesOf(n, "data", d)
	} else {
		x, err = j.examplesOf(n, "data", d, m)
	}
	if err != nil {
		return nil, err
	}
	prompt, err := promptFor(n, m)
	if err != nil {
		return nil, err
	}
	if x.guesses, err = j.guesses(ctx, n, prompt, d); err != nil {
		return nil, err
	}
	src := prompted{x, prompt, uint64(n.Int("seed"))}
	out := &Predictions{}
	notes := map[string]any{"samples": x.Len()}
	if m.Baseline != "" {
		for i, s := range d.Samples {
			b := src.box(i)
			out.add(baseline(m.Baseline, b, s.Width, s.Height), b)
		}
		return notes, writePredictions(w, d, out)
	}
	be, err := j.Backend()
	if err != nil {
		return nil, err
	}
	j.event(Event{Kind: "progress", Text: "compiling"})
	answered := func(i int, mask []uint8, box [4]float32) {
		out.add(mask, box)
		j.event(Event{Kind: "progress", Done: i + 1, Total: x.Len(), Unit: "images"})
	}
	if sliding != nil {
		err = j.slide(ctx, be, m, x, *sliding, n.Int("batch"), func(i int, mask []uint8) { answered(i, mask, noBox) })
	} else {
		err = j.ask(ctx, be, m, x, src, out, answered)
	}
	if err != nil {
		return nil, err
	}
	notes["backend"] = be.Provenance()
	return notes, writePredictions(w, d, out)
}

func (p *Predictions) add(mask []uint8, box [4]float32) {
	p.Masks, p.Boxes = append(p.Masks, mask), append(p.Boxes, box)
}

// ask shows the network every sample as a whole, with its prompt, and hands out the mask that counts.
func (j *Job) ask(ctx context.Context, be *graph.Backend, m *Model, x *examples, src prompted, out *Predictions, answered func(i int, mask []uint8, box [4]float32)) error {
	n, points := j.Node, src.points
	sel := map[string]train.Selection{"predicted_iou": train.SelectQuality, "first": train.SelectFirst, "oracle": train.SelectOracle}[n.Text("select")]
	p, from, err := j.predictor(ctx, be, m, x, src, train.PredictorConfig{Batch: min(n.Int("batch"), x.Len()), Select: sel, Points: points, Refine: src.refine})
	if err != nil {
		return err
	}
	defer p.Free()
	params, err := m.placed(be)
	if err != nil {
		return err
	}
	defer params.Free()
	return p.Predict(ctx, params, from, func(i int, ex *train.Example, a *train.Prediction) error {
		box := ex.Box
		if points.NoBox {
			box = noBox
		}
		if a.IoU != nil {
			out.Quality = append(out.Quality, float64(a.IoU[a.Chosen]))
		}
		answered(i, a.Binary(nil), box)
		return nil
	})
}

// baseline draws the mask of a box without looking at the image.
func baseline(kind string, b [4]float32, width, height int) []uint8 {
	mask := make([]uint8, width*height)
	cx, cy := float64(b[0]+b[2])/2, float64(b[1]+b[3])/2
	rx, ry := float64(b[2]-b[0]+1)/2, float64(b[3]-b[1]+1)/2
	for y := max(0, int(b[1])); y <= min(height-1, int(b[3])); y++ {
		for x := max(0, int(b[0])); x <= min(width-1, int(b[2])); x++ {
			u, v := (float64(x)-cx)/rx, (float64(y)-cy)/ry
			if kind == "box_fill" || u*u+v*v <= 1 {
				mask[y*width+x] = 1
			}
		}
	}
	return mask
}

// predictionIndex lies beside the masks: predictions.npz holds an array of masks for each size of sample.
type predictionIndex struct {
	Samples []string     `json:"samples"`
	Array   []string     `json:"array"` // name of the array in predictions.npz
	Row     []int        `json:"row"`
	Boxes   [][4]float32 `json:"boxes"`
	Quality []float64    `json:"predicted_iou,omitempty"`
}

func writePredictions(w *store.Writer, d *Data, p *Predictions) error {
	ix := predictionIndex{Boxes: p.Boxes, Quality: p.Quality}
	pixels := map[string][]uint8{}
	shape := map[string][]int{}
	for i, s := range d.Samples {
		name := fmt.Sprintf("masks_%dx%d", s.Height, s.Width)
		sh, ok := shape[name]
		if !ok {
			sh = []int{0, s.Height, s.Width}
		}
		ix.Samples = append(ix.Samples, s.Key())
		ix.Array = append(ix.Array, name)
		ix.Row = append(ix.Row, sh[0])
		sh[0]++
		shape[name] = sh
		pixels[name] = append(pixels[name], p.Masks[i]...)
	}
	arrays := map[string]*image.Array{}
	for name, px := range pixels {
		arrays[name] = image.NewArray(px, shape[name]...)
	}
	if err := image.WriteNPZ(w.Path("predictions.npz"), arrays); err != nil {
		return err
	}
	return w.WriteJSON("predictions.json", ix)
}

func loadPredict(_ context.Context, _ *Job, a *store.Artefact) (any, error) {
	var ix predictionIndex
	if err := a.ReadJSON("predictions.json", &ix); err != nil {
		return nil, err
	}
	arrays, err := image.ReadNPZ(a.Path("predictions.npz"))
	if err != nil {
		return nil, err
	}
	out := &Predictions{Samples: ix.Samples, Boxes: ix.Boxes, Quality: ix.Quality}
	for i := range ix.Samples {
		arr := arrays[ix.Array[i]]
		if arr == nil || len(arr.Shape) != 3 || ix.Row[i] >= arr.Shape[0] {
			return nil, fmt.Errorf("%s does not hold what its index says", a.Path("predictions.npz"))
		}
		size := arr.Shape[1] * arr.Shape[2]
		out.Masks = append(out.Masks, arr.Uint8()[ix.Row[i]*size:][:size])
	}
	return out, nil
}
