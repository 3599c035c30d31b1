package executable

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Options are what a program is compiled with besides the plugin's own choices.
type Options struct {
	Extra []string // switches of XLA's backend (its xla_backend_extra_options) that are turned on
	Parts int      // how many modules a program is divided into, at most, each of which one core compiles; 0: as many as XLA would
}

// String tells two choices of options from each other; none is "".
func (o Options) String() string {
	text := strings.Join(o.Extra, ",")
	if o.Parts > 0 {
		text += fmt.Sprintf(" in %d", o.Parts)
	}
	return text
}

// Numbers of fields in XLA's descriptions of its messages (compile_options.proto and xla.proto).
const (
	compileBuild     = 3   // CompileOptionsProto.executable_build_options
	compileOverrides = 7   // CompileOptionsProto.env_option_overrides, a map
	buildDebug       = 3   // ExecutableBuildOptionsProto.debug_options
	debugParts       = 323 // DebugOptions.xla_cpu_parallel_codegen_split_count
	debugExtra       = 500 // DebugOptions.xla_backend_extra_options, a map
	overrideString   = 1   // OptionOverrideProto.string_field
	writtenOptions   = 2   // ExecutableAndOptionsProto.compile_options
	mapKey, mapValue = 1, 2
)

// Two messages one behind the other are one in which what the second says holds, and fields of inner messages are joined likewise. So options
// are added to a program's behind what go-xla has written.

// appended is what is to stand behind a CompileOptionsProto. Debug options that are given take the place of all of the plugin's, so the
// plugin's own have to be given with them.
func (o Options) appended(own []byte) []byte {
	debug := own[:len(own):len(own)]
	for _, name := range o.Extra {
		debug = message(debug, debugExtra, entry(name, []byte("true")))
	}
	if o.Parts > 0 {
		debug = protowire.AppendVarint(protowire.AppendTag(debug, debugParts, protowire.VarintType), uint64(o.Parts))
	}
	return message(nil, compileBuild, message(nil, buildDebug, debug))
}

// asking stands behind the options of a program whose written form says which debug options the plugin has: it has them written where one
// of them is overridden, here with what it is anyhow.
func asking() []byte {
	return message(nil, compileOverrides, entry("xla_backend_extra_options", message(nil, overrideString, nil)))
}

// ownOptions finds the plugin's debug options in a written program.
func ownOptions(written []byte) ([]byte, error) {
	debug := written
	for _, field := range []protowire.Number{writtenOptions, compileBuild, buildDebug} {
		if debug = member(debug, field); debug == nil {
			return nil, errors.New("what the plugin has written holds no options")
		}
	}
	return debug, nil
}

func message(to []byte, field protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, field, protowire.BytesType), body)
}

func entry(key string, value []byte) []byte {
	return message(message(nil, mapKey, []byte(key)), mapValue, value)
}

// member is the last field of that number that holds bytes; nil if there is none.
func member(of []byte, number protowire.Number) (found []byte) {
	for len(of) > 0 {
		n, kind, head := protowire.ConsumeTag(of)
		if head < 0 {
			return nil
		}
		size := protowire.ConsumeFieldValue(n, kind, of[head:])
		if size < 0 {
			return nil
		}
		if n == number && kind == protowire.BytesType {
			found, _ = protowire.ConsumeBytes(of[head:])
		}
		of = of[head+size:]
	}
	return found
}
