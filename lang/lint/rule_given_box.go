package lint

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
)

// Words that promise a use outside of a study; an "external" test set promises it only as the name of data or of a result.
var (
	inUse    = regexp.MustCompile(`(?i)\b(clinic|clinics|clinical|clinically|deploy|deployed|deployment|bedside|prospective|prospectively|real[- ]world|autonomous|autonomously|automatic|automatically|in practice|in use)\b`)
	external = regexp.MustCompile(`(?i)\b(external|clinic|clinical|deployment|prospective|real ?world|in use)\b`)
	denied   = regexp.MustCompile(`(?i)\b(not|no|never|without|before)\b`)
)

func init() {
	register(Rule{Name: "given-box", Severity: diag.Note, Confidence: Likely, Title: "a result is called clinical, external or automatic, and the truth gave the box",
		Doc: "A `box` prompt is drawn around the reference mask: the model is told where the structure is, how large it is, and that it is there at all. In use nobody has that mask, and a person or a detector draws another box or none. So a result with " +
			"given boxes says how well a box is filled, not how a model does at the bedside. The rule looks at titles of reports, and at names of data, splits and evals, for words such as clinical, deployment, prospective, real-world, automatic, " +
			"and in names also external. Say in the title that the box is given, measure with boxes as loose as a person's (`prompt: box(jitter: …)`) and say so, or take the word out.",
		run: func(x *pass) {
			evals := map[*ir.Node]bool{}
			x.each(func(n *ir.Node) {
				if p := n.Node("prompt"); p != nil && p.Op == "box" && len(trainings(n.Node("model"))) > 0 {
					evals[n] = true
				}
			}, "evaluate")
			claim := func(at source.Span, what, words string, of func(*ir.Node) bool) {
				for _, n := range x.nodes {
					if evals[n] && of(n) {
						d := x.report(at, "say that the box is given, or leave the word out", "%s says %q, but the box of the result was made from the truth", what, words)
						d.Related = append(d.Related, diag.Related{Span: n.ArgSpan("prompt"), Message: "evaluated here"})
						return
					}
				}
			}
			for _, n := range x.nodes {
				title := n.Text("title")
				if word := inUse.FindString(title); n.Op == "report" && word != "" && !denied.MatchString(title) {
					claim(n.ArgSpan("title"), "the title", word, func(e *ir.Node) bool { return x.uses(n, e) })
				}
			}
			for _, b := range x.program.Bindings {
				word := external.FindString(spaced(b.Name))
				n, ok := b.Value.(*ir.Node)
				if word == "" || !ok || !slices.Contains([]string{"data", "split", "eval"}, b.Kind) {
					continue
				}
				claim(b.Span, "the name", word, func(e *ir.Node) bool {
					return x.hash.Hash(e) == x.hash.Hash(n) || b.Kind != "eval" && x.uses(e.Node("data"), n)
				})
			}
		}})
}

// spaced is a name as words: externalTest_set is external Test set.
func spaced(name string) string {
	var b strings.Builder
	low := false
	for _, r := range name {
		if r == '_' || unicode.IsUpper(r) && low {
			b.WriteByte(' ')
		}
		if r != '_' {
			b.WriteRune(r)
		}
		low = unicode.IsLower(r)
	}
	return b.String()
}

// uses says whether a value is made from another one, or is it.
func (x *pass) uses(n, of *ir.Node) bool {
	if n == nil || of == nil {
		return false
	}
	want := x.hash.Hash(of)
	for made := range ir.Nodes(n) {
		if x.hash.Hash(made) == want {
			return true
		}
	}
	return false
}
