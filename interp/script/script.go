// Package script is the way from a file on disk to a checked program, shared by every command.
package script

import (
	"fmt"
	"io"
	"os"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// Loaded is a script that was read, parsed and checked.
type Loaded struct {
	File    *source.File
	Program *ir.Program // complete only when Diags has no errors
	Diags   diag.List
}

// maxSize keeps a wrong file (an image, say) from being read as a script.
const maxSize = 16 << 20

// Load reads a script; path "-" is standard input. The error is about the file, mistakes in it are in Diags.
func Load(path string, opt check.Options) (*Loaded, error) {
	var b []byte
	var err error
	if path == "-" {
		b, err = io.ReadAll(io.LimitReader(os.Stdin, maxSize+1))
		path = "<stdin>"
	} else {
		st, statErr := os.Stat(path)
		switch {
		case statErr != nil:
			return nil, fmt.Errorf("cannot read the script: %w", statErr)
		case st.IsDir():
			return nil, fmt.Errorf("%s is a folder; name a script in it", path)
		case st.Size() > maxSize:
			return nil, fmt.Errorf("%s has %d bytes; a script has at most %d", path, st.Size(), maxSize)
		}
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the script: %w", err)
	}
	if len(b) > maxSize {
		return nil, fmt.Errorf("%s has more than %d bytes; a script has at most that", path, maxSize)
	}
	return Text(path, string(b), opt), nil
}

// Text parses and checks a text.
func Text(name, text string, opt check.Options) *Loaded {
	f := source.New(name, text)
	s, diags := syntax.Parse(f, false)
	p, more := check.Script(s, opt)
	diags = append(diags, more...)
	diags.Sort()
	return &Loaded{File: f, Program: p, Diags: diags}
}
