package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mseg-lang/mseg/interp/bench"
	"github.com/mseg-lang/mseg/ops/graph"
)

type benchCmd struct {
	Only    []string `help:"Cases to measure; --list shows them."`
	Seconds float64  `help:"How long a case is repeated." default:"8"`
	Backend string   `help:"go, xla or xla:PATH." env:"MSEG_BACKEND" placeholder:"NAME"`
	Here    bool     `hidden:"" help:"Measure in this process."`
}

func (c benchCmd) Run() error {
	b, err := graph.Open(c.Backend)
	if err != nil {
		return err
	}
	for _, name := range c.Only {
		k, err := bench.Find(name)
		if err != nil {
			return err
		}
		l, err := k.Run(b, bench.Effort{Seconds: c.Seconds, Reps: 5})
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
			return err
		}
	}
	return nil
}

var _ = fmt.Sprint
