package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/diag"
)

type planCmd struct {
	scriptFlags
	engineFlags
	Script string `arg:"" help:"Script to plan." placeholder:"FILE"`
	JSON   bool   `help:"Write the plan as JSON."`
}

func (c planCmd) Run(t *teller) error {
	l, e, err := c.open(t, c.Script, c.options())
	if err != nil {
		return err
	}
	defer e.Close()
	steps, err := e.Plan(l.Program, l.File.Text)
	if err != nil {
		return failure(t, err)
	}
	work := 0
	for _, s := range steps {
		if !s.Cached {
			work++
		}
	}
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{"stages": append([]engine.Step{}, steps...), "routes": append([]engine.RouteTable{}, e.Routes(l.Program)...), "networks": append([]engine.NetworkPlan{}, e.NetworkPlans(l.Program)...), "to_run": work}); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, s := range steps {
			state := "run"
			if s.Cached {
				state = "cached"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", state, s.Label, s.Op, store.Short(s.Key), s.Why)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, r := range e.Routes(l.Program) {
			fmt.Println()
			fmt.Print(r)
		}
		for _, n := range e.NetworkPlans(l.Program) {
			fmt.Printf("\nnetwork %s\n  %s\n", n.Name, n.Text)
		}
		fmt.Printf("%s, %d to run\n", diag.Counted(len(steps), "stage"), work)
	}
	if work > 0 {
		return exit(2)
	}
	return nil
}
