package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/watch"
)

type watchCmd struct {
	scriptFlags
	engineFlags
	Script string        `arg:"" help:"Script to watch. Keys, each with Enter: r runs again, q quits." placeholder:"FILE"`
	Poll   time.Duration `help:"Look at the file in intervals, for network file systems that tell nothing of saves: --poll 1s." placeholder:"DURATION"`
}

func (c watchCmd) Run(ctx context.Context, t *teller) error {
	cfg := watch.Config{Script: c.Script, Options: c.options(), Engine: c.config(c.Script), Poll: c.Poll, Out: os.Stdout, Err: os.Stderr, Color: t.color, Tell: t.each(),
		View: func() watch.View {
			if t.quiet() {
				return quietView{}
			}
			return watchView{newProgress(os.Stderr)}
		}}
	if isTerminal(os.Stdin) {
		cfg.Keys = watch.Keys(os.Stdin)
	}
	return watch.Run(ctx, cfg)
}

// watchView is the view of a run with a line for what the watch itself has to say.
type watchView struct{ p *progress }

func (v watchView) Event(e engine.Event) {
	if e.Kind == "stopped" {
		v.p.stop()
		v.p.line("%-8s %s", "stopped", name(e))
		return
	}
	v.p.event(e)
}

func (v watchView) Line(text string) { v.p.line("%s", text) }
func (v watchView) Close()           { v.p.close() }

// quietView shows nothing of a run but what the watch itself has to say, on standard output: standard error is for documents of mistakes.
type quietView struct{}

func (quietView) Event(engine.Event) {}
func (quietView) Line(text string)   { fmt.Println(text) }
func (quietView) Close()             {}
