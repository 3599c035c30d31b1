package complete

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/doc"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/taxonomy"
)

func (c *completer) tree() *taxonomy.Tree {
	if c.program != nil && c.program.Tree != nil {
		return c.program.Tree
	}
	return &taxonomy.Tree{}
}

func (c *completer) words(set string) {
	switch set {
	case "task":
		c.tasks()
	case "modality":
		for _, m := range c.tree().Modalities {
			detail := "modality"
			if also := c.tree().Spellings(m.Name); len(also) > 0 {
				detail += ", also " + strings.Join(also, ", ")
			}
			c.add(Item{Label: m.Name, Kind: Word, Detail: detail})
		}
	case "placeholder":
		if n := len(c.frames); n > 0 {
			for _, t := range c.tokens[c.frames[n-1].at:] {
				if t.Type == syntax.String {
					for _, h := range check.Placeholders(t.Text) {
						c.add(Item{Label: h, Kind: Word, Detail: "{name} of the pattern"})
					}
					break
				}
			}
		}
	default:
		c.wordSet(set)
	}
}

func (c *completer) wordSet(set string) {
	w, ok := builtin.WordSet(set)
	if !ok {
		return
	}
	for _, x := range w.Items {
		c.add(Item{Label: x, Kind: Word, Detail: w.Name, Doc: doc.FindWord(set, x)})
	}
}

// tasks of the taxonomy. A task is written Modality_Task: the modality is what has been typed, else what the data are said to be; when neither is known the
// modalities come first and the tasks once one is typed.
func (c *completer) tasks() {
	modality, _, typed := strings.Cut(c.word, "_")
	if !typed {
		modality = c.modality()
	}
	if _, _, ok := c.tree().Modality(modality); !ok {
		for _, m := range c.tree().Modalities {
			c.add(Item{Label: m.Name + "_", Kind: Task, Detail: "modality of a task"})
		}
		c.out.Incomplete = true
		return
	}
	for _, t := range c.tree().Tasks {
		detail := t.Path
		if also := c.tree().SynonymsOf(t.Name); len(also) > 0 {
			detail += ", also " + strings.Join(also, ", ")
		}
		c.add(Item{Label: modality + "_" + t.Name, Kind: Task, Detail: detail})
	}
}

// modality is what an enclosing call says: modality: MRI, before the cursor.
func (c *completer) modality() string {
	for i := len(c.tokens) - 1; i >= max(c.first, 1); i-- {
		if c.tokens[i].Text == ":" && c.tokens[i-1].Text == "modality" && i+1 < len(c.tokens) {
			return c.tokens[i+1].Text
		}
	}
	return ""
}

// paths of the taxonomy, one level at a time: those that what has been typed begins, and those below it where it is a path already.
func (c *completer) paths() {
	typed := c.word
	if i := strings.LastIndexByte(typed, '/'); i >= 0 {
		typed = typed[:i]
	}
	all := c.tree().Paths()
	for _, p := range all {
		rest, ok := strings.CutPrefix(p, c.word+"/")
		if !ok || c.word == "" {
			rest, ok = strings.CutPrefix(p, typed+"/")
		}
		if !ok || strings.Contains(rest, "/") {
			continue
		}
		detail := "organ"
		if slices.ContainsFunc(all, func(q string) bool { return strings.HasPrefix(q, p+"/") }) {
			detail = "part of the body"
		}
		c.add(Item{Label: p, Kind: Path, Detail: detail})
	}
	c.out.Incomplete = true
}
