package taxonomy

import (
	"slices"
	"strings"
	"testing"
)

// FuzzTree: whatever the names, a tree to which they are added is consistent. Input is a line a node: path, a blank, task names.
func FuzzTree(f *testing.F) {
	f.Add("/torso/abdomen/liver Liver LiverTumor\n/head&neck/brain/brain Brain\n", "CT_Liver", "/torso/**")
	f.Add("/body/abdomen/liver Liver\n/torso/abdomen/liver Liver2\n/torso/abdomen/spleen Liver", "CT_Liver_7", "/torso/*/liver")
	f.Add("liver X\n/ Y\n/a/b/c/d Z\n/a//c Z\n/a/*/c Q", "_", "**")
	f.Fuzz(func(t *testing.T, nodes, task, pattern string) {
		tree := &Tree{Modalities: []Modality{{Name: "CT", Aliases: []string{"ct scan"}}}}
		for i, line := range strings.Split(nodes, "\n") {
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			before := tree.Clone()
			if err := tree.Add(words[0], words[1:], i%2 == 1); err != nil {
				if tree.Canonical() != before.Canonical() {
					t.Fatalf("%q was refused (%v) and has changed the tree", line, err)
				}
				continue
			}
			again := tree.Clone()
			if err := again.Add(words[0], words[1:], i%2 == 1); err != nil || again.Canonical() != tree.Canonical() {
				t.Fatalf("adding %q twice: %v", line, err)
			}
		}
		rows := map[int]bool{}
		for _, k := range tree.Tasks {
			p, ok := tree.Lookup("CT_" + k.Name)
			if !ok || p.Path != k.Path || !tree.Has(p.Path) || !Within(p.Path, p.Path) || !Within(p.Path, "/**") {
				t.Fatalf("task %s of %s is found as %+v, %t", k.Name, k.Path, p, ok)
			}
			for level, n := range []int{len(tree.BodyParts), len(tree.Subregions), len(tree.Organs), tree.Rows() + 1} {
				if p.Rows[level] < 0 || p.Rows[level] >= n {
					t.Fatalf("%s: row %d of level %d, of %d", k.Name, p.Rows[level], level, n)
				}
			}
			if k.Spare != (p.Rows[3] == tree.Rows()) || !k.Spare && rows[p.Rows[3]] {
				t.Fatalf("%s: row %d", k.Name, p.Rows[3])
			}
			rows[p.Rows[3]] = true
		}
		for _, level := range [][]string{tree.BodyParts, tree.Subregions, tree.Organs} {
			for i, p := range level {
				if slices.Contains(level[:i], p) {
					t.Fatalf("%s is there twice", p)
				}
			}
		}
		if p, ok := tree.Lookup(task); ok && !tree.Has(p.Path) {
			t.Fatalf("%q hangs at %q, which is no node", task, p.Path)
		}
		tree.Unplaced(task)
		for _, p := range tree.Paths() {
			if Within(p, pattern) && pattern != "" && !strings.Contains(pattern, "*") && !strings.HasPrefix(p, join(Segments(pattern))) && len(Segments(pattern)) > 0 {
				t.Fatalf("%s lies within %s", p, pattern)
			}
		}
	})
}
