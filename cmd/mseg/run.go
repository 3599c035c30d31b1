package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/diag"
)

type runCmd struct {
	scriptFlags
	engineFlags
	Script string `arg:"" help:"Script to run." placeholder:"FILE"`
	JSON   bool   `help:"Write events as JSON lines on standard output."`
	Quiet  bool   `short:"q" help:"Show no progress."`
}

func (c runCmd) Run(ctx context.Context, t *teller) error {
	l, err := load(t, c.Script, c.options())
	if err != nil {
		return err
	}
	cfg := c.config(c.Script)
	view, done := c.view(t)
	cfg.Events = view
	e, err := engine.New(cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	out, err := e.Run(ctx, l.Program, l.File.Text)
	done()
	if err != nil {
		if out != nil && !c.JSON { // what was finished before is not lost
			for _, r := range out.Reports {
				fmt.Printf("report: %s\n", r)
			}
		}
		return failure(t, err)
	}
	return c.outcome(t, l, out)
}

// view chooses how events are shown.
func (c runCmd) view(t *teller) (func(engine.Event), func()) {
	switch {
	case c.JSON:
		return jsonEvents(os.Stdout), func() {}
	case c.Quiet || t.quiet():
		return func(engine.Event) {}, func() {}
	}
	p := newProgress(os.Stderr)
	return p.event, p.close
}

func jsonEvents(f *os.File) func(engine.Event) {
	var mu sync.Mutex
	enc := json.NewEncoder(f)
	enc.SetEscapeHTML(false)
	return func(e engine.Event) {
		mu.Lock()
		defer mu.Unlock()
		_ = enc.Encode(e) // a closed pipe ends the program by its signal
	}
}

// outcome words expectations and reports; exit(1) when an expectation does not hold.
func (c runCmd) outcome(t *teller, l *script.Loaded, out *engine.Outcome) error {
	var failed diag.List
	for _, x := range out.Expects {
		if !x.Holds {
			failed = append(failed, x.Diagnostic())
		}
	}
	t.diags(failed, false)
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetEscapeHTML(false)
		expects := []map[string]any{}
		for _, x := range out.Expects {
			expects = append(expects, map[string]any{"text": x.Expect.Text, "holds": x.Holds, "found": x.Found})
		}
		if err := enc.Encode(map[string]any{"event": "outcome", "reports": append([]string{}, out.Reports...), "expects": expects, "sweeps": append([]engine.Sweep{}, out.Sweeps...)}); err != nil {
			return err
		}
	} else {
		if len(out.Steps)+len(out.Expects) == 0 {
			t.remark("nothing to compute: the script has no data, trained model, eval, compare, figure, report or expect")
		}
		if n := len(out.Expects); n > 0 {
			fmt.Printf("%s, %s\n", diag.Counted(n, "expectation"), diag.Holding(n-len(failed)))
		}
		for _, r := range out.Reports {
			fmt.Printf("report: %s\n", r)
		}
	}
	if len(failed) > 0 {
		return exit(1)
	}
	return nil
}
