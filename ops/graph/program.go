package graph

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// ProgramConfig says how a program is built.
type ProgramConfig struct {
	Name     string                 // for messages
	Training bool                   // dropout acts
	Taps     func(name string) bool // which activations to return besides the outputs; nil for none
	Float64  bool                   // compute in float64, for checks against references

	// Precision is the type in which matrix products and convolutions are computed; see [Precision].
	Precision Precision
}

// AllTaps asks a program for every named activation.
func AllTaps(string) bool { return true }

// Program is a compiled network. Its shapes are fixed; for another batch size
// another one is compiled. It may be called by several goroutines.
type Program struct {
	b     *Backend
	name  string
	specs []Spec
	code  *code
	taps  []string
	outs  int
}

// Result is what a call of a program returns. Integers and truth values among
// the outputs come as floats.
type Result struct {
	Outputs []*Tensor
	Taps    map[string]*Tensor

	// Device is the time that the device took, as seen from the host: from when it was given the program until a result was there.
	Device time.Duration
}

// NewProgram builds and compiles. On XLA this takes seconds for a large
// network and cannot be interrupted.
func NewProgram(b *Backend, cfg ProgramConfig, inputs []Shape, build Build) (*Program, error) {
	if err := cfg.check(b); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	p := &Program{b: b, name: cfg.Name}
	float := dtypes.Float32
	if cfg.Float64 {
		float = dtypes.Float64
	}
	var err error
	p.code, err = compile(b, cfg.Name, inputs, float, func(c *construction) []*Node {
		c.training, c.wantTap, c.divide = cfg.Training, cfg.Taps, c.cpu
		c.compute(cfg.Precision)
		outputs := slices.Clone(build(c.root(), c.inputs(inputs)))
		p.outs, p.specs = len(outputs), c.specs
		for _, t := range c.taps {
			p.taps = append(p.taps, t.name)
			outputs = append(outputs, t.node)
		}
		for i, n := range outputs {
			if n.DType() != float {
				outputs[i] = gx.ConvertDType(n, float)
			}
		}
		return outputs
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (cfg ProgramConfig) check(b *Backend) error {
	if half := cfg.Precision == BF16 || cfg.Precision == F16; half && cfg.Float64 {
		return fmt.Errorf("precision %s and float64 were asked for at once", cfg.Precision)
	}
	return cfg.Precision.Check(b)
}

// Specs lists the parameters in order of creation.
func (p *Program) Specs() []Spec { return slices.Clone(p.specs) }

// Call runs the program. The seed decides its random tensors (dropout) and is
// ignored by a program without any. A call that has begun is not interrupted:
// ctx is looked at before.
func (p *Program) Call(ctx context.Context, params *DeviceParams, seed uint64, inputs ...Value) (*Result, error) {
	results, began, err := p.code.run(ctx, params, seed, inputs, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	defer finalize(results)
	r := &Result{Taps: map[string]*Tensor{}}
	for i, t := range results {
		data, err := download(t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if i == 0 {
			r.Device = time.Since(began)
		}
		host := &Tensor{Dims: slices.Clone(t.Shape().Dimensions), Data: data}
		if i < p.outs {
			r.Outputs = append(r.Outputs, host)
		} else {
			r.Taps[p.taps[i-p.outs]] = host
		}
	}
	return r, nil
}

// Call64 is Call for a program in float64: its outputs, without the activations, as they were computed.
func (p *Program) Call64(ctx context.Context, params *DeviceParams, seed uint64, inputs ...Value) ([][]float64, error) {
	results, _, err := p.code.run(ctx, params, seed, inputs, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	defer finalize(results)
	var out [][]float64
	for _, t := range results[:p.outs] {
		data, err := downloadWide(t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		out = append(out, data)
	}
	return out, nil
}

// Free releases the compiled code. The program is not to be called again.
func (p *Program) Free() { p.code.free() }

// code is a compiled graph with the order of its arguments. The graph itself is
// not kept: that of a large network fills as much memory as ten million weights.
type code struct {
	b      *Backend
	exec   compute.Executable
	nodes  int
	float  dtypes.DType
	inputs []Shape
	feeds  []feed
	gives  []bool // arguments whose memory results take; nil: none
	need   int64  // bytes, see need
	random []feed // of the arguments: those that are drawn for every call
	drawn  draws  // ahead of calls
}

// goneError is a failure of a program that had been given memory for good.
type goneError struct{ error }

func (e *goneError) Unwrap() error { return e.error }

func compile(b *Backend, name string, inputs []Shape, float dtypes.DType, body func(c *construction) []*Node) (*code, error) {
	x := &code{b: b, float: float, inputs: inputs}
	for i, s := range inputs {
		for _, d := range s.Dims {
			if d < 1 {
				return nil, fmt.Errorf("%s: input %d has shape %v; every dimension must be at least 1", name, i, s)
			}
		}
	}
	err := caught(func() {
		g := gx.NewGraph(b.engine, name)
		defer halves.Delete(g)
		c := newConstruction(g, b.kind, float)
		c.cpu = b.kind == "xla" && b.onHost()
		outputs := body(c)
		if len(outputs) == 0 {
			panic(buildFault{fmt.Errorf("it returns no output")})
		}
		for i, n := range outputs {
			if n.Type() == gx.NodeTypeParameter { // GoMLX's interpreter fails on a graph that computes nothing
				outputs[i] = gx.Identity(n)
			}
		}
		x.feeds = c.feeds
		for _, f := range x.feeds {
			if f.kind == feedDraw {
				x.random = append(x.random, f)
			}
		}
		nodes := g.Nodes()
		x.nodes = len(nodes)
		if b.kind == "go" && !c.recompute {
			nodes = byDistance(nodes, outputs)
		}
		x.need = need(nodes, b.kind == "go", outputs) + c.beside
		if err := b.fits(x.need); err != nil {
			panic(err)
		}
		if len(c.aliases) > 0 && b.kind == "xla" {
			if err := inPlace(g, c.aliases); err != nil {
				panic(err)
			}
			x.gives = make([]bool, len(x.feeds))
			for _, p := range c.aliases {
				x.gives[p.feed] = true
			}
		}
		if len(c.cuts) > 0 {
			var err error
			weights := make([]bool, len(x.feeds))
			for i, f := range x.feeds {
				weights[i] = f.kind == feedParam
			}
			if x.exec, err = b.segments(g, outputs, c.cuts, weights); err != nil {
				panic(err)
			}
			return
		}
		if err := b.inOrder(c.recompute, func() error { return g.Compile(outputs...) }); err != nil {
			panic(err)
		}
		x.exec = g.Executable()
	})
	if err != nil {
		x.free()
		return nil, fmt.Errorf("building %s: %w", name, b.shortage(err))
	}
	x.b.tidy()
	return x, nil
}

// run executes the graph. extra supplies arguments that are neither inputs nor
// parameters nor random tensors. Arguments stay the caller's, but for those
// whose memory results take: they are no tensors any more once the program has
// begun, and if it fails then, the error is a goneError. began is when the device
// was given the work; the results are certainly there once one was downloaded
// (go-xla waits for the device in the call itself).
func (x *code) run(ctx context.Context, params *DeviceParams, seed uint64, inputs []Value, extra func(f feed) (*tensors.Tensor, error)) (results []*tensors.Tensor, began time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return nil, began, err
	}
	if err := x.checkInputs(inputs); err != nil {
		return nil, began, err
	}
	if params != nil && params.b != x.b {
		return nil, began, fmt.Errorf("the parameters were placed on backend %s, the program runs on %s", params.b.Name(), x.b.Name())
	}
	var temporary []*tensors.Tensor
	defer func() { finalize(temporary) }()

	random, err := x.draw(seed)
	temporary = append(temporary, random...)
	if err != nil {
		return nil, began, err
	}
	args := make([]*tensors.Tensor, len(x.feeds))
	packed := make([]bool, len(x.feeds))
	divided, _ := x.exec.(takesPacked)
	if divided != nil && params != nil {
		of, err := params.packed(x.feeds, divided.takes())
		if err != nil {
			return nil, began, err
		}
		for i, t := range of {
			args[i], packed[i] = t, t != nil
		}
	}
	for i, f := range x.feeds {
		if packed[i] {
			continue
		}
		var err error
		switch f.kind {
		case feedInput:
			if on := inputs[f.index].on; on != nil {
				args[i] = on.t
				continue
			}
			args[i], err = x.b.send(inputs[f.index], x.float)
			temporary = append(temporary, args[i])
		case feedDraw:
			args[i], random = random[0], random[1:]
		case feedParam:
			if params == nil {
				return nil, began, fmt.Errorf("parameter %q is needed, but no parameters were given", f.name)
			}
			args[i], err = params.tensor(f.name, x.float, f.dims)
		default:
			args[i], err = extra(f)
		}
		if err != nil {
			return nil, began, err
		}
	}
	buffers, gives := make([]compute.Buffer, len(args)), make([]bool, len(args))
	copy(gives, x.gives)
	for _, given := range []bool{false, true} { // what can be refused comes before what is given up
		for i, t := range args {
			if gives[i] != given {
				continue
			}
			var err error
			if given {
				buffers[i], err = t.DonateBuffer(x.b.engine, 0)
			} else {
				buffers[i], err = t.Buffer(x.b.engine, 0)
			}
			if err = firstLine(err); err != nil && given {
				err = &goneError{err}
			}
			if err != nil {
				return nil, began, err
			}
		}
	}
	began = time.Now()
	err = caught(func() {
		var out []compute.Buffer
		var err error
		if divided != nil {
			out, err = divided.executePacked(buffers, packed, 0)
		} else {
			out, err = x.exec.Execute(buffers, gives, 0)
		}
		for _, b := range out {
			if err == nil {
				var t *tensors.Tensor
				t, err = tensors.FromBuffer(b)
				results = append(results, t)
			}
		}
		if err != nil {
			panic(err)
		}
	})
	runtime.KeepAlive(args) // they keep what views show
	if err == nil {
		return results, began, nil
	}
	finalize(results)
	if err = x.b.shortage(err); x.gives != nil {
		err = &goneError{err}
	}
	return nil, began, err
}

func (x *code) checkInputs(inputs []Value) error {
	if len(inputs) != len(x.inputs) {
		return fmt.Errorf("%d inputs were given, %d are declared", len(inputs), len(x.inputs))
	}
	for i, v := range inputs {
		want := x.inputs[i]
		if v.on != nil {
			switch {
			case v.on.t == nil:
				return fmt.Errorf("input %d has been released", i)
			case v.on.b != x.b:
				return fmt.Errorf("input %d was delivered to backend %s, the program runs on %s", i, v.on.b.Name(), x.b.Name())
			case x.float != dtypes.Float32:
				return fmt.Errorf("input %d was delivered as float32, the program computes in %s", i, x.float)
			}
		}
		given, n := v.shape()
		if given.Integer != want.Integer || !slices.Equal(v.Dims, want.Dims) || n != size(want.Dims) {
			return fmt.Errorf("input %d is %v with %d values, %v is declared", i, given, n, want)
		}
	}
	return nil
}

func (x *code) free() {
	if x != nil && x.exec != nil {
		_ = caught(x.exec.Finalize)
		x.exec = nil
		x.drawn.free()
		x.b.tidy()
	}
}

func finalize(ts []*tensors.Tensor) {
	for _, t := range ts {
		if t != nil {
			_ = t.FinalizeAll()
		}
	}
}
