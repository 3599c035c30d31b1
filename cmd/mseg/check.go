package main

import (
	"fmt"
	"os"

	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/diag"
)

type checkCmd struct {
	scriptFlags
	Scripts []string `arg:"" help:"Scripts to check; - is standard input." placeholder:"FILE"`
	JSON    bool     `help:"Write the diagnostics as JSON."`
	Errors  string   `help:"How mistakes are shown: full or short." enum:"full,short" default:"full"`
}

func (c checkCmd) Run() error {
	var all diag.List
	for _, path := range c.Scripts {
		l, err := script.Load(path, c.options())
		if err != nil {
			if !c.JSON {
				return err
			}
			all = append(all, diag.Diagnostic{Code: diag.RunFailed, Severity: diag.Error, Summary: err.Error()})
			continue
		}
		all = append(all, l.Diags...)
	}
	switch {
	case c.JSON:
		if err := diag.WriteJSON(os.Stdout, all); err != nil {
			return err
		}
	case c.Errors == "short":
		diag.WriteShort(os.Stderr, all)
	default:
		diag.WriteText(os.Stderr, all, isTerminal(os.Stderr))
	}
	n := all.Count(diag.Error)
	if n == 0 {
		if !c.JSON {
			fmt.Println("no errors")
		}
		return nil
	}
	if !c.JSON {
		fmt.Fprintln(os.Stderr, plural(n, "error"))
		explainFooter(os.Stderr, all)
	}
	return exit(1)
}
