// Package taxonomy is the tree that tasks hang on: body, body part, subregion, organ, task, and the modalities beside it.
//
// The order in which nodes are declared is the order of the rows in embedding tables, so a tree is a value with an order, not a set.
// Depth is four levels below the body; a path names a node: /torso/abdomen/liver.
package taxonomy

import (
	"fmt"
	"slices"
	"strings"
)

// Task is a leaf: a structure that can be segmented.
type Task struct {
	Name  string // without modality: LiverTumor
	Path  string // of its organ
	Spare bool   // added by extend: it has no embedding row of its own and uses the spare one
}

// Modality is a way of imaging with its other spellings.
type Modality struct {
	Name    string
	Aliases []string
}

// Tree is a taxonomy. Nodes of a level are in declaration order; their index is their id.
type Tree struct {
	BodyParts  []string // /torso
	Subregions []string // /torso/abdomen
	Organs     []string // /torso/abdomen/liver
	Tasks      []Task
	Modalities []Modality
	byTask     map[string]int
	names      names
}

// Clone is a copy that can be extended.
func (t *Tree) Clone() *Tree {
	c := &Tree{BodyParts: slices.Clone(t.BodyParts), Subregions: slices.Clone(t.Subregions), Organs: slices.Clone(t.Organs),
		Tasks: slices.Clone(t.Tasks), Modalities: slices.Clone(t.Modalities), byTask: map[string]int{}, names: t.names.clone()}
	for k, v := range t.byTask {
		c.byTask[k] = v
	}
	return c
}

// Segments splits a path and gives nodes their present names (head&neck is head_neck, body is torso).
func Segments(path string) []string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) == 1 && parts[0] == "" {
		return nil
	}
	for i, p := range parts {
		p = strings.ReplaceAll(p, "&", "_")
		if i == 0 && p == "body" {
			p = "torso"
		}
		parts[i] = p
	}
	return parts
}

func join(parts []string) string { return "/" + strings.Join(parts, "/") }

// Add declares an organ (three segments) with tasks, and the nodes above it where they are new. Spare tasks have no row of their own.
// Errors: a path of another depth or with a pattern in it, a task that already hangs elsewhere.
func (t *Tree) Add(path string, tasks []string, spare bool) error {
	seg := Segments(path)
	if len(seg) != 3 || slices.ContainsFunc(seg, func(s string) bool { return strings.Contains(s, "*") }) {
		return mistake(NoOrgan, "%s is no organ: a path has three parts, /body_part/subregion/organ", path)
	}
	seg = Segments(t.Canon(path))
	if t.byTask == nil {
		t.byTask = map[string]int{}
	}
	organ := join(seg)
	for _, n := range tasks {
		if i, ok := t.byTask[n]; ok && t.Tasks[i].Path != organ {
			return mistake(Taken, "task %s hangs at %s already", n, t.Tasks[i].Path)
		}
		if other, ok := t.names.tasks[n]; ok {
			return mistake(Taken, "%s is a synonym of %s already", n, other)
		}
	}
	for i, level := range []*[]string{&t.BodyParts, &t.Subregions, &t.Organs} {
		if p := join(seg[:i+1]); !slices.Contains(*level, p) {
			*level = append(*level, p)
		}
	}
	for _, n := range tasks {
		if _, ok := t.byTask[n]; !ok {
			t.byTask[n] = len(t.Tasks)
			t.Tasks = append(t.Tasks, Task{n, organ, spare})
		}
	}
	return nil
}

// Rows is the number of tasks with an embedding row of their own; the spare row has this index.
func (t *Tree) Rows() int {
	n := 0
	for _, k := range t.Tasks {
		if !k.Spare {
			n++
		}
	}
	return n
}

// Modality finds a modality by name or other spelling, ignoring case, and its row.
func (t *Tree) Modality(name string) (row int, m Modality, ok bool) {
	if s, ok := t.names.modalities[strings.ToLower(name)]; ok {
		name = s.of
	}
	for i, m := range t.Modalities {
		if strings.EqualFold(m.Name, name) || slices.ContainsFunc(m.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return i, m, true
		}
	}
	return 0, Modality{}, false
}

// Place is where a task of a case hangs, as names and as rows of embedding tables.
type Place struct {
	Task        string // Modality_Task as written, a synonym replaced by the name it stands for
	Modality    string
	BodyPart    string // torso; "" for a task outside the tree
	Subregion   string
	Organ       string
	Path        string // of the organ
	ModalityRow int
	Rows        [4]int // body part, subregion, organ, task
	Added       int    // of a task with a place and no row of its own: its number among those, from 1; else 0
	Unplaced    bool
}

// SplitTask divides Modality_Task. Further underscores and digits at the end belong to a spelling of the same task
// (ThoracicSpine_7 is ThoracicSpine), as in MedSegDB.
func SplitTask(full string) (modality, task string) {
	modality, task, _ = strings.Cut(full, "_")
	return modality, task
}

// normal is the form under which MedSegDB looks up the task part.
func normal(task string) string {
	return strings.TrimRight(strings.ReplaceAll(task, "_", ""), "0123456789")
}

// Lookup places Modality_Task in the tree; ok is false when the modality or the task is not there.
func (t *Tree) Lookup(full string) (p Place, ok bool) {
	m, name := SplitTask(full)
	row, mod, found := t.Modality(m)
	if !found || name == "" {
		return Place{}, false
	}
	if s, ok := t.names.modalities[strings.ToLower(m)]; ok {
		full = s.of + "_" + name
	}
	i, found := t.byTask[name]
	if !found {
		i, found = t.byTask[normal(name)]
	}
	if !found {
		if name, found = t.synonym(name); !found {
			return Place{}, false
		}
		i = t.byTask[name]
		m, _ := SplitTask(full)
		full = m + "_" + name
	}
	task := t.Tasks[i]
	seg := Segments(task.Path)
	p = Place{Task: full, Modality: mod.Name, BodyPart: seg[0], Subregion: seg[1], Organ: seg[2], Path: task.Path, ModalityRow: row}
	p.Rows[0] = slices.Index(t.BodyParts, join(seg[:1]))
	p.Rows[1] = slices.Index(t.Subregions, join(seg[:2]))
	p.Rows[2] = slices.Index(t.Organs, task.Path)
	p.Rows[3] = t.rowOf(i)
	if task.Spare {
		for _, k := range t.Tasks[:i+1] {
			if k.Spare {
				p.Added++
			}
		}
	}
	return p, true
}

// TaskID is the number of the task that networks are given: its row, and a number behind the spare row for each task that was added. Embeddings have no row there and use the
// spare one; routes know all of them.
func (p Place) TaskID() int { return p.Rows[3] + p.Added }

func (t *Tree) rowOf(i int) int {
	if t.Tasks[i].Spare {
		return t.Rows()
	}
	row := 0
	for _, k := range t.Tasks[:i] {
		if !k.Spare {
			row++
		}
	}
	return row
}

// Unplaced is the place of a task declared to be outside the tree: the spare task row and the first row of each level.
func (t *Tree) Unplaced(full string) (Place, bool) {
	m, _ := SplitTask(full)
	row, mod, ok := t.Modality(m)
	if !ok {
		return Place{}, false
	}
	p := Place{Task: full, Modality: mod.Name, ModalityRow: row, Unplaced: true}
	p.Rows[3] = t.Rows()
	return p, true
}

// Has says whether a path names a node of the tree.
func (t *Tree) Has(path string) bool {
	seg := Segments(path)
	if len(seg) == 0 {
		return true
	}
	p := t.Canon(path)
	return slices.Contains(t.BodyParts, p) || slices.Contains(t.Subregions, p) || slices.Contains(t.Organs, p)
}

// Paths lists all nodes.
func (t *Tree) Paths() []string {
	return slices.Concat(t.BodyParts, t.Subregions, t.Organs)
}

// Within says whether an organ's path lies under a node or pattern: /torso/abdomen, /torso/*/liver, /torso/**.
func Within(path, pattern string) bool {
	a, b := Segments(path), Segments(pattern)
	for i, s := range b {
		if s == "**" {
			return true
		}
		if i >= len(a) || s != "*" && s != a[i] {
			return false
		}
	}
	return true
}

// Canonical is the tree as text, for identities: equal trees have equal text. Synonyms, spellings that were added and RadLex ids say what things are called and are left out.
func (t *Tree) Canonical() string {
	var b strings.Builder
	for _, m := range t.Modalities {
		fmt.Fprintf(&b, "%s=%s;", m.Name, strings.Join(m.Aliases, ","))
	}
	for _, s := range t.Paths() {
		b.WriteString(s + ";")
	}
	for _, k := range t.Tasks {
		fmt.Fprintf(&b, "%s@%s:%t;", k.Name, k.Path, k.Spare)
	}
	return b.String()
}
