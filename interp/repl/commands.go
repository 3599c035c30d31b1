package repl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// command is one of the words that begin with a colon.
type command struct {
	name, args, doc string
	run             func(l *Loop, ctx context.Context, arg string) error
}

// commands in the order in which :help lists them; filled by init since :help reads it.
var commands []command

func init() {
	commands = []command{
		{"help", "", "this list", (*Loop).help},
		{"list", "", "what is bound", (*Loop).list},
		{"plan", "", "the stages that the session's definitions need: run or cached, and why", (*Loop).plan},
		{"run", "", "compute everything that is defined, as `mseg run` would", (*Loop).runAll},
		{"load", "FILE", "take over the statements of a script", func(l *Loop, _ context.Context, arg string) error { return l.load(arg) }},
		{"save", "FILE.mseg", "write the session as a script; :save! overwrites", func(l *Loop, _ context.Context, arg string) error { return l.save(arg, false) }},
		{"save!", "FILE.mseg", "", func(l *Loop, _ context.Context, arg string) error { return l.save(arg, true) }},
		{"quit", "", "leave (Ctrl-D too)", func(l *Loop, _ context.Context, _ string) error { l.leave = true; return nil }},
	}
}

// command answers to :word and ?name.
func (l *Loop) command(ctx context.Context, text string) error {
	text = strings.TrimSpace(text)
	if name, ok := strings.CutPrefix(text, "?"); ok {
		name = strings.TrimSpace(name)
		if name == "" || name == "help" {
			return l.help(ctx, "")
		}
		s, err := l.session.explain(name, l.Input.Width())
		if err == nil {
			fmt.Fprint(l.Out, s)
		}
		return err
	}
	word, arg, _ := strings.Cut(text[1:], " ")
	var names []string
	for _, c := range commands {
		if c.name == word {
			arg = strings.TrimSpace(arg)
			if c.args == "" && arg != "" {
				return fmt.Errorf(":%s takes nothing behind it, found %q", word, arg)
			}
			if c.args != "" && arg == "" {
				return fmt.Errorf(":%s needs a file: :%s %s", word, word, c.args)
			}
			return c.run(l, ctx, strings.Trim(arg, `"`))
		}
		names = append(names, c.name)
	}
	if s := diag.Suggest(word, names); s != "" {
		return fmt.Errorf("there is no command :%s; did you mean :%s", word, s)
	}
	return fmt.Errorf("there is no command :%s; :help lists them", word)
}

func (l *Loop) help(context.Context, string) error {
	fmt.Fprint(l.Out, "Type a statement (data, prep, split, taxonomy, experts, model, eval, compare, figure, report, param, fn, use, expect)\n"+
		"or an expression, which is computed and shown. A name that is bound again is replaced; only what depends on it is computed anew.\n\n")
	w := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "?NAME\twhat a function, kind, word, task or name of the session is")
	for _, c := range commands {
		if c.doc != "" {
			fmt.Fprintf(w, ":%s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.doc)
		}
	}
	fmt.Fprintln(w, "Tab\tcompletes names; Ctrl-R searches the history; Ctrl-C clears the line or stops a computation")
	return w.Flush()
}

func (l *Loop) list(context.Context, string) error {
	p := l.session.program(l.name)
	w := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	for _, st := range l.session.statements {
		switch st := st.node.(type) {
		case *syntax.Binding:
			fmt.Fprintf(w, "%s\t%s\t%s\n", st.Kind.Text, st.Name.Text, oneLine(st.Value.Span().Text()))
		case *syntax.Param:
			value := ""
			if i := slices.IndexFunc(p.Params, func(x ir.ParamValue) bool { return x.Name == st.Name.Text }); i >= 0 {
				value = check.Show(p.Params[i].Value)
			}
			fmt.Fprintf(w, "param\t%s\t%s\n", st.Name.Text, value)
		case *syntax.Fn:
			fmt.Fprintf(w, "fn\t%s\t%s\n", st.Name.Text, oneLine(st.Body.Span().Text()))
		case *syntax.Use:
			fmt.Fprintf(w, "use\t%s\t%s\n", st.Library.Text, strings.Join(boundNames(st), ", "))
		case *syntax.Expect:
			fmt.Fprintf(w, "expect\t\t%s\n", oneLine(st.Condition.Span().Text()))
		}
	}
	return w.Flush()
}

// oneLine is the beginning of an expression without line breaks and comments.
func oneLine(s string) string {
	var ignored diag.List
	for _, t := range slices.Backward(syntax.Lex(source.New("", s), &ignored)) {
		if t.Type == syntax.Comment {
			s = s[:t.Start] + s[t.End:]
		}
	}
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 70 {
		return string(r[:69]) + "…"
	}
	return s
}

func (l *Loop) plan(context.Context, string) error {
	steps, err := l.engine.Plan(l.session.program(l.name), l.session.source())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	work := 0
	for _, s := range steps {
		state := "cached"
		if !s.Cached {
			state = "run"
			work++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", state, s.Label, s.Op, store.Short(s.Key), s.Why)
	}
	fmt.Fprintf(w, "%d stages, %d to run\n", len(steps), work)
	return w.Flush()
}

func (l *Loop) runAll(ctx context.Context, _ string) error {
	p := l.session.program(l.name)
	var out *engine.Outcome
	err := l.compute(ctx, func(ctx context.Context) (err error) {
		out, err = l.engine.Run(ctx, p, l.session.source())
		return err
	})
	if err != nil {
		return err
	}
	var failed diag.List
	for _, x := range out.Expects {
		if !x.Holds {
			failed = append(failed, x.Diagnostic())
		}
	}
	for _, r := range out.Reports {
		fmt.Fprintf(l.Out, "report: %s\n", r)
	}
	if len(failed) > 0 {
		l.report(failed)
		return errSaid
	}
	fmt.Fprintf(l.Out, "%d stages done\n", len(out.Steps))
	return nil
}

// load takes over the statements of a script as one entry; names that are bound already are replaced.
func (l *Loop) load(path string) error {
	if path == "-" {
		return errors.New("name a script; what is typed or piped in is read anyway")
	}
	loaded, err := script.Load(path, check.Options{})
	if err != nil {
		return err
	}
	e := l.session.read(loaded.File, false)
	l.report(e.diags)
	if e.diags.HasErrors() {
		return errSaid
	}
	l.session = e.next
	if l.Interactive {
		fmt.Fprintf(l.Out, "%s: %s\n", path, strings.Join(e.bound, ", "))
	}
	if dir := filepath.Dir(path); filepath.Clean(dir) != filepath.Clean(l.Engine.Dir) {
		fmt.Fprintf(l.Err, "note: relative files are looked for in %s, not beside %s\n", l.Engine.Dir, path)
	}
	return nil
}

// save writes the session as a script that passes the checker.
func (l *Loop) save(path string, overwrite bool) error {
	if len(l.session.statements) == 0 {
		return errors.New("nothing is bound, so there is nothing to save")
	}
	if filepath.Ext(path) != ".mseg" {
		return fmt.Errorf("%s: a script has the ending .mseg", path)
	}
	if _, err := os.Lstat(path); !overwrite && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return fmt.Errorf("cannot save: %w", err)
		}
		return fmt.Errorf("%s exists; :save! %s overwrites it", path, path)
	}
	text := l.session.source()
	if again := script.Text(path, text, check.Options{}); again.Diags.HasErrors() {
		l.report(again.Diags)
		return errors.New("the session does not form a script of its own; nothing was written")
	}
	if err := store.WriteFile(path, []byte(text)); err != nil {
		return fmt.Errorf("cannot save: %w", err)
	}
	fmt.Fprintf(l.Out, "%d statements in %s\n", len(l.session.statements), path)
	return nil
}
