package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// Config is what a session needs.
type Config struct {
	Engine      engine.Config // Events is set by the session
	File        string        // script to begin with; "" begins empty
	Input       Editor
	Out, Err    io.Writer // answers; mistakes and notes
	Interactive bool      // prompts, and a word about what was bound
	Color       bool
	Tell        func(diag.List) // tells mistakes in a form of its own; nil: as text on Err
	// View begins to show the events of one computation and returns what ends it. nil shows notes only, on Err.
	View func() (show func(engine.Event), end func())
}

// Loop is a running session.
type Loop struct {
	Config
	session session
	engine  *engine.Engine
	name    string     // of the session, as reports and plans know it
	mu      sync.Mutex // of show
	show    func(engine.Event)
	entries int
	failed  int
	leave   bool
	stopped error // why the rest of the input was left unread

	signals chan os.Signal
}

const (
	prompt     = "mseg> "
	morePrompt = " ...> "
)

// Run reads entries until the input ends, :quit, or the context ends, and gives the number of entries that failed. The error is about the store of
// results or, where nobody types, about an interrupted computation; never about what an entry says.
func Run(ctx context.Context, cfg Config) (failed int, err error) {
	l := &Loop{Config: cfg, name: "session", signals: make(chan os.Signal, 8)}
	if cfg.File != "" {
		l.name = cfg.File
	}
	l.show = l.note
	l.Engine.Events = l.event
	if l.engine, err = engine.New(l.Engine); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.engine.Close()) }()
	signal.Notify(l.signals, os.Interrupt)
	defer signal.Stop(l.signals)
	stop := context.AfterFunc(ctx, func() { _ = l.Input.Close() }) // wakes a waiting Read
	defer stop()
	if cfg.File != "" {
		l.guard(func() error { return l.load(cfg.File) })
	}
	for !l.leave && ctx.Err() == nil {
		text, err := l.read()
		if strings.TrimSpace(text) != "" {
			if kept := l.Input.Remember(text); kept != nil {
				fmt.Fprintln(l.Err, "note:", kept)
			}
			l.guard(func() error { return l.answer(ctx, text) })
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return l.failed, fmt.Errorf("cannot read the input: %w", err)
			}
			break
		}
	}
	return l.failed, errors.Join(l.stopped, ctx.Err())
}

// read gives one entry: lines until brackets are closed and the last operator has its operand. With an error the text is what stood before it.
func (l *Loop) read() (string, error) {
	text := ""
	for {
		p := prompt
		if text != "" {
			p = morePrompt
		}
		before := text
		line, err := l.Input.Read(p, func(s string) (int, []string) {
			start, items := l.session.complete(before + s)
			return start - len(before), items
		})
		switch {
		case errors.Is(err, ErrInterrupt):
			text = ""
			continue
		case err != nil:
			return text + line, err
		}
		text += line
		if isCommand(text) || !syntax.Incomplete(source.New("", text)) {
			return text, nil
		}
		text += "\n"
	}
}

func isCommand(text string) bool { return strings.HasPrefix(text, ":") || strings.HasPrefix(text, "?") }

// errSaid is the failure of an entry whose diagnostics have been shown.
var errSaid = errors.New("entry failed")

// guard runs the answer to one entry; nothing that happens in it ends the session.
func (l *Loop) guard(f func() error) {
	defer func() {
		if r := recover(); r != nil {
			l.failed++
			fmt.Fprintf(l.Err, "internal fault: %v\nThis is a mistake in the program, not in the entry; the session goes on as it was.\n", r)
			if os.Getenv("MSEG_TRACE") != "" {
				fmt.Fprintf(l.Err, "%s", debug.Stack())
			}
		}
	}()
	err := f()
	if err == nil {
		return
	}
	l.failed++
	var fault *engine.Fault
	switch {
	case errors.Is(err, errSaid):
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(l.Err, "stopped; what was finished is kept")
		if !l.Interactive { // nobody is there to type on: Ctrl-C means the whole input
			l.leave, l.stopped = true, err
		}
	case errors.As(err, &fault):
		d := fault.Diagnostic()
		d.Summary = firstLine(err)
		l.report(diag.List{d})
	case l.Tell != nil:
		l.Tell(diag.List{{Code: diag.CommandFailed, Severity: diag.Error, Summary: firstLine(err)}})
	default:
		fmt.Fprintln(l.Err, "error:", err)
	}
}

func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

func (l *Loop) report(d diag.List) {
	if l.Tell != nil {
		l.Tell(d)
		return
	}
	diag.WriteText(l.Err, d, l.Color)
}

// answer handles one entry: a command, a question, or statements and expressions.
func (l *Loop) answer(ctx context.Context, text string) error {
	if isCommand(text) {
		return l.command(ctx, text)
	}
	l.entries++
	e := l.session.read(source.New(fmt.Sprintf("entry %d", l.entries), text), true)
	if len(e.diags) > 0 {
		l.report(e.diags)
	}
	if e.diags.HasErrors() {
		return errSaid
	}
	return l.accept(ctx, e)
}

// accept takes over a session without mistakes, computes what its entry asks for and shows it. Definitions stay when a computation fails or is
// stopped; expectations that do not hold do not.
func (l *Loop) accept(ctx context.Context, e entry) error {
	l.session = e.next
	e.program.Name = l.name
	if l.Interactive && len(e.bound) > 0 {
		fmt.Fprintln(l.Out, strings.Join(e.bound, ", "))
	}
	if len(e.program.Bare) == 0 && len(e.expects()) == 0 {
		return nil
	}
	err := l.compute(ctx, func(ctx context.Context) error {
		l.engine.Use(e.program, l.session.source())
		for _, b := range e.program.Bare {
			text, err := l.engine.Display(ctx, b.Value)
			if err != nil {
				return err
			}
			fmt.Fprint(l.Out, text)
		}
		return l.expectations(ctx, e)
	})
	l.engine.Retain(e.program)
	if err != nil {
		l.session = l.session.withoutExpects(e.file)
	}
	return err
}

// expectations checks those of an entry, the last ones of its program.
func (l *Loop) expectations(ctx context.Context, e entry) error {
	var failed diag.List
	for _, x := range e.expects() {
		r, err := l.engine.Expect(ctx, x)
		if err != nil {
			return err
		}
		if r.Holds {
			fmt.Fprintf(l.Out, "holds: %s\n", strings.TrimSpace(x.Text+found(r)))
			continue
		}
		failed = append(failed, r.Diagnostic())
	}
	if len(failed) > 0 {
		l.report(failed)
		return errSaid
	}
	return nil
}

func found(r engine.ExpectResult) string {
	if r.Found == "" {
		return ""
	}
	return "  (" + r.Found + ")"
}

// compute runs f under a context that Ctrl-C ends; the events of the engine are shown meanwhile. A stage that does not answer to Ctrl-C can be
// left with the third one, which ends the program.
func (l *Loop) compute(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if l.View != nil {
		show, end := l.View()
		l.setShow(show)
		defer func() { l.setShow(l.note); end() }()
	}
	for len(l.signals) > 0 {
		<-l.signals // from before
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for n := 1; ; n++ {
			select {
			case <-l.signals:
			case <-done:
				return
			}
			switch n {
			case 1:
				l.event(engine.Event{Kind: "note", Text: "stopping after this step"})
				cancel()
			case 2:
				l.event(engine.Event{Kind: "note", Text: "waiting for the step to end; Ctrl-C again leaves the session"})
			default:
				os.Exit(130)
			}
		}
	}()
	return f(ctx)
}

// event shows what the engine, or the session itself, is doing.
func (l *Loop) event(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.show(e)
}

func (l *Loop) setShow(show func(engine.Event)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.show = show
}

// note is how events are shown without a View.
func (l *Loop) note(e engine.Event) {
	if e.Kind == "note" {
		fmt.Fprintln(l.Err, "note:", strings.TrimPrefix(e.Stage+": ", ": ")+e.Text)
	}
}
