package main

import (
	"fmt"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mseg-lang/mseg/interp/engine"
)

// progress shows events: a bar for the running stage on a terminal, plain lines elsewhere.
type progress struct {
	out      *os.File
	bars     *mpb.Progress // nil where there is no terminal
	bar      *mpb.Bar
	stage    string
	text     string
	loss     float64
	rate     float64
	started  time.Time
	lastLine time.Time
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out}
	if isTerminal(out) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithRefreshRate(120*time.Millisecond))
	}
	return p
}

func (p *progress) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...) + "\n"
	if p.bars != nil {
		_, _ = p.bars.Write([]byte(text))
		return
	}
	fmt.Fprint(p.out, text)
}

func (p *progress) event(e engine.Event) {
	switch e.Kind {
	case "start":
		p.stage, p.text, p.loss, p.rate, p.started = e.Op+e.Stage, "", 0, 0, time.Now()
		if p.bars == nil {
			p.line("%-8s %s", "run", name(e))
		}
	case "progress":
		p.progress(e)
	case "done":
		p.endBar()
		p.line("%-8s %s in %s", "done", name(e), time.Since(p.started).Round(100*time.Millisecond))
	case "cached":
		p.line("%-8s %s", "cached", name(e))
	case "failed":
		p.endBar()
		p.line("%-8s %s", "failed", name(e))
	case "note":
		if e.Stage != "" {
			p.line("%-8s %s: %s", "note", e.Stage, e.Text)
		} else {
			p.line("%-8s %s", "note", e.Text)
		}
	}
}

func name(e engine.Event) string {
	if e.Stage == e.Op {
		return e.Op
	}
	return e.Stage + " (" + e.Op + ")"
}

func (p *progress) progress(e engine.Event) {
	if e.Text != "" {
		p.text = e.Text
	}
	if e.Loss != 0 {
		p.loss = e.Loss
	}
	if e.Rate != 0 {
		p.rate = e.Rate
	}
	if p.bars == nil {
		if time.Since(p.lastLine) > 5*time.Second && e.Total > 0 {
			p.lastLine = time.Now()
			left := time.Duration(float64(time.Since(p.started)) / float64(max(1, e.Done)) * float64(e.Total-e.Done))
			p.line("         %s %d/%d %s %s left %s", name(e), e.Done, e.Total, e.Unit, left.Round(time.Second), p.figures())
		}
		return
	}
	if e.Total == 0 {
		return
	}
	if p.bar == nil {
		p.bar = p.bars.AddBar(int64(e.Total), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(name(e)+" ", decor.WC{C: decor.DindentRight}), decor.CountersNoUnit("%d/%d "+e.Unit+" ")),
			mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 6}), decor.Any(func(decor.Statistics) string { return " " + p.figures() })))
	}
	p.bar.SetTotal(int64(e.Total), false)
	p.bar.SetCurrent(int64(e.Done))
}

func (p *progress) figures() string {
	s := p.text
	if p.loss != 0 {
		s += fmt.Sprintf(" loss %.4f", p.loss)
	}
	if p.rate != 0 {
		s += fmt.Sprintf(" %.1f images/s", p.rate)
	}
	return s
}

func (p *progress) endBar() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar.Wait()
		p.bar = nil
	}
}

func (p *progress) close() {
	p.endBar()
	if p.bars != nil {
		p.bars.Wait()
	}
}
