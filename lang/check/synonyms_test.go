package check_test

import (
	"strings"
	"testing"
)

// A synonym is what it stands for, in all respects: every value has the identity that it has under the task's own name, and names that nothing uses change nothing.
func TestSynonymsHaveTheIdentityOfWhatTheyStandFor(t *testing.T) {
	const script = `use medsegdb (tree)
taxonomy atlas = tree |> extend { /torso/abdomen/stomach: [StomachCancer] }
data d         = volumes("{case}.nii", mask: "{case}_m.nii", modality: CT) { tasks: { 1: CT_Liver, 2: CT_StomachCancer } } |> where(task in /torso/abdomen/liver)
experts routed = route(atlas) { /torso/abdomen/liver: expert(bottleneck: 8), else: shared }
model m        = unet() |> adapt(routed) |> train(d |> prep(slices() |> resize(128 px)), epochs: 1)
eval e         = m |> evaluate(d |> prep(slices() |> resize(128 px)))
report r       = [e]
`
	want := identities(t, script, "d", "m", "e", "r")
	named := strings.Replace(script, "{ /torso/abdomen/stomach: [StomachCancer] }",
		"{ /torso/abdomen/stomach: [StomachCancer], synonyms: { Hepar: Liver, /torso/abdomen/hepar: /torso/abdomen/liver, /torso/belly: /torso/abdomen }, modalities: { CT: [CAT] }, radlex: { Liver: RID58 } }", 1)
	for _, c := range []struct{ name, old, new string }{
		{"names alone", "", ""},
		{"a task", "CT_Liver", "CT_Hepar"},
		{"a task with an added spelling of its modality", "CT_Liver", "CAT_Liver"},
		{"both", "CT_Liver", "CAT_Hepar"},
		{"a path", "/abdomen/liver", "/abdomen/hepar"},
		{"a path above", "task in /torso/abdomen/liver", "task in /torso/belly/liver"},
		{"a modality", "modality: CT", "modality: CAT"},
	} {
		text := named
		if c.old != "" {
			head, rest, _ := strings.Cut(named, "data d")
			if !strings.Contains(rest, c.old) {
				t.Fatalf("the script has no %q", c.old)
			}
			text = head + "data d" + strings.ReplaceAll(rest, c.old, c.new)
		}
		for i, got := range identities(t, text, "d", "m", "e", "r") {
			if got != want[i] {
				t.Errorf("%s: %s has another identity", c.name, []string{"d", "m", "e", "r"}[i])
			}
		}
	}
	other := identities(t, strings.Replace(script, "CT_Liver", "CT_Spleen", 1), "d")
	if other[0] == want[0] {
		t.Error("another task has the same identity")
	}
}
