package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/repl"
)

type replCmd struct {
	engineFlags
	Script string `arg:"" optional:"" help:"Script to begin with." placeholder:"FILE"`
}

func (c replCmd) Run(ctx context.Context, t *teller) error {
	// The session has its own meaning of Ctrl-C: it ends a computation, not the program.
	signal.Reset(os.Interrupt)
	cfg := repl.Config{File: c.Script, Out: os.Stdout, Err: os.Stderr, Tell: t.each()}
	if t.quiet() {
		cfg.Err = io.Discard // remarks; mistakes go through Tell
	}
	cfg.Engine = c.config(filepath.Join(".", c.Script))
	switch {
	case repl.IsTerminal():
		history, err := repl.HistoryPath()
		if err == nil {
			cfg.Input, err = repl.Terminal(history)
		}
		if cfg.Input == nil {
			return err
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "note:", err)
		}
		cfg.Interactive, cfg.Color, cfg.View = true, os.Getenv("NO_COLOR") == "", replView
		if t.quiet() {
			cfg.View = nil
		}
		fmt.Printf("mseg %s: :help explains, Ctrl-D leaves\n", engine.Release)
	case repl.IsDumb():
		cfg.Input, cfg.Interactive = repl.Lines(os.Stdin, os.Stdout), true
	default:
		cfg.Input = repl.Lines(os.Stdin, nil)
	}
	defer cfg.Input.Close()
	failed, err := repl.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if failed > 0 && !cfg.Interactive {
		return exit(1)
	}
	return nil
}

// replView shows what takes time: a bar while a stage runs, from half a second on, and a line when it took more than one second. What comes from
// the store is not mentioned.
func replView() (func(engine.Event), func()) {
	p := newProgress(os.Stderr)
	started := map[string]time.Time{}
	return func(e engine.Event) {
		took := time.Since(started[e.Key])
		switch e.Kind {
		case "cached":
			return
		case "failed": // the session says it better
			p.stop()
			return
		case "start":
			started[e.Key] = time.Now()
		case "progress":
			if took < time.Second/2 && e.Total > 0 {
				return
			}
		case "done":
			if took < time.Second {
				p.stop()
				return
			}
		}
		p.event(e)
	}, p.close
}
