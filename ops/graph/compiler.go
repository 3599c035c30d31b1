package graph

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/ops/graph/executable"
)

// XLA's compiler for the CPU can emit the loops of a program in two ways: by itself, one after the other, or through MLIR, where loops that
// are equal are compiled once. The first is quick where loops differ, as in the segments that a network is divided into. The second is quick
// where they repeat themselves, as in a step that trains all blocks of a transformer. The code is as fast, with one exception: the first
// computes exponentials along a short last axis number by number. So each program is looked at (see [shape.mlir]).
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

// userFlags says whether the user has chosen options of the compiler. The ones for a GPU are inherited by processes that this one starts.
func userFlags() bool {
	flags := os.Getenv(flagsVar)
	return flags != "" && !strings.HasPrefix(flags, quickCUDA) || os.Getenv(debugVar) != ""
}

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
			c.record += "; " + mlir.String() + " alone where loops repeat themselves or have exponentials along a short axis"
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
}

const (
	shortAxis = 16 // numbers; a register holds as many

	// From this many loops of each kind on MLIR is faster: trainings of whole transformers have 14 and more of each, their updates 18 to 37;
	// U-Nets have 6 and 7, segments up to 4.
	repeated = 10

	// One exponential among so many numbers is worth it: of those that a decoder's training on kept embeddings computes, one in 70 is one.
	// Of its inference it is one in 400, and the code is as fast without MLIR.
	alone = 200
)

func (s shape) mlir() bool {
	return s.loops > 0 && (s.loops >= repeated*s.kinds || s.exponentials*alone >= s.numbers)
}

// moves are operations that are no loops of their own.
var moves = map[string]bool{"constant": true, "reshape": true, "transpose": true, "broadcast_in_dim": true}

// survey looks through the text of a program, in which an operation is a line:
//
//	%9 = "stablehlo.add"(%7, %8) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
//
// Products and reductions take several lines and are not counted, nor is what yields several results or a single number.
func survey(program []byte) (s shape) {
	kinds := map[string]bool{}
	for line := range bytes.Lines(program) {
		line = bytes.TrimSpace(line)
		_, rest, named := bytes.Cut(line, []byte(` = "`))
		name, rest, whole := bytes.Cut(rest, []byte(`"(`))
		_, kind, closed := bytes.Cut(rest, []byte(`)`))
		_, op, _ := bytes.Cut(name, []byte("."))
		at := bytes.LastIndex(kind, []byte("-> tensor<"))
		if !named || !whole || !closed || at < 0 || moves[string(op)] {
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
