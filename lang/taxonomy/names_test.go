package taxonomy

import (
	"slices"
	"testing"
)

func named(t *testing.T) *Tree {
	t.Helper()
	tree := &Tree{Modalities: []Modality{{Name: "CT"}, {Name: "MRI", Aliases: []string{"MR"}}}}
	for _, err := range []error{
		tree.Add("/torso/abdomen/liver", []string{"Liver", "LiverTumor"}, false),
		tree.Add("/torso/chest/lung", []string{"Lung"}, false),
		tree.AddSynonym("Hepar", "Liver"), tree.AddSynonym("Leber", "Hepar"),
		tree.AddSynonym("/torso/abdomen/hepar", "/torso/abdomen/liver"), tree.AddSynonym("/trunk", "/torso"),
		tree.Spell("CT", []string{"CAT"}), tree.Spell("PET", nil),
		tree.SetRadLex("Hepar", "RID58"), tree.SetRadLex("/trunk/abdomen", "RID56"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func TestOtherNames(t *testing.T) {
	tree := named(t)
	for in, want := range map[string]string{
		"CT_Liver": "CT_Liver", "CT_Hepar": "CT_Liver", "CT_Leber": "CT_Liver", "CAT_Leber": "CT_Liver", "cat_Liver": "CT_Liver", "CT_Hepar_2": "CT_Liver",
		"MR_Liver": "MR_Liver", // published spellings name folders and stay
		"MR_Hepar": "MR_Liver", "PET_Lung": "PET_Lung",
	} {
		p, ok := tree.Lookup(in)
		if !ok || p.Task != want {
			t.Errorf("%s is %q (%t), want %s", in, p.Task, ok, want)
		}
	}
	for in, want := range map[string]string{
		"/torso/abdomen/hepar": "/torso/abdomen/liver", "/trunk": "/torso", "/trunk/abdomen/hepar": "/torso/abdomen/liver", "/trunk/**": "/torso/**", "/body/chest": "/torso/chest",
		"/elsewhere": "/elsewhere",
	} {
		if got := tree.Canon(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	if !tree.Has("/trunk/abdomen/hepar") || tree.Has("/trunk/hepar") {
		t.Error("paths under another name are not found as such")
	}
	if got := tree.SynonymsOf("Liver"); !slices.Equal(got, []string{"Hepar", "Leber"}) {
		t.Errorf("synonyms of Liver: %v", got)
	}
	if tree.RadLex("Liver") != "RID58" || tree.RadLex("Leber") != "RID58" || tree.RadLex("/torso/abdomen") != "RID56" || tree.RadLex("Lung") != "" {
		t.Error("ids are lost")
	}
	if row, m, ok := tree.Modality("PET"); !ok || row != 2 || m.Name != "PET" {
		t.Errorf("PET is %v in row %d", m, row)
	}
}

func TestNamesChangeNoIdentity(t *testing.T) {
	plain := &Tree{Modalities: []Modality{{Name: "CT"}, {Name: "MRI", Aliases: []string{"MR"}}, {Name: "PET"}}}
	for _, err := range []error{plain.Add("/torso/abdomen/liver", []string{"Liver", "LiverTumor"}, false), plain.Add("/torso/chest/lung", []string{"Lung"}, false)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, want := named(t).Canonical(), plain.Canonical(); got != want {
		t.Errorf("with names %s, without %s", got, want)
	}
}

func TestNamesOfACloneAreItsOwn(t *testing.T) {
	tree := named(t)
	c := tree.Clone()
	if err := c.AddSynonym("Pulmo", "Lung"); err != nil {
		t.Fatal(err)
	}
	if _, ok := tree.Lookup("CT_Pulmo"); ok {
		t.Error("a synonym of the clone is one of the tree")
	}
	if p, ok := c.Lookup("CT_Leber"); !ok || p.Task != "CT_Liver" {
		t.Error("the clone has lost a synonym")
	}
}
