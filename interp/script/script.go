// Package script is the way from a file on disk to a checked program, shared by every command.
package script

import (
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

// Load reads a script; path "-" is standard input. The error is about the file, mistakes in it are in Diags.
func Load(path string, opt check.Options) (*Loaded, error) {
	text, err := Read(path)
	if err != nil {
		return nil, err
	}
	return Text(Name(path), text, opt), nil
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
