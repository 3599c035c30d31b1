package lint

import (
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/taxonomy"
)

func init() {
	register(Rule{Name: "unreachable-expert", Severity: diag.Warning, Confidence: Certain, Title: "no task of the training data reaches an expert",
		Doc: "An expert of a route is trained by the tasks below its path, up to the next listed node. One that none of the training data's tasks reaches keeps its random weights. Remove it, or add data for it.",
		run: func(x *pass) {
			x.routed(func(entries []ir.Entry, places []*taxonomy.Place, complete bool, _ source.Span) {
				reached := reach(entries, places)
				for _, e := range entries {
					if complete && !reached[e.Key] {
						x.report(e.Span, "remove it, or train on a task below it", "no task of the training data reaches the expert of %s", e.Key)
					}
				}
			})
		}})
	register(Rule{Name: "unrouted-task", Severity: diag.Note, Confidence: Certain, Title: "a task has no route of its own",
		Doc: "Tasks below no listed path share the expert under `else`. That may be meant; if not, list their part of the tree.",
		run: func(x *pass) {
			x.routed(func(entries []ir.Entry, places []*taxonomy.Place, _ bool, at source.Span) {
				seen := map[string]bool{}
				for _, p := range places {
					if nearest(entries, p) == "" && !seen[p.Task] {
						seen[p.Task] = true
						x.report(at, "list a path above it, or leave it to the shared expert and allow this", "task %s has no route and uses the expert under else", p.Task)
					}
				}
			})
		}})
}

// routed calls f for every training of a model with a route: the entries of the route, the tasks it is trained on, whether those are all, and the place of the route.
func (x *pass) routed(f func(entries []ir.Entry, places []*taxonomy.Place, complete bool, at source.Span)) {
	type use struct {
		route    *ir.Node
		places   []*taxonomy.Place
		complete bool
	}
	var order []string
	uses := map[string]*use{}
	x.each(func(n *ir.Node) {
		for m := n.Node("model"); m != nil; m = m.Node("model") {
			if m.Op != "adapt" || m.Node("experts") == nil || m.Node("experts").Op != "route" {
				continue
			}
			key := x.hash.Hash(m.Node("experts"))
			u := uses[key]
			if u == nil {
				u = &use{route: m.Node("experts"), complete: true}
				uses[key], order = u, append(order, key)
			}
			places, complete := x.tasks(n.Node("data"))
			u.places, u.complete = append(u.places, places...), u.complete && complete
		}
	}, "train", "finetune")
	for _, key := range order {
		u := uses[key]
		m, _ := u.route.Arg("entries").(ir.Map)
		f(m.Entries, u.places, u.complete, u.route.Span)
	}
}

// nearest is the deepest listed path above a task; "" when there is none.
func nearest(entries []ir.Entry, p *taxonomy.Place) string {
	best := ""
	for _, e := range entries {
		if !p.Unplaced && taxonomy.Within(p.Path, e.Key) && len(taxonomy.Segments(e.Key)) >= len(taxonomy.Segments(best)) {
			best = e.Key
		}
	}
	return best
}

func reach(entries []ir.Entry, places []*taxonomy.Place) map[string]bool {
	out := map[string]bool{}
	for _, p := range places {
		out[nearest(entries, p)] = true
	}
	return out
}
