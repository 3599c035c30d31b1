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
			p("foreground", "bool", "true", "percentiles over values above the minimum only (MedSAM's rule): air does not count")},
		Example: "percentile(0.5 % .. 99.5 %)"})
	register(Builtin{Name: "slices", Result: result("prep"),
		Doc: "Cuts volumes into 2-D slices; one sample per slice and task.",
		Params: []Param{after, p("axis", "word<axis>", "axial", "plane of the slices"),
			p("min_area", "number<px>", "0 px", "smallest mask kept, in pixels of the source").atLeast(0)},
		Example: "slices(axis: axial, min_area: 100 px)"})
	register(Builtin{Name: "crop", Result: result("prep"),
		Doc: "Cuts a square around each structure: the longer side of its box, widened by a factor, placed at random within the margin (seeded by the sample's name), so that the position gives nothing away. " +
			"States a deployment in which a person marks the region first; the report says so.",
		Params: []Param{after, p("factor", "number", "2", "side of the square / longer side of the box").within(1, 50),
			p("least", "number<px>", "16 px", "smallest side, in pixels of the source").atLeast(1)},
		Example: "crop(factor: 3)"})
	register(Builtin{Name: "resize", Result: result("prep"),
		Doc:     "Resizes slices to a square: images bilinear (averaged when reduced), masks nearest; the shorter side is padded with the image's minimum.",
		Params:  []Param{after, need("size", "number<px>", "width and height").within(8, 4096)},
		Example: "resize(256 px)"})
	register(Builtin{Name: "prep", Result: result("data"), Stage: true,
		Doc:     "Prepares data. Every case is prepared once and kept; a changed case alone is prepared again.",
		Params:  []Param{piped("data", "data", "volumes"), need("steps", "prep", "what to do")},
		Example: `phantom() |> prep(percentile(0 % .. 100 %) |> resize(64 px))`})
}
