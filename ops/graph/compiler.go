package graph

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/mseg-lang/mseg/ops/graph/executable"
)

// XLA's compiler for the CPU can emit the loops of a program in two ways: by itself, one after the other, or through MLIR, where loops that
// are equal are compiled once. Most programs are compiled faster the first way, and their code is as fast or some percent faster. There are two
// exceptions, which are recognised by what a program consists of (see [shape.mlir]). The first way computes exponentials along a short last axis
// number by number. And it takes twice as long for the update of a transformer's parameters, which is the same few loops for each of them.
//
// Loops are never unrolled, which takes a third of the time to compile and gains nothing: the products, in which the time goes, are a
// library's in any case. An option that a plugin does not know has no effect. docs/performance.md has the measurements.
const (
	leaveLoops = "xla_cpu_disable_loop_unrolling"
	emitLoops  = "xla_cpu_disable_new_fusion_emitters" // without MLIR
)

// Environment variables with options of XLA's compiler: the plugin reads the first when it is loaded, go-xla the second for every program.
const (
	flagsVar = "XLA_FLAGS"
	debugVar = "XLA_DEBUG_OPTIONS"
)

// userFlags says whether the user has chosen options of the compiler.
func userFlags() bool { return os.Getenv(flagsVar) != "" || os.Getenv(debugVar) != "" }

// compilerVar is quick, which has all loops emitted without MLIR, or thorough, which leaves XLA's options as they are. Unset, each program gets what suits it.
const compilerVar = "MSEG_COMPILER"

// compiler is a way to choose options.
type compiler struct {
	record string // for the record of a run
	asked  bool   // options were asked for
	choose func(threads int) func(program []byte) executable.Options
}

// chosenCompiler is the one that was asked for. Without MLIR a program is divided into no more modules than there are threads to compile them:
// XLA's 32 cost a tenth of the time where several programs are compiled at once.
func chosenCompiler() (compiler, error) {
	mlir := executable.Options{Extra: []string{leaveLoops}}
	quick := executable.Options{Extra: []string{leaveLoops, emitLoops}}
	switch choice := os.Getenv(compilerVar); choice {
	case "", "quick":
		always := choice == "quick"
		c := compiler{record: quick.String(), asked: always, choose: func(threads int) func(program []byte) executable.Options {
			quick.Parts = threads
			return func(program []byte) executable.Options {
				if !always && survey(program).mlir() {
					return mlir
				}
				return quick
			}
		}}
		if !always {
			c.record += "; " + mlir.String() + " alone for updates that repeat themselves and where there are exponentials along a short axis"
		}
		return c, nil
	case "thorough":
		return compiler{choose: func(int) func([]byte) executable.Options { return nil }}, nil
	default:
		return compiler{}, fmt.Errorf("the environment variable %s is %q, quick or thorough was expected, or nothing for what suits each program", compilerVar, choice)
	}
}

// shape is what decides how a program is compiled: its operations that become loops, fused with others or alone.
type shape struct {
	loops, kinds int     // how many there are, and how many that are not equal
	numbers      float64 // that they compute
	exponentials float64 // of these, along a last axis that is short
	products     bool    // there are matrix products or convolutions
}

const (
	shortAxis = 16 // numbers; a register holds as many

	// From this many loops of each kind on MLIR is faster. Updates of transformers have 18 to 37 of each, of U-Nets 7.
	repeated = 10

	// One exponential among so many numbers is worth it: of those that a decoder's training on kept embeddings computes, one in 70 is one.
	// Of its inference, and of a training of MedSegX-B as a whole, it is one in 400 and more, and the code is as fast or faster without MLIR.
	alone = 200
)

// mlir says that the program is better compiled through MLIR. A program without products is an update, which waits for memory however its
// loops are made: then the time to compile decides.
func (s shape) mlir() bool {
	if s.products {
		return s.exponentials*alone >= s.numbers && s.exponentials > 0
	}
	return s.loops > 0 && s.loops >= repeated*s.kinds
}

// moves are operations that are no loops of their own.
var moves = map[string]bool{"constant": true, "reshape": true, "transpose": true, "broadcast_in_dim": true}

// libraries are operations whose work is done outside of XLA's loops.
var libraries = map[string]bool{"dot_general": true, "convolution": true, "custom_call": true}

// survey looks through the text of a program, in which an operation is a line:
//
//	%9 = "stablehlo.add"(%7, %8) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
//
// Those with regions (reductions) take several and are not counted, nor is what yields several results or a single number.
func survey(program []byte) (s shape) {
	kinds := map[string]bool{}
	for line := range bytes.Lines(program) {
		line = bytes.TrimSpace(line)
		_, rest, named := bytes.Cut(line, []byte(` = "`))
		name, rest, whole := bytes.Cut(rest, []byte(`"(`))
		if !named || !whole {
			continue
		}
		_, op, _ := bytes.Cut(name, []byte("."))
		if libraries[string(op)] {
			s.products = true
			continue
		}
		_, kind, closed := bytes.Cut(rest, []byte(`)`))
		at := bytes.LastIndex(kind, []byte("-> tensor<"))
		if !closed || at < 0 || moves[string(op)] {
			continue
		}
		size, last := extent(kind[at+len("-> tensor<"):])
		if size < 2 {
			continue
		}
		s.loops++
		s.numbers += size
		if last < shortAxis && string(op) == "exponential" {
			s.exponentials += size
		}
		kinds[string(op)+string(kind)] = true
	}
	s.kinds = len(kinds)
	return s
}

// extent reads a tensor's type behind its bracket, 2x3xf32>: how many numbers it has, and how many along its last axis.
func extent(kind []byte) (size float64, last int) {
	size, last = 1, 1
	for {
		axis, rest, more := bytes.Cut(kind, []byte("x"))
		n, err := strconv.Atoi(string(axis))
		if !more || err != nil {
			return size, last
		}
		size, last, kind = size*float64(n), n, rest
	}
}
