package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
)

// View shows one run.
type View interface {
	Event(engine.Event) // of kind "stopped" where a stage ended because it was asked to
	Line(text string)   // a line among the events
	Close()
}

// Config is what to watch and how.
type Config struct {
	Script  string
	Options check.Options
	Engine  engine.Config // Events is set by the watch
	Poll    time.Duration // look at the file in intervals instead of waiting for events; 0 waits
	Keys    <-chan string // q quits, r runs again; nil for none
	View    func() View   // of the next run
	Out     io.Writer     // one line a run
	Err     io.Writer     // mistakes
	Color   bool
	Tell    func(diag.List) // tells the mistakes of a text, also none, at once and in a form of its own; nil: as text on Err
}

// retries is how often a missing or empty file is looked at again, settle apart, before that is said.
const retries = 20

// Run watches until the context ends or q is typed. The error is about the watch itself or the store of results, never about the script.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := script.Exists(cfg.Script); err != nil {
		return err
	}
	w := &watcher{Config: cfg, name: filepath.Base(cfg.Script)}
	w.Engine.Events = func(e engine.Event) {
		if w.job != nil {
			w.job.event(e)
		}
	}
	if w.engine, err = engine.New(w.Engine); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.engine.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	saved, err := saves(ctx, cfg.Script, cfg.Poll)
	if err != nil {
		return err
	}
	w.retry = time.NewTimer(0)
	<-w.retry.C
	w.look(ctx, false)
	for {
		var finished <-chan struct{}
		if w.job != nil {
			finished = w.job.done
		}
		select {
		case <-ctx.Done():
			w.leave()
			return nil
		case <-saved:
			w.attempts = 0
			w.look(ctx, false)
		case <-w.retry.C:
			w.look(ctx, false)
		case <-finished:
			w.finish(ctx)
		case k, ok := <-w.Keys:
			switch {
			case !ok:
				w.Keys = nil
			case k == "q":
				w.leave()
				return nil
			case k == "r" && w.job != nil:
				w.say("a run is going on")
			case k == "r":
				w.look(ctx, true)
			default:
				w.say("keys, each with Enter: r runs again, q quits")
			}
		}
	}
}

type watcher struct {
	Config
	name     string
	engine   *engine.Engine
	seen     [sha256.Size]byte // of the text looked at last
	attempts int
	absent   string // gone or empty, once that has been said
	retry    *time.Timer
	job      *job
	next     *version // to run when the job has ended
	last     string   // mark of the version that ran to its end last
}

// say writes a line between runs or among the events of one.
func (w *watcher) say(format string, args ...any) {
	if w.job != nil {
		w.job.line(fmt.Sprintf(format, args...))
		return
	}
	fmt.Fprintf(w.Out, format+"\n", args...)
}

func (w *watcher) report(d diag.List) {
	if w.Tell != nil {
		w.Tell(d)
		return
	}
	if len(d) == 0 {
		return
	}
	var b strings.Builder
	diag.WriteText(&b, d, w.Color)
	if w.job != nil {
		w.job.line(strings.TrimRight(b.String(), "\n"))
		return
	}
	fmt.Fprint(w.Err, b.String())
}

func (w *watcher) fault(err error) {
	var f *engine.Fault
	if errors.As(err, &f) {
		w.report(diag.List{f.Diagnostic()})
		return
	}
	w.trouble(err)
}

// trouble tells an error that has no place in the script.
func (w *watcher) trouble(err error) {
	if w.Tell != nil {
		w.Tell(diag.List{{Code: diag.CommandFailed, Severity: diag.Error, Summary: err.Error()}})
		return
	}
	w.say("error: %v", err)
}

// look reads the script and does what it asks for. Forced, it runs a text that has run before.
func (w *watcher) look(ctx context.Context, forced bool) {
	l, err := script.Load(w.Script, w.Options)
	missing := errors.Is(err, fs.ErrNotExist)
	if missing || err == nil && strings.TrimSpace(l.File.Text) == "" {
		if w.attempts++; w.attempts < retries {
			w.retry.Reset(settle)
		} else if state := map[bool]string{true: "gone", false: "empty"}[missing]; w.absent != state {
			w.absent = state
			w.say("%s is %s; waiting", w.name, state)
		}
		return
	}
	w.absent = ""
	if err != nil {
		w.trouble(err)
		return
	}
	sum := sha256.Sum256([]byte(l.File.Text))
	if sum == w.seen && !forced {
		return
	}
	w.seen = sum
	w.report(l.Diags)
	if n := l.Diags.Count(diag.Error); n > 0 {
		w.say("%s: %s; waiting for the next save", w.name, diag.Counted(n, "error"))
		return
	}
	v, err := w.plan(l)
	if err != nil {
		w.fault(err)
		w.say("%s cannot be planned; waiting for the next save", w.name)
		return
	}
	switch {
	case w.job != nil && v.mark == w.job.version.mark:
		if w.job.goOn() {
			w.next = nil
			w.say("no change; the run goes on")
		} else {
			w.next = v
		}
	case w.job != nil:
		w.next = v
		w.say("saved: %s", w.job.supersede(v))
	case v.mark == w.last && !forced:
		w.say("no change")
	default:
		w.run(ctx, v)
	}
}

// plan uses an engine of its own while a run is going on: an engine serves one program at a time.
func (w *watcher) plan(l *script.Loaded) (*version, error) {
	e := w.engine
	if w.job != nil {
		cfg := w.Engine
		cfg.Events = nil
		var err error
		if e, err = engine.New(cfg); err != nil {
			return nil, err
		}
	}
	steps, err := e.Plan(l.Program, l.File.Text)
	if err != nil {
		return nil, err
	}
	return newVersion(l, steps), nil
}

func (w *watcher) run(ctx context.Context, v *version) {
	// Hashes of large files are on disk before a second engine may want them.
	if err := w.engine.Close(); err != nil {
		w.say("note: %v", err)
	}
	fmt.Fprint(w.Out, v.summary())
	w.last = ""
	w.job = newJob(v, w.View())
	w.job.start(ctx, w.engine)
}

// finish says how a run ended and begins the next one if there is one.
func (w *watcher) finish(ctx context.Context) {
	j := w.job
	j.view.Close()
	w.job = nil
	seconds := time.Since(j.started).Seconds()
	ran := j.ranStages()
	did := ""
	if len(ran) > 0 {
		did = "; ran " + strings.Join(ran, ", ")
	}
	switch {
	case j.err == nil:
		w.last = j.version.mark
		if did == "" {
			did = "; nothing to run"
		}
		line := fmt.Sprintf("%s: %s; %d cached; %.1f s", w.name, did[2:], len(j.version.steps)-len(ran), seconds)
		for _, r := range j.out.Reports {
			line += "; report: " + r
		}
		w.expectations(j.out, &line)
		w.say("%s", line)
		w.engine.Retain(j.version.loaded.Program)
	case errors.Is(j.err, context.Canceled):
		w.say("%s: stopped after %.1f s%s", w.name, seconds, did)
	default:
		w.fault(j.err)
		w.say("%s: failed after %.1f s%s; waiting for the next save", w.name, seconds, did)
	}
	if v := w.next; v != nil && ctx.Err() == nil {
		w.next = nil
		if v, err := w.plan(v.loaded); err == nil { // what has run meanwhile is cached now
			w.run(ctx, v)
		} else {
			w.fault(err)
		}
	}
}

func (w *watcher) expectations(out *engine.Outcome, line *string) {
	var failed diag.List
	for _, x := range out.Expects {
		if !x.Holds {
			failed = append(failed, x.Diagnostic())
		}
	}
	if n := len(out.Expects); n > 0 {
		*line += fmt.Sprintf("; %s, %s", diag.Counted(n, "expectation"), diag.Holding(n-len(failed)))
	}
	if len(failed) > 0 {
		w.report(failed)
	}
}

// leave stops a run at its next step and waits for it.
func (w *watcher) leave() {
	if w.job == nil {
		return
	}
	w.job.stop()
	<-w.job.done
	w.job.view.Close()
	w.job = nil
	fmt.Fprintf(w.Out, "%s: stopped; what was finished is kept\n", w.name)
}
