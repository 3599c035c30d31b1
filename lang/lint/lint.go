// Package lint finds what the checker must accept and a reviewer would not: experiments that are well formed and prove less than they seem to.
//
// It is given a script that checks, with its meaning, and promises one finding a place for every rule that applies. Rules look at the graph of nodes, where names,
// order and fns are gone, so a fault is found however it is spelled; none of them reads a file or runs anything. A rule reports only what follows from the script with
// certainty or nearly so: a lint that cries wolf is switched off.
//
// One file a rule (rule_*.go), registered by its init; testdata/RULE holds a script with the fault and one without. A finding is silenced by a comment on its line or the
// line above, which must give a reason:
//
//	# lint: allow oracle-mask compared with a paper that did so
package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// Rule is one thing that is looked for.
type Rule struct {
	Name     string // as in `# lint: allow NAME`
	Severity diag.Severity
	// Confidence is how sure a finding is.
	Confidence Confidence
	Title      string // what is wrong, in a line
	Doc        string // why it matters and what to do, Markdown
	run        func(*pass)
}

// Confidence is how sure the findings of a rule are.
type Confidence string

const (
	Certain Confidence = "certain" // what is found follows from the script
	Likely  Confidence = "likely"  // it follows from what names and titles seem to say
)

var rules []*Rule

func register(r Rule) { rules = append(rules, &r) }

// Rules lists all rules by name.
func Rules() []*Rule {
	out := slices.Clone(rules)
	slices.SortFunc(out, func(a, b *Rule) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Find finds a rule by name.
func Find(name string) (*Rule, bool) {
	i := slices.IndexFunc(rules, func(r *Rule) bool { return r.Name == name })
	if i < 0 {
		return nil, false
	}
	return rules[i], true
}

// Script looks a checked script through. Findings have the name of their rule as code.
func Script(s *syntax.Script, p *ir.Program) diag.List {
	x := &pass{script: s, program: p, hash: ir.NewHasher(nil)}
	x.collect()
	allowed, out := allowances(s.File)
	for _, r := range Rules() {
		x.rule, x.found = r, nil
		r.run(x)
		for _, d := range x.found {
			if d.Span.File == s.File && allowed.covers(r.Name, d.Span.From().Line) {
				continue
			}
			out = append(out, d)
		}
	}
	out.Sort()
	return out
}

// pass is what a rule sees.
type pass struct {
	script  *syntax.Script
	program *ir.Program
	hash    *ir.Hasher
	nodes   []*ir.Node // every node of the program once, inputs before what uses them
	rule    *Rule
	found   diag.List
}

func (x *pass) collect() {
	var roots []*ir.Node
	for _, v := range x.program.Values() {
		roots = append(roots, ir.Outermost(v)...)
	}
	x.nodes = slices.Collect(ir.InputsFirst(nil, roots...))
}

// each calls f for the nodes of some operations, of nodes with one meaning at one place only once.
func (x *pass) each(f func(*ir.Node), ops ...string) {
	seen := map[string]bool{}
	for _, n := range x.nodes {
		if !slices.Contains(ops, n.Op) {
			continue
		}
		key := fmt.Sprint(n.Span.Start, x.hash.Hash(n))
		if !seen[key] {
			seen[key] = true
			f(n)
		}
	}
}

// report adds a finding; help says what to do.
func (x *pass) report(at source.Span, help, format string, args ...any) *diag.Diagnostic {
	d := x.found.Add(diag.Code(x.rule.Name), at, format, args...)
	d.Severity, d.Help = x.rule.Severity, help
	return d
}
