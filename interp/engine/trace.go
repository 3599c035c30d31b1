package engine

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// Trace is a model whose activations can be looked at, one by one, for one batch of inputs: the way to find where two implementations of a
// network part. Names are those of the parameters' scopes (image_encoder.blocks.3.attn, down.2.out, encoder.stages.0.blocks.1.out; a layer of a custom network by its own name);
// what the network answers is called output.masks, output.iou and output.gates.N.
type Trace struct {
	e     *Engine
	model *Model
}

// Trace finds a model of the program by its name. A trained one must have been trained: nothing is trained here.
func (e *Engine) Trace(ctx context.Context, p *ir.Program, name string) (*Trace, error) {
	var known []string
	for _, b := range p.Bindings {
		n, ok := b.Value.(*ir.Node)
		if b.Kind != "model" || !ok {
			continue
		}
		known = append(known, b.Name)
		if b.Name != name {
			continue
		}
		for m := n; m != nil; m = m.Node("model") {
			if st := stages[m.Op]; st != nil && st.run != nil && !e.store.Has(e.Key(m)) {
				return nil, fault(m.Span, "%s has not been trained with these settings yet; run the script first", e.label(m))
			}
		}
		v, err := e.Value(ctx, n)
		if err != nil {
			return nil, err
		}
		m := v.(*Model)
		if m.Baseline != "" {
			return nil, fault(n.Span, "%s is no network, it has no activations", m.Baseline)
		}
		return &Trace{e, m}, nil
	}
	if known == nil {
		return nil, fmt.Errorf("the script defines no model")
	}
	return nil, fmt.Errorf("the script defines no model %q; it has %s", name, strings.Join(known, ", "))
}

// build is the network with its outputs named.
func (t *Trace) build(in *traceInput) graph.Build {
	return func(s *graph.Scope, nodes []*graph.Node) []*graph.Node {
		g := graph.Inputs{Image: nodes[0], Modality: nodes[1], Organ: nodes[2]}
		rest := nodes[3:]
		if in.box != nil {
			g.Box, rest = rest[0], rest[1:]
		}
		if in.points != nil {
			g.Points, g.Labels, rest = rest[0], rest[1], rest[2:]
		}
		if in.mask != nil {
			g.Mask = rest[0]
		}
		out := t.model.Built.Network(s, g)
		s = s.In("output")
		s.Tap("masks", out.Masks)
		if out.IoU != nil {
			s.Tap("iou", out.IoU)
		}
		for i, gate := range out.Gates {
			block := i
			if len(t.model.Built.Blocks) == len(out.Gates) {
				block = t.model.Built.Blocks[i]
			}
			s.In("gates").Tap(fmt.Sprint(block), gate)
		}
		return []*graph.Node{out.Masks}
	}
}

// List names all activations with their shapes for a batch of one.
func (t *Trace) List() ([]graph.Activation, error) {
	size := t.model.extent()
	in := &traceInput{batch: 1, extent: size, image: make([]float32, size.width*size.height*3), box: make([]float32, 4), modality: make([]int32, 1), organ: make([]int32, 4)}
	shapes, _ := in.arguments()
	return graph.Taps(shapes, t.build(in))
}

// Run computes the activations whose name matches the pattern (path.Match; "" is all, and a pattern without * also takes what lies below
// it) for the arrays of an .npz file and writes them to another. tasks places the images in the taxonomy where the file has no rows: one
// task for all, or one for each. It returns what was written.
func (t *Trace) Run(ctx context.Context, input, output, pattern string, tasks []string) ([]graph.Activation, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("the pattern %q of names is malformed: %w", pattern, err)
	}
	arrays, err := image.ReadNPZ(input)
	if err != nil {
		return nil, err
	}
	in, err := t.input(arrays, tasks)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", input, err)
	}
	wanted := func(name string) bool { return matches(pattern, name) }
	all, err := t.List()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(a graph.Activation) bool { return wanted(a.Name) }) {
		return nil, fmt.Errorf("no activation of the model is called %q; --list shows the names", pattern)
	}
	b, err := t.e.Backend()
	if err != nil {
		return nil, err
	}
	shapes, values := in.arguments()
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "trace", Taps: wanted}, shapes, t.build(in))
	if err != nil {
		return nil, err
	}
	defer p.Free()
	params, err := t.model.placed(b)
	if err != nil {
		return nil, err
	}
	defer params.Free()
	r, err := p.Call(ctx, params, 0, values...)
	if err != nil {
		return nil, err
	}
	out := map[string]*image.Array{}
	var written []graph.Activation
	for _, a := range all {
		if x, ok := r.Taps[a.Name]; ok {
			out[a.Name] = image.NewArray(x.Data, x.Dims...)
			written = append(written, graph.Activation{Name: a.Name, Dims: x.Dims})
		}
	}
	return written, image.WriteNPZ(output, out)
}

// matches compares a name with a pattern as path.Match does, where a * takes dots as well; a plain name takes all below it too.
func matches(pattern, name string) bool {
	if pattern == "" || strings.HasPrefix(name, pattern+".") {
		return true
	}
	ok, _ := path.Match(pattern, name)
	return ok
}

// traceInput is a checked batch.
type traceInput struct {
	extent
	batch, n    int // n points an image
	image       []float32
	box, points []float32 // nil: not given
	mask        []float32
	maskSide    int
	unprompted  bool // the model looks at no prompt
	labels      []int32
	modality    []int32
	organ       []int32
}

// arguments are shapes and values in the order that build reads them.
func (in *traceInput) arguments() ([]graph.Shape, []graph.Value) {
	b := in.batch
	shapes := []graph.Shape{graph.F32(b, in.height, in.width, 3), graph.I32(b), graph.I32(b, 4)}
	values := []graph.Value{graph.Floats(in.image, b, in.height, in.width, 3), graph.Ints(in.modality, b), graph.Ints(in.organ, b, 4)}
	if in.box != nil {
		shapes, values = append(shapes, graph.F32(b, 4)), append(values, graph.Floats(in.box, b, 4))
	}
	if in.points != nil {
		shapes = append(shapes, graph.F32(b, in.n, 2), graph.I32(b, in.n))
		values = append(values, graph.Floats(in.points, b, in.n, 2), graph.Ints(in.labels, b, in.n))
	}
	if in.mask != nil {
		shapes = append(shapes, graph.F32(b, in.maskSide, in.maskSide, 1))
		values = append(values, graph.Floats(in.mask, b, in.maskSide, in.maskSide, 1))
	}
	return shapes, values
}

// input checks the arrays of a file against what the model reads.
func (t *Trace) input(arrays map[string]*image.Array, tasks []string) (*traceInput, error) {
	known := []string{"image", "box", "points", "labels", "mask", "modality", "organ"}
	for name := range arrays {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("the array %q is not known; a model reads %s", name, strings.Join(known, ", "))
		}
	}
	in := &traceInput{extent: t.model.extent()}
	if err := in.readImage(arrays["image"]); err != nil {
		return nil, err
	}
	built := t.model.Built
	switch {
	case arrays["points"] != nil && !built.Points:
		return nil, fmt.Errorf("%s reads no points; leave the arrays points and labels out", built.Architecture.Name)
	case arrays["mask"] != nil && built.MaskSide == 0:
		return nil, fmt.Errorf("%s reads no mask prompts; leave the array mask out", built.Architecture.Name)
	}
	in.maskSide, in.unprompted = built.MaskSide, built.Config.NoPrompt
	if err := in.readPrompts(arrays); err != nil {
		return nil, err
	}
	if in.box == nil && built.NeedsBox {
		return nil, fmt.Errorf("%s is shown its box as a map too and cannot do without one; give it a box, an array (4) or (B,4): x0,y0,x1,y1 in pixels", built.Architecture.Name)
	}
	return in, t.place(in, arrays, tasks)
}

func (in *traceInput) readImage(a *image.Array) error {
	if a == nil {
		return fmt.Errorf("there is no array image; expected (%d,%d,3) or (B,%d,%d,3), values 0..255", in.height, in.width, in.height, in.width)
	}
	shape := a.Shape
	if len(shape) == 3 {
		shape = append([]int{1}, shape...)
	}
	if len(shape) != 4 || shape[0] < 1 || shape[1] != in.height || shape[2] != in.width || shape[3] != 3 {
		return fmt.Errorf("image has the shape %v, expected (%d,%d,3) or (B,%d,%d,3); three equal channels for a grey image", a.Shape, in.height, in.width, in.height, in.width)
	}
	in.batch, in.image = shape[0], a.Float32()
	for i, v := range in.image {
		if !(v >= 0 && v <= 255) {
			return fmt.Errorf("image holds %g at place %d, expected 0 to 255; the network normalises by itself", v, i)
		}
	}
	return nil
}

func (in *traceInput) readPrompts(arrays map[string]*image.Array) error {
	if a := arrays["box"]; a != nil {
		values, err := in.rows("box", a, 4)
		if err != nil {
			return err
		}
		in.box = values
		for i := 0; i < len(values); i += 4 {
			x0, y0, x1, y1 := values[i], values[i+1], values[i+2], values[i+3]
			if !(x0 >= 0 && y0 >= 0 && x0 <= x1 && y0 <= y1 && x1 <= float32(in.width) && y1 <= float32(in.height)) {
				return fmt.Errorf("box %v is no x0,y0,x1,y1 within an image of %s", values[i:i+4], in.extent)
			}
		}
	}
	if a := arrays["mask"]; a != nil {
		var err error
		if in.mask, err = in.rows("mask", a, in.maskSide, in.maskSide); err != nil {
			return err
		}
		for _, v := range in.mask {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("mask holds %g, expected logits", v)
			}
		}
	}
	points, labels := arrays["points"], arrays["labels"]
	if (points == nil) != (labels == nil) {
		return fmt.Errorf("points and labels go together: (N,2) or (B,N,2) pixels x,y, and (N) or (B,N) of 1 (target), 0 (not) or -1 (no point)")
	}
	if points == nil {
		if in.box == nil && in.mask == nil && !in.unprompted {
			return fmt.Errorf("there is neither an array box nor an array points nor an array mask; expected box as (4) or (B,4): x0,y0,x1,y1 in pixels")
		}
		return nil
	}
	shape := points.Shape
	if len(shape) < 2 || shape[len(shape)-1] != 2 || shape[len(shape)-2] < 1 {
		return fmt.Errorf("points has the shape %v, expected (N,2) or (B,N,2)", shape)
	}
	in.n = shape[len(shape)-2]
	var err error
	if in.points, err = in.rows("points", points, in.n, 2); err != nil {
		return err
	}
	for _, v := range in.points {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("points holds %g", v)
		}
	}
	values, err := in.rows("labels", labels, in.n)
	if err != nil {
		return err
	}
	for _, v := range values {
		if v != -1 && v != 0 && v != 1 {
			return fmt.Errorf("labels holds %g, expected 1 (target), 0 (not) or -1 (no point)", v)
		}
		in.labels = append(in.labels, int32(v))
	}
	return nil
}

// rows reads an array that has the given shape for each image of the batch, or once for all of them.
func (in *traceInput) rows(name string, a *image.Array, each ...int) ([]float32, error) {
	switch {
	case slices.Equal(a.Shape, each):
		return slices.Repeat(a.Float32(), in.batch), nil
	case slices.Equal(a.Shape, append([]int{in.batch}, each...)):
		return a.Float32(), nil
	}
	return nil, fmt.Errorf("%s has the shape %v, expected %v for all images or %v for %d", name, a.Shape, each, append([]int{in.batch}, each...), in.batch)
}

// place finds the rows of the embedding tables: from the arrays, or from tasks. A model without experts reads none.
func (t *Trace) place(in *traceInput, arrays map[string]*image.Array, tasks []string) error {
	modality, organ := arrays["modality"], arrays["organ"]
	switch {
	case (modality == nil) != (organ == nil):
		return fmt.Errorf("modality and organ go together: rows (B) of the modality, and (B,4) of body part, subregion, organ and task")
	case modality != nil && len(tasks) > 0:
		return fmt.Errorf("the arrays modality and organ place the images already; leave the task out")
	case modality != nil:
		return t.placeByRows(in, modality, organ)
	case len(tasks) == 0 && t.model.experts() != nil:
		return fmt.Errorf("the model's experts ask what an image shows; name the task (--task Modality_Task) or give the arrays modality (B) and organ (B,4)")
	case len(tasks) > 1 && len(tasks) != in.batch:
		return fmt.Errorf("%d tasks are named for %d images; expected one for all or one for each", len(tasks), in.batch)
	}
	for i := range in.batch {
		if len(tasks) == 0 {
			in.modality, in.organ = append(in.modality, 0), append(in.organ, 0, 0, 0, 0)
			continue
		}
		p, err := t.e.place(tasks[min(i, len(tasks)-1)])
		if err != nil {
			return err
		}
		in.modality = append(in.modality, int32(p.ModalityRow))
		for _, r := range p.Rows {
			in.organ = append(in.organ, int32(r))
		}
	}
	return nil
}

func (t *Trace) placeByRows(in *traceInput, modality, organ *image.Array) error {
	m, err := in.rows("modality", modality)
	if err != nil {
		return err
	}
	o, err := in.rows("organ", organ, 4)
	if err != nil {
		return err
	}
	whole := func(name string, values []float32) ([]int32, error) {
		out := make([]int32, len(values))
		for i, v := range values {
			if v != float32(math.Trunc(float64(v))) || v < -1 || v > 1<<20 {
				return nil, fmt.Errorf("%s holds %g, expected the row of a table, or -1 for unknown", name, v)
			}
			out[i] = int32(v)
		}
		return out, nil
	}
	if in.modality, err = whole("modality", m); err != nil {
		return err
	}
	if in.organ, err = whole("organ", o); err != nil {
		return err
	}
	x := t.model.experts()
	if x == nil {
		return nil
	}
	// A row behind the end of a table would be looked up as an unknown one. Tasks are let through: those of no row have one of their own.
	for i, v := range in.modality {
		if int(v) >= x.Taxonomy.Modalities {
			return fmt.Errorf("modality of image %d is row %d, expected one of %d or -1 for unknown", i, v, x.Taxonomy.Modalities)
		}
	}
	for i, v := range in.organ {
		if level := i % 4; level < len(x.Taxonomy.Levels) && int(v) >= x.Taxonomy.Levels[level] {
			return fmt.Errorf("organ of image %d is row %d of %s, expected one of %d or -1 for unknown", i/4, v, []string{"body parts", "subregions", "organs"}[level], x.Taxonomy.Levels[level])
		}
	}
	return nil
}
