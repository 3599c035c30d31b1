package main

import (
	"fmt"
	"os"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/lint"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

type lintCmd struct {
	scriptFlags
	Scripts   []string `arg:"" optional:"" help:"Scripts, or folders with scripts; - is standard input." placeholder:"FILE"`
	Format    string   `help:"full, compact (a line each), json, github (annotations) or sarif, on standard output. Without it and with --errors, findings are told as mistakes are." enum:"full,compact,json,github,sarif," default:"" placeholder:"FORMAT"`
	FailLevel string   `help:"Exit 1 from this severity on: note, warning, error, or never." enum:"note,warning,error,never" default:"warning"`
	Rules     bool     `help:"List the rules."`
}

func (c lintCmd) Run(t *teller) error {
	if c.Rules {
		for _, r := range lint.Rules() {
			fmt.Printf("%-20s %-8s %-8s %s\n", r.Name, r.Severity, r.Confidence, r.Title)
		}
		return nil
	}
	paths, err := scriptFiles(c.Scripts)
	if err != nil {
		return err
	}
	var all diag.List
	for _, path := range paths {
		text, err := script.Read(path)
		if err != nil {
			return err
		}
		s, diags := syntax.Parse(source.New(script.Name(path), text), false)
		p, more := check.Script(s, c.options())
		diags = append(diags, more...)
		if diags.HasErrors() { // what has no meaning cannot be judged
			diags.Sort()
			all = append(all, diags...)
			continue
		}
		all = append(all, lint.Script(s, p)...)
	}
	switch {
	case c.Format == "" && t.asked:
		t.diags(all, false)
	case c.Format == "json":
		err = diag.WriteJSON(os.Stdout, all)
	case c.Format == "github":
		err = lint.WriteGitHub(os.Stdout, all)
	case c.Format == "sarif":
		err = lint.WriteSARIF(os.Stdout, all, engine.Release)
	case c.Format == "compact":
		diag.WriteShort(os.Stdout, all)
	default:
		diag.WriteText(os.Stdout, all, isTerminal(os.Stdout))
		if len(all) > 0 {
			fmt.Printf("%s, %s, %s\nfor more: mseg explain %s\n", diag.Counted(all.Count(diag.Error), "error"), diag.Counted(all.Count(diag.Warning), "warning"), diag.Counted(all.Count(diag.Note), "note"), worst(all).Code)
		}
	}
	if err != nil {
		return err
	}
	if failing(all, c.FailLevel) {
		return exit(1)
	}
	return nil
}

// worst is the first finding of the highest severity.
func worst(l diag.List) diag.Diagnostic {
	for _, severity := range []diag.Severity{diag.Error, diag.Warning} {
		for _, d := range l {
			if d.Severity == severity {
				return d
			}
		}
	}
	return l[0]
}

func failing(l diag.List, level string) bool {
	n := 0
	switch level {
	case "note":
		n += l.Count(diag.Note)
		fallthrough
	case "warning":
		n += l.Count(diag.Warning)
		fallthrough
	case "error":
		n += l.Count(diag.Error)
	}
	return n > 0
}
