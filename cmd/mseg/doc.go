package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/doc"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/stdlib"
)

type docCmd struct {
	Name string `arg:"" optional:"" help:"A builtin, a kind, a library or a name of one; without it, the whole reference."`
	HTML bool   `help:"Write one HTML page instead of Markdown."`
	Out  string `short:"o" help:"Write to a file." placeholder:"FILE" type:"path"`
}

func (c docCmd) Run() error {
	var b bytes.Buffer
	switch {
	case c.Name != "":
		if c.HTML {
			return fmt.Errorf("--html writes the whole reference; leave %s out", c.Name)
		}
		text := entry(c.Name)
		if text == "" {
			err := fmt.Errorf("there is no builtin, kind or library %q", c.Name)
			if s := diag.Suggest(c.Name, slices.Concat(builtin.Names(), syntax.Kinds, stdlib.Names())); s != "" {
				err = fmt.Errorf("%w; did you mean %s?", err, s)
			}
			return err
		}
		b.WriteString(text)
	case c.HTML:
		if err := doc.HTML(&b); err != nil {
			return err
		}
	default:
		if err := doc.Reference(&b); err != nil {
			return err
		}
	}
	if c.Out != "" {
		return writeFile(c.Out, b.Bytes())
	}
	_, err := os.Stdout.Write(b.Bytes())
	return err
}

// entry is all that a name means: as functions, and as a kind.
func entry(name string) string {
	var b bytes.Buffer
	for _, x := range builtin.Lookup(name) {
		fmt.Fprintf(&b, "%s\n", doc.Builtin(x))
	}
	if syntax.IsKind(name) {
		b.WriteString(doc.Kind(name))
	}
	for _, e := range append(doc.Library(name), doc.InLibraries(name)...) {
		fmt.Fprintf(&b, "%s\n", e)
	}
	return b.String()
}
