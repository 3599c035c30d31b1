package main

import (
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/diag"
)

type whyCmd struct {
	scriptFlags
	engineFlags
	Script string `arg:"" help:"Script to explain." placeholder:"FILE"`
	Name   string `arg:"" optional:"" help:"A value of the script, or an item of a sweep (grid[0]); everything when it is left out." placeholder:"NAME"`
	JSON   bool   `help:"Write JSON."`
}

func (c whyCmd) Run(t *teller) error {
	l, e, err := c.open(t, c.Script, c.options())
	if err != nil {
		return err
	}
	defer e.Close()
	r, err := e.Why(l.Program, l.File.Text, c.Name)
	if err != nil {
		var names []string
		for _, b := range l.Program.Bindings {
			names = append(names, b.Name)
		}
		if s := diag.Suggest(c.Name, names); s != "" && s != c.Name {
			err = fmt.Errorf("%w; did you mean %s?", err, s)
		}
		return failure(t, err)
	}
	if c.JSON {
		return writeJSON(r)
	}
	for _, x := range r.Causes {
		fmt.Printf("run   %s\n", stageName(x))
		for _, w := range x.Why {
			fmt.Printf("        %s\n", w)
		}
	}
	list(r.Follow, "then  ", "since what they use is computed again")
	list(r.Kept, "kept  ", "done before")
	switch {
	case r.Targets == 0 && c.Name == "":
		fmt.Printf("%s needs no stage\n", c.Script)
	case r.Targets == 0:
		fmt.Printf("%s needs no stage: it is known without a run\n", c.Name)
	}
	return nil
}

func list(stages []engine.Cause, head, why string) {
	if len(stages) == 0 {
		return
	}
	var names []string
	for _, x := range stages {
		names = append(names, stageName(x))
	}
	fmt.Printf("%s%s: %s\n", head, strings.Join(names, ", "), why)
}

func stageName(x engine.Cause) string {
	if x.Stage == x.Op {
		return x.Op
	}
	return x.Stage + " (" + x.Op + ")"
}
