// Package expect tests scripts by what they say about themselves. It is given a script and an engine configuration and gives a result for each
// thing the script expects:
//
//	expect e.dice.mean > 0.5               an expectation: the condition holds
//	unett()  ### "MSEG-2001 unknown name"  a diagnostic: reported on this line; the expression matches the summary or the help
//	### plan: nothing re-runs              a plan fact: after a run, a second one would compute nothing
//	### plan: 7 stages                     a plan fact: the script is as many stages
//	### plan: with seed=2 re-runs base, e  a plan fact: another value of a param computes these stages again and no others
//	### plan: with title="x" nothing re-runs
//
// A script that expects diagnostics is one test, and is never run: exactly these must be reported. In every other script each expectation
// and each plan fact is a test of its own. An expectation computes only what its condition needs, so a failing evaluation hides no other
// result; plan facts run the whole script first. Whatever two tests both need is computed once, and what a store holds is not computed at all.
//
// A failure is a result, not an error. The only error is that of an interrupted run.
package expect

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

// Result is the outcome of a test.
type Result struct {
	Script  string  `json:"script"`
	Name    string  `json:"name"` // as written in the script, on one line
	Kind    string  `json:"kind"` // expect, diagnostics, plan; script for a script that cannot be tested
	Line    int     `json:"line"`
	Column  int     `json:"column"`
	Passed  bool    `json:"passed"`
	Message string  `json:"message,omitempty"` // why it failed: one reason a line
	Found   string  `json:"found,omitempty"`   // the values of both sides of a condition
	Seconds float64 `json:"seconds"`

	Diags diag.List `json:"-"` // the same as Message and Found, with places, where the script or its run is at fault
}

// Title is how a test is selected and shown.
func (r Result) Title() string { return r.Script + ": " + r.Name }

// Options say how scripts are tested.
type Options struct {
	Check  check.Options
	Engine engine.Config
	Only   *regexp.Regexp // tests whose title matches; nil: all
}

// Script tests one script; done is called after each test, in the order of the script. The error is context.Canceled, wrapped, or nil.
func Script(ctx context.Context, path string, opt Options, done func(Result)) error {
	t := tester{opt: opt, path: path, done: done}
	l, err := script.Load(path, opt.Check)
	if err != nil {
		t.test("load", "script", 1, 1, func(r *Result) error { r.fail("%v", err); return nil })
		return nil
	}
	if wants, faults := diagnosticsWanted(l.File.Text); len(wants)+len(faults) > 0 {
		return t.test(diagnosticsName(wants), "diagnostics", firstLine(wants), 1, func(r *Result) error {
			r.Message = strings.Join(append(faults, compareDiagnostics(wants, l.Diags)...), "\n")
			r.Passed = r.Message == ""
			return nil
		})
	}
	if l.Diags.HasErrors() {
		return t.test("check", "script", 1, 1, func(r *Result) error {
			for _, d := range l.Diags {
				r.fail("%v", d)
			}
			r.Diags = l.Diags
			return nil
		})
	}
	facts := factsOf(l.File)
	if len(l.Program.Expects)+len(facts) == 0 {
		return t.test("check", "script", 1, 1, func(r *Result) error {
			r.fail(`the script expects nothing; write expect CONDITION, or a comment ### plan: nothing re-runs or ### "CODE regexp"`)
			return nil
		})
	}
	return t.run(ctx, l, facts)
}

type tester struct {
	opt  Options
	path string
	done func(Result)
}

// test runs one test and hands its result on; f sets Passed, or fails with a reason.
func (t tester) test(name, kind string, line, column int, f func(*Result) error) error {
	r := Result{Script: t.path, Name: strings.Join(strings.Fields(name), " "), Kind: kind, Line: line, Column: column}
	if t.opt.Only != nil && !t.opt.Only.MatchString(r.Title()) {
		return nil
	}
	begin := time.Now()
	err := f(&r)
	r.Seconds = time.Since(begin).Seconds()
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		r.failed(err)
	}
	t.done(r)
	return nil
}

func (t tester) run(ctx context.Context, l *script.Loaded, facts []fact) error {
	e, err := engine.New(t.opt.Engine)
	if err != nil {
		return t.test("run", "script", 1, 1, func(*Result) error { return err })
	}
	for _, x := range l.Program.Expects {
		at := x.Span.From()
		err := t.test(conditionName(x), "expect", at.Line, at.Column, func(r *Result) error {
			out, err := e.Run(ctx, alone(l.Program, x), l.File.Text)
			if err != nil {
				return err
			}
			r.Passed, r.Found = out.Expects[0].Holds, out.Expects[0].Found
			if !r.Passed {
				r.Message = "expectation does not hold"
				r.Diags = diag.List{out.Expects[0].Diagnostic()}
			}
			return nil
		})
		if err != nil {
			return errors.Join(err, e.Close())
		}
	}
	ran := false
	for _, f := range facts {
		err := t.test("plan: "+f.text, "plan", f.at.Line, f.at.Column, func(r *Result) error {
			if f.fault != "" {
				r.fail("%s", f.fault)
				return nil
			}
			if !ran {
				whole := *l.Program
				whole.Expects = nil // tested one by one
				if _, err := e.Run(ctx, &whole, l.File.Text); err != nil {
					return err
				}
				ran = true
			}
			return f.check(r, e, l, t.opt.Check)
		})
		if err != nil {
			return errors.Join(err, e.Close())
		}
	}
	return e.Close()
}

// alone is the program of one expectation. The bindings stay, since the engine reads from them which tasks the script has declared, but none
// is a goal of the run.
func alone(p *ir.Program, x ir.Expect) *ir.Program {
	one := *p
	one.Expects = []ir.Expect{x}
	one.Bindings = slices.Clone(p.Bindings)
	for i := range one.Bindings {
		one.Bindings[i].Kind = ""
	}
	return &one
}

func conditionName(x ir.Expect) string { return "expect " + strings.TrimPrefix(x.Text, "expect ") }

// failed words a failure of the engine, at its place in the script.
func (r *Result) failed(err error) {
	var f *engine.Fault
	if errors.As(err, &f) && !f.Span.IsZero() {
		r.Diags = diag.List{f.Diagnostic()}
		r.fail("line %d: %v", f.Span.From().Line, err)
		return
	}
	r.fail("%v", err)
}

// Mistakes are why a test failed, as diagnostics: those of the script where it has any, else one that names the test.
func (r Result) Mistakes() diag.List {
	if r.Passed || len(r.Diags) > 0 {
		return r.Diags
	}
	return diag.List{{Code: diag.ExpectFails, Severity: diag.Error, Summary: r.Title() + ": " + strings.ReplaceAll(r.Explain(), "\n", "; ")}}
}
