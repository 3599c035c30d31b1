package taxonomy

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// names are what nodes, tasks and modalities are called beside their own names. They change no row and no result.
type names struct {
	tasks      map[string]string   // synonym → task
	paths      map[string]string   // other path → node
	modalities map[string]spelling // by the spelling in lower case; those that Spell has added
	radlex     map[string]string   // path or task → id
}

type spelling struct{ written, of string }

func (n names) clone() names {
	return names{maps.Clone(n.tasks), maps.Clone(n.paths), maps.Clone(n.modalities), maps.Clone(n.radlex)}
}

func put(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}

// AddSynonym gives a task another name, or a node another path: of task names or of paths. The other name may be that of no task and no node, and may mean nothing
// else already. A synonym may be named in place of what it stands for.
func (t *Tree) AddSynonym(other, of string) error {
	if strings.HasPrefix(of, "/") != strings.HasPrefix(other, "/") {
		return mistake(Form, "%s and %s are not both paths", other, of)
	}
	if strings.HasPrefix(of, "/") {
		node, from := t.Canon(of), join(Segments(other))
		switch {
		case strings.Contains(other+of, "*"):
			return mistake(Form, "%s: %s holds a pattern, and a synonym stands for one node", other, of)
		case !t.Has(node) || len(Segments(node)) == 0:
			return mistake(NoNode, "the taxonomy has no node %s", of)
		case len(Segments(other)) != len(Segments(node)):
			return mistake(Form, "%s and %s are not on one level", other, node)
		case slices.Contains(t.Paths(), from) && from != node:
			return mistake(Taken, "%s is a node itself", other)
		case t.Canon(from) != from && t.Canon(from) != node:
			return mistake(Taken, "%s is a synonym of %s already", other, t.Canon(from))
		case from != node:
			put(&t.names.paths, from, node)
		}
		return nil
	}
	task := of
	if c, ok := t.names.tasks[of]; ok {
		task = c
	}
	if _, ok := t.byTask[task]; !ok {
		return mistake(NoTask, "the taxonomy has no task %q", of)
	}
	if _, ok := t.byTask[other]; ok && other != task {
		return mistake(Taken, "%s is a task itself", other)
	}
	if old, ok := t.names.tasks[other]; ok && old != task {
		return mistake(Taken, "%s is a synonym of %s already", other, old)
	}
	if other != task {
		put(&t.names.tasks, other, task)
	}
	return nil
}

// synonym is the task that a name stands for, as written or in the form in which MedSegDB looks tasks up.
func (t *Tree) synonym(name string) (string, bool) {
	if c, ok := t.names.tasks[name]; ok {
		return c, true
	}
	c, ok := t.names.tasks[normal(name)]
	return c, ok
}

// Canon is a path with its present names: those of Segments, and nodes instead of their synonyms. What no synonym stands for comes back as it is.
func (t *Tree) Canon(path string) string {
	seg := Segments(path)
	for n := len(seg); n > 0; n-- {
		if node, ok := t.names.paths[join(seg[:n])]; ok {
			return t.Canon(join(append(Segments(node), seg[n:]...)))
		}
	}
	return join(seg)
}

// Spell adds spellings to a modality; one that the tree does not have yet is added behind the others, with a row of its own. A task written with an added spelling is
// the task of the modality.
func (t *Tree) Spell(modality string, spellings []string) error {
	row, m, ok := t.Modality(modality)
	if !ok {
		row, m = len(t.Modalities), Modality{Name: modality}
		t.Modalities = append(t.Modalities, m)
	}
	for _, s := range spellings {
		switch other, m2, taken := t.Modality(s); {
		case taken && other != row:
			return mistake(Spelling, "%s is a spelling of %s already", s, m2.Name)
		case taken:
			continue
		case strings.ContainsAny(s, "_ ") || s == "":
			return mistake(Spelling, "%q is no spelling of a modality: in Modality_Task it ends before the first _", s)
		}
		if t.names.modalities == nil {
			t.names.modalities = map[string]spelling{}
		}
		t.names.modalities[strings.ToLower(s)] = spelling{s, m.Name}
	}
	return nil
}

var radlexID = regexp.MustCompile(`^RID[0-9]+$`)

// SetRadLex gives a node, by its path, or a task, by its name, the id of its term in RadLex, the lexicon of the Radiological Society of North America.
func (t *Tree) SetRadLex(of, id string) error {
	if !radlexID.MatchString(id) {
		return mistake(Form, "%q is no RadLex id; they are written RID58", id)
	}
	key := of
	if strings.HasPrefix(of, "/") {
		if key = t.Canon(of); !t.Has(key) || len(Segments(key)) == 0 {
			return mistake(NoNode, "the taxonomy has no node %s", of)
		}
	} else if _, ok := t.byTask[of]; !ok {
		if key, ok = t.synonym(of); !ok {
			return mistake(NoTask, "the taxonomy has no task %q", of)
		}
	}
	put(&t.names.radlex, key, id)
	return nil
}

// RadLex is the id of a path or task; "" where none is given.
func (t *Tree) RadLex(of string) string {
	if strings.HasPrefix(of, "/") {
		of = t.Canon(of)
	} else if c, ok := t.synonym(of); ok {
		of = c
	}
	return t.names.radlex[of]
}

// SynonymsOf lists the other names of a task, or the other paths of a node, sorted.
func (t *Tree) SynonymsOf(of string) []string {
	m := t.names.tasks
	if strings.HasPrefix(of, "/") {
		m = t.names.paths
	}
	var out []string
	for other, target := range m {
		if target == of {
			out = append(out, other)
		}
	}
	slices.Sort(out)
	return out
}

// Synonyms lists all other names of tasks, and Standing what one of them stands for; of a task's own name, itself.
func (t *Tree) Synonyms() []string { return slices.Sorted(maps.Keys(t.names.tasks)) }

// Standing is the task that a synonym stands for; any other name comes back as it is.
func (t *Tree) Standing(name string) string {
	if c, ok := t.names.tasks[name]; ok {
		return c
	}
	return name
}

// PathSynonyms lists all other paths of nodes.
func (t *Tree) PathSynonyms() []string { return slices.Sorted(maps.Keys(t.names.paths)) }

// Spellings lists all ways of writing a modality beside its name.
func (t *Tree) Spellings(modality string) []string {
	_, m, _ := t.Modality(modality)
	out := slices.Clone(m.Aliases)
	var added []string
	for _, s := range t.names.modalities {
		if s.of == m.Name {
			added = append(added, s.written)
		}
	}
	slices.Sort(added)
	return append(out, added...)
}

// TakeNames adds what another tree calls its nodes, tasks and modalities; both have the nodes and tasks meant.
func (t *Tree) TakeNames(from *Tree) error {
	for _, s := range from.PathSynonyms() {
		if err := t.AddSynonym(s, from.names.paths[s]); err != nil {
			return err
		}
	}
	for _, s := range from.Synonyms() {
		if err := t.AddSynonym(s, from.names.tasks[s]); err != nil {
			return err
		}
	}
	for _, m := range from.Modalities {
		if err := t.Spell(m.Name, from.Spellings(m.Name)); err != nil {
			return err
		}
	}
	for _, of := range slices.Sorted(maps.Keys(from.names.radlex)) {
		if err := t.SetRadLex(of, from.names.radlex[of]); err != nil {
			return err
		}
	}
	return nil
}
