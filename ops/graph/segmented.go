//go:build cgo && linux

package graph

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	"github.com/gomlx/go-xla/stablehlo"
	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/ops/graph/gemm"
)

// underway is how many operations a graph under construction has so far.
func underway(g *gx.Graph) (int, error) {
	fn, err := underConstruction(g)
	if err != nil {
		return 0, err
	}
	return len(fn.Statements), nil
}

// underConstruction is go-xla's function that a graph writes its operations into. Neither GoMLX nor go-xla offers it, so it is looked up in
// their fields.
func underConstruction(g *gx.Graph) (*stablehlo.Function, error) {
	v := reflect.ValueOf(g)
	for _, field := range []string{"builder", "mainFn", "fn"} {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || !v.FieldByName(field).IsValid() {
			return nil, fmt.Errorf("go-xla has no field %q where the program under construction was: its version does not fit this program", field)
		}
		v = v.FieldByName(field)
	}
	if v.Type() != reflect.TypeFor[*stablehlo.Function]() {
		return nil, fmt.Errorf("go-xla builds programs in a %s, %s was expected: its version does not fit this program", v.Type(), reflect.TypeFor[*stablehlo.Function]())
	}
	return (*stablehlo.Function)(v.UnsafePointer()), nil
}

// list reads the operations of a function that has returned.
func list(fn *stablehlo.Function) (l listing, err error) {
	for _, v := range fn.Inputs {
		l.inputs = append(l.inputs, value{v.String(), v.Shape().ToStableHLO()})
	}
	for _, v := range fn.Outputs {
		l.results = append(l.results, v.String())
	}
	for _, s := range fn.Statements[:len(fn.Statements)-1] { // the last one returns
		var text strings.Builder
		if err := s.Write(&text, "    "); err != nil {
			return l, err
		}
		op := operation{text: text.String()}
		for _, v := range s.Outputs {
			op.defines = append(op.defines, value{v.String(), v.Shape().ToStableHLO()})
		}
		l.ops = append(l.ops, op)
	}
	return l, nil
}

// segmented is a program in segments, each compiled once and called as often as
// it occurs. Several goroutines may call it.
type segmented struct {
	backend  *xla.Backend
	programs []*pjrt.LoadedExecutable
	calls    []call
	values   int
	returned []int // value of each result
	inputs   []shapes.Shape
	outputs  []shapes.Shape

	operands [][]gemm.Operand // of each program: arguments that it takes packed as well
	layouts  []*gemm.Layout   // of each input that may come packed: how
	mu       sync.Mutex
	flags    map[string]*pjrt.Buffer // which operands of a call are packed, for the device
}

// call runs a program. Values are numbered: first the inputs of the whole, then
// what calls return.
type call struct {
	program int
	args    []int
	results int   // number of the first
	count   int   // how many there are
	done    []int // values that nobody reads afterwards
}

// segments compiles a graph whose construction has ended, in segments that begin at the cuts. Inputs that are weights may come packed, where that is of use.
func (b *Backend) segments(g *gx.Graph, outputs []*Node, cuts []int, weights []bool) (compute.Executable, error) {
	clients, ok := field[*pjrt.Client](b.engine, "client")
	engine, isXLA := b.engine.(*xla.Backend)
	if !ok || !isXLA {
		return nil, fmt.Errorf("go-xla keeps its client elsewhere: its version does not fit this program")
	}
	g.CurrentFunc().Return(outputs, nil)
	fn, err := underConstruction(g)
	if err != nil {
		return nil, err
	}
	l, err := list(fn)
	if err != nil {
		return nil, err
	}
	x := &segmented{backend: engine}
	for _, n := range outputs {
		x.outputs = append(x.outputs, n.Shape())
	}
	texts := x.plan(l, l.divide(cuts))
	if b.facts.OwnProduct {
		x.takePacked(texts, weights, b.facts.Winograd)
	}
	if err := x.compile(*clients, texts); err != nil {
		x.Finalize()
		return nil, err
	}
	return x, nil
}

// plan numbers values and programs, and returns the programs' texts.
func (x *segmented) plan(l listing, segments []segment) (texts []string) {
	at := map[string]int{}
	for i, v := range l.inputs {
		at[v.name] = i
	}
	x.values = len(l.inputs)
	slots := map[string][]int{} // of what is returned, as often as it is returned
	for _, s := range segments {
		program := slices.Index(texts, s.program)
		if program < 0 {
			program = len(texts)
			texts = append(texts, s.program)
		}
		c := call{program: program, results: x.values, count: len(s.results)}
		for _, name := range s.args {
			c.args = append(c.args, at[name])
		}
		for _, name := range s.results {
			if _, ok := at[name]; !ok {
				at[name] = x.values
			}
			slots[name] = append(slots[name], x.values)
			x.values++
		}
		x.calls = append(x.calls, c)
	}
	for _, name := range l.results {
		x.returned = append(x.returned, slots[name][0])
		slots[name] = slots[name][1:]
	}
	last := map[int]int{}
	for i, c := range x.calls {
		for _, v := range c.args {
			last[v] = i
		}
		for v := c.results; v < c.results+c.count; v++ {
			last[v] = i
		}
	}
	for v := len(l.inputs); v < x.values; v++ {
		if !slices.Contains(x.returned, v) {
			x.calls[last[v]].done = append(x.calls[last[v]].done, v)
		}
	}
	return texts
}

// takePacked changes the programs so that they take weights packed, and notes which. An input may come packed if whatever reads it takes it so.
func (x *segmented) takePacked(texts []string, weights []bool, winograd bool) {
	x.operands, x.layouts, x.flags = make([][]gemm.Operand, len(texts)), make([]*gemm.Layout, len(weights)), map[string]*pjrt.Buffer{}
	packable := func(program, argument int) bool { // a weight in every call
		return !slices.ContainsFunc(x.calls, func(c call) bool {
			return c.program == program && (c.args[argument] >= len(weights) || !weights[c.args[argument]])
		})
	}
	for i, text := range texts {
		changed, operands := gemm.TakePacked([]byte(text), func(argument int) bool { return packable(i, argument) }, winograd)
		texts[i], x.operands[i] = string(changed), operands
	}
	plain := map[int]bool{} // inputs that something reads as they are
	for v := range weights {
		plain[v] = !weights[v] || slices.Contains(x.returned, v)
	}
	for _, c := range x.calls {
		for i, v := range c.args {
			if v >= len(weights) {
				continue
			}
			at := slices.IndexFunc(x.operands[c.program], func(o gemm.Operand) bool { return o.Argument == i })
			if at < 0 {
				plain[v] = true
				continue
			}
			layout := x.operands[c.program][at].Layout
			plain[v] = plain[v] || x.layouts[v] != nil && *x.layouts[v] != layout
			x.layouts[v] = &layout
		}
	}
	for v := range x.layouts {
		if plain[v] {
			x.layouts[v] = nil
		}
	}
}

// takes says of each input how it may come packed; nil: it may not.
func (x *segmented) takes() []*gemm.Layout { return x.layouts }

// flagged is what a call is told of its operands: which of them are packed.
func (x *segmented) flagged(c call, packed []bool, device compute.DeviceNum) (*pjrt.Buffer, error) {
	operands := x.operands[c.program]
	flags := make([]int32, len(operands))
	for i, o := range operands {
		if v := c.args[o.Argument]; v < len(packed) && packed[v] {
			flags[i] = 1
		}
	}
	key := fmt.Sprint(flags)
	x.mu.Lock()
	defer x.mu.Unlock()
	if on, ok := x.flags[key]; ok {
		return on, nil
	}
	client, ok := field[*pjrt.Client](x.backend, "client")
	if !ok {
		return nil, fmt.Errorf("go-xla keeps its client elsewhere: its version does not fit this program")
	}
	on, err := (*client).BufferFromHost().FromFlatDataWithDimensions(flags, []int{len(flags)}).ToDeviceNum(int(device)).Done()
	if err == nil {
		x.flags[key] = on
	}
	return on, err
}

// compile compiles the programs, several at a time.
func (x *segmented) compile(client *pjrt.Client, texts []string) error {
	x.programs = make([]*pjrt.LoadedExecutable, len(texts))
	faults := make([]error, len(texts))
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, text := range texts {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			x.programs[i], faults[i] = client.Compile().WithStableHLO([]byte(text)).Done()
		})
	}
	all.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// Inputs is of no use here: arguments are checked against what the network declared.
func (x *segmented) Inputs() (names []string, inputShapes []shapes.Shape) { return nil, nil }

func (x *segmented) Outputs() []shapes.Shape { return x.outputs }

func (x *segmented) Finalize() {
	for _, p := range x.programs {
		if p != nil {
			_ = p.Destroy()
		}
	}
	x.programs = nil
	for _, on := range x.flags {
		_ = on.Destroy()
	}
	x.flags = nil
}

func (x *segmented) Execute(inputs []compute.Buffer, _ []bool, device compute.DeviceNum) (out []compute.Buffer, err error) {
	return x.executePacked(inputs, nil, device)
}

// executePacked runs the program with inputs of which some are packed.
func (x *segmented) executePacked(inputs []compute.Buffer, packed []bool, device compute.DeviceNum) (out []compute.Buffer, err error) {
	values := make([]*pjrt.Buffer, x.values)
	for i, in := range inputs {
		at, ok := field[*pjrt.Buffer](in, "pjrtBuffer")
		if !ok {
			return nil, fmt.Errorf("argument %d is a %T, a buffer of XLA was expected", i, in)
		}
		values[i] = *at
	}
	defer func() {
		if err != nil {
			for _, v := range values[len(inputs):] {
				if v != nil {
					_ = v.Destroy()
				}
			}
		}
	}()
	for _, c := range x.calls {
		args := make([]*pjrt.Buffer, len(c.args))
		for i, v := range c.args {
			args[i] = values[v]
		}
		if x.operands != nil && len(x.operands[c.program]) > 0 {
			flags, err := x.flagged(c, packed, device)
			if err != nil {
				return nil, err
			}
			args = append(args, flags)
		}
		results, err := x.programs[c.program].Execute(args...).DonateNone().OnDeviceByNum(int(device)).Done()
		if err != nil {
			return nil, err
		}
		copy(values[c.results:c.results+c.count], results)
		for _, v := range c.done {
			if err := values[v].Destroy(); err != nil {
				return nil, err
			}
			values[v] = nil
		}
	}
	for _, v := range x.returned {
		buffer := new(xla.Buffer)
		backend, hasBackend := field[*xla.Backend](buffer, "backend")
		of, hasBuffer := field[*pjrt.Buffer](buffer, "pjrtBuffer")
		if !hasBackend || !hasBuffer {
			return nil, fmt.Errorf("go-xla's buffers have other fields: its version does not fit this program")
		}
		*backend, *of = x.backend, values[v]
		out = append(out, compute.Buffer(buffer))
	}
	return out, nil
}
