package main

import (
	"context"
	"os"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/lsp"
)

type lspCmd struct {
	Stdio bool `help:"Talk over standard input and output; it is the only way, and editors like to say so." hidden:""`
}

func (lspCmd) Run(ctx context.Context) error {
	return lsp.Serve(ctx, os.Stdin, os.Stdout, engine.Version())
}
