//go:build cgo && linux

package executable

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "pjrt.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// hooked is the one plugin of this process whose programs are kept. A second
// plugin is opened as if this package did not exist: in a call of its compiler
// nothing tells whose it is.
var hooked struct {
	sync.Mutex
	path     string
	table    uintptr
	identity []byte // what programs depend on besides themselves
	store    Store
	rewrite  func(program []byte) []byte
	choose   func(program []byte) Options
	own      []byte // the plugin's options, once they are known
	asking   bool   // the next program is there to find them out
}

var loaded, compiled atomic.Int64

// Counts says how many programs were loaded and how many compiled by this process.
func Counts() (load, compile int64) { return loaded.Load(), compiled.Load() }

// Table opens the plugin at path and returns the address of a table of its functions in which the compiler
// keeps what it compiles in the store, to be used in the place of the plugin's own. sum is the checksum of the plugin, setting
// what else decides what it makes of a program: the number of threads. Asked again for the same plugin it returns the same table. If it returns an error nothing has changed,
// and the plugin can be opened without it.
func Table(path, sum, setting string, store Store) (uintptr, error) {
	hooked.Lock()
	defer hooked.Unlock()
	if hooked.path == path {
		return hooked.table, nil
	}
	if hooked.path != "" {
		return 0, fmt.Errorf("programs of plugin %s are kept already", hooked.path)
	}
	machine, err := machine()
	if err != nil {
		return 0, err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var fault *C.char
	table := C.mseg_plugin(name, &fault)
	if table == nil {
		return 0, fmt.Errorf("opening %s: %s", path, C.GoString(fault))
	}
	hooked.path, hooked.table, hooked.store = path, uintptr(unsafe.Pointer(table)), store
	hooked.identity = []byte(strings.Join([]string{sum, setting, machine}, "\n"))
	return hooked.table, nil
}

// Rewrite lets every program be changed before it is looked up and compiled. It is to be called before any program is.
func Rewrite(f func(program []byte) []byte) {
	hooked.Lock()
	defer hooked.Unlock()
	hooked.rewrite = f
}

// Choose lets options be chosen for every program, after it was rewritten; nil leaves them to the plugin. They are part of what a program is
// kept under. It is to be called while no program is compiled.
//
// Options that are given take the place of all that the plugin has, which are therefore asked for first, and kept: compile has to compile the
// program that it is handed, by the table. An error says that the plugin does not tell them; then nothing is chosen.
func Choose(f func(program []byte) Options, compile func(program string) error) error {
	hooked.Lock()
	defer hooked.Unlock()
	hooked.choose = nil
	if f == nil {
		return nil
	}
	if hooked.own == nil {
		if err := ask(compile); err != nil {
			return err
		}
	}
	hooked.choose = f
	return nil
}

// smallest is a program that does nothing.
const smallest = `module @options {
  func.func @main(%0: tensor<f32>) -> (tensor<f32>) {
    "func.return"(%0) : (tensor<f32>) -> ()
  }
}
`

func ask(compile func(program string) error) error {
	notes := hooked.store
	notes.suffix = ".options"
	name := key(hooked.identity)
	if hooked.own = notes.get(name); hooked.own != nil {
		return nil
	}
	hooked.asking = true
	err := compile(smallest)
	hooked.asking = false
	if err == nil && hooked.own == nil {
		err = errors.New("the plugin cannot write programs")
	}
	if err != nil {
		return err
	}
	_ = notes.put(name, hooked.own) // if it cannot be kept, the next process asks again
	return nil
}

// msegCompile stands in the place of the plugin's compiler.
//
//export msegCompile
func msegCompile(raw unsafe.Pointer) *C.mseg_error {
	args := (*C.mseg_compile_args)(raw)
	if hooked.asking {
		return answer(args)
	}
	store := hooked.store
	if hooked.rewrite != nil {
		defer exchange(args, hooked.rewrite(view(args.program.code, args.program.code_size)))()
	}
	var chosen Options
	if hooked.choose != nil {
		chosen = hooked.choose(view(args.program.code, args.program.code_size))
	}
	name := key(hooked.identity, view(args.program.format, args.program.format_size),
		view(args.program.code, args.program.code_size), view(args.options, args.options_size), []byte(chosen.String()))
	if program := store.get(name); program != nil {
		if args.executable = C.mseg_load(args.client, unsafe.Pointer(&program[0]), C.size_t(len(program))); args.executable != nil {
			loaded.Add(1)
			return nil
		}
		store.drop(name)
	}
	if chosen.String() != "" {
		defer extend(args, chosen.appended(hooked.own))()
	}
	if fault := C.mseg_compile(args); fault != nil {
		return fault
	}
	compiled.Add(1)
	written(args, func(program []byte) { _ = store.put(name, program) })
	return nil
}

// answer compiles a program to see the plugin's options.
func answer(args *C.mseg_compile_args) *C.mseg_error {
	defer extend(args, asking())()
	if fault := C.mseg_compile(args); fault != nil {
		return fault
	}
	written(args, func(program []byte) {
		if own, err := ownOptions(program); err == nil {
			hooked.own = bytes.Clone(own)
		}
	})
	return nil
}

// written hands over what the plugin writes of the program that it has compiled, if it can.
func written(args *C.mseg_compile_args, to func(program []byte)) {
	var w C.mseg_bytes
	if !C.mseg_write(args.executable, &w) {
		return
	}
	defer C.mseg_release(&w)
	if w.size > 0 {
		to(view((*C.char)(w.bytes), w.size))
	}
}

// extend adds to the options of the program to be compiled, until the function that it returns is called.
func extend(args *C.mseg_compile_args, more []byte) (restore func()) {
	given, size := args.options, args.options_size
	all := slices.Concat(view(given, size), more)
	args.options, args.options_size = (*C.char)(C.CBytes(all)), C.size_t(len(all))
	return func() {
		C.free(unsafe.Pointer(args.options))
		args.options, args.options_size = given, size
	}
}

// exchange puts another program in the place of the one to be compiled, until the function that it returns is called.
func exchange(args *C.mseg_compile_args, code []byte) (restore func()) {
	given := args.program
	program := (*C.mseg_program)(C.malloc(C.size_t(unsafe.Sizeof(*given))))
	*program = *given
	program.code, program.code_size = (*C.char)(C.CBytes(code)), C.size_t(len(code))
	args.program = program
	return func() {
		args.program = given
		C.free(unsafe.Pointer(program.code))
		C.free(unsafe.Pointer(program))
	}
}

// view is the memory of C as bytes, for as long as C keeps it.
func view(p *C.char, n C.size_t) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), int(n)) }

// machine describes the kind of processor that machine code is made for.
func machine() (string, error) {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	return processor(string(data))
}
