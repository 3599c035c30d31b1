package check

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
	"github.com/mseg-lang/mseg/lang/taxonomy"
)

func publishedTree(t *testing.T) *taxonomy.Tree {
	t.Helper()
	s, diags := syntax.Parse(source.New("empty.mseg", "mseg 1\n"), false)
	p, more := Script(s, Options{})
	diags = append(diags, more...)
	if len(diags) > 0 || p.Tree == nil {
		t.Fatalf("an empty script has %v", diags)
	}
	return p.Tree
}

func TestMedSegDBTreeHasItsLevels(t *testing.T) {
	tree := publishedTree(t)
	for what, n := range map[string][2]int{
		"body parts": {len(tree.BodyParts), 5}, "subregions": {len(tree.Subregions), 12}, "organs": {len(tree.Organs), 39},
		"tasks": {len(tree.Tasks), 111}, "rows": {tree.Rows(), 111}, "modalities": {len(tree.Modalities), 10},
	} {
		if n[0] != n[1] {
			t.Errorf("%d %s, want %d", n[0], what, n[1])
		}
	}
}

func TestTasksUnderEverySpelling(t *testing.T) {
	tree := publishedTree(t)
	for task, want := range map[string]struct {
		modality string
		rows     [5]int // modality, body part, subregion, organ, task
	}{
		"CT_Liver":            {"CT", [5]int{2, 1, 4, 17, 59}},
		"MRI_ThoracicSpine7":  {"MRI", [5]int{7, 2, 8, 30, 90}},
		"Dermoscopy_Skin":     {"Dermos", [5]int{4, 4, 11, 38, 110}},
		"Funduscopy_OpticCup": {"Fundus", [5]int{6, 0, 1, 3, 15}},
		"CT_Lumbar_Spine_1":   {"CT", [5]int{2, 2, 8, 31, 91}},
	} {
		p, ok := tree.Lookup(task)
		got := [5]int{p.ModalityRow, p.Rows[0], p.Rows[1], p.Rows[2], p.Rows[3]}
		if !ok || p.Modality != want.modality || got != want.rows {
			t.Errorf("%s: %s %v, want %s %v", task, p.Modality, got, want.modality, want.rows)
		}
	}
	for _, task := range []string{"Liver", "CT_", "CT_Nothing", "PET_Liver", ""} {
		if p, ok := tree.Lookup(task); ok {
			t.Errorf("%q was placed at %s", task, p.Path)
		}
	}
}

// TestTreeEqualsThePublishedOne compares every name and row with the facts taken from the reference implementation.
func TestTreeEqualsThePublishedOne(t *testing.T) {
	b, err := os.ReadFile(nearby.Path(t, "golden", "metrics", "medsegdb-tree.json"))
	if err != nil {
		t.Fatal(err)
	}
	type node struct {
		ID     int    `json:"id"`
		Name   string `json:"name"`
		Parent int    `json:"parent"`
		RadLex string `json:"radlex"`
	}
	var want struct {
		BodyParts  []node `json:"body_parts"`
		Subregions []node `json:"subregions"`
		Organs     []node `json:"organs"`
		Tasks      []node `json:"tasks"`
		Modalities []struct {
			ID      int      `json:"id"`
			Name    string   `json:"name"`
			Aliases []string `json:"aliases"`
		} `json:"modalities"`
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	tree := publishedTree(t)
	renamed := map[string]string{"head&neck": "head_neck", "body": "torso", "cranium&face": "cranium_face"}
	name := func(n node) string {
		if r, ok := renamed[n.Name]; ok {
			return r
		}
		return n.Name
	}
	for _, n := range want.BodyParts {
		if got := tree.BodyParts[n.ID]; got != "/"+name(n) {
			t.Errorf("body part %d is %s, want %s", n.ID, got, name(n))
		}
	}
	for _, n := range want.Subregions {
		if got := tree.Subregions[n.ID]; got != tree.BodyParts[n.Parent]+"/"+name(n) {
			t.Errorf("subregion %d is %s, want %s in %s", n.ID, got, name(n), tree.BodyParts[n.Parent])
		}
	}
	for _, n := range want.Organs {
		if got := tree.Organs[n.ID]; got != tree.Subregions[n.Parent]+"/"+n.Name {
			t.Errorf("organ %d is %s, want %s in %s", n.ID, got, n.Name, tree.Subregions[n.Parent])
		}
	}
	for _, n := range want.Tasks {
		p, ok := tree.Lookup("CT_" + n.Name)
		if !ok || p.Rows[3] != n.ID || p.Path != tree.Organs[n.Parent] {
			t.Errorf("task %s: %t, row %d at %s, want row %d at %s", n.Name, ok, p.Rows[3], p.Path, n.ID, tree.Organs[n.Parent])
		}
	}
	for prefix, level := range map[string][]node{"/": want.BodyParts, "s": want.Subregions, "o": want.Organs} {
		for _, n := range level {
			path := map[string]func() string{"/": func() string { return tree.BodyParts[n.ID] }, "s": func() string { return tree.Subregions[n.ID] }, "o": func() string { return tree.Organs[n.ID] }}[prefix]()
			if got := tree.RadLex(path); got != n.RadLex {
				t.Errorf("RadLex id of %s is %q, want %q", path, got, n.RadLex)
			}
		}
	}
	for _, m := range want.Modalities {
		for _, a := range m.Aliases {
			if row, got, ok := tree.Modality(a); !ok || row != m.ID || !strings.EqualFold(got.Name, m.Name) {
				t.Errorf("modality %s: %t, row %d, want %d", a, ok, row, m.ID)
			}
		}
	}
}
