package check

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/types"
)

// An eval may hold one metric in several ways, hd95(mm) and hd95(px). By its name alone none of them is meant: taking the first would let the order of a list decide a result.

// Meant lists the metrics of an evaluate node that a metric means, by their places in its list. A word means all ways of the metric of that name, a metric with arguments the one
// that is measured so, and a fn the one of the same formula, whatever is said of its better side.
func Meant(eval *ir.Node, metric ir.Value) []int {
	var out []int
	h := ir.NewHasher(nil)
	for i, v := range eval.Items("metrics") {
		m, ok := v.(*ir.Node)
		if !ok {
			continue
		}
		same := false
		switch w := metric.(type) {
		case ir.Word:
			same = m.Op == w.Text
		case *ir.Node:
			a, own := w.Fn()
			b, both := m.Fn()
			same = own && both && h.Hash(a) == h.Hash(b) || !own && !both && h.Hash(w) == h.Hash(m)
		}
		if same {
			out = append(out, i)
		}
	}
	return out
}

// settled says whether all metrics of an evaluate node are known: not while a fn is checked whose parameter is one of them.
func settled(eval *ir.Node) bool {
	l, ok := eval.Arg("metrics").(ir.List)
	return ok && !slices.ContainsFunc(l.Items, func(v ir.Value) bool { _, ok := v.(*ir.Node); return !ok })
}

// measured refuses the metric of an eval that it does not measure, or in more ways than one, and that of a comparison which is of another.
func (c *checker) measured(eval *ir.Node, field string, at source.Span) bool {
	if eval.Op == "compare" {
		name, known := comparedName(eval)
		if known && name != field {
			c.diags.Add(diag.UnknownField, at, "this comparison is of %s, not of %s", name, field).Help = "write compare … { metric: " + field + " }"
			return false
		}
		return true
	}
	if eval.Op != "evaluate" || !settled(eval) {
		return true
	}
	switch found := Meant(eval, ir.Word{Text: field}); len(found) {
	case 0:
		c.notMeasured(eval, at, "this eval", field)
		return false
	case 1:
		return true
	default:
		last := eval.Items("metrics")[found[len(found)-1]].(*ir.Node)
		c.severalWays(eval, at, "this eval", field, found).Help = "give one of them an eval of its own: evaluate(…, metrics: [" + metricText(last) + "]); what is predicted is kept and predicted once"
		return false
	}
}

// comparedName is the name of the metric that a comparison is of, without arguments.
func comparedName(compare *ir.Node) (name string, known bool) {
	switch m := compare.Arg("metric").(type) {
	case ir.Word:
		return m.Text, true
	case *ir.Node:
		if m.Op == "fn" {
			return FnName(m), true
		}
		return m.Op, true
	}
	return "", false
}

func (c *checker) notMeasured(eval *ir.Node, at source.Span, subject, metric string) {
	d := c.diags.Add(diag.UnknownField, at, "%s does not measure %s", subject, metric)
	d.Help = "add it to its metrics"
	d.Related = []diag.Related{{Span: eval.ArgSpan("metrics"), Message: "metrics are given here"}}
}

func (c *checker) severalWays(eval *ir.Node, at source.Span, subject, name string, found []int) *diag.Diagnostic {
	var ways []string
	for _, i := range found {
		ways = append(ways, metricText(eval.Items("metrics")[i].(*ir.Node)))
	}
	d := c.diags.Add(diag.AmbiguousName, at, "%s measures %s in %d ways: %s", subject, name, len(ways), strings.Join(ways, ", "))
	d.Related = []diag.Related{{Span: eval.ArgSpan("metrics"), Message: "metrics are given here"}}
	return d
}

// comparedMetric checks that a comparison is of one quantity, which all of its evals measure in the same way.
func (c *checker) comparedMetric(n *ir.Node) {
	at := n.ArgSpan("metric")
	metric := n.Arg("metric")
	var name string
	switch m := metric.(type) {
	case ir.Word:
		name = m.Text
	case *ir.Node:
		name = metricText(m)
	default:
		return // not known yet
	}
	var first *ir.Node // the metric in the first eval
	for i, eval := range ir.Outermost(n.Arg("evals")) {
		if eval.Op != "evaluate" || !settled(eval) {
			continue
		}
		subject := eval.Label
		if subject == "" {
			subject = "eval " + types.Fmt(float64(i+1), "") + " of the comparison"
		}
		found := Meant(eval, metric)
		switch {
		case len(found) == 0:
			c.notMeasured(eval, at, subject, name)
			return
		case len(found) > 1:
			one := eval.Items("metrics")[found[0]].(*ir.Node)
			c.severalWays(eval, at, subject, name, found).Help = "say which one is compared, for example metric: " + metricText(one)
			return
		}
		m := eval.Items("metrics")[found[0]].(*ir.Node)
		if first == nil {
			first = m
		} else if len(Meant(eval, first)) == 0 {
			d := c.diags.Add(diag.AmbiguousName, at, "%s measures %s, the eval before it %s", subject, metricText(m), metricText(first))
			d.Help = "comparisons are of one quantity, so all evals must measure it alike"
			d.Related = []diag.Related{{Span: eval.ArgSpan("metrics"), Message: "metrics are given here"}}
			return
		}
	}
}

// repeatedMetric refuses the same metric twice in one eval, before what it measures has been trained.
func (c *checker) repeatedMetric(eval *ir.Node) {
	for i, v := range eval.Items("metrics") {
		if m, ok := v.(*ir.Node); ok && Meant(eval, m)[0] < i {
			c.diags.Add(diag.DuplicateArgument, m.Span, "the metric %s stands twice", metricText(m)).Help = "leave one of them out"
		}
	}
}

// metricText writes a metric as a script does: what it is asked in, and how where that is not the default.
func metricText(m *ir.Node) string {
	if m.Builtin == nil {
		return Written(m)
	}
	var args []string
	for i, p := range m.Builtin.Params {
		switch text := Written(m.Arg(p.Name)); {
		case i == 0:
			args = append(args, text)
		case text != p.Default:
			args = append(args, p.Name+": "+text)
		}
	}
	if len(args) == 0 {
		return m.Op
	}
	return m.Op + "(" + strings.Join(args, ", ") + ")"
}
