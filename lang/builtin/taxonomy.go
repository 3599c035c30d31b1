package builtin

import "github.com/mseg-lang/mseg/lang/types"

func init() {
	tasks := types.Parse("list<any>")
	synonyms := p("synonyms", "map<any>", "", "other name → task, or other path → node: the same task or node in all respects; tables show the task's own name")
	radlex := p("radlex", "map<any>", "", "task or path → id of its term in RadLex (RID58)")
	register(Builtin{Name: "hierarchy", Result: result("taxonomy"),
		Doc:    "A tree of body part / subregion / organ, with the tasks of each organ. Keys are paths, values are lists of task names (without modality).",
		Params: []Param{p("modalities", "map<any>", "", "modality → list of other spellings, in the order of the embedding rows"), synonyms, radlex},
		Keys:   "path → its tasks", KeyBase: "path", KeyType: tasks,
		Example: "hierarchy { /torso/abdomen/liver: [Liver, LiverTumor] }"})
	register(Builtin{Name: "extend", Result: result("taxonomy"),
		Doc: "Adds nodes, tasks and names to a taxonomy. A task that the original tree does not have uses the spare embedding row.",
		Params: []Param{piped("tree", "taxonomy", "tree to extend"),
			p("modalities", "map<any>", "", "modality → list of further spellings; a modality that the tree does not have gets a row behind the others"), synonyms, radlex},
		Keys: "path → further tasks", KeyBase: "path", KeyType: tasks,
		Example: "hierarchy { /torso/abdomen/liver: [Liver] } |> extend { /torso/abdomen/stomach: [StomachCancer], synonyms: { Hepar: Liver } }"})
	register(Builtin{Name: "unplaced", Result: result("word<task>"),
		Doc:     "A task that no taxonomy knows. It uses the spare embedding row, belongs to no organ in tables, lies within no path, and a route gives it the expert under else.",
		Params:  []Param{need("task", "string", "its name, written Modality_Task")},
		Example: `unplaced("CT_StomachCancer")`})
	registerField("taxonomy", "tasks", "number", "number of tasks")
	registerField("taxonomy", "organs", "number", "number of organs")
}
