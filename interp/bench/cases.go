package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/sam"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// Case is one thing to measure.
type Case struct {
	Name  string
	Doc   string
	Peers []string // names of the peers' lines that measure the same; * stands for anything
	Batch int      // where no other is asked for
	Unit  string   // of the times; image where it is empty
	Fixed bool     // neither batch nor precision can be chosen

	prepare func(b *graph.Backend, s Setting) (*work, error)
}

// work is a prepared case.
type work struct {
	run    func() (device time.Duration, err error)
	loop   func(e Effort) (Line, error) // instead of run: it repeats itself
	params int
	peakMB func() int // of a case that runs processes of its own; nil elsewhere
	free   func()
}

const side = 256 // of all images, pixels

// Cases in the order of the table.
var Cases = []Case{
	{Name: "sam", Doc: "image encoder of SAM ViT-B at 256 px", Batch: 1, prepare: encoder(nil),
		Peers: []string{"torch_medsegx/sam", "onnxruntime/sam-*-b1", "openvino/sam-*-b1", "jax_vit/fwd"}},
	{Name: "sam-bound", Doc: "only the matrix products of that encoder: what the backend itself allows", Batch: 1, prepare: bound},
	{Name: "encode", Doc: "image encoder with four experts in every block", Batch: 1, prepare: encoder(mixture()),
		Peers: []string{"torch_medsegx/encode", "onnxruntime/encode-*-b1", "openvino/encode-*-b1"}},
	{Name: "infer", Doc: "MedSegX-B: image and box to three masks at 256 px", Batch: 1, prepare: infer,
		Peers: []string{"torch_medsegx/infer", "onnxruntime/infer-*-b1", "openvino/infer-*-b1"}},
	{Name: "decode", Doc: "a further box on a ready embedding", Batch: 1, prepare: decode, Peers: []string{"torch_medsegx/decode"}},
	{Name: "train", Doc: "MedSegX-B, one AdamW step of experts and decoder", Batch: 2, prepare: step("vit_b", experts.Published, models.Experts, models.Decoder), Peers: []string{"torch_medsegx/train"}},
	{Name: "full", Doc: "MedSegX-B, one AdamW step of everything", Batch: 2, prepare: step("vit_b", experts.Published, models.All), Peers: []string{"torch_medsegx/full"}},
	{Name: "decoder-images", Doc: "SAM ViT-B, one AdamW step of the decoder, the encoder in the loop", Batch: 16, prepare: decoderStep(false)},
	{Name: "decoder", Doc: "SAM ViT-B, one AdamW step of the decoder on embeddings that are kept", Batch: 16, prepare: decoderStep(true)},
	{Name: "loop-train", Doc: "MedSegX-B trained by the whole engine: images from the store, augmented, checkpoints", Batch: 2, prepare: loop(medsegxLoop)},
	{Name: "loop-unet", Doc: "the U-Net trained likewise", Batch: 4, prepare: loop(unetLoop)},
	{Name: "first-result", Doc: "a whole process: start, read weights, answer one image with MedSegX-B", Batch: 1, Unit: "process", Fixed: true, prepare: firstResult(false),
		Peers: []string{"torch_first_result", "torch_monai_first_result"}},
	{Name: "first-result-cold", Doc: "that process where nothing has been compiled before", Batch: 1, Unit: "process", Fixed: true, prepare: firstResult(true),
		Peers: []string{"torch_first_result", "torch_monai_first_result"}},
	{Name: "unet-infer", Doc: "U-Net of 16 channels and four levels, instance norm", Batch: 1, prepare: unetCase(inst16(), false), Peers: []string{"torch_unet/inst16/infer"}},
	{Name: "unet-train", Doc: "that U-Net, one AdamW step", Batch: 1, prepare: unetCase(inst16(), true), Peers: []string{"torch_unet/inst16/train"}},
	{Name: "basic-infer", Doc: "U-Net in the shapes of MONAI's BasicUNet, 32 to 256 channels", Batch: 1, prepare: unetCase(basicUNet(), false), Peers: []string{"torch_unet/basic/infer"}},
	{Name: "basic-train", Doc: "that BasicUNet, one AdamW step", Batch: 1, prepare: unetCase(basicUNet(), true), Peers: []string{"torch_unet/basic/train"}},
}

// Find is the case of that name.
func Find(name string) (Case, error) {
	i := slices.IndexFunc(Cases, func(c Case) bool { return c.Name == name })
	if i < 0 {
		return Case{}, fmt.Errorf("there is no case %q to measure; mseg bench --list shows them", name)
	}
	return Cases[i], nil
}

// Run prepares and measures the case on a backend, which has been opened for the setting's precision (see Setting.Options). A batch of 0 is the
// case's own.
func (c Case) Run(b *graph.Backend, s Setting, e Effort) (Line, error) {
	if s.Batch == 0 {
		s.Batch = c.Batch
	}
	w, err := c.prepare(b, s)
	if err != nil {
		return Line{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	if w.free != nil {
		defer w.free()
	}
	var l Line
	driver := watch{b: b}
	e.Begin = driver.begin
	switch {
	case c.Unit == "process":
		l, err = repeatProcess(w.run, e)
	case w.loop != nil:
		l, err = w.loop(e)
	default:
		l, err = Repeat(w.run, s.Batch, e)
	}
	usage := driver.end()
	if err != nil {
		return Line{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	facts := b.Provenance()
	l.Name, l.Setting, l.Params, l.Unit, l.Threads = "mseg/"+c.Name, s, w.params, c.Unit, facts.Threads
	l.Device, l.GPU = facts.Device, usage
	if l.Unit == "" {
		l.Unit = "image"
	}
	l.Options = []string{"backend=" + facts.Backend}
	l.Versions = map[string]string{"go": runtime.Version()}
	if facts.PJRT != "" {
		l.Versions["pjrt"] = facts.PJRT
	}
	if facts.Device != "" {
		l.Versions["plugin"], l.Versions["plugin_sha256"] = filepath.Base(facts.Plugin), facts.PluginSHA256
	}
	if w.peakMB != nil {
		l.PeakMB = w.peakMB()
	}
	return l, nil
}

func mixture() *experts.Config {
	c := experts.Published()
	return &c
}

// program compiles a network with drawn parameters.
func program(b *graph.Backend, set Setting, inputs []graph.Shape, values []graph.Value, build graph.Build) (*work, error) {
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "bench", Precision: set.halves()}, inputs, build)
	if err != nil {
		return nil, err
	}
	params, err := graph.Initialise(p.Specs(), 1)
	if err != nil {
		p.Free()
		return nil, err
	}
	placed := b.Place(params)
	return &work{
		params: params.Count(),
		run: func() (time.Duration, error) {
			_, err := p.Call(context.Background(), placed, 0, values...)
			return 0, err // copies of inputs and results are part of an answer
		},
		free: func() { p.Free(); placed.Free() },
	}, nil
}

// encoder is the image encoder alone, as the peers' scripts run it.
func encoder(mix *experts.Config) func(*graph.Backend, Setting) (*work, error) {
	return func(b *graph.Backend, set Setting) (*work, error) {
		c := vitB()
		c.Experts = mix
		return program(b, set, models.InputShapes(set.Batch, side), example(set.Batch), func(s *graph.Scope, in []*graph.Node) []*graph.Node {
			y, _ := c.Encode(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]})
			return []*graph.Node{y}
		})
	}
}

func vitB() sam.Config {
	c := sam.Base()
	c.Image, c.KeepResolution = side, true
	return c
}

func infer(b *graph.Backend, set Setting) (*work, error) {
	m, err := models.Build(models.Config{Architecture: "vit_b", Image: side, Experts: mixture()})
	if err != nil {
		return nil, err
	}
	return program(b, set, models.InputShapes(set.Batch, side), example(set.Batch), models.Flat(m.Network))
}

// decode runs the second half of the network on an embedding that is given.
func decode(b *graph.Backend, set Setting) (*work, error) {
	c := vitB()
	grid, batch := c.Grid(), set.Batch
	embedding := noise("embedding", batch*grid*grid*c.Prompt)
	inputs := []graph.Shape{graph.F32(batch, grid, grid, c.Prompt), graph.F32(batch, 4)}
	values := []graph.Value{graph.Floats(embedding, inputs[0].Dims...), graph.Floats(boxes(batch), batch, 4)}
	return program(b, set, inputs, values, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		out := c.Decode(s, in[0], sam.Prompts{Box: in[1]})
		return []*graph.Node{out.Masks, out.IoU}
	})
}

// step is a training step of a promptable network: loss and optimiser are MedSegX's.
func step(architecture string, mix func() experts.Config, groups ...string) func(*graph.Backend, Setting) (*work, error) {
	return func(b *graph.Backend, set Setting) (*work, error) {
		c := mix()
		m, err := models.Build(models.Config{Architecture: architecture, Image: side, Experts: &c})
		if err != nil {
			return nil, err
		}
		var keep []func(string) bool
		for _, g := range groups {
			f, err := m.Group(g)
			if err != nil {
				return nil, err
			}
			keep = append(keep, f)
		}
		trainable := func(name string) bool {
			return slices.ContainsFunc(keep, func(f func(string) bool) bool { return f(name) })
		}
		return training(b, m.Network, trainable, set, nil)
	}
}

// decoderStep trains the decoder of a network whose encoder stays as it is, on images or on embeddings.
func decoderStep(embeddings bool) func(*graph.Backend, Setting) (*work, error) {
	return func(b *graph.Backend, set Setting) (*work, error) {
		m, err := models.Build(models.Config{Architecture: "vit_b", Image: side})
		if err != nil {
			return nil, err
		}
		trainable, err := m.Group(models.Decoder)
		if err != nil {
			return nil, err
		}
		if embeddings {
			return training(b, m.Halves.Second, trainable, set, []int{m.Halves.Input})
		}
		return training(b, m.Network, trainable, set, nil)
	}
}

// training is one step of a network; in is the shape of what it reads for each image where that is no image.
func training(b *graph.Backend, net graph.Network, trainable func(string) bool, set Setting, in []int) (*work, error) {
	batch := set.Batch
	values := example(batch)
	inputs := append(models.InputShapes(batch, side), graph.F32(batch, side, side))
	if in != nil {
		dims := append([]int{batch}, in...)
		inputs[0], values[0] = graph.F32(dims...), graph.Floats(noise("embedding", batch*in[0]), dims...)
	}
	cfg := graph.StepConfig{Name: "bench", Trainable: trainable, Optimizer: graph.DefaultAdamW(), Precision: set.halves()}
	st, err := graph.NewStep(b, cfg, inputs, func(s *graph.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
		out := net(s, graph.Inputs{Image: in[0], Box: in[1], Modality: in[2], Organ: in[3]})
		return graph.Mean(s, train.BestDiceBCE(s, out, train.Target{Masks: in[4]})), nil
	})
	if err != nil {
		return nil, err
	}
	params, err := graph.Initialise(st.Specs(), 1)
	if err != nil {
		st.Free()
		return nil, err
	}
	placed := b.Place(params)
	w := &work{params: params.Count(), free: func() { st.Free(); placed.Free() }}
	if err := st.Start(placed, nil); err != nil {
		w.free()
		return nil, err
	}
	// A training delivers its batches while the step before runs.
	values, err = b.Deliver(append(values, graph.Floats(disc(batch), batch, side, side)))
	if err != nil {
		w.free()
		return nil, err
	}
	w.free = func() { st.Free(); placed.Free(); graph.Release(values) }
	calls := uint64(0)
	w.run = func() (time.Duration, error) {
		calls++
		drawn := make(chan error, 1) // a training draws the numbers of the next step while this one runs
		go func() { drawn <- st.Ahead(calls + 1) }()
		r, err := st.Run(context.Background(), 1e-4, calls, values...)
		if err = errors.Join(err, <-drawn); err != nil {
			return 0, err
		}
		return r.Device, nil
	}
	return w, nil
}

// example is a batch of inputs in the order of models.InputShapes.
func example(batch int) []graph.Value {
	image := noise("image", batch*side*side*3)
	for i, v := range image {
		image[i] = float32(int(min(max(127+40*v, 0), 255)))
	}
	modality := make([]int32, batch)
	var organ []int32
	for i := range modality {
		modality[i] = 2
		organ = append(organ, 1, 4, 17, 59)
	}
	return []graph.Value{graph.Floats(image, batch, side, side, 3), graph.Floats(boxes(batch), batch, 4), graph.Ints(modality, batch), graph.Ints(organ, batch, 4)}
}

func boxes(batch int) []float32 { return slices.Repeat([]float32{60, 50, 200, 190}, batch) }

// disc is a target (batch,side,side).
func disc(batch int) []float32 {
	one := make([]float32, side*side)
	for y := range side {
		for x := range side {
			if dx, dy := x-130, y-120; dx*dx+dy*dy < 70*70 {
				one[y*side+x] = 1
			}
		}
	}
	return slices.Repeat(one, batch)
}

// noise is standard normal, the same in every run.
func noise(name string, n int) []float32 {
	r := graph.Stream(1, name)
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}
