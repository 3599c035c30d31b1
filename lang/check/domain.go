package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
)

// domain checks what concerns several arguments of one call.
func (c *checker) domain(n *ir.Node) {
	if n.T.Base == "prep" {
		c.repeatedStep(n)
	}
	switch n.Op {
	case "volumes":
		mod := n.Text("modality")
		m, _ := n.Arg("tasks").(ir.Map)
		if len(m.Entries) == 0 {
			c.diags.Add(diag.MissingArgument, n.ArgSpan("tasks"), "tasks of volumes is empty: no label has a meaning")
		}
		for _, e := range m.Entries {
			var v int
			if _, err := fmt.Sscanf(e.Key, "%d", &v); err != nil || fmt.Sprint(v) != e.Key || v == 0 {
				d := c.diags.Add(diag.WrongType, e.Span, "the keys of tasks are label values, whole numbers other than 0 (background)")
				d.Help = "write tasks: { 1: MRI_BrainWholeTumor }"
			}
			w, _ := e.Value.(ir.Word)
			if w.Place != nil && mod != "" && w.Place.Modality != mod {
				d := c.diags.Add(diag.ModalityMismatch, e.Span, "the data are %s, but the task %s is %s", mod, w.Text, w.Place.Modality)
				d.Related = []diag.Related{{Span: n.ArgSpan("modality"), Message: "modality is given here"}}
			}
		}
	case "by":
		sum, given := 0.0, 0
		for _, s := range []string{"train", "val", "test"} {
			if v := n.Arg(s); v != nil {
				sum += n.Num(s)
				given++
			}
		}
		if given > 0 && (sum < 100-1e-9 || sum > 100+1e-9) {
			c.diags.Add(diag.SplitShares, n.Span, "the shares of the split add up to %g %%, expected 100 %%", sum)
		} else if given < 2 {
			c.diags.Add(diag.SplitShares, n.Span, "a split needs at least two of train, val and test")
		}
	case "mixture":
		if g := n.Node("gate"); g != nil && g.Op == "top" && g.Int("k") > n.Int("count") {
			c.diags.Add(diag.OutOfRange, n.ArgSpan("gate"), "top(%d) of %d experts", g.Int("k"), n.Int("count"))
		}
	case "route":
		c.route(n)
	case "compare":
		if l, ok := n.Arg("evals").(ir.List); ok && len(l.Items) < 2 {
			c.diags.Add(diag.MissingArgument, n.ArgSpan("evals"), "compare needs two or more evals, found %d", len(l.Items))
		}
		c.comparedMetric(n)
	case "evaluate":
		c.repeatedMetric(n)
	case "points", "mask", "refine":
		c.prompt(n)
	case "train", "finetune":
		c.trainingPrompt(n)
		c.sharedPatients(n)
		if n.Arg("stop") != nil && n.Arg("validate") == nil {
			d := c.diags.Add(diag.MissingArgument, n.ArgSpan("stop"), "to stop early, %s needs validation data", n.Op)
			d.Help = "write validate: parts.val"
		}
	case "adamw", "sgd":
		c.rates(n)
	case "best":
		if m := n.Node("metric"); m != nil && (m.Op == "rvd" || m.Op == "fn" && m.Arg("side") == nil) {
			name := m.Op
			if m.Op == "fn" {
				name = FnName(m)
			}
			d := c.diags.Add(diag.WrongType, n.ArgSpan("metric"), "of %s neither side is better, so no checkpoint is the best by it", name)
			if m.Op == "fn" {
				d.Help = fmt.Sprintf("write lower_is_better(%s) or higher_is_better(%s)", name, name)
			}
		}
	case "patience":
		if e := n.Num("epochs"); e != math.Trunc(e) {
			c.diags.Add(diag.WrongType, n.ArgSpan("epochs"), "patience of %g epochs: validation is measured at the end of an epoch, so the number must be whole", e)
		}
	}
}

// repeatedStep refuses what two steps of one preparation would set, before data are read for it. A fn of the script may stand twice.
func (c *checker) repeatedStep(n *ir.Node) {
	intensities := func(op string) bool { return op == "window" || op == "percentile" }
	for s := n.Node("after"); s != nil && n.Op != "fn"; s = s.Node("after") {
		what := ""
		switch {
		case s.Op == n.Op:
			what = fmt.Sprintf("%s stands twice in one prep", n.Op)
		case intensities(s.Op) && intensities(n.Op):
			what = fmt.Sprintf("%s and %s both set the intensities", s.Op, n.Op)
		default:
			continue
		}
		d := c.diags.Add(diag.DuplicateArgument, n.Span, "%s", what)
		d.Help = "leave one of them out"
		d.Related = []diag.Related{{Span: s.Span, Message: "the other one"}}
		return
	}
}

// rates checks the keys and factors of an optimiser's groups.
func (c *checker) rates(n *ir.Node) {
	if n.Op == "sgd" && n.Flag("nesterov") && n.Num("momentum") == 0 {
		d := c.diags.Add(diag.OutOfRange, n.ArgSpan("momentum"), "without momentum there is nothing to look ahead along")
		d.Help = "write nesterov: false, or a momentum above 0"
	}
	m, _ := n.Arg("rates").(ir.Map)
	groups, _ := builtin.WordSet("group")
	for _, e := range m.Entries {
		if !slices.Contains(groups.Items, e.Key) {
			d := c.diags.Add(diag.UnknownWord, e.Span, "%q is no part of a model", e.Key)
			d.Help = "expected one of " + strings.Join(groups.Items, ", ")
		}
		if v, ok := e.Value.(ir.Number); ok && (v.Unit != "" || !(v.V > 0) || v.V > 1e6) {
			d := c.diags.Add(diag.OutOfRange, e.Span, "the factor of the learning rate must be a number above 0")
			d.Help = "to train a part not at all, leave it out of train: of adapt"
		}
	}
}

// sharedPatients reports validation data that are certain to hold patients of the training data: the same data, or one a part of the other.
func (c *checker) sharedPatients(n *ir.Node) {
	data, validate := n.Node("data"), n.Node("validate")
	if data == nil || validate == nil {
		return
	}
	if c.hasher == nil {
		c.hasher = ir.NewHasher(nil)
	}
	train, val := c.hasher.Hash(data), c.hasher.Hash(validate)
	what := ""
	switch {
	case train == val:
		what = "the same as the training data"
	case c.partOf(validate, train):
		what = "part of the training data"
	case c.partOf(data, val):
		what = "data of which the training data are a part"
	default:
		return
	}
	d := c.diags.Add(diag.SharedPatient, n.ArgSpan("validate"), "%s validates with %s", n.Op, what)
	d.Help = "validate with another side of a split: validate: parts.val"
	d.Related = []diag.Related{{Span: n.ArgSpan("data"), Message: "trained on these"}}
}

// partOf says whether data are chosen out of the data of an identity, by where or take.
func (c *checker) partOf(n *ir.Node, whole string) bool {
	for n != nil && (n.Op == "where" || n.Op == "take") {
		if n = n.Node("data"); n != nil && c.hasher.Hash(n) == whole {
			return true
		}
	}
	return false
}
