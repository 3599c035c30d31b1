package lsp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/builtin"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/complete"
	"github.com/mseg-lang/mseg/lang/doc"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/taxonomy"
	"github.com/mseg-lang/mseg/lang/types"
)

func (s *server) hover(v view, p positionParams) (any, error) {
	i := v.tokenAt(v.enc.offset(v.file, p.Position))
	if i < 0 {
		return nil, nil
	}
	t := v.tokens[i]
	at := source.Span{File: v.file, Start: t.Start, End: t.End}
	text := v.about(i, at)
	if text == "" {
		return nil, nil
	}
	return hover{markup{"markdown", text}, v.enc.span(at)}, nil
}

// about is what there is to say about token i.
func (v view) about(i int, at source.Span) string {
	t := v.tokens[i]
	if k, ok := v.record.Keys[at]; ok {
		return doc.Param(k)
	}
	if u, ok := v.record.Uses[at]; ok {
		switch {
		case u.Builtin != nil:
			return doc.Builtin(u.Builtin)
		case u.Set == "task":
			return v.aboutTask(u.Name)
		case u.Set == "modality":
			_, m, _ := v.program.Tree.Modality(u.Name)
			return fmt.Sprintf("`%s`: modality%s", u.Name, aliases(m.Aliases))
		case u.Set == "placeholder":
			return fmt.Sprintf("`%s`: the part of a file name that stands for {%s} in the pattern", u.Name, u.Name)
		case u.Set != "":
			return doc.FindWord(u.Set, u.Name)
		}
		return v.aboutName(u.Name, u.Def, at)
	}
	if n, ok := v.nameAt(t.Start); ok && n.at == at {
		return v.aboutName(t.Text, n.def, at)
	}
	switch t.Type {
	case syntax.Ident:
		if i > 0 && v.tokens[i-1].Text == "." {
			return v.aboutField(t.Text, at)
		}
		if syntax.IsKind(t.Text) && v.beginsStatement(i) {
			return doc.Kind(t.Text)
		}
	case syntax.Path:
		return v.aboutPath(t.Text)
	case syntax.Number, syntax.Unit:
		return v.aboutNumber(i)
	}
	return ""
}

func aliases(xs []string) string {
	if len(xs) == 0 {
		return ""
	}
	return ", also " + strings.Join(xs, ", ")
}

// aboutName is the statement that binds a name, its type and, where it is known, its value.
func (v view) aboutName(text string, def, at source.Span) string {
	if def.File != v.file {
		return ofLibrary(strings.TrimSuffix(def.File.Name, ".mseg"), text)
	}
	for _, st := range v.script.Statements {
		switch st := st.(type) {
		case *syntax.Fn:
			if st.Name.Where == def {
				return "```mseg\n" + v.heading(st) + "\n```" + v.comment(st.Where.Start)
			}
			for _, p := range st.Params {
				if p.Name.Where == def {
					return v.valued(text, "parameter of fn "+st.Name.Text, at)
				}
			}
		case *syntax.Param:
			if st.Name.Where == def {
				return fmt.Sprintf("```mseg\n%s\n```", oneLine(st.Where.Text())) + v.comment(st.Where.Start)
			}
		case *syntax.Binding:
			if st.Name.Where == def {
				return v.binding(st)
			}
		case *syntax.Use:
			if st.Where.Start <= def.Start && def.End <= st.Where.End {
				return ofLibrary(st.Library.Text, text)
			}
		}
	}
	return v.valued(text, "", at)
}

func ofLibrary(library, name string) string {
	for _, e := range doc.Library(library) {
		if e.Name == name {
			return e.String()
		}
	}
	return fmt.Sprintf("`%s`, from the library %s", name, library)
}

func (v view) binding(st *syntax.Binding) string {
	out := fmt.Sprintf("```mseg\n%s %s\n```", st.Kind.Text, st.Name.Text)
	if b, ok := v.program.Lookup(st.Name.Text); ok {
		switch x := b.Value.(type) {
		case *ir.Node:
			out += fmt.Sprintf("\n\nmade by `%s`; identity `%.12s`", x.Op, ir.NewHasher(nil).Hash(x))
		case ir.List:
			out += fmt.Sprintf("\n\na list of %d", len(x.Items))
		case ir.Taxonomy:
			out += fmt.Sprintf("\n\n%d organs, %d tasks", len(x.Tree.Organs), len(x.Tree.Tasks))
		}
	}
	return out + v.comment(st.Where.Start)
}

// valued is a name with the type, or the value, of the expression where it stands.
func (v view) valued(text, what string, at source.Span) string {
	out := "`" + text + "`"
	if x, ok := v.record.Values[at]; ok && !x.Type().IsAny() {
		if isKnown(x) {
			out += " = `" + check.Show(x) + "`"
		}
		out += ": " + doc.TypeName(x.Type())
	}
	if what != "" {
		out += ", " + what
	}
	return out
}

func isKnown(v ir.Value) bool {
	switch v.(type) {
	case ir.Number, ir.Str, ir.Bool, ir.Range, ir.Word, ir.Path:
		return true
	}
	return false
}

// heading is a fn without its body.
func (v view) heading(st *syntax.Fn) string {
	end := v.closing(st.Name.Where.End)
	if st.Returns != nil {
		end = st.Returns.Where.End
	}
	return oneLine(v.file.Text[st.Where.Start:end])
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// comment is the comment directly above a statement.
func (v view) comment(start int) string {
	if c := doc.CommentAbove(v.file, start); c != "" {
		return "\n\n" + c
	}
	return ""
}

// aboutField describes a field of the value that ends before the dot: of the expressions that end there, the longest.
func (v view) aboutField(text string, at source.Span) string {
	var of ir.Value
	start := at.Start
	for where, x := range v.record.Values {
		if where.File == v.file && where.End < at.Start && where.Start < start && strings.Trim(v.file.Text[where.End:at.Start], " \t\r\n)") == "." {
			of, start = x, where.Start
		}
	}
	if of == nil {
		return ""
	}
	f, ok := builtin.FieldOf(of.Type().Base, text)
	if !ok {
		return ""
	}
	return fmt.Sprintf("`.%s`: %s\n\n%s", text, doc.TypeName(f.Type), f.Doc)
}

func (v view) beginsStatement(i int) bool {
	return slices.ContainsFunc(v.script.Statements, func(st syntax.Statement) bool { return st.Span().Start == v.tokens[i].Start })
}

func (v view) aboutTask(text string) string {
	p, ok := v.program.Tree.Lookup(text)
	if !ok {
		return ""
	}
	about := fmt.Sprintf("`%s`: task at `%s`, modality %s", p.Task, p.Path, p.Modality)
	if text != p.Task {
		about = fmt.Sprintf("`%s`: another name of %s", text, about)
	}
	_, name := taxonomy.SplitTask(p.Task)
	if also := v.program.Tree.SynonymsOf(name); len(also) > 0 {
		about += "; synonyms: " + strings.Join(also, ", ")
	}
	for _, of := range []string{name, p.Path} {
		if id := v.program.Tree.RadLex(of); id != "" {
			about += fmt.Sprintf("; RadLex of %s: %s", of, id)
		}
	}
	return about
}

func (v view) aboutPath(text string) string {
	n := 0
	for _, k := range v.program.Tree.Tasks {
		if within(k.Path, v.program.Tree.Canon(text)) {
			n++
		}
	}
	about := fmt.Sprintf("`%s`: %d tasks of the taxonomy", text, n)
	if id := v.program.Tree.RadLex(text); id != "" {
		about += "; RadLex " + id
	}
	return about
}

func (v view) aboutNumber(i int) string {
	start, end := v.tokens[i].Start, v.tokens[i].End
	if v.tokens[i].Type == syntax.Unit && i > 0 {
		start = v.tokens[i-1].Start
	} else if i+1 < len(v.tokens) && v.tokens[i+1].Type == syntax.Unit {
		end = v.tokens[i+1].End
	}
	x, ok := v.record.Values[source.Span{File: v.file, Start: start, End: end}]
	n, isNumber := x.(ir.Number)
	if !ok || !isNumber || n.Unit == "" {
		return ""
	}
	out := fmt.Sprintf("`%s`", types.Fmt(n.V, n.Unit))
	if c, unit := types.Canonical(n.V, n.Unit); unit != n.Unit {
		out += fmt.Sprintf(" = `%s`", types.Fmt(c, unit))
	}
	return out + ", " + unitNames[n.Unit]
}

var unitNames = map[string]string{
	"px": "pixels", "mm": "millimetres", "cm": "centimetres", "HU": "Hounsfield units (CT)", "%": "per cent", "epochs": "passes over the training data", "epoch": "passes over the training data",
	"steps": "steps of the optimizer", "step": "steps of the optimizer", "s": "seconds", "min": "minutes", "h": "hours", "KiB": "kibibytes", "MiB": "mebibytes", "GiB": "gibibytes", "deg": "degrees",
}

// Completion kinds of the protocol.
var itemKinds = map[complete.Kind]int{
	complete.Keyword: 14, complete.Function: 3, complete.Value: 6, complete.Argument: 10, complete.Word: 20, complete.Task: 20, complete.Field: 5, complete.Unit: 11,
	complete.Path: 19, complete.Type: 25, complete.Library: 9,
}

func (s *server) completion(v view, p positionParams) (completionList, error) {
	offset := v.enc.offset(v.file, p.Position)
	r := complete.At(v.file, offset, v.script, v.program)
	out := completionList{IsIncomplete: r.Incomplete, Items: []completionItem{}}
	for _, x := range r.Items {
		text := x.Insert
		if text == "" {
			text = x.Label
		}
		item := completionItem{Label: x.Label, Kind: itemKinds[x.Kind], Detail: x.Detail, TextEdit: &textEdit{v.enc.span(r.Replace), text}}
		if x.Doc != "" {
			item.Documentation = &markup{"markdown", x.Doc}
		}
		if strings.HasPrefix(text, " ") {
			item.FilterText = x.Label
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

func (s *server) signatureHelp(v view, p positionParams) (any, error) {
	c, ok := complete.CallAt(v.file, v.enc.offset(v.file, p.Position))
	if !ok {
		return nil, nil
	}
	b := c.Builtin
	out := signature{Label: doc.Signature(b), Documentation: &markup{"markdown", b.Doc}, Parameters: []parameter{}}
	for i := range b.Params {
		out.Parameters = append(out.Parameters, parameter{b.Params[i].Name, &markup{"markdown", doc.Param(&b.Params[i])}})
	}
	return signatureHelp{[]signature{out}, 0, max(c.Param, 0)}, nil
}
