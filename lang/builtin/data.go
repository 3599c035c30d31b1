package builtin

import "github.com/mseg-lang/mseg/lang/types"

// Sets of words and fields that describe cases.
func init() {
	registerWords(Words{Name: "axis", Doc: "plane of slices, found from the orientation of the image, not from the order of its array",
		Items: []string{"axial", "coronal", "sagittal", "stored"}, Docs: []string{"", "", "", "the third axis of the array, for images without orientation"}})
	registerWords(Words{Name: "case field", Doc: "what is known of a case; usable in where, by and evaluate's by",
		Items: []string{"dataset", "site", "patient", "case", "modality", "sequence", "task", "organ", "subregion", "body_part", "slice", "area"}})
	registerWords(Words{Name: "slices kept", Doc: "which slices of a volume become samples", Items: []string{"labelled", "all"}})

	register(Builtin{Name: "volumes", Result: result("data"), Stage: true,
		Doc: "Images with masks on disk: NIfTI, NRRD, MetaImage, npy or PNG. {name} in the pattern stands for a part of a file name and becomes a field of the case; the mask pattern is filled with the same parts. " +
			"A relative pattern is looked for beside the script, then in the data folder (--data, MSEG_DATA, or what `mseg data get` fetched). Headers are checked when the script starts: masks present, shapes and affines equal.",
		Params: []Param{
			need("images", "file", "pattern of the image files"),
			need("mask", "file", "pattern of the mask files"),
			p("patient", "word<placeholder> | string", "case", "the unit that may never cross a split: a {name} of the pattern"),
			need("modality", "word<modality>", "how the images were made"),
			p("sequence", "string", "", "MRI sequence or contrast phase"),
			need("tasks", "map<word<task>>", "label value in the mask → task of the taxonomy; 0 is background"),
			p("site", "string", "", "where the images were made"),
			p("dataset", "string", "", "name in tables; the folder's name when absent"),
		},
		Example: `volumes("radiomics/{case}_image.nrrd", mask: "radiomics/{case}_label.nrrd") { modality: MRI, tasks: { 1: MRI_BrainWholeTumor } }`})
	register(Builtin{Name: "medsegdb", Result: result("data"), Stage: true,
		Doc:     "A folder in MedSegDB's published layout: <dataset>/<Modality_Task>/[<sequence>/]{npy_imgs,npy_gts}/casenum_…_sliceid_….npy. Cases are patients; slices keep their number.",
		Params:  []Param{need("folder", "file", "root of the layout")},
		Example: `medsegdb("MedSegDB/train")`})
	register(Builtin{Name: "phantom", Result: result("data"), Stage: true,
		Doc: "Generated volumes with masks: bodies with organs, textured noise and lesions of irregular outline, varied contrast and border. For tests, for offline use, and to pre-train a promptable model. Labels are 1 and 2 (organs) and 3 (lesions). Tables and reports mark it as generated.",
		Params: []Param{
			p("patients", "int", "8", "number of generated patients").within(1, 100000),
			p("slices", "int", "6", "slices of each volume").within(1, 1000),
			p("size", "number<px>", "128 px", "width and height").within(16, 2048),
			p("lesions", "int", "4", "mean number of lesions of a patient").within(1, 1000),
			p("modality", "word<modality>", "MRI", "CT or MRI: range of intensities"),
			p("tasks", "map<word<task>>", "", "label value → task; labels that are left out are ignored; without it MedSegDB's tasks that resemble them"),
			p("seed", "int", "0", "seed of the generator").atLeast(0),
		},
		Example: "phantom(patients: 4, slices: 3, size: 64 px)"})
	register(Builtin{Name: "where", Result: result("data"), Stage: true,
		Doc:     "The cases for which a condition over their fields holds: dataset, site, patient, case, modality, sequence, task, organ, subregion, body_part, slice, area.",
		Params:  []Param{piped("data", "data", "cases to choose from"), need("condition", "predicate", "true for the cases to keep")},
		Example: `phantom(modality: CT) |> where(modality == CT and task in /torso/abdomen/liver)`})
	register(Builtin{Name: "take", Result: result("data"), Stage: true,
		Doc: "A part of the data, chosen at random by patient: a share (15 %) or a number of patients. Shares are nested: the 5 % are among the 15 %.",
		Params: []Param{
			piped("data", "data", "cases to choose from"),
			Param{Name: "part", Type: types.Parse("number<%> | int"), Need: true, Doc: "share of the patients, at least one, or their number"},
			p("by", "word<unit of choice>", "patient", "patient, or sample: single slices, only within one patient's own split"),
			p("seed", "int", "0", "seed of the choice").atLeast(0),
		},
		Example: `phantom(patients: 20) |> take(15 %)`})
	registerWords(Words{Name: "unit of choice", Doc: "what take chooses", Items: []string{"patient", "sample"}})

	register(Builtin{Name: "by", Result: result("split"), Stage: true,
		Doc: "Divides data so that no patient is on two sides. Shares must add up to 100 %. The patients of each side are written into the split.",
		Params: []Param{
			piped("data", "data", "cases to divide"),
			p("unit", "word<split unit>", "patient", "what stays together"),
			p("train", "number<%>", "", "share for training").within(0, 100),
			p("val", "number<%>", "", "share for choosing the checkpoint").within(0, 100),
			p("test", "number<%>", "", "share for the result").within(0, 100),
			p("seed", "int", "0", "seed of the division").atLeast(0),
		},
		Example: `phantom(patients: 10) |> by(patient, train: 60 %, val: 20 %, test: 20 %, seed: 1)`})
	registerWords(Words{Name: "split unit", Doc: "what a split keeps together", Items: []string{"patient", "site", "dataset"}})
	for _, s := range []string{"train", "val", "test"} {
		registerField("split", s, "data", "the "+s+" side")
	}
	registerField("data", "n", "number", "number of samples")
	registerField("data", "patients", "number", "number of patients")
}
