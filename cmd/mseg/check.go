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
	JSON    bool     `help:"Write the diagnostics as JSON on standard output."`
}

func (c checkCmd) Run(t *teller) error {
	var all diag.List
	unread := false
	for _, path := range c.Scripts {
		l, err := script.Load(path, c.options())
		if err != nil {
			if t.form == diag.Full { // it has no place in a script
				t.failed(diag.CommandFailed, err, "")
				unread = true
				continue
			}
			all = append(all, diag.Diagnostic{Code: diag.CommandFailed, Severity: diag.Error, Summary: err.Error()})
			continue
		}
		all = append(all, l.Diags...)
	}
	switch {
	case !c.JSON:
		t.diags(all, true)
	case t.asked: // on standard error as well, in the form asked for
		t.diags(all, true)
		fallthrough
	default:
		if err := diag.WriteJSON(os.Stdout, all); err != nil {
			return err
		}
	}
	if unread || all.HasErrors() {
		return exit(1)
	}
	if !c.JSON {
		fmt.Println("no errors")
	}
	return nil
}
