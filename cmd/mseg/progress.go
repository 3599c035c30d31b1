package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
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

	mu        sync.Mutex  // of everything above: the timer has a goroutine of its own
	patience  *time.Timer // shows a stage that has nothing to count yet
	uncounted bool        // what the bar of such a stage is
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
	ended    bool
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

// patient is how long a stage may be silent before it is named: most are done sooner, and a bar that comes and goes only flickers.
const patient = time.Second

func (p *progress) event(e engine.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case "start":
		p.now = meter{started: time.Now()}
		if p.bars == nil {
			p.line("%-8s %s", "run", name(e))
			break
		}
		p.await(e)
	case "progress":
		p.progress(e)
	case "done":
		p.end()
		p.line("%-8s %s in %s", "done", name(e), time.Since(p.now.started).Round(100*time.Millisecond))
	case "cached":
		p.line("%-8s %s", "cached", name(e))
	case "failed":
		p.end()
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
	if e.Text != "" || e.Total > 0 { // what came before the first step, such as compiling, is over
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
	view := p.now
	p.shown.Store(&view)
	if e.Total == 0 {
		return
	}
	if p.uncounted {
		p.endBar()
	}
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

// await shows a stage that has nothing to count, such as one that waits for its program to be compiled, with the time it has taken so far.
func (p *progress) await(e engine.Event) {
	view := p.now
	p.shown.Store(&view)
	if p.patience != nil {
		p.patience.Stop()
	}
	p.patience = time.AfterFunc(patient, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.bar != nil || !p.now.started.Equal(view.started) || p.now.ended {
			return
		}
		p.uncounted = true
		p.bar = p.bars.New(0, mpb.NopStyle(), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
			m := p.shown.Load()
			return strings.TrimRight(name(e)+" "+m.text, " ") + " " + time.Since(m.started).Round(time.Second).String()
		})))
	})
}

// left is the time that the rest takes at the rate of this run; what an earlier run had done says nothing about it.
func (m *meter) left(done, total int) time.Duration {
	return time.Duration(float64(time.Since(m.started)) / float64(max(1, done-m.before)) * float64(total-done)).Round(time.Second)
}

func (m *meter) figures() string {
	s := m.text
	if m.loss != 0 && !strings.Contains(s, "loss") { // the line of an epoch has its own
		s += fmt.Sprintf(" loss %.4f", m.loss)
	}
	if m.rate != 0 {
		s += fmt.Sprintf(" %.1f images/s", m.rate)
	}
	if m.busy != 0 {
		s += fmt.Sprintf(", busy %.0f %%", 100*m.busy)
	}
	return s
}

func (p *progress) endBar() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar.Wait()
		p.bar = nil
	}
	p.uncounted = false
}

// end is that of a stage.
func (p *progress) end() {
	p.now.ended = true
	p.endBar()
}

// stop ends what is shown of a stage without a word.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
}

func (p *progress) close() {
	p.stop()
	if p.bars != nil {
		p.bars.Wait()
	}
}
