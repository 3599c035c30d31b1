package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
)

// teller is the one place where commands tell mistakes: those of scripts, of the command line and of the machine, on standard error, in the form that --errors asks for.
// Under json nothing else is written there: no progress, no count, no remark. All mistakes go into one document when the command ends.
type teller struct {
	form    diag.Form
	asked   bool // --errors was given; else json follows from --json, and a document without mistakes is not written
	out     io.Writer
	color   bool
	pending diag.List // json: for the end
	lines   bool      // json: a document a line, at once (watch)
}

// mostShown is how many mistakes the full form shows: a file that is no script has thousands, and the first are the ones to mend.
const mostShown = 100

// newTeller reads the form from the arguments before they are parsed: that they cannot be parsed is a mistake to be told too.
func newTeller(args []string) *teller {
	t := &teller{form: diag.Full, out: os.Stderr, color: isTerminal(os.Stderr)}
	asked := os.Getenv("MSEG_ERRORS")
	for i, a := range args {
		switch {
		case a == "--":
			args = nil
		case a == "--json" && asked == "":
			t.form = diag.JSON
		case a == "--errors" && i+1 < len(args):
			asked = args[i+1]
		case strings.HasPrefix(a, "--errors="):
			asked = strings.TrimPrefix(a, "--errors=")
		}
		if args == nil {
			break
		}
	}
	if f := diag.Form(asked); f == diag.Full || f == diag.Short || f == diag.JSON {
		t.form, t.asked = f, true
	}
	return t
}

// diags tells mistakes; in the full form the first that has an explanation is pointed to behind them, and the errors are counted where count is true.
func (t *teller) diags(l diag.List, count bool) {
	if len(l) == 0 {
		return
	}
	switch {
	case t.form == diag.JSON && t.lines:
		_ = diag.WriteJSONLine(t.out, l) // a closed pipe ends the program by its signal
		return
	case t.form == diag.JSON:
		t.pending = append(t.pending, l...)
		return
	}
	shown := l
	if t.form == diag.Full && len(l) > mostShown {
		shown = l[:mostShown]
	}
	_ = diag.Write(t.out, t.form, shown, t.color)
	if n := len(l) - len(shown); n > 0 {
		t.remark(fmt.Sprintf("… and %d more; --errors short tells all", n))
	}
	if n := l.Count(diag.Error); count && n > 0 {
		t.remark(diag.Counted(n, "error"))
		t.footer(l)
	}
}

// footer says once, behind all messages, where more can be read.
func (t *teller) footer(l diag.List) {
	for _, d := range l {
		if _, ok := diag.Explain(string(d.Code)); ok {
			t.remark(fmt.Sprintf("for more: mseg explain %s", d.Code))
			return
		}
	}
}

// remark is a line that is no mistake; only the full form has them.
func (t *teller) remark(line string) {
	if t.form == diag.Full {
		fmt.Fprintln(t.out, line)
	}
}

// failed tells an error that has no place in a script.
func (t *teller) failed(code diag.Code, err error, help string) {
	if t.form == diag.Full {
		fmt.Fprintln(t.out, "mseg:", err)
		if help != "" {
			fmt.Fprintln(t.out, help)
		}
		return
	}
	text, more, _ := strings.Cut(err.Error(), "\n")
	t.diags(diag.List{{Code: code, Severity: diag.Error, Summary: text, Help: strings.TrimSpace(more + "\n" + help)}}, false)
}

// panicked tells a fault of the program itself. Go's own exit code for it, 2, would mean to a caller of plan that there is work to do.
func (t *teller) panicked(r any) int {
	t.failed(diag.CommandFailed, fmt.Errorf("internal fault: %v", r), "this is a mistake in mseg, not in the script: please report it")
	t.remark(string(debug.Stack()))
	return 1
}

// close writes what has been kept for the end.
func (t *teller) close() {
	if t.form == diag.JSON && !t.lines && (t.asked || len(t.pending) > 0) {
		_ = diag.WriteJSON(t.out, t.pending)
	}
	t.pending = nil
}

// each is how a command that goes on and on tells mistakes: at once, under json a document a line, also an empty one, so that a program can tell
// that there are none from that nobody has looked yet. It is nil in the full form.
func (t *teller) each() func(diag.List) {
	switch t.form {
	case diag.JSON:
		t.lines = true
		return func(l diag.List) { _ = diag.WriteJSONLine(t.out, l) }
	case diag.Short:
		return func(l diag.List) { diag.WriteShort(t.out, l) }
	}
	return nil
}

// quiet says that progress is not to be shown.
func (t *teller) quiet() bool { return t.form == diag.JSON }
