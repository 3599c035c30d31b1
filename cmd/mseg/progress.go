package main

import (
	"fmt"
	"os"
	"sync/atomic"
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
	now      meter
	shown    atomic.Pointer[meter] // what the bar's own goroutine reads
	lastLine time.Time
}

// meter is what is known of the running stage.
type meter struct {
	text     string
	loss     float64
	rate     float64
	busy     float64
	started  time.Time
	before   int // steps that an earlier run had done when this one took over
	counting bool
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
		p.now = meter{started: time.Now()}
		if p.bars == nil {
			p.line("%-8s %s", "run", name(e))
		}
	case "progress":
		p.progress(e)
	case "done":
		p.endBar()
		p.line("%-8s %s in %s", "done", name(e), time.Since(p.now.started).Round(100*time.Millisecond))
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
		p.now.text = e.Text
	}
	if e.Loss != 0 {
		p.now.loss = e.Loss
	}
	if e.Rate != 0 {
		p.now.rate = e.Rate
	}
	if e.Busy != 0 {
		p.now.busy = e.Busy
	}
	if e.Total > 0 && !p.now.counting {
		p.now.counting, p.now.before = true, max(0, e.Done-1)
	}
	if p.bars == nil {
		if time.Since(p.lastLine) > 5*time.Second && e.Total > 0 {
			p.lastLine = time.Now()
			p.line("         %s %d/%d %s %s left %s", name(e), e.Done, e.Total, e.Unit, p.now.left(e.Done, e.Total), p.now.figures())
		}
		return
	}
	if e.Total == 0 {
		return
	}
	view := p.now
	p.shown.Store(&view)
	if p.bar == nil {
		p.bar = p.bars.AddBar(int64(e.Total), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(name(e)+" ", decor.WC{C: decor.DindentRight}), decor.CountersNoUnit("%d/%d "+e.Unit+" ")),
			mpb.AppendDecorators(decor.Any(func(st decor.Statistics) string {
				return p.shown.Load().left(int(st.Current), int(st.Total)).String() + " left"
			}, decor.WC{W: 6}), decor.Any(func(decor.Statistics) string { return " " + p.shown.Load().figures() })))
	}
	p.bar.SetTotal(int64(e.Total), false)
	p.bar.SetCurrent(int64(e.Done))
}

// left is the time that the rest takes at the rate of this run; what an earlier run had done says nothing about it.
func (m *meter) left(done, total int) time.Duration {
	return time.Duration(float64(time.Since(m.started)) / float64(max(1, done-m.before)) * float64(total-done)).Round(time.Second)
}

func (m *meter) figures() string {
	s := m.text
	if m.loss != 0 {
		s += fmt.Sprintf(" loss %.4f", m.loss)
	}
	if m.rate != 0 {
		s += fmt.Sprintf(" %.1f images/s", m.rate)
	}
	if m.busy != 0 {
		s += fmt.Sprintf(", computing %.0f %% of the time", 100*m.busy)
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
