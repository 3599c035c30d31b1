//go:build cgo && linux

package executable

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "pjrt.h"
import "C"

import (
	"fmt"
	"os"
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
}

var loaded, compiled atomic.Int64

// Counts says how many programs were loaded and how many compiled by this process.
func Counts() (load, compile int64) { return loaded.Load(), compiled.Load() }

// Table opens the plugin at path and returns the address of a table of its functions in which the compiler
// keeps what it compiles in the store, to be used in the place of the plugin's own. sum is the checksum of the plugin, setting
// what else decides what it makes of a program: the number of threads, options of its compiler. Asked again for the same plugin it returns the same table. If it returns an error nothing has changed,
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

// msegCompile stands in the place of the plugin's compiler.
//
//export msegCompile
func msegCompile(raw unsafe.Pointer) *C.mseg_error {
	args := (*C.mseg_compile_args)(raw)
	store := hooked.store
	if hooked.rewrite != nil {
		defer exchange(args, hooked.rewrite(view(args.program.code, args.program.code_size)))()
	}
	name := key(hooked.identity, view(args.program.format, args.program.format_size),
		view(args.program.code, args.program.code_size), view(args.options, args.options_size))
	if program := store.get(name); program != nil {
		if args.executable = C.mseg_load(args.client, unsafe.Pointer(&program[0]), C.size_t(len(program))); args.executable != nil {
			loaded.Add(1)
			return nil
		}
		store.drop(name)
	}
	if fault := C.mseg_compile(args); fault != nil {
		return fault
	}
	compiled.Add(1)
	var written C.mseg_bytes
	if C.mseg_write(args.executable, &written) {
		defer C.mseg_release(&written)
		if written.size > 0 {
			_ = store.put(name, view((*C.char)(written.bytes), written.size))
		}
	}
	return nil
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
