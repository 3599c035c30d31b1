package repl

import (
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/types"
)

// What may stand at a place that complete.go has recognised.

// fieldNames are the fields of the expression before the dot.
func (c *completer) fieldNames() []string {
	i := len(c.tokens) - 1 // the dot
	end := c.tokens[i].Start
	from := c.operand(i - 1)
	if from < 0 {
		return nil
	}
	var out []string
	for _, f := range builtin.FieldsOf(c.typeOf(c.text[c.tokens[from].Start:end]).Base) {
		out = append(out, f.Name)
	}
	return out
}

// operand goes back over a postfix expression that ends at token i and gives the index of its first token, -1 when there is none.
func (c *completer) operand(i int) int {
	for i >= 0 {
		switch t := c.tokens[i]; {
		case t.Text == ")" || t.Text == "]" || t.Text == "}":
			depth := 0
			for ; i >= 0; i-- {
				if x := c.tokens[i].Text; x == ")" || x == "]" || x == "}" {
					depth++
				} else if x == "(" || x == "[" || x == "{" {
					depth--
				}
				if depth == 0 {
					break
				}
			}
			if i <= 0 || !ends(c.tokens[i-1]) {
				return i
			}
			i--
		case t.Type == syntax.Ident:
			if i > 0 && c.tokens[i-1].Text == "." {
				i -= 2
				continue
			}
			return i
		default:
			return -1
		}
	}
	return -1
}

// functions are those that take the value before |>.
func (c *completer) functions() []string {
	from := c.first
	if n := len(c.frames); n > 0 {
		from, _ = c.argument(c.frames[n-1], len(c.tokens))
	} else {
		for i := c.first; i < len(c.tokens); i++ {
			if c.tokens[i].Text == "=" {
				from = i + 1
				break
			}
		}
	}
	left := types.Any
	if from < len(c.tokens)-1 {
		left = c.typeOf(c.text[c.tokens[from].Start:c.tokens[len(c.tokens)-1].Start])
	}
	var out []string
	for _, b := range builtin.All() {
		for _, p := range b.Params {
			if p.Piped && left.Fits(p.Type) {
				out = append(out, b.Name)
			}
		}
	}
	for _, st := range c.statements {
		if fn, ok := st.node.(*syntax.Fn); ok && len(fn.Params) > 0 {
			if t := fn.Params[0].Type; t == nil || !slices.Contains(types.Kinds, t.Name.Text) || left.Fits(types.Of(t.Name.Text)) {
				out = append(out, fn.Name.Text)
			}
		}
	}
	return out
}

// typeOf checks an expression; any when it has mistakes.
func (c *completer) typeOf(expression string) types.Type {
	e := c.read(source.New("", expression), true)
	if e.diags.HasErrors() || len(e.program.Bare) != 1 {
		return types.Any
	}
	return e.program.Bare[0].Value.Type()
}

// names are the bound names whose value fits.
func (c *completer) names(want types.Type) []string {
	var out []string
	for _, st := range c.statements {
		switch st := st.node.(type) {
		case *syntax.Use:
			for _, n := range boundNames(st) {
				if want.IsAny() || c.typeOf(n).Fits(want) {
					out = append(out, n)
				}
			}
		case *syntax.Fn:
			out = append(out, st.Name.Text)
		}
	}
	for _, p := range c.program.Params {
		if p.Value.Type().Fits(want) {
			out = append(out, p.Name)
		}
	}
	for _, b := range c.program.Bindings {
		if b.Value.Type().Fits(want) {
			out = append(out, b.Name)
		}
	}
	// Parameters of the fn that is being written.
	if st := c.rest(c.first); len(st) > 3 && st[0].Text == "fn" {
		for i := 3; i+1 < len(st) && st[i].Text != "->" && st[i].Text != "="; i++ {
			if st[i].Type == syntax.Ident && st[i+1].Text == ":" {
				out = append(out, st[i].Text)
			}
		}
	}
	return out
}

// values are names, functions and words that may stand where a type is expected.
func (c *completer) values(want types.Type) []string {
	out := c.names(want)
	wordsOnly := !want.IsAny()
	for _, t := range want.Alternatives() {
		switch t.Base {
		case "word":
			out = append(out, c.words(t.Words)...)
			continue
		case "bool":
			out = append(out, "true", "false")
			continue
		case "predicate":
			w, _ := builtin.WordSet("case field")
			out = append(append(out, w.Items...), "not")
			continue
		case "path":
			out = append(out, c.paths()...)
			continue
		}
		wordsOnly = false
	}
	if want.IsAny() {
		out = append(out, c.paths()...)
		if strings.Contains(c.word, "_") {
			out = append(out, c.words("task")...)
		}
	}
	if wordsOnly {
		return out
	}
	for _, b := range builtin.All() {
		if b.Result.Fits(want) {
			out = append(out, b.Name)
		}
	}
	return out
}

// words of a set. Tasks are offered in two steps, MRI_ and then MRI_Liver, since every modality has all of them.
func (c *completer) words(set string) []string {
	tree := c.program.Tree
	var out []string
	switch set {
	case "task":
		modality, _, second := strings.Cut(c.word, "_")
		if !second {
			for _, m := range tree.Modalities {
				out = append(out, m.Name+"_")
			}
			return out
		}
		if _, _, ok := tree.Modality(modality); !ok {
			return nil
		}
		for _, t := range tree.Tasks {
			out = append(out, modality+"_"+t.Name)
		}
	case "modality":
		for _, m := range tree.Modalities {
			out = append(append(out, m.Name), m.Aliases...)
		}
	case "placeholder":
		for _, t := range c.tokens {
			if t.Type == syntax.String {
				out = append(out, placeholders(t.Text)...)
			}
		}
	default:
		if w, ok := builtin.WordSet(set); ok {
			out = w.Items
		}
	}
	return out
}

// paths of the taxonomy, one level at a time.
func (c *completer) paths() []string {
	var out []string
	for _, p := range c.program.Tree.Paths() {
		if rest, ok := strings.CutPrefix(p, c.word); ok && strings.HasPrefix(c.word, "/") && !strings.Contains(strings.TrimPrefix(rest, "/"), "/") {
			out = append(out, p)
		}
	}
	return out
}

// placeholders are the {names} of a pattern.
func placeholders(pattern string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(pattern, "{")
		if !ok {
			return out
		}
		name, rest, ok := strings.Cut(rest, "}")
		if !ok {
			return out
		}
		out, pattern = append(out, name), rest
	}
}

func (c *completer) commands() []string {
	var out []string
	for _, k := range commands {
		out = append(out, ":"+k.name)
	}
	return out
}
