package lint

import (
	"math"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

// fewest is the smallest number of patients for which an interval and a test can say something: with five pairs the two-sided p value of
// Wilcoxon's signed-rank test is at least 2/2⁵ = 0.0625, whatever is measured.
const fewest = 6

func init() {
	register(Rule{Name: "few-patients", Severity: diag.Note, Confidence: Certain, Title: "a confidence interval over too few patients",
		Doc: "Images of one patient resemble each other, so it is patients that count. With five or fewer, Student's interval hangs on the shape of a distribution that nobody has seen, and Wilcoxon's signed-rank test " +
			"cannot reach p < 0.05 (the smallest two-sided p value of five pairs is 2/2⁵ = 0.0625). Show the values of single patients instead, or evaluate on more. The rule knows how many patients there are at most where the script says so: " +
			"generated data, shares of them, `take` with a number, `where` with a list of patients or cases.",
		run: func(x *pass) {
			x.each(func(n *ir.Node) {
				most := math.Inf(1)
				sum := 0.0
				for _, o := range x.origins(n.Node("data")) {
					sum += x.patients(o)
				}
				if most = min(most, sum); most < fewest && most > 0 {
					x.report(n.ArgSpan("data"), "evaluate on more patients, or show single values and allow this", "the result is of %s, too few for a confidence interval", atMost(int(most)))
				}
			}, "evaluate")
		}})
}

func atMost(n int) string {
	if n == 1 {
		return "one patient"
	}
	return "at most " + []string{"", "", "two", "three", "four", "five"}[n] + " patients"
}

// patients is the largest number of patients that data of an origin may have; infinite where only files know it.
func (x *pass) patients(o origin) float64 {
	return min(x.most(o.node), x.chosen(o))
}

// most follows data back to where the script says how many patients there are.
func (x *pass) most(n *ir.Node) float64 {
	switch {
	case n == nil:
		return math.Inf(1)
	case n.Op == "phantom":
		return n.Num("patients")
	case n.Op == "select" && n.Node("of") != nil && n.Node("of").Op == "by":
		by := n.Node("of")
		whole := x.most(by.Node("data"))
		if by.Text("unit") != "patient" {
			return whole
		}
		return math.Ceil(whole*by.Num(n.Text("field"))/100 - 1e-9)
	case n.Op == "prep" || n.Op == "where" || n.Op == "take":
		return min(x.most(n.Node("data")), limit(n, x.most(n.Node("data"))))
	case n.Op == "+":
		return x.most(n.Node("a")) + x.most(n.Node("b"))
	}
	return math.Inf(1)
}

// chosen is what where and take upon an origin leave at most. Their nodes are not kept in an origin, so the choices are looked up among those of the script.
func (x *pass) chosen(o origin) float64 {
	if len(o.choices) == 0 {
		return math.Inf(1)
	}
	out := math.Inf(1)
	for _, n := range x.nodes {
		if n.Op != "where" && n.Op != "take" {
			continue
		}
		for _, p := range x.origins(n) {
			if p.base == o.base && len(p.choices) <= len(o.choices) && strings.Join(p.choices, ";") == strings.Join(o.choices[:len(p.choices)], ";") {
				out = min(out, limit(n, x.most(n.Node("data"))))
			}
		}
	}
	return out
}

// limit is the number of patients that one choice leaves at most of a number.
func limit(n *ir.Node, of float64) float64 {
	switch n.Op {
	case "take":
		part, ok := n.Arg("part").(ir.Number)
		switch {
		case !ok || n.Text("by") == "sample":
			return of
		case part.Unit == "%":
			return math.Max(1, math.Ceil(of*part.V/100-1e-9))
		}
		return part.V
	case "where":
		if p, ok := n.Arg("condition").(ir.Predicate); ok {
			return named(p.Test)
		}
	}
	return of
}

// named is how many patients a condition names at most; a case belongs to one patient.
func named(p *ir.Pred) float64 {
	switch {
	case p.Op == "and":
		return min(named(p.Kids[0]), named(p.Kids[1]))
	case p.Op == "or":
		return named(p.Kids[0]) + named(p.Kids[1])
	case p.Field != "patient" && p.Field != "case":
		return math.Inf(1)
	case p.Op == "==":
		return 1
	case p.Op == "in":
		if l, ok := p.Value.(ir.List); ok {
			return float64(len(l.Items))
		}
	}
	return math.Inf(1)
}
