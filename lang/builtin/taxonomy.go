package builtin

import "github.com/mseg-lang/mseg/lang/types"

func init() {
	tasks := types.Parse("list<any>")
	register(Builtin{Name: "hierarchy", Result: result("taxonomy"),
		Doc:    "A tree of body part / subregion / organ, with the tasks of each organ. Keys are paths, values are lists of task names (without modality).",
		Params: []Param{p("modalities", "map<any>", "", "modality → list of other spellings, in the order of the embedding rows")},
		Keys:   "path → its tasks", KeyBase: "path", KeyType: tasks,
		Example: "hierarchy { /torso/abdomen/liver: [Liver, LiverTumor] }"})
	register(Builtin{Name: "extend", Result: result("taxonomy"),
		Doc:    "Adds nodes and tasks to a taxonomy. A task that the original tree does not have uses the spare embedding row.",
		Params: []Param{piped("tree", "taxonomy", "tree to extend")},
		Keys:   "path → further tasks", KeyBase: "path", KeyType: tasks,
		Example: "hierarchy { /torso/abdomen/liver: [Liver] } |> extend { /torso/abdomen/stomach: [StomachCancer] }"})
	register(Builtin{Name: "unplaced", Result: result("word<task>"),
		Doc:     "A task that no taxonomy knows. It uses the spare embedding row and belongs to no organ in tables.",
		Params:  []Param{need("task", "string", "its name, written Modality_Task")},
		Example: `unplaced("CT_StomachCancer")`})
	registerField("taxonomy", "tasks", "number", "number of tasks")
	registerField("taxonomy", "organs", "number", "number of organs")
}
