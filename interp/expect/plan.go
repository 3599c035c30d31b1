package expect

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// A fact about the plan after a run.
type fact struct {
	text   string
	at     source.Position
	set    map[string]string // params with other values
	reruns []string          // labels of the stages to be computed, sorted; empty: none
	stages int               // number of all stages; -1: not asked
	fault  string            // why the comment cannot be understood
}

var (
	factMark   = regexp.MustCompile(`^###\s*plan\b:?`)
	factStages = regexp.MustCompile(`^(\d+) stages?$`)
	factReruns = regexp.MustCompile(`^(?:with ((?:\w+=(?:"[^"]*"|\S+)\s+)+))?(?:nothing re-runs|re-runs ([\w, ]+))$`)
	factParam  = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)
)

// factsOf reads the facts from the comments of a script.
func factsOf(f *source.File) []fact {
	var out []fact
	var ignored diag.List // the parser has reported them
	for _, t := range syntax.Lex(f, &ignored) {
		if mark := factMark.FindString(t.Text); t.Type == syntax.Comment && mark != "" {
			x := factOf(strings.TrimSpace(t.Text[len(mark):]))
			x.at = f.Position(t.Start)
			out = append(out, x)
		}
	}
	return out
}

func factOf(text string) fact {
	x := fact{text: text, stages: -1}
	if m := factStages.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			x.fault = fmt.Sprintf("%s is no number of stages", m[1])
		}
		x.stages = n
		return x
	}
	m := factReruns.FindStringSubmatch(text)
	if m == nil {
		x.fault = fmt.Sprintf("unknown plan fact %q; known are: nothing re-runs, N stages, with NAME=VALUE re-runs STAGE, STAGE, with NAME=VALUE nothing re-runs", text)
		return x
	}
	for _, p := range factParam.FindAllStringSubmatch(m[1], -1) {
		if x.set == nil {
			x.set = map[string]string{}
		}
		x.set[p[1]] = p[2] // an expression, as with --set
	}
	x.reruns = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(x.reruns)
	return x
}

// check plans after the run.
func (f fact) check(r *Result, e *engine.Engine, l *script.Loaded, opt check.Options) error {
	if len(f.set) > 0 {
		set := maps.Clone(opt.Set)
		if set == nil {
			set = map[string]string{}
		}
		maps.Copy(set, f.set)
		opt.Set = set
		l = script.Text(l.File.Name, l.File.Text, opt)
		for _, d := range l.Diags {
			if d.Severity == diag.Error {
				r.fail("%s", d.Error())
			}
		}
		if r.Message != "" {
			return nil
		}
	}
	steps, err := e.Plan(l.Program, l.File.Text)
	if err != nil {
		return err
	}
	if f.stages >= 0 {
		if r.Passed = len(steps) == f.stages; !r.Passed {
			r.fail("expected %d stages", f.stages)
			r.Found = fmt.Sprintf("%d stages", len(steps))
		}
		return nil
	}
	var work, why []string
	for _, s := range steps {
		if !s.Cached {
			work = append(work, s.Label)
			why = append(why, fmt.Sprintf("%s (%s): %s", s.Label, s.Op, s.Why))
		}
	}
	// A name may stand for several stages (an evaluation and its prediction): it is named once.
	slices.Sort(work)
	work = slices.Compact(work)
	if r.Passed = slices.Equal(work, f.reruns); !r.Passed {
		r.fail("expected to re-run: %s; would re-run: %s", list(f.reruns), list(work))
		r.Found = strings.Join(why, "; ")
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
