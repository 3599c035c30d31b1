package sam_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

var medsegx = []string{"medsegx-tiny", "medsegx-tiny-v1", "medsegx-tiny-pos"}

// eachFixture runs a test for every MedSegX fixture on every backend.
func eachFixture(t *testing.T, test func(t *testing.T, f *fixture, b *graph.Backend)) {
	for _, folder := range medsegx {
		t.Run(folder, func(t *testing.T) {
			f := load(t, folder)
			eachBackend(t, func(t *testing.T, b *graph.Backend) { test(t, f, b) })
		})
	}
}

func TestStateDictHasTheReferencesKeys(t *testing.T) {
	for _, folder := range append([]string{"sam-tiny", "medsam-tiny"}, medsegx...) {
		t.Run(folder, func(t *testing.T) { load(t, folder).sameKeys(t) })
	}
}

// tolerance follows what separates float32 from float64 in the reference.
func tolerance(name string) (abs, rel float64) {
	switch {
	case strings.Contains(name, "gate"):
		return 2e-6, 0
	case strings.Contains(name, "iou"):
		return 2e-5, 0
	case strings.HasPrefix(name, "decoder."), strings.Contains(name, "masks"), strings.Contains(name, "logits"):
		return 5e-4, 2e-4
	}
	return 5e-5, 1e-4
}

// activation finds what the network computed under a name of the reference, in
// the reference's layout.
func (f *fixture) activation(t *testing.T, name string, r *graph.Result) []float32 {
	t.Helper()
	switch name {
	case "masks3":
		return r.Outputs[0].Data
	case "masks4":
		return tapped(t, r, "mask_decoder.masks").Data
	case "iou4":
		return tapped(t, r, "mask_decoder.iou").Data
	case "decoder.upscaled":
		return channelsFirst(tapped(t, r, "mask_decoder.upscaled"))
	case "preprocessed", "image_embedding":
		return channelsFirst(tapped(t, r, "image_encoder."+name))
	case "sparse":
		return tapped(t, r, "prompt_encoder.sparse").Data
	case "dense", "dense_pe":
		x := tapped(t, r, "prompt_encoder."+name)
		data := channelsFirst(x)
		for len(data) < f.forward[name].Len() { // one map serves the whole batch
			data = append(data, data[:x.Dims[1]*x.Dims[2]*x.Dims[3]]...)
		}
		return data
	}
	var i int
	var rest string
	switch {
	case strings.HasPrefix(name, "decoder.layer"):
		if _, err := fmt.Sscanf(name, "decoder.layer%d.%s", &i, &rest); err != nil {
			t.Fatal(err)
		}
		return tapped(t, r, fmt.Sprintf("mask_decoder.transformer.layers.%d.%s", i, rest)).Data
	case strings.HasPrefix(name, "decoder."):
		return tapped(t, r, "mask_"+name).Data
	case strings.HasPrefix(name, "block"):
		rest = "out"
		if n, _ := fmt.Sscanf(name, "block%d.%s", &i, &rest); n == 0 {
			t.Fatalf("no activation is known as %q", name)
		}
		rest = strings.TrimSuffix(rest, "_windows")
		if rest == "mlp" {
			return tapped(t, r, fmt.Sprintf("image_encoder.blocks.%d.mlp_out", i)).Data
		}
		return tapped(t, r, fmt.Sprintf("image_encoder.blocks.%d.%s", i, rest)).Data
	case strings.HasPrefix(name, "gate"), strings.HasPrefix(name, "organ_gate"):
		kind := strings.TrimRight(name, "0123456789")
		return tapped(t, r, fmt.Sprintf("image_encoder.blocks.%s.mlp.%s", name[len(kind):], kind)).Data
	}
	return tapped(t, r, "image_encoder."+name).Data
}

// expected are the reference's values; windows are joined and their pads
// dropped, as the network never computes what pads attend to.
func (f *fixture) expected(name string) []float64 {
	want := f.forward[name]
	if !strings.HasSuffix(name, "attn_windows") {
		return want.Float64()
	}
	data := want.Float64()
	size, c, grid := want.Shape[1], want.Shape[3], f.config.Grid()
	side := (grid + size - 1) / size
	var joined []float64
	for b := range want.Shape[0] / (side * side) {
		for y := range grid {
			for x := range grid {
				window := (b*side+y/size)*side + x/size
				at := ((window*size+y%size)*size + x%size) * c
				joined = append(joined, data[at:at+c]...)
			}
		}
	}
	return joined
}

func tapped(t *testing.T, r *graph.Result, name string) *graph.Tensor {
	t.Helper()
	x, ok := r.Taps[name]
	if !ok {
		var have []string
		for n := range r.Taps {
			have = append(have, n)
		}
		slices.Sort(have)
		t.Fatalf("no activation %q among %s", name, strings.Join(have, ", "))
	}
	return x
}

func channelsFirst(x *graph.Tensor) []float32 {
	return golden.ChannelsFirst(x.Data, x.Dims[0], x.Dims[3], x.Dims[1], x.Dims[2])
}

// withTarget is the input shapes with the target (B,S,S) behind them.
func withTarget(batch, size int) []graph.Shape {
	return append(models.InputShapes(batch, size), graph.F32(batch, size, size))
}

// loss is MedSegX's: Dice plus cross-entropy, the best mask of each sample, the
// mean over the batch.
func (f *fixture) loss(s *graph.Scope, in []*gx.Node) (loss *gx.Node, parts []*gx.Node) {
	out := f.config.Network()(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]})
	dice, bce := graph.DiceLoss(s, out.Masks, in[4]), graph.BCELoss(s, out.Masks, in[4])
	best, chosen := graph.BestOfMasks(gx.Add(dice, bce))
	return graph.Mean(s, best), []*gx.Node{out.Masks, dice, bce, gx.ConvertDType(chosen, s.DType())}
}

type lossFile struct {
	Float64 struct {
		Dice   [][]float64 `json:"dice_loss[mask][sample]"`
		BCE    [][]float64 `json:"bce[mask][sample]"`
		Chosen []float64   `json:"chosen_mask[sample]"`
		Loss   float64     `json:"loss"`
	} `json:"float64"`
	Steps struct {
		Losses []float64 `json:"loss_before_each_step_then_after_the_last"`
	} `json:"steps"`
}

func bySample(masks [][]float64) []float64 {
	var out []float64
	for sample := range masks[0] {
		for mask := range masks {
			out = append(out, masks[mask][sample])
		}
	}
	return out
}

// Every activation that the reference recorded, the loss, its parts, and its
// gradient for every trainable tensor.
func TestForwardAndGradientOfMedSegX(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture, b *graph.Backend) {
		grads := golden.Arrays(t, f.folder, "grads.npz")
		trained := slices.Sorted(maps.Keys(grads))
		build := func(s *graph.Scope, in []*gx.Node) []*gx.Node {
			loss, parts := f.loss(s, in)
			var wrt []*gx.Node
			for _, name := range trained {
				w, _ := f.weights.Get(name)
				wrt = append(wrt, s.Param(name, nil, w.Dims...))
			}
			return append(append(parts, loss), gx.Gradient(loss, wrt...)...)
		}
		r := run(t, b, graph.ProgramConfig{Training: true, Taps: graph.AllTaps}, f.weights,
			withTarget(2, f.config.Image), build, append(f.inputs(t), f.target())...)

		d := &differences{t: t}
		for _, name := range slices.Sorted(maps.Keys(f.forward)) {
			abs, rel := tolerance(name)
			d.check(name, f.activation(t, name, r), f.expected(name), abs, rel)
		}
		var want lossFile
		golden.JSON(t, &want, f.folder, "loss.json")
		d.check("dice", r.Outputs[1].Data, bySample(want.Float64.Dice), 2e-6, 0)
		d.check("bce", r.Outputs[2].Data, bySample(want.Float64.BCE), 2e-6, 0)
		d.check("chosen", r.Outputs[3].Data, want.Float64.Chosen, 0, 0)
		d.check("loss", r.Outputs[4].Data, []float64{want.Float64.Loss}, 2e-6, 0)
		d.log()

		compareGradients(t, trained, r.Outputs[5:], grads)
	})
}

// noGradient is true for the biases of keys: softmax ignores a constant that is
// added to all of them, so their gradient is rounding noise.
// keyNoise is how large the noise may be; real gradients here are 1e-3 to 1.
const keyNoise = 2e-6

func noGradient(name string) bool { return strings.HasSuffix(name, "k_proj.bias") }

// One and five steps of AdamW on the trainable tensors of the reference.
func TestStepsOfMedSegX(t *testing.T) {
	f := load(t, medsegx[0])
	eachBackend(t, func(t *testing.T, b *graph.Backend) {
		var want lossFile
		golden.JSON(t, &want, f.folder, "loss.json")
		after := golden.Arrays(t, f.folder, "step.npz")

		step, err := graph.NewStep(b, graph.StepConfig{
			Name:      t.Name(),
			Trainable: func(name string) bool { return slices.Contains(f.meta.Trainable, name) },
			Optimizer: graph.DefaultAdamW(),
		}, withTarget(2, f.config.Image), f.loss)
		if err != nil {
			t.Fatal(err)
		}
		defer step.Free()
		if untouched := step.Unreached(); !sameNames(untouched, f.meta.None) {
			t.Errorf("without gradient: %v, expected %v", untouched, f.meta.None)
		}
		placed := b.Place(f.weights)
		defer placed.Free()
		if err := step.Start(placed, nil); err != nil {
			t.Fatal(err)
		}
		inputs := append(f.inputs(t), f.target())
		for i := range 5 {
			r, err := step.Run(context.Background(), 1e-3, 1, inputs...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := math.Abs(r.Loss - want.Steps.Losses[i]); !(diff <= 1e-5) {
				t.Errorf("loss before step %d is %g, expected %g", i+1, r.Loss, want.Steps.Losses[i])
			}
			if i == 0 || i == 4 {
				compareParameters(t, fmt.Sprintf("step%d/", i+1), placed, f, after)
			}
		}
	})
}

func sameNames(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// compareParameters allows for what Adam makes of rounding: it divides the
// gradient by its own size, so where the exact gradient is nearly zero the sign
// of a step is noise.
func compareParameters(t *testing.T, prefix string, placed *graph.DeviceParams, f *fixture, after map[string]*image.Array) {
	t.Helper()
	close, share, bound := 1e-5, 0.999, 2.1e-3
	if prefix == "step5/" {
		close, share, bound = 5e-5, 0.995, 1.1e-2
	}
	host, err := placed.Host()
	if err != nil {
		t.Fatal(err)
	}
	total, near, worst := 0, 0, 0.0
	for _, name := range f.meta.Trainable {
		if noGradient(name) {
			continue
		}
		got, ok := host.Get(name)
		want, known := after[prefix+name]
		if !ok || !known || len(got.Data) != want.Len() {
			t.Fatalf("%s%s: nothing to compare with", prefix, name)
		}
		for i, w := range want.Float64() {
			diff := math.Abs(float64(got.Data[i]) - w)
			total++
			if diff <= close {
				near++
			}
			worst = max(worst, diff)
		}
	}
	t.Logf("%s: %.4f %% of %d parameters within %g, largest difference %.1e", prefix, 100*float64(near)/float64(total), total, close, worst)
	if float64(near) < share*float64(total) || !(worst <= bound) {
		t.Errorf("%s: %d of %d parameters differ by more than %g, the largest by %g", prefix, total-near, total, close, worst)
	}
}
