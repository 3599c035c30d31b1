package builtin

// Preparation: from volumes to 2-D samples. Its parameters are written into every prepared artefact.
func init() {
	after := piped("after", "prep", "steps before this one").optional()
	register(Builtin{Name: "window", Result: result("prep"),
		Doc:     "Clips CT values to a window of Hounsfield units and maps it to 0..255.",
		Params:  []Param{after, need("range", "range<HU>", "the window")},
		Example: "window(-160 HU .. 240 HU)"})
	register(Builtin{Name: "percentile", Result: result("prep"),
		Doc: "Clips to percentiles of each volume and maps them to 0..255.",
		Params: []Param{after, need("range", "range<%>", "lower and upper percentile").within(0, 100),
			p("nonzero", "bool", "true", "leave values of 0 out, the background that MR scanners write (MedSAM's rule)")},
		Example: "percentile(0.5 % .. 99.5 %)"})
	register(Builtin{Name: "slices", Result: result("prep"),
		Doc: "Cuts volumes into 2-D slices; one sample per slice and task.",
		Params: []Param{after, p("axis", "word<axis>", "axial", "plane of the slices"),
			p("min_area", "number<px>", "0 px", "smallest mask kept, in pixels of the source").atLeast(0),
			p("keep", "word<slices kept>", "labelled", "labelled slices only, or all: then masks may be empty")},
		Example: "slices(axis: axial, min_area: 100 px)"})
	register(Builtin{Name: "crop", Result: result("prep"),
		Doc:     "Cuts the plane of the slices to the box around all labels of the case and a margin. It looks at the reference, so results assume that a person marks the region first; the report says so.",
		Params:  []Param{after, p("margin", "number<mm>", "20 mm", "space around the box").atLeast(0)},
		Example: "crop(margin: 30 mm)"})
	register(Builtin{Name: "focus", Result: result("prep"),
		Doc: "Cuts a square around each structure, as an interactive tool does when a person has drawn the box: the longer side of the box times a factor. The square lies at random around the box (decided by the name of the sample), so that position and size give nothing away beyond the box. " +
			"The report says that the region was given.",
		Params: []Param{after, p("factor", "number", "2.5", "side of the square / longer side of the box, on average").within(1.2, 50),
			p("least", "number<px>", "24 px", "smallest side, in pixels of the source").atLeast(4)},
		Example: "focus(factor: 3)"})
	register(Builtin{Name: "resize", Result: result("prep"),
		Doc:     "Resizes slices to a square: images bilinear (averaged when reduced), masks nearest; the aspect is kept and the rest filled with 0.",
		Params:  []Param{after, need("size", "number<px>", "width and height").within(8, 4096)},
		Example: "resize(256 px)"})
	register(Builtin{Name: "prep", Result: result("data"), Stage: true,
		Doc:     "Prepares data. Every case is prepared once and kept; a changed case alone is prepared again.",
		Params:  []Param{piped("data", "data", "volumes"), need("steps", "prep", "what to do")},
		Example: `phantom() |> prep(percentile(0 % .. 100 %) |> slices() |> resize(64 px))`})
}
